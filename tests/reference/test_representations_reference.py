"""Measures of two representations against independent implementations: scipy, scikit-learn, and plain loops."""

from itertools import permutations

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes, subspace_angles
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors

from audit.maths import representations


def rng():
    return np.random.default_rng(12)


def hsic_by_loops(k, m):
    """The U-statistic that the unbiased HSIC is: a mean over ordered quadruples of different images."""
    quadruples = list(permutations(range(len(k)), 4))
    return sum(k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in quadruples) / len(quadruples)


def test_cka_agrees_with_the_u_statistic_over_quadruples():
    x, y = rng().normal(size=(8, 3)) + 2, rng().normal(size=(8, 5)) ** 2
    k, m = x @ x.T, y @ y.T
    expected = hsic_by_loops(k, m) / np.sqrt(hsic_by_loops(k, k) * hsic_by_loops(m, m))
    assert representations.cka(x, y) == pytest.approx(expected, abs=1e-10)


def test_svcca_agrees_with_principal_components_and_the_angles_between_them():
    x = rng().normal(size=(80, 6)) * [5, 3, 2, 1, 0.01, 0.01]
    y = np.column_stack([x[:, :2] + rng().normal(size=(80, 2)), rng().normal(size=(80, 3))])
    bases = []
    for v in (x, y):
        model = PCA(svd_solver="full").fit(v)
        n = int(np.searchsorted(np.cumsum(model.explained_variance_ratio_), 0.99)) + 1
        bases.append(model.transform(v)[:, :n])
    expected = np.cos(subspace_angles(*bases)).mean()
    assert representations.svcca(x, y) == pytest.approx(expected, abs=1e-9)


def test_the_rotation_agrees_with_scipys_procrustes():
    x, y = rng().normal(size=(60, 5)), rng().normal(size=(60, 5)) + 1
    y[:, :2] += x[:, 1:3]
    rotation, values = orthogonal_procrustes(x - x.mean(0), y - y.mean(0))
    found = representations.fit(x, y, "procrustes")
    expected = rotation * values / ((x - x.mean(0)) ** 2).sum()
    np.testing.assert_allclose(found.matrix, expected, atol=1e-10)


def test_the_regression_agrees_with_scikit_learns_ridge():
    x, y = rng().normal(size=(60, 5)), rng().normal(size=(60, 3)) + 1
    gram = (x - x.mean(0)).T @ (x - x.mean(0))
    model = Ridge(alpha=representations.RIDGE * np.trace(gram) / 5).fit(x, y)
    expected = model.predict(x) / np.linalg.norm(model.predict(x), axis=1, keepdims=True)
    np.testing.assert_allclose(representations.fit(x, y, "ridge")(x), expected, atol=1e-10)


def test_neighbours_kept_agree_with_scikit_learns():
    x = rng().normal(size=(50, 4))
    y = x @ rng().normal(size=(4, 6)) + 0.3 * rng().normal(size=(50, 6))
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    folds = np.arange(50) % 5
    found = representations.held_out(x, y, np.arange(50), folds, k=4)
    translated = np.empty_like(y)
    for f in range(5):
        translated[folds == f] = representations.fit(x[folds != f], y[folds != f])(x[folds == f])
    search = NearestNeighbors(n_neighbors=50, algorithm="brute").fit(y)
    near = [[[j for j in row if j != i][:4] for i, row in enumerate(search.kneighbors(v)[1])] for v in (translated, y)]
    expected = [len(set(a) & set(b)) / 4 for a, b in zip(*near, strict=True)]
    np.testing.assert_allclose(found.agreement, expected)
