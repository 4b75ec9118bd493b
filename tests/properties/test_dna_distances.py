"""The distance of counted distributions is a metric, and does not care how often a dataset is repeated."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.dna import Dna, DnaCounter, LayerRanges, NeuronRanges
from audit.maths import distances

KNOWN = LayerRanges(np.float32([-1]), np.float32([1]), np.zeros(1, bool))
RANGES = NeuronRanges({"layer": KNOWN}, "random")
values = st.lists(st.floats(-1, 0.9990234375, width=32), min_size=1, max_size=25)


def dna(positions: list[float], repeats: int = 1) -> Dna:
    counter = DnaCounter(RANGES)
    counter.add({"layer": np.tile(np.float32(positions), repeats).reshape(-1, 1, 1)})
    return counter.dna()


def distance(left: Dna, right: Dna) -> float:
    return float(distances.wasserstein(left, right)[0])


@given(values)
def test_nothing_is_apart_from_itself(a: list[float]) -> None:
    assert distance(dna(a), dna(a)) == 0


@given(values, values)
def test_both_ways_are_equally_far(a: list[float], b: list[float]) -> None:
    assert distance(dna(a), dna(b)) == distance(dna(b), dna(a))


@given(values, values, values)
@settings(deadline=None)
def test_a_detour_is_never_shorter(a: list[float], b: list[float], c: list[float]) -> None:
    assert distance(dna(a), dna(c)) <= distance(dna(a), dna(b)) + distance(dna(b), dna(c)) + 1e-9


@given(values, values)
def test_different_histograms_are_apart(a: list[float], b: list[float]) -> None:
    left, right = dna(a), dna(b)
    same = np.array_equal(left.counts * right.counts.sum(), right.counts * left.counts.sum())
    assert (distance(left, right) < 1e-12) == same


@given(values, values, st.integers(2, 5))
def test_repeating_a_dataset_moves_nothing(a: list[float], b: list[float], times: int) -> None:
    assert abs(distance(dna(a, times), dna(b)) - distance(dna(a), dna(b))) < 1e-9


@given(values, values)
def test_the_corrected_distance_lies_between_nothing_and_the_distance(a: list[float], b: list[float]) -> None:
    left, right = dna([*a, 0.1]), dna([*b, 0.2])
    measured = distances.wasserstein(left, right)
    corrected = distances.corrected(measured, distances.floor(left, right))
    assert 0 <= corrected[0] <= measured[0]
