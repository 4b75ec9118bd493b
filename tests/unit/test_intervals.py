"""Intervals: values worked by hand or printed in the papers, and their coverage."""

import numpy as np
import pytest

from audit.maths.intervals import bootstrap, newcombe, resample_bursts, wilson


def test_wilson_gives_the_printed_interval_of_81_of_263():
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_wilson_touches_zero_and_one_exactly_at_the_ends():
    assert wilson(0, 20)[0] == 0.0
    assert wilson(20, 20)[1] == 1.0


def test_wilson_of_nothing_knows_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5)])
def test_wilson_refuses_counts_outside_the_trials(k, n):
    with pytest.raises(ValueError, match=f"k={k}, n={n}"):
        wilson(k, n)


def test_wilson_refuses_a_level_of_one():
    with pytest.raises(ValueError, match="between 0 and 1"):
        wilson(1, 2, level=1.0)


@pytest.mark.parametrize(
    ("k1", "n1", "k2", "n2", "interval"),
    [(56, 70, 48, 80, (0.0524, 0.3339)), (9, 10, 3, 10, (0.1705, 0.8090)), (10, 10, 0, 20, (0.6791, 1.0))],
)
def test_newcombe_gives_the_intervals_of_the_paper(k1, n1, k2, n2, interval):
    assert newcombe(k1, n1, k2, n2) == pytest.approx(interval, abs=5e-5)


def test_a_burst_is_drawn_whole_or_not_at_all():
    bursts = np.array(["a", "b", "a", "c", "b", "a"])
    rows = resample_bursts(bursts, np.random.default_rng(0))
    counts = np.bincount(rows, minlength=6)
    assert counts[0] == counts[2] == counts[5]
    assert counts[1] == counts[4]
    assert counts[0] + counts[1] + counts[3] == 3


def test_bootstrap_of_a_mean_agrees_with_the_normal_interval():
    rng = np.random.default_rng(1)
    x = rng.normal(5, 2, 800)
    low, high = bootstrap(lambda rows: x[rows].mean(), np.arange(800), rng, n_resamples=1000)
    half = 1.96 * x.std() / np.sqrt(800)
    assert (low, high) == pytest.approx((x.mean() - half, x.mean() + half), abs=0.03)


def test_bootstrap_that_moves_bursts_is_wider_when_images_of_a_burst_are_alike():
    rng = np.random.default_rng(2)
    x = np.repeat(rng.normal(size=60), 5)
    single = bootstrap(lambda rows: x[rows].mean(), np.arange(300), rng, n_resamples=300, method="percentile")
    whole = bootstrap(lambda rows: x[rows].mean(), np.arange(300) // 5, rng, n_resamples=300, method="percentile")
    assert (whole[1] - whole[0]) / (single[1] - single[0]) == pytest.approx(np.sqrt(5), rel=0.25)


def test_bootstrap_of_a_constant_is_the_constant():
    assert bootstrap(lambda rows: 3.0, np.arange(5), np.random.default_rng(0), n_resamples=50) == (3.0, 3.0)


def test_bootstrap_refuses_a_single_burst():
    with pytest.raises(ValueError, match="two bursts"):
        bootstrap(lambda rows: 0.0, np.zeros(4), np.random.default_rng(0))
