"""Columns: which is which, and what their cells say."""

from __future__ import annotations

import math

import pytest

from storage.errors import SourceColumnError, SourceError
from storage.sources import SourceSpec
from storage.sources.columns import Roles, as_box, as_text, find_roles


def spec(**settings: str) -> SourceSpec:
    return SourceSpec(uri="m.csv", **settings)  # type: ignore[arg-type]


def test_usual_names_are_found_in_any_case() -> None:
    found = find_roles(spec(), ["Filename", "Y", "Split", "group", "box", "camera"], needs_path=True)
    assert found == Roles("Filename", "Y", "Split", "group", ("box",))


def test_a_missing_column_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(SourceColumnError, match=r"label_from names the column 'lable'.*path, label") as caught:
        find_roles(spec(label_from="lable"), ["path", "label"], needs_path=True)
    assert caught.value.columns == ("path", "label")


def test_no_column_of_paths_is_refused_with_the_columns() -> None:
    with pytest.raises(SourceError, match=r"path_column.*a, b"):
        find_roles(spec(), ["a", "b"], needs_path=True)


def test_a_column_called_like_a_word_is_reached_with_a_prefix() -> None:
    assert find_roles(spec(label_from="column:none"), ["path", "none"], needs_path=True).label == "none"
    assert find_roles(spec(label_from="none"), ["path", "none", "label"], needs_path=True).label is None


def test_a_box_may_be_four_columns() -> None:
    names = ["path", "x0", "y0", "x1", "y1"]
    assert find_roles(spec(box_from="x0, y0,x1,y1"), names, needs_path=True).box == ("x0", "y0", "x1", "y1")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, None), ("", None), (0, "0"), (2.0, "2"), (2.5, "2.5"), (math.nan, None), (False, "false")],
)
def test_labels_of_any_type_become_text(value: object, text: str | None) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    "cell", [[1, 2, 3, 4], "1 2 3 4", "(1, 2, 3, 4)", "[1,2,3,4]", {"a": 1, "b": 2, "c": 3, "d": 4}]
)
def test_boxes_are_read_in_every_usual_form(cell: object) -> None:
    assert as_box(cell) == ((1.0, 2.0, 3.0, 4.0), None)


@pytest.mark.parametrize("cell", ["1 2 3", "a b c d", [1, 2, 1, 4], [0, 0, math.nan, 1], 7, "[1,2"])
def test_a_box_that_is_none_is_said_to_be_so(cell: object) -> None:
    box, problem = as_box(cell)
    assert box is None
    assert problem is not None


@pytest.mark.parametrize("cell", [None, "", [None, None, None, None]])
def test_an_empty_box_is_no_problem(cell: object) -> None:
    assert as_box(cell) == (None, None)
