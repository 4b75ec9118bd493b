"""Agreement of two groupings: hand-worked numbers and scikit-learn's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from audit.maths.partitions import adjusted_mutual_information, adjusted_rand, contingency, names_alike

codes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=5, max_size=60)


def test_the_rand_index_is_the_hand_worked_one() -> None:
    # Pairs together in both groupings, in the first (3 + 3), in the second (1 + 1 + 1), and of all six images.
    table = contingency(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 2]))
    first, second, both, every = 6, 3, 2, 15
    expected = first * second / every
    assert adjusted_rand(table) == pytest.approx((both - expected) / ((first + second) / 2 - expected))


@given(codes)
@settings(max_examples=60, deadline=None)
def test_both_measures_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    first, second = (np.array(column) for column in zip(*pairs, strict=True))
    table = contingency(first, second)
    assert adjusted_rand(table) == pytest.approx(adjusted_rand_score(first, second), abs=1e-9)
    if min(len(set(first)), len(set(second))) > 1:
        theirs = adjusted_mutual_info_score(first, second)
        assert adjusted_mutual_information(table) == pytest.approx(theirs, abs=1e-6)


def test_a_grouping_agrees_wholly_with_itself_under_other_names() -> None:
    first = np.array([0, 0, 1, 1, 2, 2, 2])
    table = contingency(first, (first + 1) % 3)
    assert adjusted_rand(table) == pytest.approx(1)
    assert adjusted_mutual_information(table) == pytest.approx(1)


def test_large_tables_keep_the_expectation_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, 20_000), rng.integers(0, 7, 20_000)
    theirs = adjusted_mutual_info_score(first, second)
    assert adjusted_mutual_information(contingency(first, second)) == pytest.approx(theirs, abs=1e-6)


def test_one_group_alone_shares_no_information() -> None:
    assert adjusted_mutual_information(contingency(np.zeros(9, int), np.arange(9))) == 0


def test_columns_say_the_same_only_where_they_are_one_to_one() -> None:
    assert names_alike(["a", "b", None, "a"], ["A", "B", "B", None])
    assert not names_alike(["a", "b", "b"], ["A", "B", "A"])
    assert not names_alike(["a", "a"], ["A", "A"])
