"""The space two embeddings share: hand-worked numbers, invariances, an independent implementation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.maths import common_space

RNG = np.random.default_rng
FOLDS = np.arange(300) % 5


def rotation(d, seed):
    return np.linalg.qr(RNG(seed).normal(size=(d, d)))[0]


def pair(seed=0, n=300, shared=4, own=3, noise=0.2):
    """Two embeddings that see the same ``shared`` causes, each with noise and causes of its own."""
    rng = RNG(seed)
    causes = rng.normal(size=(n, shared))
    sides = [np.column_stack([causes + noise * rng.normal(size=causes.shape), rng.normal(size=(n, own))]) for _ in "ab"]
    return sides[0] @ rotation(shared + own, seed), sides[1] @ rotation(shared + own, seed + 1)


def test_the_correlation_of_one_shared_cause_is_what_its_noise_makes_it():
    """Cause of variance 1, noise of variance 1/4 on both sides: correlation 1 / (1 + 1/4) = .8."""
    x, y = pair(n=4000, shared=1, own=0, noise=0.5)
    assert common_space.correlations(x, y, np.arange(4000) % 5)[0] == pytest.approx(0.8, abs=0.02)


def test_as_many_directions_are_found_as_causes_are_shared():
    x, y = pair()
    assert common_space.leading(common_space.correlations(x, y, FOLDS), 0.8) == 4


def test_unrelated_embeddings_share_nothing_on_pictures_held_out():
    """In sample, 60 dimensions of 300 pictures would reach a canonical correlation of about .8."""
    found = common_space.correlations(RNG(0).normal(size=(300, 60)), RNG(1).normal(size=(300, 60)), FOLDS)
    assert np.abs(found).max() < 0.3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_rotating_and_scaling_either_embedding_changes_no_distance_in_the_common_space(seed, scale):
    x, y = pair(seed)
    turned = scale * x @ rotation(7, seed + 7) + 3
    plain, moved = common_space.fit(x, y, FOLDS, 4), common_space.fit(turned, y, FOLDS, 4)
    inner = [side[0](points) @ side[1](y).T for side, points in ((plain, x), (moved, turned))]
    np.testing.assert_allclose(inner[0], inner[1], atol=1e-4)


def test_both_sides_come_out_with_the_same_spread():
    """A regression would shrink the noisier side; variates of pictures held out have unit spread on both."""
    x, y = pair(n=900, noise=0.5)
    first, second = common_space.fit(x[:600], y[:600], np.arange(600) % 5, 4)
    spreads = [((points[600:] - side.mean) @ side.matrix).std(axis=0) for side, points in ((first, x), (second, y))]
    np.testing.assert_allclose(spreads[0], 1, atol=0.15)
    np.testing.assert_allclose(spreads[1], 1, atol=0.15)


def test_without_a_ridge_the_correlations_are_those_of_scikit_learn(monkeypatch):
    cross_decomposition = pytest.importorskip("sklearn.cross_decomposition")
    monkeypatch.setattr(common_space, "RIDGE", 0.0)
    x, y = pair()
    a, b = common_space._canonical(x, y)
    u, v = cross_decomposition.CCA(n_components=4, scale=False, max_iter=5000, tol=1e-12).fit_transform(x, y)
    expected = [np.corrcoef(u[:, i], v[:, i])[0, 1] for i in range(4)]
    mine = [np.corrcoef((x @ a)[:, i], (y @ b)[:, i])[0, 1] for i in range(4)]
    np.testing.assert_allclose(mine, expected, atol=1e-4)


def test_the_share_held_is_that_of_the_directions_kept():
    """Three uncorrelated columns of variance 4, 1 and 1; the first alone holds 4 of 6."""
    rows = np.array([[2.0, 1, 1], [2, -1, -1], [-2, 1, -1], [-2, -1, 1]])
    assert common_space.share_held(rows, rows[:, :1]) == pytest.approx(4 / 6)


def test_vectors_of_the_common_space_have_unit_length_in_blocks_too(monkeypatch):
    x, y = pair()
    side, _ = common_space.fit(x, y, FOLDS, 4)
    whole = side(x)
    monkeypatch.setattr(common_space, "BLOCK", 7)
    np.testing.assert_array_equal(side(x), whole)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)
