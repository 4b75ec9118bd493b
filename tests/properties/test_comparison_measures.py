"""Laws of the measures of two samples: which dataset comes first, rotations, scale and copies of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.maths.coverage import support
from audit.maths.discrepancy import frechet, squared_distances
from audit.maths.separability import auc, auc_interval, auc_spread

SEEDS = st.integers(0, 100_000)


def samples(seed):
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 6))
    return rng, rng.normal(size=(int(rng.integers(4, 20)), d)), 0.5 + rng.normal(size=(int(rng.integers(4, 20)), d))


@given(SEEDS)
def test_the_frechet_distance_does_not_ask_which_comes_first_and_is_none_to_itself(seed):
    _, x, y = samples(seed)
    assert frechet(x, y) == pytest.approx(frechet(y, x), abs=1e-9)
    assert frechet(x, x) == pytest.approx(0, abs=1e-9)


@given(SEEDS, st.floats(0.1, 10))
def test_the_frechet_distance_grows_with_the_square_of_the_scale_and_sees_no_rotation(seed, scale):
    rng, x, y = samples(seed)
    rotation = np.linalg.qr(rng.normal(size=(x.shape[1], x.shape[1])))[0]
    moved = [scale * sample @ rotation + 3 for sample in (x, y)]
    assert frechet(*moved) == pytest.approx(scale**2 * frechet(x, y), rel=1e-6, abs=1e-8)


@given(SEEDS)
def test_precision_one_way_is_recall_the_other_way(seed):
    _, x, y = samples(seed)
    xx, yy, xy = squared_distances(x, x), squared_distances(y, y), squared_distances(x, y)
    forward, backward = support(xx, yy, xy, 2), support(yy, xx, xy.T, 2)
    assert (forward.precision, forward.recall) == (backward.recall, backward.precision)


@given(SEEDS)
def test_an_auc_turns_round_with_the_scores_and_with_the_groups(seed):
    rng = np.random.default_rng(seed)
    scores, positive = rng.integers(0, 8, 30).astype(float), np.arange(30) < int(rng.integers(2, 28))
    assert auc(-scores, positive) == pytest.approx(1 - auc(scores, positive))
    assert auc(scores, ~positive) == pytest.approx(1 - auc(scores, positive))


@given(SEEDS, st.integers(2, 4))
def test_copies_of_every_image_add_nothing_to_what_is_known_of_an_auc(seed, times):
    rng = np.random.default_rng(seed)
    scores, positive, own = rng.normal(size=24), np.arange(24) < 10, np.arange(24)
    copied = [np.repeat(values, times) for values in (scores, positive, own)]
    assert auc_spread(*copied) == pytest.approx(auc_spread(scores, positive, own))


@given(SEEDS, st.floats(1, 3))
def test_a_widened_interval_holds_the_one_it_was(seed, widening):
    rng = np.random.default_rng(seed)
    scores, positive = rng.normal(size=40), np.arange(40) < 20
    low, high = auc_interval(scores, positive, np.arange(40))
    wider = auc_interval(scores, positive, np.arange(40), widening=widening)
    assert 0 <= wider[0] <= low <= auc(scores, positive) <= high <= wider[1] <= 1
