"""Files of the published library that cannot be what they say."""

import io
import json

import numpy as np
import pytest

from audit.dna.peer_files import PeerDna, compare_peer, from_bytes, read_peer, to_bytes
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
