"""Tests and intervals from buckets of images: by hand, against direct computation, against repeated sampling."""

from types import SimpleNamespace

import numpy as np
import pytest

from audit.dna import Dna, DnaCounter, LayerRanges, NeuronRanges
from audit.maths import bucket_tests, distances
from audit.maths.histograms import SPREAD_EDGES

ONE = np.ones(1)


def dna(values: np.ndarray) -> Dna:
    """Images x positions x neurons whose bins are one unit wide."""
    n = values.shape[2]
    known = LayerRanges(np.zeros(n, np.float32), np.full(n, 126, np.float32), np.zeros(n, bool))
    counter = DnaCounter(NeuronRanges({"layer": known}, "by hand"))
    counter.add({"layer": np.asarray(values, np.float32)})
    return counter.dna()


def sample(rng: np.random.Generator, n: int, *, shift: float = 0.0, neurons: int = 5) -> Dna:
    """Images whose positions and neurons hang together."""
    image = rng.normal(60 + shift, 10, (n, 1, 1)) + rng.normal(0, 8, (n, 1, neurons))
    return dna(image + rng.normal(0, 5, (n, 6, neurons)))


def side(buckets: np.ndarray) -> SimpleNamespace:
    return SimpleNamespace(buckets=buckets, counts=buckets.sum(axis=(1, 2))[:, None])


def test_a_moved_distance_by_hand() -> None:
    # F is 1 between the edges 8 and 17 on one side only: trapezoid 8.5 + 8.5 over two edges of 9 and 8 bins around
    gap = np.zeros((1, 1, 16))
    gap[0, 0, 1:3] = 1
    by_hand = (17 - 0) / 2 + (25 - 8) / 2
    assert SPREAD_EDGES[:4].tolist() == [0, 8, 17, 25]
    assert bucket_tests.distances_of(ONE[None], gap)[0, 0] == by_hand


def test_the_widths_of_the_edges_cover_the_range() -> None:
    assert bucket_tests.edge_widths().sum() == 126


def test_the_parts_of_buckets_add_up_to_the_whole_distribution() -> None:
    one = sample(np.random.default_rng(0), 40)
    below, share = bucket_tests.contributions(one.buckets)
    whole = np.cumsum(one.buckets.sum(axis=1)[:, :16], axis=1) / one.n_positions[:, None]
    np.testing.assert_allclose(below.sum(axis=0), whole)
    np.testing.assert_allclose(share.sum(axis=0), 1)


def test_a_permutation_is_the_distance_of_the_buckets_that_were_put_together() -> None:
    # buckets of one size: exchanging units is then exactly exchanging images, computed here from the counts
    rng = np.random.default_rng(3)
    buckets = rng.multinomial(30, np.full(17, 1 / 17), size=(2, 32))
    left, right = side(buckets[:, :16]), side(buckets[:, 16:])
    signs = np.repeat([1.0, -1.0], 16)[rng.permutation(32)] / 16
    moved = bucket_tests.distances_of(signs[None], bucket_tests._units(left, right, np.arange(2)))
    below = [np.cumsum(buckets[:, chosen].sum(axis=1)[:, :16], axis=1) / 480 for chosen in (signs > 0, signs < 0)]
    direct = np.abs(below[0] - below[1]) @ bucket_tests.edge_widths()
    np.testing.assert_allclose(moved[0], direct)


@pytest.mark.parametrize("sizes", [(120, 120), (90, 150), (60, 600)])
def test_samples_of_one_source_are_rarely_called_different(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    p = [
        found.p_value
        for _ in range(120)
        if (
            found := bucket_tests.joint_test(
                sample(rng, sizes[0]), sample(rng, sizes[1]), np.ones(5), rng, n_permutations=99
            )
        )
    ]
    assert len(p) == 120
    assert np.mean(np.array(p) <= 0.05) <= 0.1
    assert 0.4 <= np.mean(p) <= 0.6


def test_a_shift_of_all_neurons_is_found_by_the_mean() -> None:
    rng = np.random.default_rng(2)
    found = bucket_tests.joint_test(sample(rng, 150), sample(rng, 150, shift=8), np.ones(5), rng)
    assert found is not None
    assert found.p_value <= 0.005
    assert found.p_mean <= 0.005


def test_one_neuron_among_many_is_found_and_named() -> None:
    rng = np.random.default_rng(2)
    values = [rng.normal(60, 10, (150, 2, 60)) for _ in range(2)]
    values[1][:, :, 17] += 12
    found = bucket_tests.joint_test(dna(values[0]), dna(values[1]), np.ones(60), rng)
    assert found is not None
    assert np.flatnonzero(found.p_neurons <= 0.01).tolist() == [17]
    assert found.p_value <= 0.01


def test_of_sides_of_unlike_size_nothing_is_said_of_single_neurons() -> None:
    rng = np.random.default_rng(2)
    found = bucket_tests.joint_test(sample(rng, 60), sample(rng, 200), np.ones(5), rng, n_permutations=99)
    assert found is not None
    assert found.p_max is None
    assert np.isnan(found.p_neurons).all()
    assert found.p_value == found.p_mean


def test_few_images_have_no_test() -> None:
    rng = np.random.default_rng(2)
    assert bucket_tests.joint_test(sample(rng, 4), sample(rng, 90), np.ones(5), rng) is None


def test_a_neuron_without_weight_has_no_say() -> None:
    rng = np.random.default_rng(2)
    values = [rng.normal(60, 10, (150, 2, 3)) for _ in range(2)]
    values[1][:, :, 0] += 60
    found = bucket_tests.joint_test(dna(values[0]), dna(values[1]), np.array([0.0, 1.0, 1.0]), rng)
    assert found is not None
    assert found.p_value > 0.05


def test_exchanging_the_two_sides_changes_no_p_value() -> None:
    a, b = sample(np.random.default_rng(5), 90), sample(np.random.default_rng(6), 120, shift=2)
    there = bucket_tests.joint_test(a, b, np.ones(5), np.random.default_rng(0))
    back = bucket_tests.joint_test(b, a, np.ones(5), np.random.default_rng(0))
    assert there is not None
    assert back is not None
    assert there.p_mean == pytest.approx(back.p_mean, abs=0.03)


def test_the_bootstrap_scatters_as_repeated_samples_do() -> None:
    rng = np.random.default_rng(2)
    pairs = [(sample(rng, 200), sample(rng, 200, shift=12)) for _ in range(60)]
    weights = np.full(5, 0.2)
    scatter = np.std([distances.wasserstein(a, b) @ weights for a, b in pairs])
    drawn = [bucket_tests.bootstrap_distances(a, b, weights, rng, n_resamples=99)[1:].std() for a, b in pairs]
    assert np.mean(drawn) == pytest.approx(scatter, rel=0.25)


def test_the_first_bootstrap_distance_is_the_one_observed() -> None:
    a, b = sample(np.random.default_rng(0), 50), sample(np.random.default_rng(1), 80)
    below = [np.cumsum(one.buckets.sum(axis=1)[:, :16], axis=1) / one.n_positions[:, None] for one in (a, b)]
    direct = (np.abs(below[0] - below[1]) @ bucket_tests.edge_widths()).sum()
    drawn = bucket_tests.bootstrap_distances(a, b, np.ones(5), np.random.default_rng(0), n_resamples=5)
    assert drawn[0] == pytest.approx(direct)
    assert len(drawn) == 6
