"""The lists of what a neuron sees: their table, copies, and shards that become a set."""

import numpy as np
import pyarrow as pa
import pytest

from audit.dna.tops import K, TopKeeper
from audit.model import Tops
from workers.steps.tops import first_rows, from_table, numbered, renamed, sealed, to_table


def lists(n_pictures: int, n_neurons: int = 3, seed: int = 0) -> Tops:
    rng = np.random.default_rng(seed)
    keeper = TopKeeper(n_neurons)
    values = rng.random((n_pictures, n_neurons), dtype=np.float32)
    values[:, 1] = np.nan
    keeper.add(values, rng.integers(0, 16, values.shape, np.int32), np.arange(n_pictures, dtype=np.int32))
    return keeper.tops()


def same(left: Tops, right: Tops) -> None:
    for name in ("rows", "values", "places"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


@pytest.mark.parametrize("n", [0, 4, 30])
def test_a_table_gives_the_lists_back(n: int) -> None:
    same(from_table(to_table(lists(n)), 3), lists(n))


def test_pictures_of_the_same_content_have_the_same_number_in_the_order_of_hashes() -> None:
    assert numbered(["c", "a", "c", "b"]).tolist() == [2, 0, 2, 1]
    assert numbered([]).tolist() == []


def test_the_first_of_the_rows_stands_for_all_copies() -> None:
    assert first_rows(np.int32([2, 0, 2]), np.array([5, 4, 1])).tolist() == [4, -1, 1]


def test_shards_become_a_set_by_rows_of_the_set_and_copies_by_the_first_of_them() -> None:
    rows = [
        pa.table({"content_hash": ["c", "a", "x"], "status": ["ok", "ok", "quarantined"]}),
        pa.table({"content_hash": ["a", "b"], "status": ["ok", "ok"]}),
    ]
    answers = {"a": 0.5, "b": 0.75, "c": 0.25}
    parts = []
    for table in rows:
        hashes = [h for h in table.column("content_hash").to_pylist() if h in answers]
        keeper = TopKeeper(1)
        keeper.add(
            np.float32([[answers[h]] for h in hashes]),
            np.zeros((len(hashes), 1), np.int32),
            np.arange(len(hashes), dtype=np.int32),
        )
        parts.append(keeper.tops())
    place = np.array([1, 3, 0, 2])
    found = sealed(rows, place, parts, 1)
    assert found.rows.tolist() == [[2, 0, 1] + [-1] * (K - 3)]
    np.testing.assert_array_equal(found.values[0, :3], np.float32([0.75, 0.5, 0.25]))


def test_a_set_without_shards_has_empty_lists() -> None:
    assert (sealed([], np.zeros(0, np.int64), [], 2).rows == -1).all()


def test_renaming_leaves_gaps_alone() -> None:
    found = renamed(lists(2), np.int32([10, 20]))
    assert set(found.rows.ravel().tolist()) == {-1, 10, 20}
