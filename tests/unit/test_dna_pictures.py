"""Pictures that show a difference, and exact distances between groups of images."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance
from sklearn.metrics import silhouette_score

from audit.analyses.base import analysis
from audit.dna import DnaCounter
from audit.dna.classes import within_classes
from audit.dna.facets import facets, silhouette
from audit.dna.pictures import grid_side, has_places, least_alike, seen_most, surprise, usual_share
from audit.extractors.base import InputSpec
from audit.maths.image_distances import group_distance, wasserstein_groups
from audit.model import DatasetView, Neurons, Tops
from audit.report import ImagesBlock
from tests.views import RANGES, make_view, taken

WEIGHTS = np.full(10, 0.1)


def view(name: str, seed: int, *, shift: float = 0.0, strange: int = -1, of_class: float = 0.0) -> DatasetView:
    """Ninety pictures of three classes; ``strange`` lies far out in neuron 5, class dog is moved by ``of_class``."""
    rng = np.random.default_rng(seed)
    values = 0.2 * rng.normal(size=(90, 3, 10)) + shift
    values[60:] += of_class
    if strange >= 0:
        values[strange, :, 5] = 1.19
    counter = DnaCounter(RANGES, "e")
    counter.add({"early": values[:, :, :4].astype(np.float32), "late": values[:, :, 4:].astype(np.float32)})
    means = ((values.mean(axis=1) + 1.2) / 2.4).astype(np.float16)
    neurons = Neurons(means, {"early": slice(0, 4), "late": slice(4, 10)}, np.zeros((90, 0), np.float16), "")
    return dataclasses.replace(make_view(seed, name=name), dna=counter.dna(), neurons=neurons)


def one_neuron(values: list[float]) -> Neurons:
    return Neurons(
        np.array(values, np.float16)[:, None], {"layer": slice(0, 1)}, np.zeros((len(values), 0), np.float16)
    )


def test_the_surprise_of_an_image_by_hand() -> None:
    # four witnesses: one below and three above 1.5, all below 9, all above 0; half of the tie at 2 counts as below
    found = surprise(np.array([[1.0], [2], [3], [4]]), one_neuron([1.5, 9, 0, 2]), np.ones(1), own=False)
    assert found.score == pytest.approx(-np.log([2 * 1.5 / 5, 1 / 5, 1 / 5, 2 * 2 / 5]))


def test_a_witness_is_left_out_for_itself() -> None:
    own = one_neuron([1, 2, 3, 4])
    found = surprise(own.values, own, np.ones(1), own=True)
    assert found.score == pytest.approx(-np.log([1 / 4, 2 * 1.5 / 4, 2 * 1.5 / 4, 1 / 4]))


def test_the_surprise_of_an_image_is_the_same_whatever_images_are_judged_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = view("a", 1), view("b", 2)
    whole = surprise(one.neurons.values, other.neurons, WEIGHTS, own=False)
    monkeypatch.setattr("audit.dna.pictures._BLOCK", 7)
    parted = surprise(one.neurons.values, other.neurons, WEIGHTS, own=False)
    assert (parted.score.tolist(), parted.neuron.tolist()) == (whole.score.tolist(), whole.neuron.tolist())


def test_the_surprise_is_the_weighted_mean_over_neurons() -> None:
    one, weights = view("a", 1), np.arange(10) / 45
    parts = [surprise(one.neurons.values, one.neurons, unit, own=True).score for unit in np.eye(10)]
    whole = surprise(one.neurons.values, one.neurons, weights, own=True).score
    assert whole == pytest.approx(weights @ np.array(parts))


def test_a_strange_picture_is_found_with_its_neuron() -> None:
    found = least_alike(view("a", 1), view("b", 2, strange=33), np.eye(10)[5], 9)
    shown = {one.path: one.caption for one in found.pictures}
    assert shown["b/00033.png"].endswith("of the reference; most by late:1")


def test_a_sample_of_the_same_source_is_rarely_unlike_the_reference() -> None:
    shares = [least_alike(view("a", 1), view("b", seed), WEIGHTS, 3).share for seed in range(2, 8)]
    assert np.mean(shares) < 0.05


def test_a_dataset_that_was_moved_is_unlike_the_reference() -> None:
    assert least_alike(view("a", 1), view("b", 2, shift=0.5), WEIGHTS, 3).share > 0.9


def test_without_neurons_by_image_there_are_no_pictures() -> None:
    bare = dataclasses.replace(view("a", 1), neurons=None)
    assert least_alike(bare, view("b", 2), WEIGHTS, 3) is None
    assert seen_most(bare, 0, 3) == ()


def test_the_order_of_the_rows_changes_no_picture() -> None:
    candidate = view("b", 2, shift=0.3)
    order = np.random.default_rng(0).permutation(90)
    mixed = dataclasses.replace(
        candidate,
        images=candidate.images.take(order),
        neurons=dataclasses.replace(candidate.neurons, values=candidate.neurons.values[order]),
    )
    assert least_alike(view("a", 1), mixed, WEIGHTS, 5) == least_alike(view("a", 1), candidate, WEIGHTS, 5)


def test_every_picture_of_the_candidate_is_listed_the_strangest_first() -> None:
    table = least_alike(view("a", 1), view("b", 2), WEIGHTS, 3).table
    assert table.num_rows == 90
    assert np.all(np.diff(table.column("surprise").to_numpy()) <= 0)
    assert table.column("rank").to_pylist() == list(range(1, 91))


def test_the_order_of_the_rows_changes_nothing_that_a_neuron_sees_even_among_equal_answers() -> None:
    one = dataclasses.replace(view("a", 1), embeddings=None)
    equal = dataclasses.replace(one.neurons, values=np.full_like(one.neurons.values, 0.5))
    one = dataclasses.replace(one, neurons=equal)
    order = np.random.default_rng(0).permutation(90)
    mixed = dataclasses.replace(one, images=one.images.take(order))
    assert seen_most(one, 3, 4) == seen_most(mixed, 3, 4)


def test_a_neuron_sees_the_pictures_with_its_largest_values() -> None:
    one = dataclasses.replace(view("a", 1), embeddings=None)
    best = np.argsort(-one.neurons.values[:, 3].astype(float), kind="stable")[:4]
    assert [p.path for p in seen_most(one, 3, 4)] == [f"a/{row:05d}.png" for row in best]


def test_pictures_kept_while_counting_are_taken_without_neurons_by_image() -> None:
    rows = np.full((10, 9), -1, np.int32)
    rows[3, :2] = [8, 4]
    tops = Tops(rows, np.full((10, 9), 0.5, np.float32), np.zeros((10, 9), np.int32))
    one = dataclasses.replace(view("a", 1), tops=tops, neurons=None, embeddings=None)
    assert [p.path for p in seen_most(one, 3, 4)] == ["a/00008.png", "a/00004.png"]


def test_a_class_that_was_moved_differs_and_the_others_do_not() -> None:
    found = within_classes(view("a", 1), view("b", 2, of_class=0.3), WEIGHTS, np.random.default_rng(0))
    assert found[0].label == "dog"
    assert found[0].p_value == 0.01
    assert found[0].corrected > 1
    assert all(one.p_value > 0.05 for one in found[1:])


def test_the_report_shows_pictures_of_the_difference_and_what_neurons_see() -> None:
    asked = analysis("visual_dna")
    result = asked.compute([view("a", 1), view("b", 2, shift=0.3)], asked.config(), np.random.default_rng(0)).result
    section = asked.section(result)
    titles = [block.title for block in section.blocks if isinstance(block, ImagesBlock)]
    assert titles == ["What the most different of these neurons see"]
    assert len(section.findings[0].pictures) == 6
    assert len(next(block for block in section.blocks if isinstance(block, ImagesBlock)).groups) == 4
    assert section.findings[0].table == "dna_unlike"
    assert {picture.dataset for picture in section.findings[0].pictures} == {"b"}


def test_a_single_picture_is_compared_with_the_dna_of_a_dataset() -> None:
    asked = analysis("visual_dna")
    whole = view("b", 2, shift=1.0)
    counter = DnaCounter(RANGES, "e")
    counter.add({name: np.ones((1, 1, len(layer.low)), np.float32) for name, layer in RANGES.layers.items()})
    one = dataclasses.replace(taken(whole, np.arange(1)), dna=counter.dna())
    result = asked.compute([view("a", 1), one], asked.config(), np.random.default_rng(0)).result
    section = asked.section(result)
    assert (result.distance, result.strangest) == (None, 1.0)
    assert "it takes two images on each side" in section.summary
    assert "The picture of b is stranger to the network than 100% of the pictures of a." in section.summary
    assert [picture.dataset for picture in section.findings[0].pictures] == ["b"]
    assert "imported" not in result.p_value_note


@pytest.mark.parametrize(("k", "usual"), [(5, 1 / 6), (100, 2 / 101), (420, 5 / 421), (2000, 21 / 2001)])
def test_the_usual_share_of_strange_pictures_by_hand(k: int, usual: float) -> None:
    assert usual_share(k) == pytest.approx(usual)


def test_the_usual_share_of_strange_pictures_is_that_of_samples_of_one_source() -> None:
    rng = np.random.default_rng(0)
    k = 40
    own, other = np.sort(rng.normal(size=(20_000, k)), axis=1), rng.normal(size=20_000)
    share = ((own < other[:, None]).sum(axis=1) / k >= 0.99).mean()
    assert usual_share(k) == pytest.approx(share, abs=0.004)


def test_an_exact_distance_by_hand() -> None:
    # 0 and 1 inside, 4 and 9 outside: means differ by 6 and nothing crosses
    assert wasserstein_groups(np.array([[0.0], [1], [4], [9]]), np.array([[True, True, False, False]]))[0, 0] == 6


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=20), st.lists(st.floats(-9, 9), min_size=1, max_size=20))
@settings(deadline=None)
def test_an_exact_distance_is_that_of_others(left: list[float], right: list[float]) -> None:
    values = np.array([*left, *right])[:, None]
    inside = np.arange(len(values)) < len(left)
    assert wasserstein_groups(values, inside[None])[0, 0] == pytest.approx(wasserstein_distance(left, right), abs=1e-9)


def test_an_exact_distance_is_the_same_whatever_neurons_and_groups_are_measured_with_it() -> None:
    rng = np.random.default_rng(0)
    values, groups = rng.normal(size=(30, 65)), rng.random((70, 30)) < 0.5
    whole = wasserstein_groups(values, groups)
    apart = [[wasserstein_groups(values[:, [j]], groups[[b]])[0, 0] for j in (0, 64)] for b in (0, 69)]
    assert whole[np.ix_([0, 69], [0, 64])].tolist() == apart


def test_groups_of_one_source_have_even_p_values() -> None:
    rng = np.random.default_rng(0)
    inside = np.arange(40) < 20
    p = [group_distance(rng.normal(size=(40, 6)), inside, np.arange(40), rng).p_value for _ in range(80)]
    assert 0.4 < np.mean(p) < 0.6
    assert np.mean(np.array(p) <= 0.05) <= 0.12


def test_bursts_are_moved_whole() -> None:
    # ten bursts of eight equal images: moved one by one they would look like eighty witnesses
    rng = np.random.default_rng(1)
    inside, bursts = np.arange(80) < 40, np.arange(80) // 8
    p = [group_distance(np.repeat(rng.normal(size=(10, 6)), 8, axis=0), inside, bursts, rng).p_value for _ in range(60)]
    assert np.mean(np.array(p) <= 0.05) <= 0.12


@pytest.mark.parametrize("inside", [np.zeros(5, bool), np.ones(5, bool)])
def test_a_group_of_all_or_none_has_no_distance(inside: np.ndarray) -> None:
    with pytest.raises(ValueError, match="inside and outside"):
        group_distance(np.zeros((5, 2)), inside, np.arange(5), np.random.default_rng(0))


def cloud(rng: np.random.Generator, centres: list[int], n: int) -> np.ndarray:
    """n unit vectors round each of some axes of 64, in turn."""
    values = np.concatenate([np.eye(64)[centres] + 0.1 * rng.normal(size=(len(centres), 64)) for _ in range(n)])
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.mark.parametrize("centres", [[0, 1], [0, 1, 2]])
def test_different_kinds_of_pictures_are_told_apart(centres: list[int]) -> None:
    found = facets(cloud(np.random.default_rng(0), centres, 8))
    assert [sorted({i % len(centres) for i in group}) for group in found] == [[i] for i in range(len(centres))]


def test_one_kind_of_pictures_is_not_split() -> None:
    assert [len(facets(cloud(np.random.default_rng(seed), [0], 24))) for seed in range(10)] == [1] * 10


def test_few_pictures_have_one_kind() -> None:
    assert facets(cloud(np.random.default_rng(0), [0, 1], 2)) == [[0, 1, 2, 3]]
    assert facets(np.zeros((0, 16))) == []


def test_the_silhouette_is_that_of_others() -> None:
    values = cloud(np.random.default_rng(2), [0, 1, 2], 6)
    groups = np.random.default_rng(0).integers(0, 3, 18)
    assert silhouette(values, groups) == pytest.approx(silhouette_score(values, groups, metric="cosine"))


def test_kinds_are_shown_in_turn() -> None:
    vectors = np.zeros((90, 16), np.float32)
    vectors[::2, 0], vectors[1::2, 1] = 1, 1
    one = view("a", 1)
    one = dataclasses.replace(one, embeddings=dataclasses.replace(one.embeddings, vectors=vectors))
    shown = seen_most(one, 3, 6)
    assert [caption.caption[-6:] for caption in shown] == ["kind 1"] * 3 + ["kind 2"] * 3
    assert [int(p.path[2:7]) % 2 for p in shown] in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])


def with_map(places: list[int], side: int = 4, spec: InputSpec | None = None) -> DatasetView:
    """Nine pictures; of neuron 3 (of a layer of side x side places) the strongest places are given."""
    counter = DnaCounter(RANGES, "e")
    rng = np.random.default_rng(0)
    early = rng.normal(size=(9, side * side, 4)).astype(np.float32)
    counter.add({"early": early, "late": rng.normal(size=(9, 1, 6)).astype(np.float32)})
    rows = np.tile(np.arange(9, dtype=np.int32), (10, 1))
    values = np.tile(np.linspace(0.9, 0.5, 9, dtype=np.float32), (10, 1))
    tops = Tops(rows, values, np.tile(np.array(places, np.int32), (10, 1)), spec)
    one = view("a", 1)
    sizes = {name: pa.array([size] * len(one), pa.int32()) for name, size in (("width", 200), ("height", 100))}
    images = one.images
    for name, column in sizes.items():
        images = images.set_column(images.schema.get_field_index(name), images.schema.field(name), column)
    return dataclasses.replace(one, images=images, dna=counter.dna(), tops=tops, embeddings=None)


INNER = [5, 6, 9, 10, 5, 6, 9, 10, 5]


def test_a_neuron_of_places_sees_the_pictures_with_its_strongest_places_and_where_those_are() -> None:
    one = with_map(INNER)
    assert has_places([one, one], 3)
    shown = seen_most(one, 3, 2, in_places=True)
    assert [(p.path, p.caption) for p in shown] == [("a/00000.png", "0.90"), ("a/00001.png", "0.85")]
    assert [p.place for p in shown] == [(0.25, 0.25, 0.5, 0.5), (0.5, 0.25, 0.75, 0.5)]


def test_the_place_on_a_picture_follows_how_it_was_cut_for_the_extractor() -> None:
    one = with_map(INNER, spec=InputSpec(size=32, fit="crop"))
    assert seen_most(one, 3, 1, in_places=True)[0].place == (0.375, 0.25, 0.5, 0.5)


def test_a_neuron_whose_strongest_places_lie_in_the_corners_is_shown_by_its_average() -> None:
    one = with_map([0, 3, 12, 15, 0, 3, 12, 5, 6])
    assert not has_places([one, one], 3)
    assert has_places([one], 3), "7 of 9 in a quarter of the places: p = .0013"
    assert all(p.place is None and p.caption.endswith("on average") for p in seen_most(one, 3, 4))


def test_border_places_count_by_how_many_there_are() -> None:
    edge = [1, 2, 4, 7, 8, 11, 13, 14, 1]
    assert has_places([with_map(edge)] * 2, 3), "18 of 18 in three quarters of the places: p = .0056"
    edge = [1, 2, 10, 20, 30, 40, 19, 29, 91]
    assert not has_places([with_map(edge, side=10)] * 2, 3), "18 of 18 in 36 of 100 places"
    few = [*edge[:5], 55, 54, 45, 44]
    assert has_places([with_map(few, side=10)] * 2, 3), "10 of 18 in 36 of 100 places: p = .07"


def test_a_neuron_of_a_layer_with_one_place_has_no_ring() -> None:
    assert not has_places([with_map(INNER)], 7)
    assert [grid_side(with_map(INNER).dna, neuron) for neuron in (0, 7)] == [4, 1]


def test_places_that_form_no_square_are_no_grid() -> None:
    counter = DnaCounter(RANGES, "e")
    counter.add({"early": np.zeros((2, 3, 4), np.float32), "late": np.zeros((2, 1, 6), np.float32)})
    assert grid_side(counter.dna(), 0) == 0


def test_positions_that_are_no_numbers_count_as_places_of_the_grid() -> None:
    counter = DnaCounter(RANGES, "e")
    early = np.ones((2, 16, 4), np.float32)
    early[:, 3] = np.nan
    counter.add({"early": early, "late": np.zeros((2, 1, 6), np.float32)})
    assert grid_side(counter.dna(), 0) == 4
