"""Ranges that somebody chose: used from then on, another fingerprint, and a way back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audit.dna import NeuronRanges
from audit.extractors import (
    TextEncoder,
    calibrate,
    forget_ranges,
    keep_ranges,
    load_extractor,
    registry,
    resolve_spec,
    temperature_of,
)
from audit.extractors.base import Extractor, ExtractorInfo


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path))


def batch(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (8, 128, 128, 3), dtype=np.uint8)


def own_ranges(seed: int = 0) -> NeuronRanges:
    return calibrate([load_extractor("classical").features(batch(seed)).layers], f"noise {seed}")


def test_chosen_ranges_are_those_of_the_extractor_from_then_on() -> None:
    chosen = own_ranges()
    keep_ranges("classical", chosen)
    assert load_extractor("classical").ranges.sha256 == chosen.sha256
    assert load_extractor("classical").ranges.calibration == "noise 0"


def test_chosen_ranges_are_another_fingerprint_that_is_resolved_without_loading() -> None:
    before = resolve_spec("classical")
    kept = keep_ranges("classical", own_ranges())
    assert resolve_spec("classical") == kept == load_extractor("classical").spec
    assert kept.fingerprint != before.fingerprint
    assert kept.name == before.name


def test_the_numbers_themselves_do_not_change() -> None:
    before = load_extractor("classical").features(batch(1))
    keep_ranges("classical", own_ranges())
    assert load_extractor("classical").features(batch(1)).embedding.tobytes() == before.embedding.tobytes()


def test_the_last_choice_counts() -> None:
    keep_ranges("classical", own_ranges(0))
    last = keep_ranges("classical", own_ranges(1))
    assert resolve_spec("classical") == last


def test_forgetting_them_gives_the_extractor_as_it_was() -> None:
    before = resolve_spec("classical")
    keep_ranges("classical", own_ranges())
    assert forget_ranges("classical") == before == resolve_spec("classical")


def test_forgetting_what_was_never_chosen_is_fine() -> None:
    assert forget_ranges("classical") == resolve_spec("classical")


def test_ranges_of_another_extractor_are_refused() -> None:
    layers = dict(own_ranges().layers)
    del layers["tint"]
    with pytest.raises(ValueError, match="do not belong to classical"):
        keep_ranges("classical", NeuronRanges(layers, ""))


def test_an_extractor_that_embeds_texts_still_does(monkeypatch: pytest.MonkeyPatch) -> None:
    class Speaking:
        temperature = 14.0

        def __init__(self, base: Extractor) -> None:
            self.spec, self.ranges, self.features = base.spec, base.ranges, base.features

        def embed_text(self, prompts: list[str]) -> np.ndarray:
            return np.full((len(prompts), 472), 0.5, np.float32)

    chosen, classical = own_ranges(), load_extractor("classical")
    info = ExtractorInfo(name="speaking", summary="", needs="")
    scheme = registry.Scheme(info, lambda _: Speaking(classical), lambda _: classical.spec)
    monkeypatch.setattr(registry, "_schemes", lambda: {"speaking": scheme})
    keep_ranges("speaking", chosen)
    loaded = load_extractor("speaking")
    assert isinstance(loaded, TextEncoder)
    assert loaded.embed_text(["a dog"]).tolist() == [[0.5] * 472]
    assert temperature_of(loaded) == 14.0


def test_an_extractor_without_texts_gets_none() -> None:
    keep_ranges("classical", own_ranges())
    assert not isinstance(load_extractor("classical"), TextEncoder)
