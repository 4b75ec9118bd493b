"""Class balance: counts by hand, and splits that share classes alike or do not."""

import numpy as np
import pytest

from audit.analyses.balance import ANALYSIS, BalanceConfig, compute, effective_number
from audit.maths.permutation import max_t_shares, share_statistics
from tests.views import view_of

RNG = np.random.default_rng


def run(labels, splits=None, groups=None):
    vectors = RNG(0).normal(size=(len(labels), 4))
    view = view_of(vectors, labels=labels, splits=splits, groups=groups)
    return compute([view], BalanceConfig(n_permutations=199), RNG(1))


def test_counts_ratio_and_unlabelled_images_by_hand():
    result = run(["a"] * 30 + ["b"] * 10 + [None] * 5).result
    assert result.counts == (("a", 30), ("b", 10))
    assert result.imbalance == 3.0
    assert result.n_unlabelled == 5
    assert result.small == (("b", 10),)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (["a"] * 30 + ["b"] * 10, "1 class has fewer than 20 images."),
        (["a"] * 30 + ["b"] * 10 + ["c"] * 5, "2 classes have fewer than 20 images."),
    ],
)
def test_small_classes_are_counted_in_grammar(labels, sentence):
    findings = {f.id: f for f in ANALYSIS.section(run(labels).result).findings}
    assert findings["balance.small"].sentence == sentence


def test_effective_number_of_equal_classes_is_their_number():
    assert effective_number(np.array([7, 7, 7, 7])) == pytest.approx(4)


def test_effective_number_of_nine_to_one_by_hand():
    assert effective_number(np.array([9, 1])) == pytest.approx(0.9**-0.9 * 0.1**-0.1)


def test_a_class_missing_in_a_split_is_found():
    result = run(["a"] * 40 + ["b"] * 10, ["train", "test"] * 20 + ["train"] * 10).result
    assert result.missing == (("b", "test"),)


def test_splits_that_share_classes_alike_are_not_called_shifted():
    assert run(["a", "b"] * 100, ["train", "train", "test", "test"] * 50).result.shifted == ()


def test_a_shifted_split_is_found_with_its_shares():
    labels = ["a"] * 80 + ["b"] * 20 + ["a"] * 20 + ["b"] * 80
    shifted = run(labels, ["train"] * 100 + ["test"] * 100).result.shifted
    assert {(s.label, s.split) for s in shifted} == {("a", "train"), ("b", "train"), ("a", "test"), ("b", "test")}
    assert shifted[0].p_value == pytest.approx(1 / 200)


def test_few_bursts_shift_a_split_by_chance_and_are_not_called():
    labels = ["a"] * 80 + ["b"] * 20 + ["a"] * 20 + ["b"] * 80
    groups = [f"{label}{i // 20}" for i, label in enumerate(labels)]
    assert run(labels, ["train"] * 100 + ["test"] * 100, groups).result.shifted == ()


def test_share_statistic_of_a_two_by_two_table_by_hand():
    z = share_statistics(np.array([[30.0, 10.0], [20.0, 40.0]]))
    assert z[0, 0] == pytest.approx((0.6 - 0.2) / np.sqrt(0.4 * 0.6 * (1 / 50 + 1 / 50)))


def test_family_wise_p_values_are_rarely_small_when_nothing_differs():
    small = 0
    for seed in range(40):
        rng = RNG(seed)
        p = max_t_shares(rng.integers(0, 6, 200), rng.integers(0, 2, 200), np.arange(200), rng, n_permutations=99)
        small += bool((p <= 0.05).any())
    assert small <= 7


def test_the_table_holds_every_class_in_every_split_and_overall():
    table = run(["a"] * 3 + ["b"] * 3, ["train", "test", "train"] * 2).tables["balance"]
    assert table.num_rows == 6
    assert sum(table["n"].to_pylist()) == 12


def test_no_label_at_all_is_said():
    assert "too few" in ANALYSIS.section(run([None] * 4).result).summary


def test_the_only_image_without_a_label_is_spoken_of_in_the_singular():
    assert ANALYSIS.section(run([None]).result).summary == "The only image has no label: too few to speak of balance."
