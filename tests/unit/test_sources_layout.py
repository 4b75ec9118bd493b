"""What folders mean."""

from __future__ import annotations

import pytest

from storage.sources.layout import Place, detect, pick


def places(*paths: bytes) -> list[Place]:
    found = detect(paths)
    return [found.place(path) for path in paths]


def test_class_per_folder_gives_labels_and_no_splits() -> None:
    assert places(b"cat/a.jpg", b"dog/b.jpg") == [Place("cat", None, ()), Place("dog", None, ())]


def test_a_flat_folder_has_no_labels() -> None:
    assert places(b"a.jpg", b"b.jpg") == [Place(None, None, ()), Place(None, None, ())]


def test_split_then_class_is_told_apart_in_any_case() -> None:
    assert places(b"Train/cat/a.jpg", b"VALIDATION/dog/b.jpg") == [Place("cat", "train", ()), Place("dog", "val", ())]


def test_class_then_split_is_told_apart_too() -> None:
    assert places(b"cat/train/a.jpg", b"dog/test/b.jpg") == [Place("cat", "train", ()), Place("dog", "test", ())]


def test_a_class_called_test_among_others_is_no_split() -> None:
    assert places(b"test/a.jpg", b"cat/b.jpg") == [Place("test", None, ()), Place("cat", None, ())]


def test_splits_without_classes_give_no_labels() -> None:
    assert places(b"train/a.jpg", b"test/b.jpg") == [Place(None, "train", ()), Place(None, "test", ())]


def test_a_wrapper_that_holds_everything_means_nothing() -> None:
    assert places(b"set/v1/train/cat/a.jpg", b"set/v1/val/dog/b.jpg")[0] == Place("cat", "train", ())


def test_a_single_class_is_a_label_and_no_wrapper() -> None:
    assert places(b"cat/a.jpg", b"cat/b.jpg")[0].label == "cat"


def test_of_deeper_folders_the_innermost_is_the_label_and_the_others_are_kept() -> None:
    found = places(b"photo/dog/a.jpg", b"sketch/cat/b.jpg")
    assert found == [Place("dog", None, ("photo",)), Place("cat", None, ("sketch",))]


def test_a_file_beside_the_folders_has_neither_label_nor_split() -> None:
    assert places(b"train/cat/a.jpg", b"val/cat/b.jpg", b"stray.jpg")[2] == Place(None, None, ())


@pytest.mark.parametrize(("number", "folder"), [(1, "a"), (3, "c"), (-1, "c"), (-3, "a"), (4, None), (-4, None)])
def test_folders_are_counted_from_either_end(number: int, folder: str | None) -> None:
    assert pick(b"a/b/c/x.jpg", number) == folder


def test_the_decision_is_said_in_words() -> None:
    words = detect([b"set/train/cat/a.jpg", b"set/val/dog/b.jpg"]).describe()
    assert "split from folder 2" in words
    assert "first 1 folder(s)" in words
