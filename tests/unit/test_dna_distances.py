"""Distances between counted distributions, by hand, against SciPy and against repeated sampling."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from audit.dna import Dna, DnaCounter, LayerRanges, NeuronRanges
from audit.maths import distances, peer


def dna(values: np.ndarray) -> Dna:
    """Images x positions of one neuron whose bins are one unit wide."""
    known = LayerRanges(np.zeros(1, np.float32), np.full(1, 126, np.float32), np.zeros(1, bool))
    counter = DnaCounter(NeuronRanges({"layer": known}, "by hand"))
    counter.add({"layer": np.asarray(values, np.float32)[:, :, None]})
    return counter.dna()


def test_two_points_are_as_far_apart_as_their_bins() -> None:
    assert distances.wasserstein(dna([[3.5]]), dna([[10.5]]))[0] == pytest.approx(7)


def test_half_the_mass_moved_two_bins_is_one_bin() -> None:
    assert distances.wasserstein(dna([[3.5, 3.5]]), dna([[3.5, 5.5]]))[0] == pytest.approx(1)


def test_a_crossing_inside_a_bin_is_split_where_the_lines_cross() -> None:
    # F - G is +1/2 at the edge 10 and -1/2 at 11, so the bin between adds 1/4; each neighbouring bin adds 1/4
    left, right = dna([[9.5, 11.5]]), dna([[10.5, 10.5]])
    assert distances.wasserstein(left, right)[0] == pytest.approx(0.75)


def test_tails_count_with_their_distance() -> None:
    assert distances.wasserstein(dna([[126.0]]), dna([[146.0]]))[0] == pytest.approx(20)
    assert distances.wasserstein(dna([[-30.0]]), dna([[131.0]]))[0] == pytest.approx(161)


def test_agrees_with_scipy_within_a_bin() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(50, 15, (40, 30)), rng.gamma(2, 20, (30, 30)) - 5
    assert distances.wasserstein(dna(a), dna(b))[0] == pytest.approx(
        wasserstein_distance(a.ravel(), b.ravel()), abs=0.15
    )


def test_the_deviation_is_that_of_the_activations() -> None:
    values = np.random.default_rng(0).normal(60, 12, (40, 50))
    assert distances.standard_deviation(dna(values))[0] == pytest.approx(values.std(), rel=0.01)


def test_a_constant_neuron_deviates_by_its_bin() -> None:
    assert distances.standard_deviation(dna([[5.5, 5.5]]))[0] == pytest.approx(1 / np.sqrt(12))


def test_a_side_without_images_has_no_distance() -> None:
    assert np.isnan(distances.wasserstein(dna(np.zeros((0, 1))), dna([[1.0]]))[0])


def test_one_image_has_no_floor() -> None:
    assert np.isnan(distances.floor(dna([[1.0]]), dna([[1.0], [2.0]]))[0])


def test_the_floor_of_a_coin_is_that_of_its_binomial() -> None:
    # one position per image, in bin 10 or 20 with p = 1/2: ten edges of variance 1/4, of which each side has 1/(n - 1)
    n = 50
    coin = dna([[10.5], [20.5]] * (n // 2))
    assert distances.floor(coin, coin)[0] == pytest.approx(np.sqrt(2 / np.pi) * 10 * np.sqrt(2 * 0.25 / (n - 1)))


def _sample(rng: np.random.Generator, n: int) -> np.ndarray:
    """Images whose positions hang together: one mean per image, little scatter within."""
    return rng.normal(60, 14, (n, 1)) + rng.normal(0, 5, (n, 16))


def test_the_floor_is_the_mean_distance_of_samples_of_one_source() -> None:
    rng = np.random.default_rng(1)
    pairs = [(dna(_sample(rng, 60)), dna(_sample(rng, 90))) for _ in range(150)]
    measured = np.mean([distances.wasserstein(a, b)[0] for a, b in pairs])
    predicted = np.mean([distances.floor(a, b)[0] for a, b in pairs])
    assert measured == pytest.approx(predicted, rel=0.1)


def test_the_unbiased_cramer_distance_by_hand() -> None:
    # ten edges with F = 1/2 on one side and 0 on the other; the coin's variance 1/4 / (n - 1) is taken off at each
    coin, still = dna([[10.5], [20.5]] * 5), dna([[20.5]] * 10)
    assert distances.cramer(coin, still)[0] == pytest.approx(10 * (0.25 - 0.25 / 9))


def test_the_unbiased_cramer_distance_is_nothing_on_average_where_nothing_differs() -> None:
    rng = np.random.default_rng(1)
    got = [distances.cramer(dna(_sample(rng, 30)), dna(_sample(rng, 40)))[0] for _ in range(400)]
    assert abs(np.mean(got)) < 3 * np.std(got) / np.sqrt(len(got))


def test_the_unbiased_cramer_distance_is_that_of_the_whole_source_on_average() -> None:
    rng = np.random.default_rng(4)
    whole = distances.cramer(dna(_sample(rng, 20_000)), dna(_sample(rng, 20_000) + 10))[0]
    got = [distances.cramer(dna(_sample(rng, 30)), dna(_sample(rng, 40) + 10))[0] for _ in range(300)]
    assert np.mean(got) == pytest.approx(whole, abs=3 * np.std(got) / np.sqrt(len(got)) + 0.02 * whole)


def test_the_images_needed_are_those_at_which_the_distance_is_so_many_floors() -> None:
    # the coin: floor √(2/π) · 10 · √(2 · 0.25 · n/(n - 1) / n') of n' images a side
    coin = dna([[10.5], [20.5]] * 5)
    needed = distances.images_needed((coin, coin), np.ones(1), 0.2, 1.5)
    floor = np.sqrt(2 / np.pi) * 10 * np.sqrt(2 * 0.25 * (10 / 9) / needed)
    assert np.sqrt(0.2**2 + floor**2) / floor == pytest.approx(1.5, rel=0.01)


def test_no_number_of_images_shows_a_difference_that_is_not_there() -> None:
    coin = dna([[10.5], [20.5]] * 5)
    assert distances.images_needed((coin, coin), np.ones(1), 0.0, 1.5) is None


def test_the_correction_takes_the_floor_off_in_squares() -> None:
    got = distances.corrected(np.array([5.0, 1.0]), np.array([3.0, 2.0]))
    assert got.tolist() == [4.0, 0.0]


def test_the_peers_earth_movers_distance_by_hand() -> None:
    assert peer.emd(np.array([[2, 0, 0, 2]]), np.array([[0, 2, 2, 0]])).tolist() == [1.0]


def test_the_frechet_distance_of_shifted_scaled_normals() -> None:
    mean, covariance = (np.zeros(2), np.array([3.0, 4.0])), (np.eye(2), 4 * np.eye(2))
    assert peer.frechet(mean, covariance) == pytest.approx(25 + 2)
