"""The published Visual DNA library's own outputs, reproduced from its inputs."""

from pathlib import Path

import numpy as np
import pytest

from audit.maths import peer

LAYERS = ("conv", "tok", "vec")
Golden = dict[str, np.ndarray]

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> Golden:
    with np.load(shared_data / "vdna-golden" / "golden.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def activations(golden: Golden, side: str, layer: str) -> np.ndarray:
    values = golden[f"acts_{side}_{layer}"]
    return values.reshape(*values.shape[:2], -1)


@pytest.mark.parametrize("layer", LAYERS)
def test_ranges_are_those_of_the_peer(golden: Golden, layer: str) -> None:
    values = activations(golden, "R", layer)
    centre, half = peer.norm(values.min(axis=(0, 2)), values.max(axis=(0, 2)))
    np.testing.assert_allclose(centre, golden[f"norm_mean_{layer}"], rtol=1e-6)
    np.testing.assert_allclose(half, golden[f"norm_std_{layer}"], rtol=1e-6)


@pytest.mark.parametrize("n_bins", [1000, 50])
@pytest.mark.parametrize("side", ["A", "B"])
@pytest.mark.parametrize("layer", LAYERS)
def test_histograms_are_those_of_the_peer(golden: Golden, layer: str, side: str, n_bins: int) -> None:
    centre, half = golden[f"norm_mean_{layer}"], golden[f"norm_std_{layer}"]
    ours = peer.histogram(activations(golden, side, layer), centre, half, n_bins)
    theirs = golden[f"hist{n_bins}_bs24_{side}_{layer}"]
    neurons = [i for i in range(len(theirs)) if not (i == 5 and layer != "vec")]
    np.testing.assert_array_equal(ours[neurons], theirs[neurons])


@pytest.mark.parametrize("n_bins", [1000, 50])
@pytest.mark.parametrize("layer", LAYERS)
def test_earth_movers_distances_are_those_of_the_peer(golden: Golden, layer: str, n_bins: int) -> None:
    left, right = (golden[f"hist{n_bins}_bs24_{side}_{layer}"] for side in "AB")
    np.testing.assert_allclose(peer.emd(left, right), golden[f"emd{n_bins}_bs24_neurons_{layer}"], rtol=1e-10)


def test_the_distance_over_all_layers_is_the_plain_mean_over_neurons(golden: Golden) -> None:
    parts = [peer.emd(golden[f"hist1000_bs24_A_{layer}"], golden[f"hist1000_bs24_B_{layer}"]) for layer in LAYERS]
    assert float(np.concatenate(parts).mean()) == pytest.approx(float(golden["emd1000_bs24_all"]), rel=1e-10)


@pytest.mark.parametrize("layer", LAYERS)
def test_normal_distances_are_those_of_the_peer(golden: Golden, layer: str) -> None:
    means = [activations(golden, side, layer).astype(np.float64).mean(axis=2) for side in "AB"]
    ours = peer.normal_distance(
        (means[0].mean(0), means[1].mean(0)), (means[0].var(0, ddof=1), means[1].var(0, ddof=1))
    )
    np.testing.assert_allclose(ours, golden[f"nfd_neurons_{layer}"], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("layer", LAYERS)
def test_frechet_distances_are_those_of_the_peer(golden: Golden, layer: str) -> None:
    mean = tuple(golden[f"lg_mu_{side}_{layer}"] for side in "AB")
    covariance = tuple(golden[f"lg_sigma_{side}_{layer}"] for side in "AB")
    assert peer.frechet(mean, covariance) == pytest.approx(float(golden[f"fd_layer_{layer}"]), rel=1e-5)
