"""Names: laws that hold for every sequence of bytes."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from storage.sources.identity import ImageIds
from storage.sources.names import display, quote, unquote

raw_names = st.binary(min_size=1, max_size=255)


@given(raw_names)
def test_a_quoted_name_is_ascii_and_gives_the_bytes_back(name: bytes) -> None:
    quoted = quote(name)
    assert unquote(quoted) == name
    assert quoted.isascii()
    assert "#" not in quoted


@given(raw_names)
def test_a_shown_name_has_no_control_or_direction_characters(name: bytes) -> None:
    shown = display(name)
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in shown)
    shown.encode("utf-8")


@given(st.lists(raw_names, max_size=30))
def test_ids_are_unique_however_often_a_name_is_repeated(names: list[bytes]) -> None:
    ids = ImageIds()
    given_ids = [ids.give(name) for name in names + names]
    assert len(set(given_ids)) == len(given_ids)
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in given_ids)


@given(st.lists(raw_names, unique=True, max_size=30), raw_names)
def test_an_id_depends_on_its_own_name_only(names: list[bytes], name: bytes) -> None:
    ids = ImageIds()
    for other in names:
        if other != name:
            ids.give(other)
    assert ids.give(name) == ImageIds().give(name)


def test_composed_and_decomposed_names_have_different_ids() -> None:
    ids = [ImageIds().give(unicodedata.normalize(form, "é.jpg").encode()) for form in ("NFC", "NFD")]
    assert ids[0] != ids[1]
