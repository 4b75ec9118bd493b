"""Quality of layers: hand-worked numbers, independent implementations, and what must not change it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from audit.maths.layer_quality import (
    finds_own_view,
    intrinsic_dimension,
    invariance,
    matrix_entropy,
    neighbour_ratios,
    neighbour_votes,
    view_agreement,
)


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def test_entropy_of_rows_in_one_direction_is_nothing() -> None:
    assert matrix_entropy(np.array([[1.0, 2], [2, 4], [5, 10]])) == 0


def test_entropy_of_orthogonal_rows_is_the_greatest() -> None:
    assert matrix_entropy(3 * np.eye(5)) == pytest.approx(1)


def test_entropy_of_two_directions_shared_three_to_one_is_worked_by_hand() -> None:
    # K/tr K has the eigenvalues 3/4 and 1/4; the greatest entropy in two dimensions is log 2
    rows = np.array([[1.0, 0], [1, 0], [1, 0], [0, 1]])
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) / np.log(2)
    assert matrix_entropy(rows) == pytest.approx(expected)


def test_entropy_is_that_of_the_squared_singular_values() -> None:
    rows = normal(30, 12)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    shares = np.linalg.svd(unit, compute_uv=False) ** 2
    assert matrix_entropy(rows) == pytest.approx(entropy(shares) / np.log(12))


def test_entropy_passes_over_rows_that_are_missing_or_zero() -> None:
    rows = normal(8, 5)
    more = np.vstack([rows, np.full((1, 5), np.nan), np.zeros((1, 5))])
    assert matrix_entropy(more) == pytest.approx(matrix_entropy(rows))


def test_entropy_of_many_sets_of_rows_at_once_is_that_of_each() -> None:
    sets = normal(24, 7).reshape(4, 6, 7)
    sets[1, 2] = np.nan
    assert matrix_entropy(sets).tolist() == pytest.approx([float(matrix_entropy(rows)) for rows in sets])


def test_entropy_of_a_single_row_or_column_is_not_known() -> None:
    assert np.isnan(matrix_entropy(normal(1, 5)))
    assert np.isnan(matrix_entropy(normal(5, 1)))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 20), st.integers(2, 20), st.integers(0, 2**31), st.floats(0.1, 100))
def test_entropy_lies_between_0_and_1_and_knows_no_rotation_scale_or_order(
    n: int, d: int, seed: int, scale: float
) -> None:
    rows, rng = normal(n, d, seed), np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    found = matrix_entropy(rows)
    assert 0 <= found <= 1
    assert matrix_entropy(scale * rows[rng.permutation(n)] @ rotation) == pytest.approx(found, abs=1e-9)


def test_agreement_of_views_is_worked_by_hand() -> None:
    first, second = np.array([[1.0, 0], [0, 2]]), np.array([[3.0, 0], [1, 1]])
    same, different = view_agreement(first, second)
    # cos(a1, b2) = 1/√2 and cos(a2, b1) = 0
    assert same == pytest.approx([1, 1 / np.sqrt(2)])
    assert different == pytest.approx(1 / np.sqrt(2) / 2)


def test_agreement_of_different_pictures_is_the_mean_over_all_pairs() -> None:
    first, second = normal(9, 4, 1), normal(9, 4, 2)
    unit = [values / np.linalg.norm(values, axis=1, keepdims=True) for values in (first, second)]
    cosine = unit[0] @ unit[1].T
    _, different = view_agreement(first, second)
    assert different == pytest.approx(cosine[~np.eye(9, dtype=bool)].mean())


def test_views_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="two views of at least two pictures"):
        view_agreement(normal(3, 2), normal(4, 2))


def test_invariance_is_one_for_equal_views_and_nothing_for_strangers() -> None:
    rows = normal(50, 6)
    assert invariance(*view_agreement(rows, rows)) == pytest.approx(1)
    strangers = view_agreement(normal(4000, 6, 1), normal(4000, 6, 2))
    assert invariance(*strangers) == pytest.approx(0, abs=0.02)


def test_invariance_is_not_known_where_all_pictures_give_the_same() -> None:
    rows = np.ones((4, 3))
    assert np.isnan(invariance(*view_agreement(rows, rows)))


def test_a_picture_finds_its_own_view_unless_another_is_as_near() -> None:
    first = np.array([[1.0, 0], [0, 1], [1, 1]])
    second = np.array([[1.0, 0.1], [1, 0.2], [1, 1]])
    # the second view of picture 1 is nearer to picture 0 than to itself; its own nearest is that of picture 2
    assert finds_own_view(first, second).tolist() == [True, False, True]
    assert not finds_own_view(first[:1].repeat(2, axis=0), first[:1].repeat(2, axis=0)).any()


def test_ratios_of_neighbours_are_worked_by_hand_and_copies_have_none() -> None:
    line = np.array([[0.0], [1], [3], [3]], np.float32)
    assert neighbour_ratios(line)[:2].tolist() == [3.0, 2.0]
    assert np.isnan(neighbour_ratios(line)[2:]).all()


def test_dimension_is_worked_by_hand() -> None:
    # μ = e^(1/2), e, e² of m = 4 (the last beyond the 90 %): y = log 4/3, log 2, log 4
    ratios = np.exp([0.5, 1, 2, 9])
    x, y = np.array([0.5, 1, 2]), np.log([4 / 3, 2, 4])
    assert intrinsic_dimension(ratios) == pytest.approx((x @ y) / (x @ x))


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_dimension_of_a_flat_sheet_in_many_dimensions_is_that_of_the_sheet(dimension: int) -> None:
    rng = np.random.default_rng(3)
    flat = rng.uniform(size=(3000, dimension)) @ np.linalg.qr(rng.normal(size=(40, dimension)))[0].T
    assert intrinsic_dimension(neighbour_ratios(flat.astype(np.float32))) == pytest.approx(dimension, rel=0.08)


def test_dimension_agrees_with_a_fit_by_least_squares_on_neighbours_of_scikit_learn() -> None:
    rows = normal(400, 6).astype(np.float32)
    distances = NearestNeighbors(n_neighbors=3).fit(rows).kneighbors(rows)[0]
    x = np.log(np.sort(distances[:, 2] / distances[:, 1]))[:360]
    y = -np.log(1 - np.arange(1, 361) / 400)
    slope = np.linalg.lstsq(x[:, None], y, rcond=None)[0][0]
    assert intrinsic_dimension(neighbour_ratios(rows)) == pytest.approx(slope, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.01, 100))
def test_dimension_knows_no_scale_shift_or_order(seed: int, scale: float) -> None:
    rows, rng = normal(60, 4, seed), np.random.default_rng(seed)
    moved = (scale * rows[rng.permutation(60)]).astype(np.float32)
    expected = intrinsic_dimension(neighbour_ratios(rows.astype(np.float32)))
    assert intrinsic_dimension(neighbour_ratios(moved)) == pytest.approx(expected, rel=1e-3)


def test_dimension_of_too_few_or_equally_far_points_is_not_known() -> None:
    assert np.isnan(intrinsic_dimension(np.array([2.0, np.nan, np.nan])))
    assert np.isnan(intrinsic_dimension(np.ones(10)))


def test_votes_are_those_of_scikit_learn_fold_by_fold() -> None:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, 120)
    vectors = (rng.normal(size=(120, 8)) + 1.5 * np.eye(8)[classes]).astype(np.float32)
    folds = np.arange(120) % 5
    # three votes of three classes tie often; cosines near 1e-3 apart do not decide scikit-learn's, so k is 1
    right = np.zeros(120, bool)
    for fold in range(5):
        known, asked = folds != fold, folds == fold
        model = KNeighborsClassifier(1, metric="cosine").fit(vectors[known], classes[known])
        right[asked] = model.predict(vectors[asked]) == classes[asked]
    assert neighbour_votes(vectors, classes, folds, 1).tolist() == right.tolist()


def test_a_majority_of_neighbours_decides_and_never_one_of_the_same_fold() -> None:
    vectors = np.array([[1, 0], [1, 0.01], [1, 0.03], [1, 0.035], [0, 1]], np.float32)
    classes, folds = np.array([0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 1])
    assert neighbour_votes(vectors, classes, folds, 2).tolist() == [False, False, False, False, False]
    assert neighbour_votes(vectors, classes, np.arange(5), 1).tolist() == [True] * 5
