"""Probes out of fold, availability by layer, and harm."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from audit.spurious.availability import availability
from audit.spurious.candidates import adjusted_rand
from audit.spurious.context import beyond_box
from audit.spurious.harm import NO_CONFLICT, Cue, balanced_weights, cut, measure
from audit.spurious.probe import balanced_accuracy, predict, principal, scores, usable_information


def two_classes(n=300, seed=0):
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % 2
    return rng.normal(size=(n, 5)) + classes[:, None] * [1.5, 0, 0, 0, 0], classes, np.arange(n) // 2 % 5


def test_directions_have_unit_variance_and_do_not_correlate():
    vectors = np.random.default_rng(0).normal(size=(200, 6)) @ np.diag([5, 4, 3, 2, 1, 0])
    points = principal(vectors, 4).of(vectors)
    np.testing.assert_allclose(points.T @ points / 200, np.eye(4), atol=1e-9)
    assert principal(vectors, 64).axes.shape == (6, 5)


def test_predictions_agree_with_another_implementation_of_the_discriminant():
    vectors, classes, folds = two_classes()
    found = predict(vectors, classes, folds)
    for fold in range(5):
        outside = folds != fold
        within = sum(np.cov(vectors[outside & (classes == c)].T, bias=True) / 2 for c in range(2))
        other = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=_Fixed(within))
        other.fit(vectors[outside], classes[outside])
        assert (other.predict(vectors[~outside]) == found[~outside]).mean() > 0.98


class _Fixed:
    """Hands a covariance, shrunk as ours, to scikit-learn."""

    def __init__(self, within):
        self.covariance_ = 0.7 * within + 0.3 * np.trace(within) / len(within) * np.eye(len(within))

    def fit(self, _x):
        return self

    def get_params(self, deep=True):
        return {}


def test_weights_of_whole_numbers_are_repetitions():
    vectors, classes, _ = two_classes(60)
    folds = (np.arange(60) >= 40).astype(np.int64)
    weights = np.where(np.arange(60) < 20, 3.0, 1.0)
    repeated = np.repeat(np.arange(60), weights.astype(int))
    one = predict(vectors, classes, folds, weights=weights)
    many = predict(vectors[repeated], classes[repeated], folds[repeated])
    np.testing.assert_array_equal(one[repeated], many)


def test_scores_prefer_the_predicted_class_and_judge_another_form_by_the_same_probe():
    vectors, classes, folds = two_classes()
    own, (same, nothing) = scores(vectors, classes, folds, [vectors, np.zeros_like(vectors)])
    np.testing.assert_array_equal(own.argmax(axis=1), predict(vectors, classes, folds, equal_priors=True))
    np.testing.assert_array_equal(own, same)
    np.testing.assert_allclose(own[:, 0], -own[:, 1])
    assert len(np.unique(nothing[folds == 0], axis=0)) == 1


def test_balanced_accuracy_counts_each_class_the_same():
    assert balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])) == 0.75
    assert balanced_accuracy(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1])) == 0.5


def test_information_is_all_when_the_answer_is_shown_and_nothing_by_chance():
    rng = np.random.default_rng(1)
    answers, folds = np.arange(400) % 2 == 0, np.arange(400) // 2 % 3
    assert usable_information(np.where(answers, 4.0, -4.0)[:, None], answers, folds) > 0.95
    assert usable_information(rng.normal(size=(400, 5)), answers, folds) < 0.02


def test_information_agrees_with_another_logistic_regression():
    rng = np.random.default_rng(2)
    vectors, folds = rng.normal(size=(400, 4)), np.arange(400) % 4
    answers = rng.random(400) < 1 / (1 + np.exp(-1.5 * vectors[:, 0]))
    surprise = ignorance = 0.0
    for fold in range(4):
        out = folds != fold
        p = LogisticRegression(C=1.0).fit(vectors[out], answers[out]).predict_proba(vectors[~out])[:, 1]
        base = answers[out].mean()
        surprise -= np.log(np.where(answers[~out], p, 1 - p)).sum()
        ignorance -= np.log(np.where(answers[~out], base, 1 - base)).sum()
    assert usable_information(vectors, answers, folds) == pytest.approx(1 - surprise / ignorance, abs=1e-3)


def test_the_earliest_layer_is_the_first_that_knows_half_of_the_most():
    rng = np.random.default_rng(3)
    answers, folds = np.arange(600) % 2 == 0, np.arange(600) // 2 % 3
    layers = {
        "one": rng.normal(size=(600, 3)),
        "two": np.where(answers, 2.0, -2.0)[:, None] + rng.normal(size=(600, 1)),
        "three": np.where(answers, 4.0, -4.0)[:, None] + rng.normal(size=(600, 1)),
    }
    known = availability(layers, answers, folds, rng)
    assert known.earliest == "two"
    assert known.complexity == pytest.approx(1 - np.mean(list(known.by_layer.values())))
    assert 0.25 < known.complexity < 0.6


def test_the_threshold_tells_the_class_best_and_lies_between_two_values():
    values = np.array([0.0, 1, 2, 3, 4, 5])
    cue = cut(values, values >= 3, np.ones(6, bool), 1)
    assert cue.threshold == 2.5
    np.testing.assert_array_equal(cue.groups, [0, 0, 0, 3, 3, 3])
    other = cut(values, values <= 1, np.ones(6, bool), -1)
    assert other.threshold == 1.5
    np.testing.assert_array_equal(other.has, values <= 1)


def test_a_threshold_does_not_see_half_b():
    values, in_a = np.array([0.0, 1, 10, 11, 5]), np.array([1, 1, 1, 1, 0], bool)
    assert cut(values, np.array([0, 0, 1, 1, 1], bool), in_a, 1).threshold == 5.5


def test_a_feature_that_is_one_value_is_had_by_nobody():
    cue = cut(np.zeros(4), np.array([0, 0, 1, 1], bool), np.ones(4, bool), 1)
    assert not cue.has.any()


def grouped(sizes, accuracies):
    groups = np.repeat(np.arange(4), sizes)
    right = np.concatenate([np.arange(n) < round(a * n) for n, a in zip(sizes, accuracies, strict=True)])
    return Cue(0.0, 1, groups % 2 == 1, groups), right


def test_the_gap_is_the_mean_over_both_sides_of_the_label():
    cue, right = grouped((100, 50, 40, 200), (0.9, 0.6, 0.5, 0.8))
    found = measure(cue, right, np.arange(390), np.arange(390) % 2 == 0, refit=None)
    assert found.gap == pytest.approx(0.5 * (0.9 - 0.6 + 0.8 - 0.5))
    assert found.low < found.gap < found.high


def test_the_interval_of_the_gap_is_that_of_four_independent_shares():
    sizes, accuracies = (400, 200, 200, 400), (0.9, 0.6, 0.5, 0.8)
    cue, right = grouped(sizes, accuracies)
    found = measure(cue, right, np.arange(1200), np.arange(1200) % 2 == 0, refit=None)
    variance = sum(a * (1 - a) / n / 4 for n, a in zip(sizes, accuracies, strict=True))
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * variance**0.5, rel=0.01)


def test_the_worst_group_is_chosen_on_one_half_and_measured_on_the_other():
    cue, _ = grouped((40, 40, 40, 40), (1, 1, 1, 1))
    in_a = np.arange(160) % 2 == 0
    right = np.ones(160, bool)
    right[(cue.groups == 1) & in_a] = False
    found = measure(cue, right, np.arange(160), in_a, refit=~in_a)
    assert (found.worst, found.before, found.after) == (1, 1.0, 1.0)


@pytest.mark.parametrize(("sizes", "bursts"), [((90, 29, 90, 90), 1), ((90, 60, 60, 90), 8)])
def test_without_enough_conflicting_images_or_bursts_nothing_is_measured(sizes, bursts):
    cue, right = grouped(sizes, (1, 1, 1, 1))
    found = measure(cue, right, np.arange(len(right)) // bursts, np.arange(len(right)) % 2 == 0, refit=None)
    assert np.isnan(found.gap)
    assert found.reason.startswith(NO_CONFLICT)


def test_balanced_weights_give_each_group_the_same_sum_and_have_mean_one():
    groups = np.repeat([0, 1, 3], [10, 30, 60])
    weights = balanced_weights(groups)
    np.testing.assert_allclose(np.bincount(groups, weights)[[0, 1, 3]], 100 / 3)
    assert weights.mean() == pytest.approx(1)


def test_clusterings_agree_whatever_their_numbers_and_not_by_chance():
    one = np.repeat([0, 1, 2], 50)
    assert adjusted_rand(one, (one + 1) % 3) == pytest.approx(1)
    assert abs(adjusted_rand(one, np.random.default_rng(0).permutation(one))) < 0.05


def test_what_the_hole_explains_is_taken_from_the_background_and_nothing_else():
    rng = np.random.default_rng(7)
    corner = rng.uniform(0, 0.5, (500, 2))
    boxes = np.concatenate([corner, corner + 0.25 + 0.25 * rng.integers(0, 2, (500, 1))], axis=1).astype(np.float32)
    tie = rng.normal(size=500)
    shown = np.column_stack([3 * boxes[:, 0] ** 2 + boxes[:, 2], tie + 5 * boxes[:, 1] * boxes[:, 3]])
    left = beyond_box(shown, boxes)
    np.testing.assert_allclose(left[:, 0], 0, atol=1e-5)
    assert np.corrcoef(left[:, 1], tie)[0, 1] > 0.97


def test_a_probe_is_no_better_and_no_worse_than_guessing_at_what_a_nuisance_explains():
    rng = np.random.default_rng(8)
    classes, folds = np.arange(600) % 2, np.arange(600) // 2 % 5
    nuisance = np.column_stack([np.ones(600), classes + 0.5 * rng.normal(size=600)])
    vectors = np.column_stack([2 * nuisance[:, 1], np.zeros(600)]) + 0.3 * rng.normal(size=(600, 2))
    assert balanced_accuracy(predict(vectors, classes, folds, equal_priors=True), classes) > 0.8
    left = predict(vectors, classes, folds, equal_priors=True, nuisance=nuisance)
    assert abs(balanced_accuracy(left, classes) - 0.5) < 0.06
