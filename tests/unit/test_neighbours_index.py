"""The index as bytes: the same answers as a search, and every flipped bit of it noticed."""

import numpy as np
import pytest

from audit.maths.neighbours import search
from storage.errors import ArtefactCorruptError
from storage.indexes import read_index, write_index


def vectors(n=400, d=16, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_an_exact_index_answers_as_a_search_does():
    x = vectors()
    found = read_index(write_index(x)).search(x[:9], 5)
    np.testing.assert_array_equal(found.indices, search(x[:9], x, 5, threads=1).indices)


def test_a_graph_keeps_its_measured_recall_and_finds_nearly_all():
    x = vectors(2000)
    index = read_index(write_index(x, exact_limit=100))
    found = index.search(x[::10], 10).indices
    truth = search(x[::10], x, 10, threads=1).indices
    recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(found, truth, strict=True)])
    assert index.recall >= 0.98
    assert recall >= 0.98


def test_a_graph_gives_true_distances():
    x = vectors(500)
    found = read_index(write_index(x, exact_limit=100)).search(x[:20], 3)
    expected = np.linalg.norm(x[:20, None].astype(np.float64) - x[found.indices], axis=2)
    np.testing.assert_allclose(found.distances, expected, atol=1e-7)


@pytest.mark.parametrize("limit", [100, 1000])
def test_the_same_vectors_give_the_same_bytes(limit):
    assert write_index(vectors(), exact_limit=limit) == write_index(vectors(), exact_limit=limit)


@pytest.mark.parametrize("limit", [10, 1000])
def test_no_flipped_bit_goes_unnoticed(limit):
    data = write_index(vectors(60, 4), exact_limit=limit)
    rng = np.random.default_rng(1)
    for position in rng.integers(0, len(data), 100):
        damaged = bytearray(data)
        damaged[position] ^= 1 << int(rng.integers(8))
        with pytest.raises(ArtefactCorruptError):
            read_index(bytes(damaged))


def test_a_cut_file_is_refused():
    with pytest.raises(ArtefactCorruptError, match="bytes that were written"):
        read_index(write_index(vectors(20, 4))[:-1])


def test_a_foreign_file_never_reaches_faiss():
    import faiss

    flat = faiss.IndexFlatL2(4)
    flat.add(np.zeros((3, 4), np.float32))
    with pytest.raises(ArtefactCorruptError, match="not an index of this program"):
        read_index(faiss.serialize_index(flat).tobytes())


def test_an_index_of_nothing_finds_nothing():
    assert read_index(write_index(np.zeros((0, 4), np.float32))).search(
        np.zeros((1, 4), np.float32), 2
    ).indices.tolist() == [[-1, -1]]
