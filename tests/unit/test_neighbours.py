"""Nearest neighbours: small cases by hand, ties, copies, and bytes that depend on nothing but the vectors."""

import numpy as np
import pytest

from audit.maths import neighbours
from audit.maths.neighbours import nearest, search


def unit(rng, n, d):
    x = rng.normal(size=(n, d)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def brute(queries, vectors, k, own=None):
    squared = ((queries[:, None, :].astype(np.float64) - vectors[None].astype(np.float64)) ** 2).sum(-1)
    if own is not None:
        squared[np.arange(len(queries)), own] = np.inf
    order = np.lexsort((np.broadcast_to(np.arange(len(vectors)), squared.shape), squared), axis=-1)[:, :k]
    return order, np.sqrt(np.take_along_axis(squared, order, 1))


def test_nearest_of_points_on_a_line_are_the_ones_beside_them():
    table = nearest(np.array([[0], [1], [3], [7]], dtype=np.float32), 2, threads=1)
    assert table.indices.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert table.distances.tolist() == [[1, 3], [1, 2], [2, 3], [4, 6]]


def test_where_there_are_too_few_neighbours_the_rest_is_minus_one_and_infinite():
    table = nearest(np.eye(2, dtype=np.float32), 3, threads=1)
    assert table.indices.tolist() == [[1, -1, -1], [0, -1, -1]]
    assert np.isinf(table.distances[:, 1:]).all()


def test_how_many_rows_are_done_is_told_and_what_that_raises_ends_the_search(monkeypatch):
    monkeypatch.setattr(neighbours, "QUERY_BLOCK", 4)
    told = []
    nearest(unit(np.random.default_rng(0), 10, 3), 2, threads=1, tell=told.append)
    assert told == [4, 8, 10]

    def stop(done):
        raise RuntimeError(f"stopped at {done}")

    with pytest.raises(RuntimeError, match="stopped at 4"):
        nearest(unit(np.random.default_rng(0), 10, 3), 2, threads=1, tell=stop)


@pytest.mark.parametrize("n", [0, 1])
def test_no_image_and_one_image_have_no_neighbours(n):
    table = nearest(np.ones((n, 4), dtype=np.float32), 2, threads=1)
    assert table.indices.shape == (n, 2)
    assert (table.indices == -1).all()


def test_exact_copies_are_neighbours_at_distance_zero_but_never_of_themselves():
    rng = np.random.default_rng(0)
    vectors = np.repeat(unit(rng, 3, 8), 30, axis=0)
    table = nearest(vectors, 5, threads=1)
    assert not (table.indices == np.arange(90)[:, None]).any()
    assert (table.distances == 0).all()


def test_equal_distances_go_to_the_smaller_row_number():
    vectors = np.concatenate([np.zeros((1, 4)), np.ones((40, 4))]).astype(np.float32)
    assert nearest(vectors, 3, threads=1).indices[0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_float64_brute_force_even_among_hardly_different_images(seed):
    rng = np.random.default_rng(seed)
    centres = unit(rng, 40, 24)
    vectors = (np.repeat(centres, 12, axis=0) + rng.normal(size=(480, 24)) * 1e-4).astype(np.float32)
    table = nearest(vectors, 5, threads=2)
    indices, distances = brute(vectors, vectors, 5, own=np.arange(480))
    np.testing.assert_array_equal(table.indices, indices)
    np.testing.assert_allclose(table.distances, distances, rtol=1e-6)


def test_bytes_do_not_depend_on_threads_or_on_the_size_of_blocks(monkeypatch):
    vectors = unit(np.random.default_rng(3), 700, 32)
    expected = nearest(vectors, 6, threads=1)
    monkeypatch.setattr(neighbours, "QUERY_BLOCK", 37)
    monkeypatch.setattr(neighbours, "RERANK_BYTES", 10_000)
    table = nearest(vectors, 6, threads=2)
    assert table.indices.tobytes() == expected.indices.tobytes()
    assert table.distances.tobytes() == expected.distances.tobytes()


def test_search_finds_the_nearest_of_another_set():
    rng = np.random.default_rng(4)
    queries, vectors = unit(rng, 50, 16), unit(rng, 200, 16)
    table = search(queries, vectors, 4, threads=1)
    np.testing.assert_array_equal(table.indices, brute(queries, vectors, 4)[0])


def test_reads_a_memory_map_without_changing_the_result(tmp_path):
    vectors = unit(np.random.default_rng(5), 300, 16)
    np.save(tmp_path / "v.npy", vectors)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    np.testing.assert_array_equal(nearest(mapped, 3, threads=1).indices, nearest(vectors, 3, threads=1).indices)


def test_refuses_k_of_zero():
    with pytest.raises(ValueError, match="got 0"):
        nearest(np.eye(3, dtype=np.float32), 0, threads=1)


def test_refuses_vectors_of_another_dtype():
    with pytest.raises(ValueError, match="float64"):
        nearest(np.eye(3), 1, threads=1)


def test_refuses_queries_of_another_dimension():
    with pytest.raises(ValueError, match="3 dimensions and vectors 4"):
        search(np.eye(3, dtype=np.float32), np.eye(4, dtype=np.float32), 1, threads=1)
