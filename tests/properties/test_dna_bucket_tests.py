"""What moving buckets must keep, whatever they hold."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.dna import Dna, DnaCounter, LayerRanges, NeuronRanges
from audit.dna.comparing import basic_interval
from audit.maths import bucket_tests, distances

KNOWN = LayerRanges(np.full(3, -1, np.float32), np.full(3, 1, np.float32), np.zeros(3, bool))
RANGES = NeuronRanges({"layer": KNOWN}, "random")


def dna(seed: int, n: int, shift: float = 0.0, times: int = 1) -> Dna:
    values = np.random.default_rng(seed).normal(shift, 0.3, (n, 2, 3)).astype(np.float32)
    counter = DnaCounter(RANGES)
    for _ in range(times):
        counter.add({"layer": values})
    return counter.dna()


def judged(left: Dna, right: Dna) -> bucket_tests.JointTest | None:
    return bucket_tests.joint_test(left, right, np.ones(3), np.random.default_rng(0), n_permutations=39)


@given(st.integers(0, 99), st.integers(1, 60), st.integers(1, 60))
@settings(deadline=None, max_examples=40)
def test_a_p_value_lies_between_the_smallest_that_there_is_and_one(seed: int, n: int, m: int) -> None:
    found = judged(dna(seed, n), dna(seed + 100, m, 0.1))
    if found is None:
        return
    for p in (found.p_value, found.p_mean, found.p_max if found.p_max is not None else 1.0):
        assert 1 / 40 <= p <= 1
    known = found.p_neurons[np.isfinite(found.p_neurons)]
    assert np.all((known >= 1 / 40) & (known <= 1))
    assert found.p_max is None or known.min() == found.p_max


@given(st.integers(0, 99), st.integers(2, 5))
@settings(deadline=None, max_examples=20)
def test_showing_every_image_again_in_its_bucket_changes_no_p_value(seed: int, times: int) -> None:
    once, again = (
        judged(dna(seed, 50), dna(seed + 1, 50)),
        judged(dna(seed, 50, times=times), dna(seed + 1, 50, times=times)),
    )
    assert once is not None
    assert again is not None
    assert (once.p_mean, once.p_max) == (again.p_mean, again.p_max)


@given(st.integers(0, 99), st.floats(0, 0.5))
@settings(deadline=None, max_examples=30)
def test_an_interval_holds_a_distance_that_is_not_negative(seed: int, shift: float) -> None:
    left, right = dna(seed, 60), dna(seed + 1, 60, shift)
    weights = np.full(3, 1 / 3)
    drawn = bucket_tests.bootstrap_distances(left, right, weights, np.random.default_rng(0), n_resamples=99)
    measured = float(distances.wasserstein(left, right) @ weights)
    floor = float(distances.floor(left, right) @ weights)
    low, high = basic_interval(measured, floor, drawn, 0.95)
    assert 0 <= low <= high
    assert np.sqrt(max(0.0, measured**2 - floor**2)) <= high
