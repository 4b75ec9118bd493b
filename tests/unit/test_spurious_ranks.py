"""Predictivity on ranks, its joint test, and the errors of paired AUCs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from audit.maths.intervals import bootstrap
from audit.spurious.ranks import burst_error, centred_ranks, effects, influences, judge_cells, predictivity


def test_ranks_share_their_mean_on_ties_and_are_centred():
    np.testing.assert_array_equal(centred_ranks(np.array([[3.0], [1.0], [3.0], [9.0]])).ravel(), [0, -1.5, 0, 1.5])


def test_unknown_values_take_the_middle_rank():
    ranks = centred_ranks(np.array([[5.0], [np.nan], [1.0]])).ravel()
    assert ranks[1] == 0
    assert ranks[0] == -ranks[2] > 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-100, 100, width=16), min_size=1, max_size=60))
def test_ranks_of_half_precision_by_counting_are_those_by_sorting(values):
    half = np.array(values, np.float16)[:, None]
    np.testing.assert_allclose(centred_ranks(half), centred_ranks(half.astype(np.float64)), atol=1e-4)


def test_effects_are_two_auc_minus_one_of_each_class_against_the_rest():
    rng = np.random.default_rng(0)
    values, classes = rng.normal(size=(60, 3)).round(1), np.arange(60) % 3
    found = effects(centred_ranks(values), classes, 3)
    for c in range(3):
        for f in range(3):
            assert found[c, f] == pytest.approx(2 * roc_auc_score(classes == c, values[:, f]) - 1, abs=1e-6)


def test_the_best_class_and_direction_are_told():
    classes = np.repeat([0, 1, 2], 20)
    values = np.column_stack([-1.0 * (classes == 2), 1.0 * (classes == 1)])
    found = predictivity(centred_ranks(values), classes, np.arange(60), np.random.default_rng(0), n_permutations=99)
    np.testing.assert_array_equal(found.best, [2, 1])
    np.testing.assert_array_equal(found.sign, [-1, 1])
    np.testing.assert_allclose(found.g, 1)
    np.testing.assert_allclose(found.p_max_t, 0.01)


@pytest.mark.parametrize("n_classes", [2, 5, 20])
def test_the_family_wise_error_is_kept_however_sums_are_taken(n_classes):
    rng = np.random.default_rng(3)
    n_false = 0
    for _ in range(60):
        ranks = centred_ranks(rng.normal(size=(200, 30)))
        n_false += (
            predictivity(ranks, np.arange(200) % n_classes, np.arange(200), rng, n_permutations=99).p_max_t.min()
            <= 0.05
        )
    assert n_false <= 9  # 3 expected; 10 or more have probability .001


def test_images_of_one_burst_are_not_taken_for_independent():
    rng = np.random.default_rng(4)
    bursts = np.repeat(np.arange(40), 8)
    classes = bursts % 2
    single, whole = 0, 0
    for _ in range(30):
        ranks = centred_ranks(np.repeat(rng.normal(size=(40, 10)), 8, axis=0))
        single += predictivity(ranks, classes, np.arange(320), rng, n_permutations=99).p_max_t.min() <= 0.05
        whole += predictivity(ranks, classes, bursts, rng, n_permutations=99).p_max_t.min() <= 0.05
    assert single >= 25
    assert whole <= 6


def test_a_class_that_is_asked_is_judged_with_its_sign():
    classes = np.repeat([0, 1], 50)
    values = np.column_stack([classes, -classes]).astype(np.float64)
    signed, p = judge_cells(
        centred_ranks(values), classes, np.arange(100), np.array([1, 1]), np.random.default_rng(0), n_permutations=99
    )
    np.testing.assert_allclose(signed, [1, -1])
    np.testing.assert_allclose(p, 0.01)


def test_influences_give_the_auc_and_sum_to_nothing():
    rng = np.random.default_rng(5)
    values, positive = rng.normal(size=(80, 4)).round(1), np.arange(80) % 3 == 0
    estimate, psi = influences(values, positive)
    expected = [2 * roc_auc_score(positive, values[:, f]) - 1 for f in range(4)]
    np.testing.assert_allclose(estimate, expected, atol=1e-9)
    np.testing.assert_allclose(psi.sum(axis=0), 0, atol=1e-9)


def test_the_error_of_a_difference_agrees_with_a_bootstrap_of_bursts():
    rng = np.random.default_rng(6)
    bursts = np.repeat(np.arange(120), 3)
    positive = (np.arange(120) % 2 == 0)[bursts]
    shared = np.repeat(rng.normal(size=120), 3)
    one = shared + positive + rng.normal(size=360)
    other = shared + 0.3 * positive + rng.normal(size=360)

    def difference(rows):
        return 2 * (roc_auc_score(positive[rows], one[rows]) - roc_auc_score(positive[rows], other[rows]))

    low, high = bootstrap(difference, bursts, rng, n_resamples=400, method="percentile")
    (a, psi_a), (b, psi_b) = influences(one[:, None], positive), influences(other[:, None], positive)
    error = burst_error(psi_a - psi_b, bursts)[0]
    assert a[0] - b[0] == pytest.approx(difference(np.arange(360)))
    assert 2 * 1.96 * error == pytest.approx(high - low, rel=0.2)
