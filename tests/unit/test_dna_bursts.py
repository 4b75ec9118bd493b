"""Comparing Visual DNA of images that hang together: floors, intervals, p-values, and what the report says."""

import dataclasses

import numpy as np
import pytest

from audit.analyses.base import analysis
from audit.dna import Dna, DnaCounter, compact
from audit.dna.asking import matrix
from audit.dna.bursts import by_image, compact_of, dna_of
from audit.dna.comparing import Asked, compare
from audit.dna.weights import of_layers
from audit.errors import FingerprintMismatchError
from audit.maths.burst_tests import ByImage
from audit.model import DatasetView, Neurons
from audit.report import Severity
from tests.views import RANGES, make_view, shuffled, view_of

VISUAL_DNA = analysis("visual_dna")
Layers = dict[str, np.ndarray]


def layers(rng: np.random.Generator, n: int, shift: float = 0.0) -> Layers:
    moved = shift + rng.normal(0, 0.2, (n, 1, 1))
    return {
        "early": (rng.normal(0, 0.25, (n, 3, 4)) + moved).astype(np.float32),
        "late": (rng.normal(0, 0.25, (n, 1, 6)) + moved).astype(np.float32),
    }


def copied(once: Layers, times: int, rng: np.random.Generator) -> Layers:
    """Every image so many times, each time a hair different, so that copies lie in different buckets."""
    again = {name: np.repeat(values, times, axis=0) for name, values in once.items()}
    return {name: (v + rng.normal(0, 1e-3, v.shape)).astype(np.float32) for name, v in again.items()}


def counted(values: Layers) -> tuple[Dna, np.ndarray]:
    counter = DnaCounter(RANGES, "e")
    found = counter.add(values)
    return counter.dna(), found.values


def compared(left: Layers, right: Layers, bursts: tuple[np.ndarray, np.ndarray] | None):
    (reference, a), (candidate, b) = counted(left), counted(right)
    images = None if bursts is None else (ByImage(a, bursts[0]), ByImage(b, bursts[1]))
    asked = Asked(images=images, n_permutations=199, n_resamples=199)
    return compare(reference, candidate, np.random.default_rng(0), asked)


def view(values: Layers, name: str, groups: np.ndarray | None = None) -> DatasetView:
    """A dataset of these neurons whose pictures are far from one another."""
    dna, by_neuron = counted(values)
    n = len(by_neuron)
    vectors = np.random.default_rng(len(name)).normal(size=(n, 32))
    base = view_of(vectors, groups=None if groups is None else [str(group) for group in groups], name=name)
    neurons = Neurons(by_neuron, RANGES.slices, np.zeros((n, 0), np.float16))
    return dataclasses.replace(base, dna=dna, neurons=neurons)


def result_of(left: DatasetView, right: DatasetView, **config: object):
    asked = VISUAL_DNA.config(n_permutations=199, **config)
    return VISUAL_DNA.compute([left, right], asked, np.random.default_rng(0)).result


def test_images_that_are_no_copies_give_the_numbers_that_independent_images_give() -> None:
    rng = np.random.default_rng(0)
    a, b = layers(rng, 60), layers(rng, 80, 0.1)
    apart = compared(a, b, (np.arange(60), np.arange(80)))
    plain = compared(a, b, None)
    told = dataclasses.replace(apart.total, n_bursts=None, design_effect=None)
    assert repr(told) == repr(plain.total)
    assert apart.floor.tobytes() == plain.floor.tobytes()
    assert apart.p_neurons.tobytes() == plain.p_neurons.tobytes()
    assert apart.total.n_bursts == (60, 80)
    assert apart.total.design_effect == (1, 1)


@pytest.mark.parametrize("times", [3, 8])
def test_copies_have_the_floor_of_the_images_they_are_made_of(times: int) -> None:
    rng = np.random.default_rng(1)
    a, b = layers(rng, 60), layers(rng, 80)
    once = compared(a, b, None).total
    bursts = (np.repeat(np.arange(60), times), np.repeat(np.arange(80), times))
    again = compared(copied(a, times, rng), copied(b, times, rng), bursts).total
    assert again.floor == pytest.approx(once.floor, rel=0.02)
    assert again.corrected == pytest.approx(once.corrected, abs=0.01)
    assert again.n_bursts == (60, 80)
    assert again.design_effect == pytest.approx(((60 * times - 1) / 59, (80 * times - 1) / 79), rel=0.02)


def test_the_interval_of_copies_is_as_wide_as_that_of_the_images_they_are_made_of() -> None:
    rng = np.random.default_rng(1)
    wide: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(12):
        a, b = layers(rng, 60), layers(rng, 60, 0.15)
        names = np.repeat(np.arange(60), 6)
        for is_copied in (False, True):
            parts = [copied(one, 6, rng) for one in (a, b)] if is_copied else [a, b]
            total = compared(*parts, (names, names) if is_copied else None).total
            wide[is_copied].append((total.high or 0) - (total.low or 0))
    assert np.mean(wide[True]) == pytest.approx(np.mean(wide[False]), rel=0.2)


def test_copies_of_one_source_are_called_different_as_rarely_as_single_images() -> None:
    rng, p, blind = np.random.default_rng(5), [], []
    for _ in range(60):
        a, b = (copied(layers(rng, 40), 5, rng) for _ in range(2))
        names = np.repeat(np.arange(40), 5)
        p.append(compared(a, b, (names, names)).total.p_value)
        blind.append(compared(a, b, None).total.p_value)
    assert np.mean(np.array(p) <= 0.05) <= 0.1
    assert np.mean(np.array(blind) <= 0.05) >= 0.5


def test_more_images_are_needed_where_they_are_copies() -> None:
    rng = np.random.default_rng(1)
    a, b = layers(rng, 80), layers(rng, 80, 0.2)
    once = compared(a, b, None).total.n_needed
    names = np.repeat(np.arange(80), 4)
    again = compared(copied(a, 4, rng), copied(b, 4, rng), (names, names)).total.n_needed
    assert again == pytest.approx(4 * once, rel=0.2)


def test_few_bursts_have_neither_p_value_nor_interval_but_a_reason() -> None:
    rng = np.random.default_rng(0)
    names = np.repeat(np.arange(5), 20)
    total = compared(layers(rng, 100), layers(rng, 100), (names, names)).total
    assert (total.p_value, total.low, total.high) == (None, None, None)
    assert "one side has 5 of the 8 independent pictures or sequences" in total.p_value_note


def test_pictures_of_one_group_are_a_burst_and_the_report_says_so() -> None:
    rng = np.random.default_rng(0)
    names = np.repeat(np.arange(30), 4)
    left, right = (view(copied(layers(rng, 30), 4, rng), name, names) for name in ("day", "night"))
    result = result_of(left, right)
    assert result.n_bursts == (30, 30)
    assert result.design_effect == pytest.approx((119 / 29, 119 / 29), rel=0.02)
    section = VISUAL_DNA.section(result)
    assert "copies and groups counted once" in section.blocks[0].text
    assert (
        "the 120 pictures of day are 30 bursts and say as much as about 29 independent ones" in section.blocks[0].text
    )
    assert "moves whole bursts" in section.method


def test_a_matrix_and_an_exported_query_form_know_of_groups() -> None:
    rng = np.random.default_rng(0)
    names = np.repeat(np.arange(30), 4)
    sides = [view(copied(layers(rng, 30), 4, rng), name, names) for name in ("day", "night")]
    told = matrix(sides)["floor"][0][1]
    assert told == pytest.approx(result_of(*sides).floor, rel=0.05)
    assert matrix([compact.from_bytes(compact.to_bytes(compact_of(side))) for side in sides])["floor"][0][1] == told
    assert matrix([dna_of(side) for side in sides])["floor"][0][1] < 0.6 * told


def test_pictures_without_copies_or_groups_are_said_to_be_independent() -> None:
    rng = np.random.default_rng(0)
    section = VISUAL_DNA.section(result_of(view(layers(rng, 40), "day"), view(layers(rng, 40), "night")))
    assert "No copies or groups were found" in section.method
    assert "burst" not in section.blocks[0].text


def test_without_neurons_by_image_the_report_says_that_nothing_is_known_of_copies() -> None:
    section = VISUAL_DNA.section(result_of(make_view(1), make_view(2, name="candidate")))
    assert "Images are taken as independent: with sequences and near-copies both are too sure" in section.method


def test_two_long_sequences_are_never_called_different() -> None:
    rng = np.random.default_rng(0)
    left, right = view(layers(rng, 60), "day", np.zeros(60)), view(layers(rng, 60, 2.0), "night", np.zeros(60))
    finding = VISUAL_DNA.section(result_of(left, right)).findings[0]
    assert finding.severity is Severity.INFO
    assert finding.sentence.startswith("Too few independent pictures or sequences to tell a difference from chance (1 ")
    assert "other scenes, cameras or patients" in finding.action


def test_the_order_of_rows_changes_no_burst() -> None:
    rng = np.random.default_rng(0)
    one = view(layers(rng, 40), "day", np.repeat(np.arange(10), 4))
    mixed = dataclasses.replace(shuffled(one, 3), dna=one.dna)
    here, there = by_image([one, one]), by_image([mixed, mixed])
    assert here is not None
    assert there is not None
    np.testing.assert_array_equal(here[0].values, there[0].values)
    np.testing.assert_array_equal(here[0].bursts, there[0].bursts)


def test_a_dna_of_other_images_than_the_view_holds_has_no_bursts() -> None:
    rng = np.random.default_rng(0)
    one = view(layers(rng, 40), "day")
    assert by_image([one, dataclasses.replace(one, dna=counted(layers(rng, 39))[0])]) is None


def test_a_comparison_listens_with_saved_weights_and_says_which() -> None:
    rng = np.random.default_rng(0)
    left, right = layers(rng, 80), layers(rng, 80)
    right["late"] += np.float32(0.5)
    views = view(left, "day"), view(right, "night")
    weights = of_layers(RANGES, "e", ["late"])
    listening = result_of(*views, weights=weights.plain())
    assert listening.weights == "late"
    assert listening.weights_fingerprint == weights.fingerprint
    assert listening.distance == pytest.approx(2 * result_of(*views).distance, rel=0.3)
    section = VISUAL_DNA.section(listening)
    assert "different to the neurons of 'late'" in section.summary
    assert f"listens to 6 neurons by the weights 'late' ({weights.fingerprint[:12]})" in section.blocks[0].text
    assert "mean over neurons by the saved weights 'late'" in section.method


def test_a_configuration_with_weights_survives_json() -> None:
    config = VISUAL_DNA.config(weights=of_layers(RANGES, "e", ["late"]).plain())
    assert VISUAL_DNA.config.model_validate(config.model_dump(mode="json")) == config


def test_the_schema_of_weights_is_that_of_what_was_saved() -> None:
    saved, none = VISUAL_DNA.config.model_json_schema()["properties"]["weights"]["anyOf"]
    assert set(saved["required"]) <= of_layers(RANGES, "e", ["late"]).plain().keys()
    assert "fingerprint" in saved["required"]
    assert none == {"type": "null"}


def test_weights_that_were_changed_are_refused() -> None:
    plain = of_layers(RANGES, "e", ["late"]).plain()
    plain["layers"]["early"][0] = 1.0
    with pytest.raises(ValueError, match="fingerprint differs"):
        VISUAL_DNA.config(weights=plain)


def test_the_name_of_a_file_is_no_weights_for_a_service() -> None:
    with pytest.raises(ValueError, match="only in a configuration file of the command line"):
        VISUAL_DNA.config(weights="stripes.json")


def test_weights_of_another_extractor_are_refused() -> None:
    rng = np.random.default_rng(0)
    one = view(layers(rng, 40), "day")
    with pytest.raises(FingerprintMismatchError, match="the weights 'late' and of the DNA"):
        result_of(one, one, weights=of_layers(RANGES, "other", ["late"]).plain())
