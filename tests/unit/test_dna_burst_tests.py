"""Moving whole bursts: by hand, against repeated sampling, where single images would be wrong."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from audit.maths import burst_tests
from audit.maths.burst_tests import ByImage, burst_test, pieces

ONES = np.ones(6)


def sample(rng: np.random.Generator, n_bursts: int, size: int = 1, shift: float = 0.0) -> ByImage:
    """Bursts of nearly equal images; six neurons that hang together a little."""
    burst = rng.normal(0.5 + shift, 0.1, (n_bursts, 1)) + rng.normal(0, 0.1, (n_bursts, 6))
    values = np.repeat(burst, size, axis=0) + rng.normal(0, 0.01, (n_bursts * size, 6))
    return ByImage(values.astype(np.float16), np.repeat(np.arange(n_bursts), size))


def shares(n: int, sizes: tuple[tuple[int, int], tuple[int, int]]) -> np.ndarray:
    """P-values of n pairs of samples of one source; of each side bursts and their size."""
    rng, found = np.random.default_rng(3), []
    for _ in range(n):
        tested = burst_test(sample(rng, *sizes[0]), sample(rng, *sizes[1]), ONES, rng, n_permutations=99)
        assert tested is not None
        found.append(tested.p_value)
    return np.array(found)


def test_pieces_are_of_about_one_size() -> None:
    piece = pieces(np.array([4, 1, 1, 2, 4, 3, 1]), 4)
    assert sorted(np.bincount(piece, [4, 1, 1, 2, 4, 3, 1]).tolist()) == [4, 4, 4, 4]


def test_there_are_no_more_pieces_than_bursts() -> None:
    assert sorted(pieces(np.array([2, 2, 2]), 8).tolist()) == [0, 1, 2]


def test_a_distance_as_observed_is_that_of_the_means_of_images() -> None:
    rng = np.random.default_rng(0)
    values = [rng.normal(0.3, 0.1, 150), rng.normal(0.6, 0.1, 90)]
    made = burst_tests._pieces([np.arange(150), np.arange(90)])
    mixtures = burst_tests._dealt(made, 3, rng)
    found = burst_tests._distances(np.concatenate(values)[made.rows, None], made.sizes, mixtures)
    assert found[0, 0] == pytest.approx(126 * wasserstein_distance(*values), rel=0.05)


def test_coins_leave_the_distribution_of_a_side_where_it_is_on_average() -> None:
    rng = np.random.default_rng(0)
    made = burst_tests._pieces([np.repeat(np.arange(12), 5), np.arange(200)])
    mixtures = burst_tests._tossed(made, 2000, rng)
    assert not made.exchangeable
    np.testing.assert_allclose(mixtures[0] @ made.sizes, 0, atol=1e-12)
    np.testing.assert_allclose(mixtures[1:] @ made.sizes, 0, atol=1e-12)
    np.testing.assert_allclose(mixtures[1:].mean(axis=0), 0, atol=0.003)


@pytest.mark.parametrize(
    "sizes", [((60, 3), (60, 3)), ((60, 8), (60, 8)), ((12, 8), (12, 8)), ((20, 6), (200, 6)), ((100, 1), (100, 8))]
)
def test_samples_of_one_source_are_rarely_called_different(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    p = shares(150, sizes)
    assert np.mean(p <= 0.05) <= 0.1
    assert 0.4 <= p.mean() <= 0.6


def test_a_shift_is_found_and_so_is_one_neuron_among_many() -> None:
    rng = np.random.default_rng(0)
    left, right = sample(rng, 40, 4), sample(rng, 40, 4, shift=0.1)
    tested = burst_test(left, right, ONES, rng)
    assert tested is not None
    assert tested.p_value <= 0.01
    values = sample(rng, 40, 4).values
    values[:, 2] += np.float16(0.2)
    alone = burst_test(left, ByImage(values, left.bursts), ONES, rng)
    assert alone is not None
    assert np.flatnonzero(alone.p_neurons <= 0.01).tolist() == [2]


def test_of_bursts_of_unlike_size_nothing_is_said_of_single_neurons() -> None:
    rng = np.random.default_rng(0)
    tested = burst_test(sample(rng, 30, 1), sample(rng, 30, 8), ONES, rng, n_permutations=99)
    assert tested is not None
    assert tested.p_max is None
    assert np.isnan(tested.p_neurons).all()


def test_seven_bursts_have_no_p_value_and_eight_have() -> None:
    rng = np.random.default_rng(0)
    assert burst_test(sample(rng, 7, 16), sample(rng, 30, 16), ONES, rng) is None
    assert burst_test(sample(rng, 8, 16), sample(rng, 30, 16), ONES, rng) is not None


def test_of_many_images_whole_bursts_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burst_tests, "MOST_IMAGES", 100)
    bursts = np.concatenate([np.zeros(500, np.int64), 1 + np.repeat(np.arange(80), 5)])
    rows = burst_tests._looked_at(bursts, 100, np.random.default_rng(0))
    names, sizes = np.unique(bursts[rows], return_counts=True)
    assert len(names) == 20
    assert set(sizes.tolist()) == {5}


def test_a_neuron_without_weight_has_no_say() -> None:
    rng = np.random.default_rng(0)
    left, right = sample(rng, 40, 4), sample(rng, 40, 4)
    right.values[:, 0] += np.float16(0.5)
    weights = np.array([0.0, 1, 1, 1, 1, 1])
    tested = burst_test(left, right, weights, np.random.default_rng(0))
    assert tested is not None
    assert tested.p_value > 0.05
