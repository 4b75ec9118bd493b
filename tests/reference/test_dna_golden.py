"""The published Visual DNA library's own outputs, reproduced from its inputs."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from audit.dna.peer_files import PeerDna, compare_peer, read_peer
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


@pytest.mark.parametrize("batch", [24, 4])
@pytest.mark.parametrize("n_bins", [1000, 50])
@pytest.mark.parametrize("side", ["A", "B"])
@pytest.mark.parametrize("layer", LAYERS)
def test_histograms_are_those_of_the_peer(golden: Golden, layer: str, side: str, n_bins: int, batch: int) -> None:
    centre, half = golden[f"norm_mean_{layer}"], golden[f"norm_std_{layer}"]
    ours = peer.histogram(activations(golden, side, layer), centre, half, n_bins)
    theirs = golden[f"hist{n_bins}_bs{batch}_{side}_{layer}"]
    few_values = 5 if layer != "vec" else -1
    neurons = [i for i in range(len(theirs)) if i != few_values]
    np.testing.assert_array_equal(ours[neurons], theirs[neurons])
    if few_values >= 0:
        # exact zeros lie on an edge and fall on either side of it in the peer, by the size of its batch
        middle = [n_bins // 2 - 1, n_bins // 2]
        assert ours[5, middle].sum() == theirs[5, middle].sum()
        np.testing.assert_array_equal(np.delete(ours[5], middle), np.delete(theirs[5], middle))


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


def files(kind: str, layers: dict[str, int], arrays: Golden, **about: object) -> tuple[bytes, bytes]:
    """The pair of files that the published library writes, byte for byte of its form."""
    said = {
        "time_of_compute": "08:00AM on January 01, 2024",
        "vdna_version": "0.1.1",
        "distribution": about,
        "type": kind,
        "name": kind,
        "data_settings": {"source": "images", "num_images": -1},
        "extraction_settings": {"batch_size": 24},
        "num_images": 24,
        "feature_extractor_name": "golden",
        "neurons_list": layers,
    }
    stored = io.BytesIO()
    np.savez_compressed(stored, **arrays)
    return json.dumps(said, indent=4).encode(), stored.getvalue()


def imported(golden: Golden, kind: str, side: str) -> PeerDna:
    """The golden DNA of one side through the library's files."""
    names = {
        "histogram": {"": f"hist1000_bs24_{side}_"},
        "gaussian": {"mu-": f"gauss_mu_{side}_", "var-": f"gauss_var_{side}_"},
    }
    names["layer-gaussian"] = {"mu-": f"lg_mu_{side}_", "sigma-": f"lg_sigma_{side}_"}
    arrays = {mark + layer: golden[name + layer] for layer in LAYERS for mark, name in names[kind].items()}
    counts = {name: array.astype(np.int32) for name, array in arrays.items()}
    neurons = {layer: len(golden[f"gauss_mu_A_{layer}"]) for layer in LAYERS}
    return read_peer(*files(kind, neurons, counts if kind == "histogram" else arrays, hist_nb_bins=1000))


@pytest.mark.parametrize(
    ("kind", "measure", "total", "rel"),
    [
        ("histogram", "EMD", "emd1000_bs24_all", 1e-10),
        ("gaussian", "NFD", "nfd_all", 1e-4),
        ("layer-gaussian", "FD", "fd_all", 1e-5),
    ],
)
def test_imported_files_are_as_far_apart_as_the_peer_says(
    golden: Golden, kind: str, measure: str, total: str, rel: float
) -> None:
    found = compare_peer(imported(golden, kind, "A"), imported(golden, kind, "B"))
    prefix = total.removesuffix("_all")
    assert found.measure == measure
    assert found.distance == pytest.approx(float(golden[total]), rel=rel)
    for layer in LAYERS:
        assert found.layers[layer] == pytest.approx(float(golden[f"{prefix}_layer_{layer}"]), rel=rel)


def test_one_neuron_of_an_imported_layer_is_as_far_apart_as_the_peer_says(golden: Golden) -> None:
    found = compare_peer(imported(golden, "histogram", "A"), imported(golden, "histogram", "B"))
    assert found.neurons["tok"][1] == pytest.approx(float(golden["emd1000_bs24_neuron_tok_1"]), rel=1e-10)


def test_imported_files_say_that_no_uncertainty_is_available(golden: Golden) -> None:
    found = compare_peer(imported(golden, "histogram", "A"), imported(golden, "histogram", "B"))
    assert "no uncertainty available" in found.note


@pytest.mark.parametrize("layer", LAYERS)
def test_normals_of_neurons_are_those_of_the_peer(golden: Golden, layer: str) -> None:
    for side in "AB":
        mean, variance = peer.normals(activations(golden, side, layer))
        np.testing.assert_allclose(mean, golden[f"gauss_mu_{side}_{layer}"], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(variance, golden[f"gauss_var_{side}_{layer}"], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("layer", LAYERS)
def test_normals_of_layers_are_those_of_the_peer(golden: Golden, layer: str) -> None:
    for side in "AB":
        mean, covariance = peer.layer_normal(activations(golden, side, layer))
        np.testing.assert_allclose(mean, golden[f"lg_mu_{side}_{layer}"], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(covariance, golden[f"lg_sigma_{side}_{layer}"], rtol=1e-4, atol=1e-6)
