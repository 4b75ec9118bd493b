"""Class shares against what pictures of a class look like: by hand, by loops, and on planted differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.analyses import class_parts
from audit.maths import class_kernels, kernels, permutation
from tests.views import view_of

RNG = np.random.default_rng
CENTRES = RNG(99).normal(size=(3, 12))


def drawn(counts, seed, *, move=(0.0, 0.0, 0.0), name="reference"):
    """Classes a, b, c with so many images, each moved by so much."""
    classes = np.repeat([0, 1, 2], counts)
    vectors = CENTRES[classes] + 0.4 * RNG(seed).normal(size=(len(classes), 12))
    vectors[:, 0] += np.array(move)[classes]
    return view_of(vectors, labels=["abc"[c] for c in classes], name=name)


def run(*views, **settings):
    settings = {"n_permutations": 199, "n_resamples": 199} | settings
    return class_parts.compute(views, class_parts.ANALYSIS.config(**settings), RNG(3)).result


def strata_of(vectors, groups, classes, bursts=None):
    bursts = np.arange(len(groups)) if bursts is None else bursts
    kernel = kernels.burst_kernel(kernels.kid_kernel(vectors, vectors), bursts)
    return class_kernels.Strata(kernel, groups, classes, bursts)


def test_one_class_is_the_kernel_distance_itself():
    vectors, groups = RNG(0).normal(size=(24, 4)), np.repeat([0, 1], [10, 14])
    strata = strata_of(vectors, groups, np.zeros(24, dtype=np.int64), np.arange(24) // 2)
    found = class_kernels.observed(strata)
    expected = kernels.distance(strata.kernel, groups)
    assert found.own_shares[0] == pytest.approx(expected)
    assert found.same_shares[0] == pytest.approx(expected)
    assert found.classes[0, 0] == pytest.approx(expected)


@given(st.integers(0, 10_000))
def test_distances_are_sums_over_means_of_pairs_by_class(seed):
    """‖Σ p_c m_c − Σ q_c n_c‖² written out: every mean over pairs of two classes by loops, no image with itself."""
    rng = RNG(seed)
    groups, classes = np.repeat([0, 1], [9, 8]), np.concatenate([np.repeat([0, 1], [4, 5]), np.repeat([0, 1], [6, 2])])
    vectors = rng.normal(size=(17, 3))
    k = kernels.kid_kernel(vectors, vectors)

    def mean(g, c, h, d):
        pairs = [
            k[i, j]
            for i in range(17)
            for j in range(17)
            if i != j and (groups[i], classes[i], groups[j], classes[j]) == (g, c, h, d)
        ]
        return np.mean(pairs)

    def squared(p, q):
        return sum(
            p[c] * p[d] * mean(0, c, 0, d) + q[c] * q[d] * mean(1, c, 1, d) - 2 * p[c] * q[d] * mean(0, c, 1, d)
            for c in (0, 1)
            for d in (0, 1)
        )

    found = class_kernels.observed(strata_of(vectors, groups, classes))
    p, q = np.array([4, 5]) / 9, np.array([6, 2]) / 8
    assert found.own_shares[0] == pytest.approx(squared(p, q))
    assert found.same_shares[0] == pytest.approx(squared(p, p))


def test_a_difference_of_class_shares_alone_is_not_left():
    result = run(drawn((80, 80, 80), 0), drawn((150, 40, 20), 1, name="candidate"))
    assert result.share_low <= 0 <= result.share_high
    assert result.share < 0.2
    assert result.p_value > 0.01
    assert "class shares only" in class_parts.section(result).summary


def test_a_difference_of_pictures_alone_is_left_whole():
    result = run(drawn((80, 80, 80), 0), drawn((80, 80, 80), 1, move=(0.6, 0.6, 0.6), name="candidate"))
    assert result.share == pytest.approx(1)
    assert result.p_value == pytest.approx(1 / 200)
    assert result.auc_matched_low > 0.5


def test_of_both_a_part_is_left_and_its_interval_says_so():
    result = run(drawn((80, 80, 80), 0), drawn((130, 50, 30), 1, move=(0.7, 0.7, 0.7), name="candidate"))
    assert 0.1 < result.share_low < result.share < result.share_high < 0.95


def test_the_class_that_was_moved_is_named_first_and_alone():
    result = run(drawn((80, 80, 80), 0), drawn((80, 80, 80), 1, move=(0, 1.0, 0), name="candidate"))
    assert [c.label for c in result.classes if c.p_max_t <= 0.01] == ["b"]
    (finding,) = class_parts.section(result).findings
    assert "1 class of 3, most in b" in finding.sentence
    assert finding.pictures


def test_every_class_that_differs_is_all_of_them():
    result = run(drawn((80, 80, 80), 0), drawn((80, 80, 80), 1, move=(1.0, 1.0, 1.0), name="candidate"))
    (finding,) = class_parts.section(result).findings
    assert "in all 3 classes" in finding.sentence
    assert result.total_low < result.total < result.total_high


def test_alike_datasets_differ_in_no_class_and_have_no_share():
    result = run(drawn((60, 60, 60), 4), drawn((60, 60, 60), 5, name="candidate"))
    assert result.share is None
    assert class_parts.section(result).findings == ()


def test_of_null_pairs_few_are_called_different():
    groups = np.repeat([0, 1], [45, 45])
    classes = np.concatenate([np.repeat([0, 1, 2], counts) for counts in ((20, 15, 10), (10, 15, 20))])
    p = []
    for seed in range(60):
        strata = strata_of(CENTRES[classes] + 0.4 * RNG(seed).normal(size=(90, 12)), groups, classes)
        null = class_kernels.permuted(strata, RNG(seed), 99).same_shares
        p.append(permutation.p_value(class_kernels.observed(strata).same_shares[0], null))
    assert np.mean(np.array(p) <= 0.05) <= 0.13
    assert 0.35 < np.mean(p) < 0.65


def test_classes_that_one_dataset_lacks_are_left_out_and_counted():
    result = run(drawn((60, 60, 60), 0), drawn((60, 60, 3), 1, name="candidate"))
    assert result.n_left_out == 63
    assert [c.label for c in sorted(result.classes, key=lambda c: c.label)] == ["a", "b"]


def test_datasets_without_a_common_class_are_not_measured():
    view = view_of(RNG(0).normal(size=(60, 12)), labels=["x"] * 60, name="candidate")
    result = run(drawn((60, 60, 60), 0), view)
    assert "there are 0 and 0" in class_parts.section(result).summary
