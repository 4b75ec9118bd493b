"""Comparison measures and probes against independent implementations: scipy, scikit-learn, and plain loops."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import binomtest
from scipy.stats import bootstrap as scipy_bootstrap
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances, roc_auc_score
from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel
from sklearn.neighbors import NearestNeighbors

from audit.maths import coverage, discrepancy, kernels, probes, separability
from audit.maths.intervals import bootstrap, wilson
from audit.maths.neighbours import nearest


def rng():
    return np.random.default_rng(11)


def test_nearest_agrees_with_scikit_learn():
    x = rng().normal(size=(300, 24)).astype(np.float32)
    distances, indices = NearestNeighbors(n_neighbors=7, algorithm="brute").fit(x.astype(np.float64)).kneighbors(x)
    table = nearest(x, 6, threads=1)
    np.testing.assert_array_equal(table.indices, indices[:, 1:])
    np.testing.assert_allclose(table.distances, distances[:, 1:], rtol=1e-6)


@pytest.mark.parametrize(("k", "n"), [(0, 7), (3, 9), (50, 50), (480, 1000)])
def test_wilson_agrees_with_scipy(k, n):
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_bca_agrees_with_scipy_on_a_skewed_sample():
    x = rng().exponential(size=120)
    expected = scipy_bootstrap((x,), np.mean, n_resamples=9999, method="BCa", rng=rng()).confidence_interval
    found = bootstrap(lambda rows: x[rows].mean(), np.arange(120), rng(), n_resamples=9999)
    assert found == pytest.approx((expected.low, expected.high), abs=0.012)


@pytest.mark.parametrize(("n", "m", "d"), [(200, 150, 6), (30, 40, 64), (30, 200, 50)])
def test_frechet_agrees_with_the_matrix_square_root(n, m, d):
    x, y = rng().normal(size=(n, d)), 0.3 + rng().normal(size=(m, d)) * np.linspace(0.5, 2, d)
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    eps = 1e-9 * np.eye(d)
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s1 + s2 - 2 * sqrtm((s1 + eps) @ (s2 + eps)).real)
    assert discrepancy.frechet(x, y) == pytest.approx(expected, rel=2e-3)


def test_the_limit_agrees_with_numpys_fit_of_a_line():
    sizes, values = np.array([40, 50, 70, 100]), rng().random(4)
    expected = np.polynomial.Polynomial.fit(1 / sizes, values, 1)(0.0)
    assert discrepancy.extrapolated(sizes, values) == pytest.approx(expected, abs=1e-10)


def test_mmd_agrees_with_the_triple_loop_definition():
    x, y = rng().normal(size=(12, 3)), 1 + rng().normal(size=(9, 3))
    kxx, kyy, kxy = rbf_kernel(x), rbf_kernel(y), rbf_kernel(x, y)
    expected = (kxx.sum() - 12) / (12 * 11) + (kyy.sum() - 9) / (9 * 8) - 2 * kxy.mean()
    kernel = rbf_kernel(np.concatenate([x, y]))
    assert discrepancy.mmd(kernel, np.repeat([0, 1], [12, 9])) == pytest.approx(expected, abs=1e-12)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_kid_agrees_with_its_paper_on_features_of_mean_square_one():
    """KID as published takes features as they are, with gamma = 1/d: here the unit vectors times the root of d."""
    x, y = unit(rng().normal(size=(40, 8))), unit(0.5 + rng().normal(size=(30, 8)))
    kxx, kyy, kxy = (polynomial_kernel(np.sqrt(8) * a, np.sqrt(8) * b, degree=3) for a, b in ((x, x), (y, y), (x, y)))
    expected = (kxx.sum() - np.trace(kxx)) / (40 * 39) + (kyy.sum() - np.trace(kyy)) / (30 * 29) - 2 * kxy.mean()
    both = np.concatenate([x, y])
    kernel = kernels.burst_kernel(kernels.kid_kernel(both, both), np.arange(70))
    assert kernels.distance(kernel, np.repeat([0, 1], [40, 30])) == pytest.approx(expected, abs=1e-10)


def test_cmmd_agrees_with_scikit_learns_gaussian_kernel():
    x, y = unit(rng().normal(size=(20, 6))), unit(1 + rng().normal(size=(25, 6)))
    kxx, kyy, kxy = (1000 * rbf_kernel(a, b, gamma=1 / 200) for a, b in ((x, x), (y, y), (x, y)))
    expected = (kxx.sum() - np.trace(kxx)) / (20 * 19) + (kyy.sum() - np.trace(kyy)) / (25 * 24) - 2 * kxy.mean()
    both = np.concatenate([x, y])
    kernel = kernels.burst_kernel(kernels.cmmd_kernel(both, both), np.arange(45))
    assert kernels.distance(kernel, np.repeat([0, 1], [20, 25])) == pytest.approx(expected, abs=1e-9)


def test_support_agrees_with_plain_loops():
    x, y, k = rng().normal(size=(25, 3)), 0.8 + rng().normal(size=(20, 3)), 3
    dx, dy, dxy = pairwise_distances(x), pairwise_distances(y), pairwise_distances(x, y)
    rx, ry = [sorted(row)[k] for row in dx], [sorted(row)[k] for row in dy]
    inside = [[dxy[i][j] <= rx[i] for j in range(20)] for i in range(25)]
    found = coverage.support(dx**2, dy**2, dxy**2, k)
    assert found.precision == pytest.approx(sum(any(inside[i][j] for i in range(25)) for j in range(20)) / 20)
    assert found.recall == pytest.approx(sum(any(dxy[i][j] <= ry[j] for j in range(20)) for i in range(25)) / 25)
    assert found.density == pytest.approx(sum(map(sum, inside)) / (k * 20))
    assert found.coverage == pytest.approx(sum(any(row) for row in inside) / 25)


def test_auc_agrees_with_scikit_learn_with_ties():
    scores, positive = rng().integers(0, 9, 200).astype(float), rng().random(200) < 0.3
    assert separability.auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


def test_held_out_scores_agree_with_scikit_learns_ridge():
    x, y = rng().normal(size=(90, 5)), np.arange(90) % 2
    x[:, 0] += y
    folds = np.arange(90) % 3
    found = separability.probe_test(x, y, np.arange(90), folds, rng(), n_permutations=99).scores
    expected = np.empty(90)
    for f in range(3):
        rows = x[folds != f]
        alpha = separability.RIDGE * np.trace((rows - rows.mean(0)).T @ (rows - rows.mean(0))) / 5
        expected[folds == f] = Ridge(alpha=alpha).fit(rows, y[folds != f].astype(float)).predict(x[folds == f])
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_margins_agree_with_scikit_learns_discriminant_analysis():
    x = rng().normal(size=(120, 4)).astype(np.float32)
    y = np.arange(120) % 3
    x[np.arange(120), y] += 2
    folds = np.arange(120) // 3 % 4
    found = probes.judge(x, y, folds, shrinkage=0.2)
    for f in range(4):
        learned = folds != f
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2).fit(x[learned].astype(np.float64), y[learned])
        log_p = model.predict_log_proba(x[~learned].astype(np.float64))
        own = log_p[np.arange(len(log_p)), y[~learned]]
        log_p[np.arange(len(log_p)), y[~learned]] = -np.inf
        np.testing.assert_allclose(found.margin[~learned], log_p.max(axis=1) - own, atol=1e-4)


def test_auc_interval_agrees_with_a_bootstrap():
    positive = np.arange(300) < 150
    scores = rng().normal(size=300) + positive
    low, high = separability.auc_interval(scores, positive, np.arange(300))
    found = bootstrap(
        lambda rows: separability.auc(scores[rows], positive[rows]),
        np.arange(300),
        rng(),
        n_resamples=999,
        method="percentile",
    )
    assert (low, high) == pytest.approx(found, abs=0.015)
