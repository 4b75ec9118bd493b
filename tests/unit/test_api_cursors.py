"""Cursors: opaque, bound to their list and filters."""

from __future__ import annotations

import base64
import json

import pytest

from api.cursors import decode, decode_offset, encode
from api.errors import BadCursorError


def test_a_cursor_gives_back_its_position() -> None:
    assert decode("audits", {}, encode("audits", {}, "2026-01-01/abc")) == "2026-01-01/abc"


def test_an_offset_survives_the_round_trip() -> None:
    assert decode_offset("outliers/1", {"label": "cat"}, encode("outliers/1", {"label": "cat"}, 400)) == 400


def test_no_cursor_begins_at_the_first_row() -> None:
    assert decode_offset("outliers/1", {}, None) == 0


def test_a_cursor_is_refused_under_other_filters() -> None:
    cursor = encode("outliers/1", {"label": "cat"}, 50)
    with pytest.raises(BadCursorError, match="another list or other filters"):
        decode("outliers/1", {"label": "dog"}, cursor)


def test_a_cursor_is_refused_by_another_list() -> None:
    with pytest.raises(BadCursorError):
        decode("outliers/2", {}, encode("outliers/1", {}, 50))


def test_a_position_changed_by_hand_is_refused() -> None:
    cursor = encode("outliers/1", {}, 50)
    digest, _ = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    forged = base64.urlsafe_b64encode(json.dumps([digest, 51]).encode()).decode().rstrip("=")
    with pytest.raises(BadCursorError):
        decode("outliers/1", {}, forged)


@pytest.mark.parametrize("cursor", ["", "x", "é", "bnVsbA", "W10", "WzEsMl0", "[" * 300, "eyJhIjoxfQ"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursorError):
        decode("audits", {}, cursor)


@pytest.mark.parametrize("position", [-1, 2**60, "10"])
def test_a_position_that_is_no_row_number_is_refused_as_an_offset(position: int | str) -> None:
    with pytest.raises(BadCursorError):
        decode_offset("outliers/1", {}, encode("outliers/1", {}, position))
