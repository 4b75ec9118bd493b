"""Tables as CSV that spreadsheets open without running anything."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.render import csv_blocks, render_csv
from audit.render.csv import FORMULA_STARTS, ROWS


def rows_of(table: pa.Table) -> list[list[str]]:
    return list(csv.reader(io.StringIO(render_csv(table).decode("utf-8"), newline="")))


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_a_text_cell_that_starts_a_formula_gets_an_apostrophe(start: str) -> None:
    assert rows_of(pa.table({"path": [f"{start}cmd|' /C calc'!A0"]}))[1] == [f"'{start}cmd|' /C calc'!A0"]


def test_a_header_that_starts_a_formula_gets_an_apostrophe() -> None:
    assert rows_of(pa.table({"=meta": ["x"]}))[0] == ["'=meta"]


def test_negative_numbers_stay_numbers() -> None:
    table = pa.table({"a": pa.array([-3]), "b": pa.array([-0.5]), "c": pa.array([-0.1], pa.float32())})
    assert rows_of(table)[1] == ["-3", "-0.5", "-0.100000001"]


def test_null_is_an_empty_cell() -> None:
    assert rows_of(pa.table({"a": pa.array([None, 1]), "b": pa.array(["x", None])}))[1:] == [["", "x"], ["1", ""]]


def test_binary_is_hexadecimal_lists_are_json_and_booleans_are_words() -> None:
    table = pa.table({"a": [b"\x00\xff"], "b": [[1.5, 2.0]], "c": [True]})
    assert rows_of(table)[1] == ["00ff", "[1.5, 2.0]", "true"]


def test_vectors_are_json_whose_numbers_are_the_shortest_that_are_the_same_float32() -> None:
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    vectors[0, 0] = 0.1
    cells = [
        row[0] for row in rows_of(pa.table({"a": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 4)}))
    ]
    assert cells[1].startswith("[0.1, ")
    np.testing.assert_array_equal(np.array([json.loads(cell) for cell in cells[1:]], np.float32), vectors)


def test_a_vector_that_is_missing_or_not_finite_has_its_own_words() -> None:
    table = pa.table({"a": pa.array([[1.0, float("nan")], None, [0.5, 0.25]], pa.list_(pa.float32(), 2))})
    assert rows_of(table)[1:] == [["[1.0, NaN]"], [""], ["[0.5, 0.25]"]]


def test_blocks_of_rows_are_the_whole_table() -> None:
    table = pa.table({"a": list(range(2 * ROWS + 3))})
    blocks = list(csv_blocks(table))
    assert [block.count(b"\r\n") for block in blocks] == [1, ROWS, ROWS, 3]
    assert b"".join(blocks) == render_csv(table)


def test_lines_end_as_the_standard_says() -> None:
    assert render_csv(pa.table({"a": [1, 2]})) == b"a\r\n1\r\n2\r\n"


def test_a_table_without_rows_is_its_header() -> None:
    assert render_csv(pa.table({"a": pa.array([], pa.string())})) == b"a\r\n"


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=1, max_size=5))
def test_any_text_comes_back_with_an_apostrophe_only_where_it_starts_a_formula(texts: list[str]) -> None:
    found = [row[0] for row in rows_of(pa.table({"a": texts, "b": ["x"] * len(texts)}))[1:]]
    expected = [f"'{text}" if text.startswith(FORMULA_STARTS) else text for text in texts]
    assert found == expected
