"""What a neuron sees most: exact whatever the batches, their order and the parts."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.dna.tops import TopKeeper
from audit.model import Tops

N_NEURONS, K = 3, 4
ANSWERS = [np.float32(v) for v in (np.nan, -1.5, 0.0, 0.5, 0.5000001, 2.0, 130.0)]


@st.composite
def pictures(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Answers and places of n pictures, some of which are copies of others and so share answers and a number."""
    n_kinds = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    values = rng.choice(np.array(ANSWERS), (n_kinds, N_NEURONS)).astype(np.float32)
    places = rng.integers(0, 16, (n_kinds, N_NEURONS)).astype(np.int32)
    numbers = np.array(draw(st.lists(st.integers(0, n_kinds - 1), max_size=30)), np.int32)
    return values[numbers], places[numbers], numbers


def kept(case: tuple[np.ndarray, np.ndarray, np.ndarray], *pieces: np.ndarray) -> Tops:
    keeper = TopKeeper(N_NEURONS, K)
    for rows in pieces:
        keeper.add(*(array[rows] for array in case))
    return keeper.tops()


def same(left: Tops, right: Tops) -> None:
    for name in ("rows", "values", "places"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


@given(pictures())
@settings(max_examples=150, deadline=None)
def test_they_are_the_first_of_all_pictures_sorted_by_answer_and_number(case) -> None:
    values, places, numbers = case
    found = kept(case, np.arange(len(numbers)))
    for k in range(N_NEURONS):
        answers = {int(p): (-values[i, k], int(p), int(places[i, k])) for i, p in enumerate(numbers)}
        expected = sorted(one for one in answers.values() if not np.isnan(one[0]))[:K]
        n = len(expected)
        assert found.rows[k].tolist() == [one[1] for one in expected] + [-1] * (K - n)
        assert found.places[k].tolist() == [one[2] for one in expected] + [-1] * (K - n)
        np.testing.assert_array_equal(found.values[k], np.float32([-one[0] for one in expected] + [np.nan] * (K - n)))


@given(pictures(), st.lists(st.integers(0, 30), max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_neither_batches_nor_their_order_change_anything(case, cuts: list[int], random) -> None:
    order = list(range(len(case[2])))
    random.shuffle(order)
    pieces = np.split(np.array(order, np.int64), sorted(min(cut, len(order)) for cut in cuts))
    same(kept(case, *pieces), kept(case, np.arange(len(order))))


@given(pictures(), st.integers(0, 30))
@settings(max_examples=100, deadline=None)
def test_parts_with_numbers_of_their_own_merge_to_the_whole(case, cut: int) -> None:
    n = len(case[2])
    whole = TopKeeper(N_NEURONS, K)
    for rows in (np.arange(min(cut, n), n), np.arange(min(cut, n))):
        present, numbers = np.unique(case[2][rows], return_inverse=True)
        part = TopKeeper(N_NEURONS, K)
        part.add(case[0][rows], case[1][rows], numbers.astype(np.int32))
        whole.merge(part.tops(), present)
    same(whole.tops(), kept(case, np.arange(n)))


def test_the_larger_answer_of_two_copies_counts() -> None:
    keeper = TopKeeper(1, 2)
    for value, place in [(0.5, 3), (0.75, 1), (0.25, 0), (0.75, 0)]:
        keeper.add(np.float32([[value]]), np.int32([[place]]), np.int32([7]))
    found = keeper.tops()
    assert (found.rows.tolist(), found.places.tolist(), found.values[0, 0]) == ([[7, -1]], [[0, -1]], np.float32(0.75))
