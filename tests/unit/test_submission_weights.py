"""Neuron weights in a request for a comparison are checked before anything slow."""

from __future__ import annotations

from typing import Any

import pytest

from audit.dna.weights import of_layers
from audit.errors import ConfigError, FingerprintMismatchError
from audit.extractors import resolve_spec
from storage.records import AuditRequest
from tests.views import RANGES
from workers.planner import _told
from workers.submission import check_request

OWN = resolve_spec("classical").fingerprint


def asked(weights: Any) -> AuditRequest:
    return AuditRequest(extractor="classical", analyses={"visual_dna": {"weights": weights}})


def test_weights_of_the_extractor_that_is_asked_for_are_accepted() -> None:
    check_request(asked(of_layers(RANGES, OWN, ["late"]).plain()), 2)


def test_weights_of_another_extractor_are_refused() -> None:
    with pytest.raises(FingerprintMismatchError, match="the weights 'late' and of the comparison"):
        check_request(asked(of_layers(RANGES, "other", ["late"]).plain()), 2)


@pytest.mark.parametrize(("weights", "said"), [("late.json", "command line"), ({"name": "x"}, "not saved neuron")])
def test_what_is_no_weights_is_refused_with_the_reason(weights: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=f"analysis visual_dna: weights: .*{said}"):
        check_request(asked(weights), 2)


def test_a_refused_value_is_repeated_in_part_only() -> None:
    changed = of_layers(RANGES, OWN, ["late"]).plain() | {"made": "x" * 5000}
    with pytest.raises(ConfigError, match="fingerprint differs") as refused:
        check_request(asked(changed), 2)
    assert len(str(refused.value)) < 600


def test_a_report_tells_weights_by_name_and_fingerprint() -> None:
    weights = of_layers(RANGES, OWN, ["late"])
    told = _told({"visual_dna": {"weights": weights.plain(), "n_shown": 2}, "outliers": {"k": 5}})
    assert told["visual_dna"] == {"weights": {"name": "late", "fingerprint": weights.fingerprint}, "n_shown": 2}
    assert told["outliers"] == {"k": 5}
