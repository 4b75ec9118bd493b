"""What a design effect must keep, whatever the images and bursts are."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.dna import DnaCounter, LayerRanges, NeuronRanges
from audit.maths import distances
from audit.maths.design_effect import design_effect

KNOWN = LayerRanges(np.full(3, -1, np.float32), np.full(3, 1, np.float32), np.zeros(3, bool))
RANGES = NeuronRanges({"layer": KNOWN}, "random")


@given(st.integers(0, 99), st.integers(2, 40), st.integers(1, 9))
@settings(deadline=None, max_examples=40)
def test_it_lies_between_one_and_the_number_of_images(seed: int, n: int, n_bursts: int) -> None:
    rng = np.random.default_rng(seed)
    effect = design_effect(rng.normal(size=(n, 3)), rng.integers(0, n_bursts, n))
    assert np.all((effect >= 1) & (effect <= n + 1e-9))


@given(st.integers(0, 99), st.integers(3, 30))
@settings(deadline=None, max_examples=30)
def test_neither_the_order_of_rows_nor_the_names_of_bursts_matter(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    values, bursts = rng.normal(size=(n, 2)), rng.integers(0, 5, n)
    order = rng.permutation(n)
    renamed = rng.permutation(5)[bursts]
    np.testing.assert_allclose(design_effect(values[order], renamed[order]), design_effect(values, bursts))


@given(st.integers(0, 99), st.integers(3, 25), st.integers(2, 5))
@settings(deadline=None, max_examples=25)
def test_images_shown_again_leave_the_floor_where_it_was(seed: int, n: int, times: int) -> None:
    values = np.random.default_rng(seed).normal(0, 0.3, (n, 2, 3)).astype(np.float32)
    sides, effects = [], []
    for repeats in (1, times):
        counter = DnaCounter(RANGES)
        found = [counter.add({"layer": values}).values for _ in range(repeats)]
        sides.append(counter.dna())
        effects.append(design_effect(np.concatenate(found), np.tile(np.arange(n), repeats)))
    once, again = (distances.floor(s, s, (e, e)) for s, e in zip(sides, effects, strict=True))
    np.testing.assert_allclose(again, once, rtol=1e-6)
    np.testing.assert_allclose(once, distances.floor(sides[0], sides[0]))
