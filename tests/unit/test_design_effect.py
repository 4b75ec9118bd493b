"""The design effect of bursts: by hand, for copies, and against a bootstrap of whole bursts."""

import numpy as np
import pytest

from audit.maths import design_effect as module
from audit.maths.design_effect import design_effect


def test_two_pairs_of_copies_by_hand() -> None:
    # deviations -1/2 -1/2 1/2 1/2: bursts sum to -1 and 1, so 2 over 1; times 2/1 for the bursts, 3/4 for the images
    assert design_effect(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0, 0, 2, 2])).tolist() == [3.0]


def test_bursts_of_unlike_size_by_hand() -> None:
    # mean 1; deviations -1 -1 -1 3: bursts sum to -2, -1, 3, so 14 over 12; times 3/2 and 3/4
    values = np.array([[0.0], [0.0], [0.0], [4.0]])
    assert design_effect(values, np.array([0, 0, 2, 3]))[0] == pytest.approx(14 / 12 * 3 / 2 * 3 / 4)


def test_images_alone_have_no_effect() -> None:
    values = np.random.default_rng(0).normal(size=(50, 3))
    assert design_effect(values, np.arange(50)).tolist() == [1, 1, 1]


@pytest.mark.parametrize("times", [2, 3, 8])
def test_images_there_k_times_vary_as_those_there_once(times: int) -> None:
    values = np.random.default_rng(0).normal(size=(40, 5))
    effect = design_effect(np.repeat(values, times, axis=0), np.repeat(np.arange(40), times))
    np.testing.assert_allclose(effect, (40 * times - 1) / 39)


def test_one_sequence_is_one_observation() -> None:
    assert design_effect(np.random.default_rng(0).normal(size=(30, 2)), np.zeros(30, np.int64)).tolist() == [30, 30]


def test_a_neuron_that_never_changes_has_no_effect() -> None:
    assert design_effect(np.ones((6, 1)), np.array([0, 0, 0, 3, 3, 5])).tolist() == [1]


def test_bursts_that_cancel_out_do_not_make_a_sample_better_than_independent() -> None:
    assert design_effect(np.array([[0.0], [1.0], [0.0], [1.0]]), np.array([0, 0, 2, 2])).tolist() == [1]


def test_a_missing_number_counts_as_the_mean() -> None:
    values, bursts = np.random.default_rng(0).normal(size=(30, 1)), np.repeat(np.arange(10), 3)
    holed = values.copy()
    holed[4] = np.nan
    filled = values.copy()
    filled[4] = np.delete(values, 4).mean()
    np.testing.assert_allclose(design_effect(holed, bursts), design_effect(filled, bursts))


def test_blocks_that_cut_bursts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    values, bursts = rng.normal(size=(200, 4)), rng.integers(0, 9, 200)
    whole = design_effect(values, bursts)
    for block in (1, 7, 64):
        monkeypatch.setattr(module, "_BLOCK", block)
        np.testing.assert_allclose(design_effect(values, bursts), whole)


def test_it_is_the_ratio_of_a_bootstrap_of_bursts_to_one_of_images() -> None:
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 7, 300)
    bursts = np.repeat(np.arange(300), sizes)
    values = (rng.normal(size=300)[bursts] + rng.normal(size=len(bursts)))[:, None]
    sums, n = np.bincount(bursts, values[:, 0]), np.bincount(bursts)
    times = rng.multinomial(300, np.full(300, 1 / 300), 4000)
    clustered = (times @ sums / (times @ n)).var()
    alone = (
        rng.multinomial(len(bursts), np.full(len(bursts), 1 / len(bursts)), 4000) @ values[:, 0] / len(bursts)
    ).var()
    assert design_effect(values, bursts)[0] == pytest.approx(clustered / alone, rel=0.1)
