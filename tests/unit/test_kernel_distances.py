"""Kernel distances that treat a burst as one observation: by hand, by loops, by properties, and in a section."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.analyses import kernel_distances
from audit.maths import kernels
from tests.views import make_view, view_of

RNG = np.random.default_rng


def run(views, **settings):
    return kernel_distances.compute(views, kernel_distances.ANALYSIS.config(**settings), RNG(3))


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def by_loops(kernel, groups, bursts):
    """The definition: means over ordered pairs that are not of one burst."""
    sums = {(0, 0): [], (1, 1): [], (0, 1): []}
    for i in range(len(groups)):
        for j in range(len(groups)):
            if bursts[i] != bursts[j] and (groups[i], groups[j]) in sums:
                sums[groups[i], groups[j]].append(kernel[i, j])
    return np.mean(sums[0, 0]) + np.mean(sums[1, 1]) - 2 * np.mean(sums[0, 1])


def test_kid_of_four_unit_vectors_by_hand():
    vectors = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    kernel = kernels.burst_kernel(kernels.kid_kernel(vectors, vectors), np.arange(4))
    assert kernels.distance(kernel, np.array([0, 0, 1, 1])) == pytest.approx(1 + 1 - 2 * (0 + 1 + 1 + 0) / 4)


def test_cmmd_of_equal_points_against_their_opposites_by_hand():
    vectors = np.array([[1.0, 0], [1, 0], [-1, 0], [-1, 0]])
    kernel = kernels.burst_kernel(kernels.cmmd_kernel(vectors, vectors), np.arange(4))
    assert kernels.distance(kernel, np.array([0, 0, 1, 1])) == pytest.approx(2000 * (1 - np.exp(-4 / 200)))


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_the_distance_is_the_mean_over_pairs_of_different_bursts(seed, per_burst):
    rng = RNG(seed)
    groups = np.repeat([0, 1], [9, 12])
    bursts = np.concatenate([np.arange(9) // per_burst, 100 + np.arange(12) // per_burst])
    vectors = unit(rng.normal(size=(21, 3)))
    values = kernels.kid_kernel(vectors, vectors)
    found = kernels.distance(kernels.burst_kernel(values, bursts), groups)
    assert found == pytest.approx(by_loops(values, groups, bursts), abs=1e-9)


@given(st.integers(0, 10_000))
def test_the_distance_does_not_ask_which_dataset_comes_first(seed):
    vectors, groups = unit(RNG(seed).normal(size=(20, 4))), np.repeat([0, 1], [8, 12])
    kernel = kernels.burst_kernel(kernels.cmmd_kernel(vectors, vectors), np.arange(20))
    assert kernels.distance(kernel, groups) == pytest.approx(kernels.distance(kernel, 1 - groups), abs=1e-9)


def test_copies_inside_one_dataset_do_not_make_it_differ():
    rng = RNG(4)
    values = []
    for _ in range(40):
        vectors = unit(np.concatenate([np.repeat(rng.normal(size=(15, 6)), 4, axis=0), rng.normal(size=(60, 6))]))
        bursts = np.concatenate([np.arange(60) // 4, 100 + np.arange(60)])
        kernel = kernels.burst_kernel(kernels.kid_kernel(vectors, vectors), bursts)
        values.append(kernels.distance(kernel, np.repeat([0, 1], 60)))
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))


def test_the_interval_holds_the_true_distance_about_as_often_as_it_says():
    rng, hits = RNG(5), []
    shifted = np.array([1.0, 0, 0, 0, 0])
    big = [unit(rng.normal(size=(3000, 5)) + shift) for shift in (0 * shifted, shifted)]
    within = [(k.sum() - np.trace(k)) / (3000 * 2999) for k in (kernels.kid_kernel(x, x) for x in big)]
    truth = sum(within) - 2 * kernels.kid_kernel(*big).mean()
    groups = np.repeat([0, 1], [50, 40])
    for _ in range(60):
        vectors = unit(rng.normal(size=(90, 5)) + groups[:, None] * shifted)
        kernel = kernels.burst_kernel(kernels.kid_kernel(vectors, vectors), np.arange(90))
        low, high = kernels.interval(kernel, groups, rng, n_resamples=199)
        hits.append(low <= truth <= high)
    assert np.mean(hits) >= 0.88


def test_a_permutation_moves_whole_bursts():
    vectors = unit(np.repeat(RNG(6).normal(size=(30, 4)), 10, axis=0))
    groups, owners = (np.arange(300) // 10) % 2, np.arange(300) // 10
    values = kernels.kid_kernel(vectors, vectors)
    whole = kernels.p_value(kernels.burst_kernel(values, owners), groups, RNG(0), n_permutations=199)
    single = kernels.p_value(kernels.burst_kernel(values, np.arange(300)), groups, RNG(0), n_permutations=199)
    assert single <= 0.01 < whole


def test_alike_datasets_are_not_apart_and_their_distances_lie_about_zero():
    result = run((make_view(0), make_view(1, name="candidate"))).result
    assert result.kid.null_low < 0 < result.kid.null_high
    assert result.kid.low <= result.kid.value <= result.kid.high
    assert kernel_distances.section(result).findings == ()


def drawn(seed, n, shift=0.0):
    """Images drawn at random: their classes are not balanced by hand, as those of make_view are."""
    return view_of(RNG(seed).normal(size=(n, 16)) + shift * np.eye(16)[0] + np.eye(16)[1], name=f"drawn {seed}")


def test_moved_datasets_are_apart_by_both_distances():
    result = run((drawn(0, 150), drawn(1, 120, shift=1.0))).result
    for one in (result.kid, result.cmmd):
        assert one.low > one.null_high
        assert one.p_value == pytest.approx(1 / 1000)
    (finding,) = kernel_distances.section(result).findings
    assert f"{result.kid.value:.3g}" in finding.sentence


def test_the_distance_does_not_fall_with_the_number_of_images_as_frechet_distances_do():
    sizes = {"n_permutations": 99, "n_resamples": 99, "n_draws": 20}
    small, large = (
        [run((drawn(2 * s, n), drawn(2 * s + 1, n, shift=1.0)), **sizes).result.kid.value for s in range(8)]
        for n in (50, 200)
    )
    assert np.mean(small) == pytest.approx(np.mean(large), abs=3 * np.std(small) / np.sqrt(8))
    assert np.mean(large) > 3 * np.std(small) / np.sqrt(8)


def test_few_bursts_are_too_few_however_many_images_they_have():
    vectors = np.repeat(RNG(5).normal(size=(24, 8)), 12, axis=0)
    groups = [f"g{i // 12}" for i in range(288)]
    views = view_of(vectors[:144], groups=groups[:144]), view_of(vectors[144:], groups=groups[144:], name="candidate")
    result = run(views).result
    assert result.kid is None
    assert "too few" in kernel_distances.section(result).summary
