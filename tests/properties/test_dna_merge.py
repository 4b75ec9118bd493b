"""Laws of Visual DNA: counting does not depend on batches, order or sharding."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.dna import Dna, DnaCounter, LayerRanges, NeuronRanges, merge

RANGES = NeuronRanges(
    {
        "map": LayerRanges(np.float32([-1, 2, -5]), np.float32([1, 10, -4.5]), np.zeros(3, bool)),
        "token": LayerRanges(np.float32([0]), np.float32([1e-3]), np.ones(1, bool)),
    },
    "random",
)
SPECIAL = np.float32([np.nan, np.inf, -np.inf, 0, 2, 10, -4.5, 1e30, -1e-30])


def batch(n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    layers = {"map": rng.normal(2, 4, (n, 7, 3)), "token": rng.normal(0, 1, (n, 1, 1))}
    for values in layers.values():
        odd = rng.random(values.shape) < 0.15
        values[odd] = rng.choice(SPECIAL, int(odd.sum()))
    return {name: values.astype(np.float32) for name, values in layers.items()}


def count(layers: dict[str, np.ndarray], *pieces: np.ndarray) -> Dna:
    counter = DnaCounter(RANGES, "e")
    for rows in pieces:
        counter.add({name: values[rows] for name, values in layers.items()})
    return counter.dna()


@st.composite
def partitions(draw: st.DrawFn) -> tuple[int, int, list[int]]:
    n = draw(st.integers(0, 40))
    return n, draw(st.integers(0, 2**16)), sorted(draw(st.lists(st.integers(0, n), max_size=6)))


@given(partitions())
@settings(max_examples=60, deadline=None)
def test_batches_of_any_size_give_the_same_state(case: tuple[int, int, list[int]]) -> None:
    n, seed, cuts = case
    layers = batch(n, seed)
    assert count(layers, *np.split(np.arange(n), cuts)).same_as(count(layers, np.arange(n)))


@given(partitions(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_parts_merge_to_the_whole_in_any_order(case: tuple[int, int, list[int]], random) -> None:
    n, seed, cuts = case
    layers = batch(n, seed)
    parts = [count(layers, rows) for rows in np.split(np.arange(n), cuts)]
    random.shuffle(parts)
    assert merge(parts).same_as(count(layers, np.arange(n)))


@given(st.integers(1, 30), st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_the_order_of_images_changes_nothing(n: int, seed: int) -> None:
    layers, order = batch(n, seed), np.random.default_rng(seed).permutation(n)
    assert count(layers, order).same_as(count(layers, np.arange(n)))


@given(st.integers(0, 30), st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_every_position_is_counted_once(n: int, seed: int) -> None:
    state = count(batch(n, seed), np.arange(n))
    positions = np.array([7, 7, 7, 1]) * n
    np.testing.assert_array_equal(state.counts.sum(axis=1) + state.n_nan, positions)
    np.testing.assert_array_equal(state.buckets.sum(axis=(1, 2)) + state.n_nan, positions)


@given(st.integers(0, 30), st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_a_table_gives_the_state_back(n: int, seed: int) -> None:
    state = count(batch(n, seed), np.arange(n))
    assert Dna.from_table(state.to_table()).same_as(state)


@given(st.integers(0, 30), st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_an_empty_part_changes_nothing(n: int, seed: int) -> None:
    state, empty = count(batch(n, seed), np.arange(n)), count(batch(0, 0), np.arange(0))
    assert merge([empty, state, empty]).same_as(state)
