"""Shards: every row once, bounded, and moved by a change only nearby."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.sources.shards import MAX_ROWS, MIN_ROWS, cut_shards, landmarks, shard_hashes, usable


def table(names: list[int], *, same_content: bool = False) -> pa.Table:
    hashes = [hashlib.sha256(b"same" if same_content else b"%d" % name).hexdigest() for name in names]
    ids = [hashlib.sha256(b"id %d" % name).hexdigest()[:16] for name in names]
    return pa.table({"status": ["ok"] * len(names), "content_hash": hashes, "image_id": ids})


def contents(images: pa.Table) -> set[tuple[str, ...]]:
    return {tuple(shard_hashes(images, shard)) for shard in cut_shards(images)}


@given(n_rows=st.integers(0, 6000), offset=st.integers(0, 10**6), same_content=st.booleans())
@settings(max_examples=25, deadline=None)
def test_shards_cover_every_row_once_within_their_bounds(n_rows: int, offset: int, same_content: bool) -> None:
    shards = cut_shards(table(list(range(offset, offset + n_rows)), same_content=same_content))
    assert [row for start, stop in shards for row in range(start, stop)] == list(range(n_rows))
    assert all(min(n_rows, MIN_ROWS) <= stop - start <= MAX_ROWS for start, stop in shards)


@given(where=st.integers(0, 20_000), seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_one_more_row_changes_few_shards(where: int, seed: int) -> None:
    before = list(range(seed * 100_000, seed * 100_000 + 20_000))
    after = [*before[:where], -1 - seed, *before[where:]]
    assert len(contents(table(after)) - contents(table(before))) <= 4


def test_one_more_row_changes_about_one_shard_on_average() -> None:
    before = list(range(20_000))
    old = contents(table(before))
    new = [contents(table([*before[:where], -7, *before[where:]])) for where in range(50, 20_000, 1500)]
    assert np.mean([len(shards - old) for shards in new]) < 1.8


def test_shards_have_about_512_rows_on_average() -> None:
    shards = cut_shards(table(list(range(60_000))))
    assert 400 < 60_000 / len(shards) < 600


def test_rows_that_are_not_ok_belong_to_no_shard() -> None:
    good = table(list(range(3000)))
    hashes = pa.array([None] * 500, pa.string())
    bad = pa.table({"status": ["quarantined"] * 500, "content_hash": hashes, "image_id": ["0" * 16] * 500})
    mixed = pa.concat_tables([bad.slice(0, 200), good.slice(0, 1500), bad.slice(200), good.slice(1500)])
    assert cut_shards(mixed) == cut_shards(good)
    assert usable(mixed).num_rows == 3000


@given(keys=st.lists(st.integers(0, 50), min_size=0, max_size=60), reach=st.integers(1, 4))
def test_landmarks_are_the_smallest_of_their_neighbourhood(keys: list[int], reach: int) -> None:
    expected = [
        i
        for i in range(reach, len(keys) - reach)
        if all(keys[i] < keys[j] for j in range(i - reach, i + reach + 1) if j != i)
    ]
    assert landmarks(np.asarray(keys, np.uint64), reach=reach).tolist() == expected


@pytest.mark.parametrize("n_rows", [65_536 - 1, 65_536 + 513, 2 * 65_536 + 512])
def test_landmarks_do_not_depend_on_the_blocks_they_are_looked_for_in(n_rows: int) -> None:
    keys = np.random.default_rng(3).integers(0, 2**63, n_rows, np.uint64)
    found = landmarks(keys)
    smallest = [i for i in found if keys[i] == keys[max(0, i - 256) : i + 257].min()]
    assert found.tolist() == smallest
    assert len(found) == sum(
        keys[i] == keys[i - 256 : i + 257].min() for i in range(256, n_rows - 256) if keys[i] < 2**63 // 50
    )
