"""Two datasets: equal ones look equal, different ones do not, and bursts are not counted as evidence."""

import numpy as np
import pytest

from audit.analyses import coverage, differences, frechet, two_sample
from audit.errors import FingerprintMismatchError
from audit.maths import mixture, pairs, permutation
from audit.maths.discrepancy import extrapolated, mmd_test
from audit.maths.discrepancy import frechet as frechet_distance
from audit.maths.rows import arrange, bursts, sample_bursts
from audit.maths.separability import auc_interval, probe_test
from audit.shown import two_histograms
from tests.views import make_view, shuffled, taken, view_of

RNG = np.random.default_rng


def alike(seed=0):
    return make_view(2 * seed), make_view(2 * seed + 1, name="candidate")


def moved(shift=5.0):
    return make_view(0), make_view(1, name="candidate", shift=shift)


def run(module, views, **settings):
    return module.compute(views, module.ANALYSIS.config(**settings), RNG(3))


def test_two_samples_of_one_distribution_are_rarely_told_apart():
    small = [run(two_sample, alike(s), n_permutations=99).result.p_value <= 0.05 for s in range(8)]
    assert sum(small) <= 2


def test_a_shift_is_told_apart_with_the_interval_above_one_half():
    result = run(two_sample, moved()).result
    assert result.p_value == pytest.approx(1 / 1000)
    assert result.auc_low > 0.5
    assert result.mmd > result.mmd_null_high


def test_a_dataset_against_itself_is_not_told_apart():
    view = make_view(0)
    result = run(two_sample, (view, view), n_permutations=99).result
    assert result.p_value > 0.3
    assert two_sample.section(result).findings == ()


def test_a_few_bursts_repeated_many_times_are_no_evidence():
    rng = RNG(5)
    centres = rng.normal(size=(24, 8))
    vectors = np.repeat(centres, 12, axis=0) + 0.01 * rng.normal(size=(288, 8))
    groups = [f"g{i // 12}" for i in range(288)]
    left = view_of(vectors[:144], groups=groups[:144])
    right = view_of(vectors[144:], groups=groups[144:], name="candidate")
    _, group = permutation.pieces(bursts(left), np.zeros(144, dtype=np.int64))
    assert len(group) == 12
    result = run(two_sample, (left, right))
    assert "too few" in two_sample.section(result.result).summary


def test_mmd_that_moves_bursts_does_not_reject_repeated_images():
    rng = RNG(6)
    vectors = np.repeat(rng.normal(size=(30, 4)), 10, axis=0)
    owners, groups = np.arange(300) // 10, (np.arange(300) // 10) % 2
    whole = mmd_test(vectors, groups, owners, RNG(0), n_permutations=199)[2]
    single = mmd_test(vectors, groups, np.arange(300), RNG(0), n_permutations=199)[2]
    assert single <= 0.01 < whole


def test_the_interval_of_an_auc_allows_for_the_probe_being_learnt_from_the_same_images():
    """Of 80 samples of one kind, the interval holds one half about as often as it says; placements alone do not."""
    held, placed = [], []
    groups, rows = np.repeat([0, 1], 40), np.arange(80)
    for seed in range(80):
        rng = RNG(seed)
        test = probe_test(rng.normal(size=(80, 30)), groups, rows, rng.permutation(80) % 5, rng, n_permutations=99)
        low, high = auc_interval(test.scores, groups == 1, rows)
        held.append(test.low <= 0.5 <= test.high)
        placed.append(low <= 0.5 <= high)
    assert np.mean(placed) < 0.9 <= np.mean(held)


def test_other_extractors_are_refused():
    left, right = alike()
    object.__setattr__(right.embeddings, "extractor_fingerprint", "0" * 64)
    with pytest.raises(FingerprintMismatchError):
        run(two_sample, (left, right))


def test_frechet_of_two_gaussians_on_a_line_by_hand():
    left, right = np.array([[0.0], [2.0]]), np.array([[3.0], [7.0]])
    assert frechet_distance(left, right) == pytest.approx(16 + (np.sqrt(2) - np.sqrt(8)) ** 2)


def test_extrapolation_of_a_line_in_one_over_n_is_its_intercept():
    sizes = np.array([50, 100, 400])
    assert extrapolated(sizes, 0.7 + 30 / sizes) == pytest.approx(0.7)


def test_frechet_of_alike_datasets_lies_in_its_null_band():
    result = run(frechet, alike()).result
    assert result.null_low <= result.value <= 1.3 * result.null_high
    assert frechet.section(result).findings == ()


def test_frechet_of_moved_datasets_lies_above_its_null_band():
    views = make_view(0, n_per_class=120), make_view(1, n_per_class=120, name="candidate", shift=8.0)
    result = run(frechet, views).result
    assert result.value > 2 * result.null_high
    assert frechet.section(result).findings


def gaussian_views(n, shift):
    """Two datasets on a small cap of the sphere, where the Gaussians are as good as drawn, and their true distance."""
    scale = 0.02
    views = []
    for seed, move in ((0, 0.0), (1, shift)):
        vectors = scale * RNG(seed).normal(size=(n, 40)) + np.eye(40)[0]
        vectors[:, 1] += scale * move
        views.append(view_of(vectors, name=f"cap {seed}"))
    return views, (scale * shift) ** 2


def test_the_limit_of_the_distance_is_right_with_few_images_of_many_dimensions():
    views, truth = gaussian_views(80, 3.0)
    result = run(frechet, views).result
    assert result.n_dimensions == 13
    assert result.value > 1.15 * truth
    assert result.infinite_low <= truth <= result.infinite_high
    assert result.infinite == pytest.approx(truth, rel=0.15)
    assert abs(result.null_infinite) < 0.1 * truth


def test_the_limit_is_shown_with_its_interval_and_its_directions():
    result = run(frechet, moved()).result
    metric = next(b for b in frechet.section(result).blocks if b.kind == "metric").metric
    assert (metric.value, metric.low, metric.high) == (result.infinite, result.infinite_low, result.infinite_high)
    assert f"in {result.n_dimensions} directions" in metric.note


def test_half_of_a_dataset_is_not_covered_by_a_candidate_without_one_class():
    view = make_view(0)
    part = make_view(1, name="candidate")
    result = run(coverage, (view, taken(part, np.arange(60)))).result
    share = next(s for s in result.shares if s.name == "coverage")
    assert share.value < share.null_low
    assert share.value == pytest.approx(2 / 3, abs=0.12)


def test_coverage_is_shown_as_a_share():
    (metric,) = coverage.section(run(coverage, alike()).result).headline
    assert metric.unit == "share"
    assert "%" in metric.note


def test_every_measure_of_coverage_is_said_in_words_once():
    result = run(coverage, moved(), n_draws=5).result
    (table,) = coverage.section(result).blocks
    said = [row[0] for row in table.rows]
    assert len(set(said)) == len(said) == 6
    forward = {s.name: s.value for s in result.shares if s.direction == coverage.FORWARD}
    assert table.rows[0][:2] == ("candidate's images that lie among the reference's (precision)", forward["precision"])


def test_coverage_of_alike_datasets_lies_in_its_null_band():
    for share in run(coverage, alike()).result.shares:
        assert share.null_low - 0.1 <= share.value <= share.null_high + 0.1


def test_the_images_of_a_new_kind_are_found_farthest():
    rng = RNG(1)
    left = make_view(0)
    strange = np.concatenate([make_view(1).vectors, 0.1 * rng.normal(size=(6, 16)) - np.eye(16)[3] * 3])
    computed = run(differences, (left, view_of(strange, name="candidate")))
    table = computed.tables["differences"]
    assert {int(p[-9:-4]) for p in table["path"].to_pylist()[:6]} == set(range(90, 96))
    assert computed.result.n_beyond_candidate >= 6


def test_a_difference_of_class_shares_is_put_down_to_the_class_shares():
    view, other = make_view(0, n_per_class=60), make_view(1, n_per_class=60, name="candidate")
    fewer = taken(other, np.concatenate([np.arange(60), np.arange(60, 80), np.arange(120, 180)]))
    top = run(differences, (view, fewer), n_clusters=3).result.kinds[0]
    assert top.p_max_t <= 0.01
    assert top.low <= top.difference <= top.high
    assert abs(top.prior) > 10 * abs(top.conditional)


def test_kitagawa_parts_add_up_to_the_difference():
    rng = RNG(2)
    one, other = rng.integers(0, 30, (5, 4)).astype(float), rng.integers(0, 30, (5, 4)).astype(float)
    prior, conditional = mixture.kitagawa(one, other)
    np.testing.assert_allclose(prior + conditional, one.sum(1) / one.sum() - other.sum(1) / other.sum(), atol=1e-12)


def test_kitagawa_of_equal_behaviour_within_classes_is_all_class_shares():
    within = np.array([[0.8, 0.1], [0.2, 0.9]])
    prior, conditional = mixture.kitagawa(within * [90, 10], within * [50, 50])
    assert conditional == pytest.approx([0, 0])
    assert prior == pytest.approx([0.28, -0.28])


def test_clusters_of_three_far_points_are_found_largest_first():
    vectors = np.repeat(np.array([[0.0, 0], [10, 0], [0, 10]]), [3, 5, 2], axis=0)
    assert mixture.cluster(vectors, 3, RNG(0)).tolist() == [1] * 3 + [0] * 5 + [2] * 2


def test_halves_are_disjoint_and_keep_bursts_whole():
    sample = pairs.Sample(make_view(0), np.arange(90), np.arange(90) // 3, np.zeros((90, 2)))
    one, other = pairs.halves(sample, 30, RNG(0))
    assert not set(one) & set(other)
    assert {b // 3 for b in one}.isdisjoint({b // 3 for b in other})


def test_halves_larger_than_the_dataset_are_refused():
    sample = pairs.Sample(make_view(0), np.arange(10), np.arange(10), np.zeros((10, 2)))
    with pytest.raises(ValueError, match="12; there are 10"):
        pairs.halves(sample, 6, RNG(0))


def test_a_view_in_order_is_not_copied_and_a_shuffled_one_is_put_back():
    view = make_view(0)
    assert arrange(view) is view
    back = arrange(shuffled(view))
    assert back.images.equals(view.images)
    np.testing.assert_array_equal(back.vectors, view.vectors)
    np.testing.assert_array_equal(back.neighbours.distances, view.neighbours.distances)
    np.testing.assert_array_equal(back.neighbours.indices[:, :5], view.neighbours.indices[:, :5])


def test_exact_copies_and_groups_make_bursts():
    vectors = RNG(0).normal(size=(60, 8))
    vectors[7] = vectors[3]
    names = bursts(view_of(vectors, groups=["g" if i in (3, 20) else None for i in range(60)]))
    assert names[3] == names[7] == names[20] == 3
    assert len(np.unique(names)) == 58


def test_a_sample_of_bursts_holds_whole_ones_only():
    names = np.arange(100) // 4
    rows = sample_bursts(names, 30, RNG(0))
    assert len(rows) == 28
    assert np.bincount(names[rows], minlength=25).max() == 4
    assert set(np.bincount(names[rows], minlength=25)) == {0, 4}


@pytest.mark.parametrize("seed", range(5))
def test_a_burst_that_does_not_fit_leaves_room_for_the_others(seed: int) -> None:
    names = np.concatenate([np.zeros(100, np.int64), np.arange(1, 61)])
    rows = sample_bursts(names, 30, RNG(seed))
    assert len(rows) == 30
    assert (names[rows] > 0).all()


def test_coverage_shows_the_number_that_its_sentence_says_with_the_images_of_a_draw():
    result = run(coverage, moved()).result
    finding = next(f for f in coverage.section(result).findings if f.id == "coverage.candidate")
    assert finding.sentence.startswith(f"{finding.metric.value:.0%} of the candidate has nothing like it")
    assert finding.metric.n == result.n_each
    assert f"mean of {result.n_draws} draws of {result.n_each} images of each" in finding.metric.note


@pytest.mark.parametrize("analysis", [coverage, frechet])
def test_the_spread_of_draws_is_not_given_as_an_interval(analysis):
    result = run(analysis, moved()).result
    for metric in (*analysis.section(result).headline, *(f.metric for f in analysis.section(result).findings)):
        assert (metric.low, metric.high, metric.n) == (None, None, result.n_each)
        assert "no interval, but a spread of the draws" in metric.note


def differing_kinds():
    candidate = taken(make_view(1, name="candidate", n_per_class=120), np.arange(200))
    return run(differences, (make_view(0, n_per_class=120), candidate)).result


def test_differences_of_shares_are_percentage_points_with_a_true_minus_sign():
    section = differences.section(differing_kinds())
    captions = next(b for b in section.blocks if b.title == "Other kinds whose share differs").captions
    assert any("\u2212" in caption for caption in captions)
    assert all("percentage points" in caption and "-" not in caption for caption in captions)
    metric = next(f for f in section.findings if f.id == "differences.kinds").metric
    assert metric.unit == "percentage points"
    assert abs(metric.value) > 1


def test_the_table_of_kinds_does_not_pass_for_a_part_of_the_table_of_pictures():
    table = next(b for b in differences.section(differing_kinds()).blocks if b.title == "Kinds of pictures")
    assert table.source == ""
    assert "tables/differences.parquet" in table.note


def test_pictures_of_kinds_are_not_captioned_with_the_dataset_that_stands_beside_them():
    result = differing_kinds()
    assert {p.caption for kind in result.kinds for p in kind.pictures} == {""}


def test_no_picture_of_a_difference_is_shown_twice_and_a_row_is_filled_once():
    section = differences.section(differing_kinds())
    groups = [group for block in section.blocks if block.kind == "images" for group in block.groups]
    told = [finding.pictures for finding in section.findings]
    assert told
    assert not set(told) & set(groups)
    assert all(len(group) <= 6 for group in (*told, *groups))


def test_a_kind_is_captioned_with_its_number_in_the_table_and_both_shares():
    result = differing_kinds()
    section = differences.section(result)
    caption = next(b for b in section.blocks if b.title == "Other kinds whose share differs").captions[0]
    kind = [one for one in result.kinds if one.p_max_t <= result.alpha][1]
    left, right = kind.n_reference / result.n_reference, kind.n_candidate / result.n_candidate
    assert caption.startswith(f"Kind {kind.cluster}: {right:.1%} of the candidate, {left:.1%} of the reference; ")
    table = next(b for b in section.blocks if b.title == "Kinds of pictures")
    row = next(row for row in table.rows if row[0] == kind.cluster)
    assert f"; {row[3]} percentage points ({row[4]} to {row[5]})" in caption


@pytest.mark.parametrize(("auc", "words"), [(0.5, "0.50"), (0.9949, "0.99"), (0.9958, "above 0.99"), (1.0, "1.00")])
def test_datasets_that_are_told_apart_with_few_errors_are_not_said_to_be_told_apart_without(auc, words):
    result = run(two_sample, moved()).result.model_copy(update={"auc": auc, "p_value": 0.001})
    section = two_sample.section(result)
    assert f"an AUC of {words}" in section.summary
    assert f"AUC {words}" in section.findings[0].sentence


def test_the_discrepancy_that_can_call_a_difference_is_shown_beside_what_chance_gives():
    result = run(two_sample, moved()).result
    metric = next(b for b in two_sample.section(result).blocks if b.kind == "metric").metric
    assert metric.value == result.mmd > result.mmd_null_high
    assert f"of the pictures stay below {result.mmd_null_high:.3g}, p = {result.mmd_p_value:.3f}" in metric.note


def test_the_scores_of_both_datasets_are_drawn_in_two_colours_and_by_two_kinds_of_line():
    result = run(two_sample, moved()).result
    chart = next(b for b in two_sample.section(result).blocks if b.kind == "chart").vega_lite
    lines = next(layer for layer in chart["layer"] if layer["mark"]["type"] == "line")
    assert {lines["encoding"][channel]["field"] for channel in ("color", "strokeDash")} == {"dataset"}
    values = chart["data"]["values"]
    assert list(dict.fromkeys(v["dataset"] for v in values)) == [
        f"{result.names[0]} (reference)",
        f"{result.names[1]} (candidate)",
    ]
    for name, n in zip(dict.fromkeys(v["dataset"] for v in values), (2, 3), strict=True):
        assert sum(v["share"] for v in values if v["dataset"] == name) == pytest.approx(1, abs=1e-4)
        assert sum(one[n] for one in result.bins) == (result.n_reference, result.n_candidate)[n - 2]


def test_two_histograms_by_hand():
    left, right = np.array([0.0, 1.0, 1.0, np.nan]), np.array([4.0, 3.0])
    assert two_histograms(left, right, 4) == ((0, 1, 1, 0), (1, 2, 2, 0), (2, 3, 0, 0), (3, 4, 0, 2))
    assert two_histograms(np.zeros(2), np.zeros(3), 4) == ((0.0, 1e-06, 2, 3),)
    assert two_histograms(np.zeros(0), np.zeros(0)) == ()
