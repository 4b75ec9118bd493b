"""The numerical parts of the search for copies, against hand-worked numbers and other implementations."""

import numpy as np
import pytest
from scipy.ndimage import affine_transform

from audit.duplicates.roles import evaluation_rank
from audit.maths.alignment import IDENTITY, identity, refine, sample, standardise
from audit.maths.cells import close_pairs
from audit.maths.components import components, stars
from audit.maths.evalue import Tail, crowded, fit_tail
from audit.maths.rectangles import GRID, MAX_AREA, worst_rectangle


def field(seed, side=24, smooth=2.0):
    rng = np.random.default_rng(seed)
    x = np.arange(side)
    kernel = np.exp(-0.5 * np.square(np.subtract.outer(x, x) / smooth))
    return (kernel @ rng.standard_normal((side, side)) @ kernel.T).astype(np.float32)


def turned(degrees):
    angle = np.deg2rad(degrees)
    return np.array([[0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]], dtype=np.float32)


def test_the_identity_warp_gives_the_picture_back():
    picture = field(0)[None]
    values, inside = sample(picture, identity(1))
    np.testing.assert_allclose(values.reshape(picture.shape), picture, atol=2e-3 * np.abs(picture).max())
    assert inside.all()


def test_a_shift_by_one_pixel_reads_the_next_pixel():
    picture = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    warp = identity(1)
    warp[0, 0, 0] = 2 / 4
    values, inside = sample(picture, warp)
    np.testing.assert_allclose(values.reshape(4, 4)[:, :3], picture[0, :, 1:], atol=0.01)
    np.testing.assert_array_equal(inside.reshape(4, 4).all(axis=0), [True, True, True, False])


def test_sampling_agrees_with_scipy_inside_the_picture():
    picture, warp = field(1), turned(7)
    values, inside = sample(picture[None], warp[None])
    matrix = warp[:, 1:][::-1, ::-1]
    centre = (24 - 1) / 2
    theirs = affine_transform(picture, matrix, offset=centre - matrix @ [centre, centre], order=1, mode="nearest")
    mine = values.reshape(24, 24)
    assert np.abs(mine - theirs)[inside.reshape(24, 24)][:].max() < 0.01 * np.abs(picture).max()


def test_standardised_rows_have_weighted_mean_zero_and_variance_one():
    rng = np.random.default_rng(2)
    values, weights = rng.normal(5, 3, (3, 50)).astype(np.float32), rng.random((3, 50)).astype(np.float32)
    out = standardise(values, weights).astype(np.float64)
    means = [np.average(row, weights=w) for row, w in zip(out, weights, strict=True)]
    np.testing.assert_allclose(means, 0, atol=1e-5)
    np.testing.assert_allclose(
        [np.average(row**2, weights=w) for row, w in zip(out, weights, strict=True)], 1, atol=1e-4
    )


@pytest.mark.parametrize("degrees", [-6, -2, 3, 6])
def test_a_rotation_is_recovered_within_half_a_degree(degrees):
    picture = np.stack([field(seed) for seed in range(8)])
    moved, _ = sample(picture, np.repeat(turned(degrees)[None], 8, axis=0))
    found = refine(moved.reshape(picture.shape), picture, identity(8), n_steps=12)
    angle = np.rad2deg(np.arctan2(found[:, 1, 1] - found[:, 0, 2], found[:, 0, 1] + found[:, 1, 2]))
    assert np.median(np.abs(angle - degrees)) < 0.5


def test_a_shift_is_recovered_although_a_box_is_drawn_over_one_picture():
    picture = np.stack([field(seed) for seed in range(8)])
    warp = identity(8)
    warp[:, 0, 0] = 0.08
    moved, _ = sample(picture, warp)
    covered = moved.reshape(picture.shape).copy()
    covered[:, 4:11, 4:11] = covered.max()
    found = refine(covered, picture, identity(8), n_steps=12)
    assert np.median(np.abs(found[:, 0, 0] - 0.08)) < 0.02


def test_brightness_and_contrast_do_not_move_the_alignment():
    picture = np.stack([field(seed) for seed in range(4)])
    found = refine(picture * 0.5 + 20, picture, identity(4), n_steps=5)
    np.testing.assert_allclose(found, np.repeat(IDENTITY[None], 4, axis=0), atol=1e-3)


def test_the_worst_rectangle_is_the_one_that_was_planted():
    residual = np.full((1, 48, 48), 0.1, dtype=np.float32)
    residual[0, 12:24, 30:42] = 5
    mask = worst_rectangle(residual.reshape(1, -1), np.ones((1, 48 * 48), np.float32)).reshape(48, 48)
    assert mask[12:24, 30:42].all() and mask.sum() == 12 * 12


def test_no_rectangle_takes_more_than_a_quarter():
    rng = np.random.default_rng(3)
    residual = np.zeros((20, 48, 48), np.float32)
    residual[:, :, :40] = rng.random((20, 48, 40))
    mask = worst_rectangle(residual.reshape(20, -1), np.ones((20, 48 * 48), np.float32))
    assert mask.mean(axis=1).max() <= MAX_AREA + 1e-9
    assert GRID == 8


def unit(rng, n, d):
    rows = rng.standard_normal((n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_close_pairs_of_few_vectors_are_those_of_a_full_comparison():
    rng = np.random.default_rng(4)
    vectors = unit(rng, 300, 5)
    i, j, s = close_pairs(vectors, vectors, k=300, floor=0.8)
    full = vectors @ vectors.T
    near = np.abs(full - 0.8) < 1e-5
    expected = set(zip(*np.nonzero((full >= 0.8) & ~near), strict=True))
    assert set(zip(i, j, strict=True)) - set(zip(*np.nonzero(near), strict=True)) == expected
    np.testing.assert_allclose(s, full[i, j], atol=1e-5)


def test_close_pairs_keeps_the_most_similar_k_of_each_query():
    rng = np.random.default_rng(5)
    vectors = unit(rng, 200, 4)
    i, j, _ = close_pairs(vectors, vectors, k=3, floor=-0.99)
    full = vectors @ vectors.T
    for query in (0, 17, 199):
        assert set(j[i == query]) == set(np.argsort(-full[query])[:3])


def test_close_pairs_by_cells_miss_fewer_than_two_in_a_hundred():
    rng = np.random.default_rng(6)
    vectors = unit(rng, 6000, 20)
    queries = vectors[:2000] + 0.05 * rng.standard_normal((2000, 20)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    i, j, _ = close_pairs(queries, vectors, k=1, floor=0.85)
    assert np.isin(np.arange(2000), i[i == j]).mean() >= 0.98


def test_close_pairs_of_nothing_are_none():
    empty, some = np.empty((0, 3), np.float32), np.ones((2, 3), np.float32)
    for queries, vectors in ((empty, some), (some, empty), (some, -some)):
        assert all(len(part) == 0 for part in close_pairs(queries, vectors, k=2, floor=0.5))


def test_components_are_numbered_by_first_appearance():
    assert components(6, np.array([[4, 1], [1, 5], [2, 0]])).tolist() == [0, 1, 0, 2, 1, 1]


def test_a_chain_of_five_is_cut_where_the_ends_are_not_confirmed():
    chain = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    asked = []

    def confirm(pairs):
        asked.extend(map(tuple, pairs.tolist()))
        return np.zeros(len(pairs), bool)

    groups = stars(chain, np.array([0, 1, 2, 3, 4]), confirm)
    assert [group.tolist() for group in groups] == [[1, 0], [3, 2, 4]]
    assert set(asked) == {(3, 0), (3, 1)}


def test_a_clique_missing_one_link_is_one_group_when_that_link_is_confirmed():
    pairs = np.array([[0, 1], [0, 2], [1, 2], [2, 3]])
    groups = stars(pairs, np.arange(4), lambda asked: np.ones(len(asked), bool))
    assert [group.tolist() for group in groups] == [[2, 0, 1, 3]]


def test_of_a_pair_the_worthier_is_the_centre():
    groups = stars(np.array([[0, 1]]), np.array([5, 2]), lambda asked: np.ones(len(asked), bool))
    assert groups[0].tolist() == [0, 1]


def test_the_tail_of_a_known_power_law_is_recovered():
    rng = np.random.default_rng(7)
    d = rng.random(20_000) ** (1 / 6)
    tail = fit_tail(d, low=0.3, high=0.8)
    assert tail.power == pytest.approx(6, abs=0.15)
    assert tail.at(0.5) == pytest.approx(20_000 * 0.5**6, rel=0.1)


def test_true_copies_at_small_distances_do_not_move_the_tail():
    rng = np.random.default_rng(8)
    d = rng.random(5000) ** (1 / 4)
    with_copies = np.concatenate([d, np.full(3000, 0.02)])
    assert fit_tail(with_copies, low=0.3, high=0.8) == fit_tail(d, low=0.3, high=0.8)


def test_too_few_distances_give_no_tail():
    assert fit_tail(np.linspace(0.4, 0.5, 29), low=0.3, high=0.8) is None


def test_the_expected_number_is_a_times_d_to_the_m():
    assert Tail(offset=np.log(8), power=3).at(0.5) == pytest.approx(1)


def test_the_reach_is_the_distance_at_which_so_many_are_expected():
    assert Tail(offset=np.log(8), power=3).reach(1.0) == pytest.approx(0.5)


def test_frames_of_one_camera_are_crowded_and_have_no_tail():
    frames = np.random.default_rng(9).exponential(0.08, 700)
    assert crowded(frames, low=0.25, high=0.45)
    assert fit_tail(frames, low=0.25, high=0.45) is None


def test_many_close_copies_beside_unrelated_pairs_are_not_crowded():
    rng = np.random.default_rng(10)
    pairs = np.concatenate([rng.uniform(0, 0.05, 500), rng.random(900) ** (1 / 3)])
    assert not crowded(pairs, low=0.25, high=0.45)


def test_unrelated_pairs_never_get_more_frequent_the_closer_they_are():
    falling = np.concatenate([np.linspace(0.25, 0.3, 40), np.linspace(0.3, 0.45, 10)])
    assert fit_tail(falling, low=0.25, high=0.45).power == pytest.approx(1.0, abs=1e-3)


def test_the_centre_of_a_star_is_one_that_goes_first_even_with_fewer_links():
    pairs = np.array([[0, 1], [0, 2], [0, 3]])
    everyone = stars(pairs, np.arange(4), lambda asked: np.ones(len(asked), bool), first=np.array([0, 1, 0, 0]))
    assert [group.tolist() for group in everyone] == [[1, 0, 2, 3]]


@pytest.mark.parametrize(
    ("splits", "order"),
    [
        (["train"] * 9 + ["val"] * 3 + ["test"] * 5, ["train", "val", "test"]),
        (["Training"] * 2 + ["validation"] * 3 + ["2019"] * 4, ["Training", "2019", "validation"]),
        (["a"] * 5 + ["b"] * 2 + [None], ["a", "b"]),
    ],
)
def test_test_is_evaluated_on_before_validation_and_training_never(splits, order):
    rank = evaluation_rank(splits)
    assert sorted(rank, key=rank.get) == order
