"""Names: shown safely, skipped by rule."""

from __future__ import annotations

import pytest

from audit.pictures.reasons import REASONS
from storage.sources.names import display, ending, is_picture_name, is_unsafe, skip_rule


def test_a_newline_and_undecodable_bytes_are_shown_escaped() -> None:
    assert display(b"a\nb\xff\x1b[2J.jpg") == "a\\nb\\xff\\x1b[2J.jpg"


def test_a_direction_override_is_shown_escaped_and_right_to_left_letters_are_kept() -> None:
    assert display("طائر.jpg".encode()) == "طائر.jpg"
    assert display("cat\u202egpj.exe".encode()) == "cat\\u202egpj.exe"


@pytest.mark.parametrize(
    ("path", "end"), [(b"a/b.JPG", b"jpg"), (b"a.b/c", b""), (b".jpg", b""), (b"x.tar.gz", b"gz"), (b"x.", b"")]
)
def test_the_ending_is_that_of_the_last_part_in_lower_case(path: bytes, end: bytes) -> None:
    assert ending(path) == end


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (b"cat/Thumbs.db", "system_file"),
        (b"__MACOSX/cat/._a.jpg", "system_file"),
        (b"cat/.DS_Store", "system_file"),
        (b".git/a.jpg", "hidden"),
        (b"cat/.a.jpg", "hidden"),
        (b"more.zip", "nested_archive"),
        (b"labels.csv", "other_file"),
        (b"README", "other_file"),
        (b"cat/a.jpg", None),
        (b"cat/a.unknown", None),
        (b"cat/no_ending", None),
    ],
)
def test_each_rule_skips_what_it_says(path: bytes, reason: str | None) -> None:
    found = skip_rule(path, include_hidden=False)
    assert (found and found[0]) == reason
    assert found is None or found[0] in REASONS


def test_hidden_files_are_read_when_asked_for_but_system_files_are_not() -> None:
    assert skip_rule(b".cache/a.jpg", include_hidden=True) is None
    assert skip_rule(b"._a.jpg", include_hidden=True) is not None


@pytest.mark.parametrize("path", [b"/etc/a.jpg", b"../a.jpg", b"a/../../b.jpg", b"a\0.jpg"])
def test_names_that_lead_outside_are_unsafe(path: bytes) -> None:
    assert is_unsafe(path)


def test_dots_inside_a_name_are_safe() -> None:
    assert not is_unsafe(b"a..b/...jpg")


def test_formats_that_are_not_read_still_count_as_pictures_by_name() -> None:
    assert is_picture_name(b"a.HEIC")
    assert is_picture_name(b"a.jpeg")
    assert not is_picture_name(b"a.dat")
