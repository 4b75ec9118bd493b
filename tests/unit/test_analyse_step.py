"""The step of an analysis: what another version of Assay planned is refused, never answered under its name."""

import pytest

from audit.analyses.base import analysis
from audit.errors import ConfigError
from workers.steps.analyse import asked_for
from workers.steps.params import AnalyseParams


def planned(version: int) -> AnalyseParams:
    return AnalyseParams(analysis="outliers", version=version, config={}, seed=0, views=(), fingerprint="f" * 64)


def test_the_version_that_was_planned_is_the_one_that_answers() -> None:
    now = analysis("outliers")
    assert asked_for(planned(now.version)) is now


@pytest.mark.parametrize("step", [-1, 1])
def test_an_analysis_planned_by_an_older_or_newer_assay_is_refused_in_a_sentence(step: int) -> None:
    now = analysis("outliers").version
    with pytest.raises(ConfigError, match=f"version {now + step} of outliers was planned .* submit it again"):
        asked_for(planned(now + step))
