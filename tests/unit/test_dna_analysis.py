"""What the comparison of two Visual DNA says."""

import dataclasses

import numpy as np
import pytest
import vl_convert

from audit.analyses.base import analysis
from audit.dna import DnaCounter
from audit.errors import FingerprintMismatchError
from audit.report import ChartBlock, Section, Severity
from tests.views import RANGES, make_view

VISUAL_DNA = analysis("visual_dna")
BASE = make_view(1)


def compare(shift: float, *, n: int = 300, seed: int = 0):
    """Two datasets whose neurons differ by ``shift`` standard deviations in every layer."""
    rng = np.random.default_rng(seed)
    views = []
    for name, moved in (("reference", 0.0), ("candidate", shift)):
        counter = DnaCounter(RANGES, "e")
        counter.add(
            {
                "early": (0.25 * (rng.normal(size=(n, 3, 4)) + moved)).astype(np.float32),
                "late": (0.25 * (rng.normal(size=(n, 1, 6)) + moved)).astype(np.float32),
            }
        )
        views.append(dataclasses.replace(BASE, name=name, dna=counter.dna()))
    return VISUAL_DNA.compute(views, VISUAL_DNA.config(), np.random.default_rng(0))


def section(shift: float, **options: int) -> Section:
    return VISUAL_DNA.section(compare(shift, **options).result)


def test_a_shift_of_the_mean_is_found_in_standard_deviations() -> None:
    result = compare(0.7).result
    assert result.corrected == pytest.approx(0.7, abs=0.05)
    assert result.low < 0.7 < result.high


def test_of_pairs_of_samples_of_one_source_few_differ_and_none_notably() -> None:
    found = [section(0.0, n=100, seed=seed).findings[0].severity for seed in range(40)]
    assert found.count(Severity.OK) >= 36
    assert set(found) <= {Severity.OK, Severity.INFO}


def test_the_report_says_how_often_chance_alone_gives_the_difference() -> None:
    result = compare(0.7).result
    assert result.p_value == 0.001
    assert "p = 0.001" in VISUAL_DNA.section(result).summary


def test_every_neuron_that_differs_is_counted_and_has_its_own_p_value() -> None:
    computed = compare(0.7)
    p = [row["p_max_t"] for row in computed.tables["dna_neurons"].to_pylist()]
    assert computed.result.n_different == sum(value <= 0.05 for value in p) == 10


def test_a_difference_is_called_one_by_its_p_value_and_not_by_its_ratio() -> None:
    result = compare(0.7).result
    unsure = result.model_copy(update={"p_value": 0.2})
    assert VISUAL_DNA.section(unsure).findings[0].severity is Severity.OK


def test_few_images_have_no_p_value_but_a_reason() -> None:
    result = compare(3.0, n=5).result
    assert result.p_value is None
    assert "buckets" in result.p_value_note


def test_two_samples_of_one_source_lie_at_the_floor() -> None:
    ratios = [compare(0.0, seed=seed).result.ratio for seed in range(8)]
    assert np.mean(ratios) == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize(("shift", "severity"), [(0.15, "info"), (0.35, "attention"), (1.0, "problem")])
def test_the_size_of_the_difference_decides_how_serious_it_is(shift: float, severity: str) -> None:
    assert section(shift).findings[0].severity == severity


def test_few_images_are_never_a_problem() -> None:
    assert section(3.0, n=5).findings[0].severity is Severity.INFO


def test_the_most_different_neuron_comes_first_in_the_charts() -> None:
    computed = compare(0.7)
    rows = computed.tables["dna_neurons"].to_pylist()
    first = computed.result.neurons[0]
    widest = max(rows, key=lambda row: row["corrected"])
    assert (first.layer, first.neuron) == (widest["layer"], widest["neuron"])


def test_means_in_the_table_are_in_the_neurons_own_unit() -> None:
    row = compare(1.0).tables["dna_neurons"].to_pylist()[0]
    assert row["mean_reference"] == pytest.approx(0, abs=0.03)
    assert row["mean_candidate"] == pytest.approx(0.25, abs=0.03)


def test_datasets_of_different_extractors_are_refused() -> None:
    views = [make_view(1), make_view(2, name="candidate")]
    views[1] = dataclasses.replace(views[1], dna=dataclasses.replace(views[1].dna, extractor="other"))
    with pytest.raises(FingerprintMismatchError, match="embed both again"):
        VISUAL_DNA.compute(views, VISUAL_DNA.config(), np.random.default_rng(0))


def test_its_charts_can_be_drawn() -> None:
    charts = [block for block in section(0.7).blocks if isinstance(block, ChartBlock)]
    assert len(charts) == 2
    for chart in charts:
        assert "<path" in vl_convert.vegalite_to_svg(chart.vega_lite)


def test_the_distance_is_shown_once_by_its_finding_and_not_again_below() -> None:
    shown = section(1.0)
    names = [block.metric.name for block in shown.blocks if block.kind == "metric"]
    assert shown.findings[0].metric.name not in names


def test_few_pictures_that_prove_nothing_are_not_called_alike() -> None:
    result = compare(0.0, n=5).result
    quiet = result.model_copy(update={"ratio": 1.3, "corrected": 0.2, "distance": 0.3})
    found = VISUAL_DNA.section(quiet).findings[0]
    assert found.severity is Severity.INFO
    assert found.sentence.startswith("Too few pictures to tell a difference from chance (5 against 5)")
    assert "Add pictures" in found.action


def test_one_image_is_said_to_be_too_few_and_not_to_be_imported() -> None:
    result = compare(0.5, n=1).result
    assert result.distance is None
    assert result.p_value_note == "it takes two images on each side to compare distributions; there are 1 and 1"
    assert result.p_value_note in VISUAL_DNA.section(result).summary


def test_a_dataset_against_itself_hides_no_difference() -> None:
    same = compare(0.0).result.model_copy(update={"distance": 0.0, "corrected": 0.0, "high": 0.0, "p_value": 1.0})
    assert VISUAL_DNA.section(same).summary.startswith("The two datasets are the same to the network")


def test_what_may_be_hidden_is_rounded_up() -> None:
    same = compare(0.0).result.model_copy(update={"distance": 0.03, "corrected": 0.0, "high": 0.0111, "p_value": 0.8})
    assert "up to 0.02 SD may be hidden" in VISUAL_DNA.section(same).summary
