"""Scores of the demo: found, missed and false are counted as a person would."""

from __future__ import annotations

import pyarrow as pa

from audit.scenes.planted import PlantedFile
from audit.scenes.scoring import Score, score_audit, score_comparison

A, B, C = "train/car/a.jpg", "train/car/b.jpg", "train/car/c.jpg"
FILES = [
    PlantedFile(A, b"a"),
    PlantedFile(B, b"b"),
    PlantedFile(C, b"c", problem="wrong_label", truth="mug"),
    PlantedFile("train/car/copy.jpg", b"a", problem="exact_copy", of=A),
    PlantedFile("train/car/near.jpg", b"a2", problem="near_copy", of=B),
    PlantedFile("test/car/leak.jpg", b"a3", problem="split_leak", of=A),
    PlantedFile("train/car/stray.png", b"x", problem="outlier"),
    PlantedFile("train/car/dark.jpg", b"d", problem="dark"),
    PlantedFile("train/car/empty.jpg", b"", problem="corrupt"),
]


def _table(**columns: list[object]) -> pa.Table:
    return pa.table(columns)


def _audit_tables(**changed: pa.Table) -> dict[str, pa.Table]:
    tables = {
        "duplicates": _table(group=[0, 0, 1, 1], path=[A, "train/car/copy.jpg", B, "train/car/near.jpg"]),
        "leakage": _table(group=[0, 0], path=[A, "test/car/leak.jpg"]),
        "outliers": _table(path=[A, "train/car/stray.png"], rank=[2, 1]),
        "labels": _table(path=[C, A], rank=[1, 2]),
        "quality": _table(path=["train/car/dark.jpg", A], issue=["dark", "blurry"]),
        "images": _table(path=[A, "train/car/empty.jpg"], status=["ok", "quarantined"]),
        "settings": pa.Table.from_pylist(
            [
                {"class": "sailboat", "attribute": "place", "value": "beach", "low": 0.9, "p_max_t": 0.001},
                {"class": "mug", "attribute": "place", "value": "room", "low": 0.4, "p_max_t": 0.001},
            ]
        ),
    }
    return tables | changed


def _by_kind(scores: list[Score]) -> dict[str, tuple[int, int, int]]:
    return {s.kind: (s.planted, s.found, s.false) for s in scores}


def test_what_is_named_is_found() -> None:
    scores = _by_kind(score_audit(FILES, _audit_tables()))
    for kind in ("exact_copy", "near_copy", "split_leak", "outlier", "wrong_label", "dark", "corrupt", "shortcut"):
        assert scores[kind] == (1, 1, 0), kind


def test_a_flag_on_a_sound_picture_is_false() -> None:
    assert _by_kind(score_audit(FILES, _audit_tables()))["blurred"] == (0, 0, 1)


def test_a_pair_of_two_different_pictures_is_false_and_counted_once() -> None:
    merged = _table(group=[0, 0, 0], path=[A, "train/car/copy.jpg", B])
    scores = _by_kind(score_audit(FILES, _audit_tables(duplicates=merged)))
    assert scores["exact_copy"] == (1, 1, 0)
    assert scores["near_copy"] == (1, 0, 2)


def test_a_stray_behind_the_planted_number_of_ranks_is_missed() -> None:
    outliers = _table(path=["train/car/stray.png", A], rank=[2, 1])
    assert _by_kind(score_audit(FILES, _audit_tables(outliers=outliers)))["outlier"] == (1, 0, 1)


def test_a_picture_that_was_made_dark_is_passed_over_among_outliers() -> None:
    outliers = _table(path=["train/car/dark.jpg", "train/car/stray.png", A], rank=[1, 2, 3])
    assert _by_kind(score_audit(FILES, _audit_tables(outliers=outliers)))["outlier"] == (1, 1, 0)


def _comparison_tables(**changed: pa.Table) -> dict[str, pa.Table]:
    tables = {
        "leakage": _table(group=[0, 0], dataset=["reference", "candidate"], path=[A, B]),
        "class_shares": _table(label=["flower", "mug", "car"], state=["missing", "different", "alike"]),
    }
    return tables | changed


CANDIDATE = [PlantedFile(A, b"other"), PlantedFile(B, b"a", problem="dataset_leak", of=A)]


def test_a_shared_path_in_both_datasets_is_not_taken_for_a_copy() -> None:
    wrong = _comparison_tables(leakage=_table(group=[0, 0], dataset=["reference", "candidate"], path=[A, A]))
    assert _by_kind(score_comparison(FILES, CANDIDATE, _comparison_tables()))["dataset_leak"] == (1, 1, 0)
    assert _by_kind(score_comparison(FILES, CANDIDATE, wrong))["dataset_leak"] == (1, 0, 1)


def test_the_flowers_that_the_candidate_lacks_are_found() -> None:
    assert _by_kind(score_comparison(FILES, CANDIDATE, _comparison_tables()))["missing_class"] == (1, 1, 0)


def test_another_class_called_missing_is_false_and_flowers_called_new_are_missed() -> None:
    wrong = _table(label=["mug", "car", "flower"], state=["missing", "missing", "new"])
    scores = _by_kind(score_comparison(FILES, CANDIDATE, _comparison_tables(class_shares=wrong)))
    assert scores["missing_class"] == (1, 0, 2)
