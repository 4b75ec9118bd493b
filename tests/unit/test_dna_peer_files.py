"""Files of the published library that cannot be what they say."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.dna import files
from audit.dna.peer_files import FORM, PeerDna, compare_peer, from_bytes, read_peer, to_bytes
from audit.errors import ConfigError, FingerprintMismatchError

ABOUT = {"type": "histogram", "feature_extractor_name": "vit", "neurons_list": {"a": 2}, "num_images": 3}
COUNTS = {"a": np.array([[2, 0, 0, 2], [4, 0, 0, 0]], np.int32)}


def pair(about: dict[str, object], arrays: dict[str, np.ndarray]) -> tuple[bytes, bytes]:
    stored = io.BytesIO()
    np.savez_compressed(stored, **arrays)
    return json.dumps(about).encode(), stored.getvalue()


def dna(**changes: object) -> PeerDna:
    return read_peer(*pair({**ABOUT, **changes}, COUNTS))


def test_a_histogram_is_read_with_its_counts() -> None:
    found = dna()
    assert (found.kind, found.extractor, found.n_images, found.n_bins) == ("histogram", "vit", 3, 4)
    assert found.layers["a"][0].tolist() == COUNTS["a"].tolist()


def test_the_distance_is_the_plain_mean_over_neurons() -> None:
    # neuron 0: half the mass one bin to the left and half one bin to the right = 1; neuron 1: all of it three bins
    other = read_peer(*pair(ABOUT, {"a": np.array([[0, 2, 2, 0], [0, 0, 0, 4]], np.int32)}))
    assert compare_peer(dna(), other).neurons["a"].tolist() == [1.0, 3.0]
    assert compare_peer(dna(), other).distance == 2.0


@pytest.mark.parametrize(
    ("about", "arrays", "message"),
    [
        ({**ABOUT, "type": "activation-ranges"}, COUNTS, "activation-ranges"),
        ({"type": "histogram"}, COUNTS, "npz pair of the published"),
        (ABOUT, {"b": COUNTS["a"]}, "lacks a"),
        ({**ABOUT, "neurons_list": {"a": 3}}, COUNTS, "3 neurons"),
        (ABOUT, {"a": -COUNTS["a"]}, "wrapped"),
        ({**ABOUT, "neurons_list": {}}, COUNTS, "0 layers"),
        ({**ABOUT, "neurons_list": {"a": "two"}}, COUNTS, "npz pair of the published"),
        ({**ABOUT, "num_images": -1}, COUNTS, "-1 images"),
        ({**ABOUT, "num_images": float("inf")}, COUNTS, "npz pair of the published"),
        (ABOUT, {"a": np.array([["x", "y"], ["z", "w"]])}, "no number"),
        (ABOUT, {"a": np.array([[np.nan, 1], [1, 1]])}, "no number"),
        (ABOUT, {"a": np.ones((2, 3), complex)}, "no number"),
        (ABOUT, {"a": np.full((2, 3), 0.5)}, "no whole numbers"),
        (ABOUT, {"a": np.zeros((2, 3), int)}, "without any count"),
        (ABOUT, {"a": np.zeros((2, 0), int)}, "shapes"),
        ({**ABOUT, "neurons_list": {"a": 2, "b": 1}}, {**COUNTS, "b": np.ones((1, 5), int)}, "numbers of bins: 4, 5"),
        ({**ABOUT, "type": "gaussian"}, {"mu-a": np.ones(2), "var-a": np.ones((2, 2))}, "shapes"),
        ({**ABOUT, "type": "gaussian"}, {"mu-a": np.ones(2), "var-a": -np.ones(2)}, "negative variance"),
        ({**ABOUT, "type": "layer-gaussian"}, {"mu-a": np.ones(2), "sigma-a": np.ones((2, 3))}, "shapes"),
    ],
)
def test_a_pair_that_cannot_be_read_says_why(
    about: dict[str, object], arrays: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_peer(*pair(about, arrays))


@pytest.mark.parametrize("arrays", [b"", b"PK\x03\x04 no archive"])
def test_bytes_that_are_no_archive_are_refused(arrays: bytes) -> None:
    with pytest.raises(ConfigError, match="npz pair of the published"):
        read_peer(json.dumps(ABOUT).encode(), arrays)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_archive_is_refused_in_words(seed: int) -> None:
    rng, (about, arrays) = np.random.default_rng(seed), pair(ABOUT, COUNTS)
    for _ in range(200):
        data = bytearray(arrays)
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
        try:
            found = read_peer(about, bytes(data[: int(rng.integers(len(data) // 2, 2 * len(data)))]))
        except ConfigError:
            continue
        assert found.layers["a"][0].tolist() == COUNTS["a"].tolist()


def test_json_that_is_nested_too_deep_is_refused() -> None:
    with pytest.raises(ConfigError, match="npz pair of the published"):
        read_peer(b"[" * 100_000, pair(ABOUT, COUNTS)[1])


def test_a_pickled_array_is_never_loaded() -> None:
    stored = io.BytesIO()
    np.savez(stored, a=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ConfigError, match="npz pair of the published"):
        read_peer(json.dumps(ABOUT).encode(), stored.getvalue())


def test_different_extractors_are_refused() -> None:
    with pytest.raises(FingerprintMismatchError):
        compare_peer(dna(), dna(feature_extractor_name="inception"))


def test_different_bins_are_refused() -> None:
    other = read_peer(*pair(ABOUT, {"a": np.ones((2, 5), np.int32)}))
    with pytest.raises(ConfigError, match="bins"):
        compare_peer(dna(), other)


def test_an_imported_dna_survives_its_own_file() -> None:
    found = from_bytes(to_bytes(dna()))
    assert (found.kind, found.extractor, found.n_images, found.n_bins) == ("histogram", "vit", 3, 4)
    assert compare_peer(found, dna()).distance == 0
    assert found.layers["a"][0].dtype == np.int64


def test_an_imported_file_without_its_metadata_is_refused() -> None:
    table = pq.read_table(pa.BufferReader(to_bytes(dna())))
    stored = files.parquet_bytes(table.replace_schema_metadata({files.ABOUT: b"{}"}), FORM)
    with pytest.raises(ConfigError, match="metadata"):
        from_bytes(stored)
