"""What is claimed of near-copies: the sure ones are counted, the others shown, and following all advice keeps one."""

import dataclasses

import numpy as np
import pytest

from audit.analyses import cross_leakage, duplicates, leakage
from audit.duplicates.find import NearConfig, Pairs, find_between, find_within
from audit.maths.evalue import Tail
from audit.report import Severity
from tests.duplicates_samples import COPIES, dataset, row_of, scene

CONFIG = NearConfig()
RNG = np.random.default_rng(0)
TAIL = Tail(offset=np.log(1000), power=4)
"""E(d) = 1000 d⁴: one unrelated pair within 0.178."""


def pictures(n, **more):
    return [row_of(scene(seed), f"scene{seed:02d}.png", **more) for seed in range(n)]


def pretend(monkeypatch, distances, *, tail=None, bulk=()):
    """Every search finds the pairs (path, path) at these distances, and others at the distances of ``bulk``."""

    def search(*views_and_config):
        *views, config = views_and_config
        rows = {path: row for row, path in enumerate([path for view in views for path in view.column("path")])}
        blank = (find_within if len(views) == 1 else find_between)(*views, config)
        node = blank.node
        pairs = sorted((*sorted((int(node[rows[a]]), int(node[rows[b]]))), d) for (a, b), d in distances.items())
        near = np.array([[a, b] for a, b, _ in pairs] + [[0, 1]] * len(bulk), np.int64).reshape(-1, 2)
        distance = np.array([d for *_, d in pairs] + list(bulk), np.float32)
        n = len(near)
        return dataclasses.replace(
            blank,
            pairs=near,
            distance=distance,
            expected=np.full(n, np.nan) if tail is None else tail.expected(distance),
            orientation=np.zeros(n, np.int8),
            warp=np.tile(np.array([[0, 1, 0], [0, 0, 1]], np.float32), (n, 1, 1)),
            covered=np.zeros(n, np.float32),
            tail=tail,
        )

    monkeypatch.setattr(duplicates, "find_within", search)
    monkeypatch.setattr(leakage, "find_within", search)
    monkeypatch.setattr(cross_leakage, "find_between", search)
    monkeypatch.setattr(Pairs, "confirm", lambda self, asked, threshold: np.zeros(len(asked), bool))


def findings(analysis, *views):
    computed = analysis.compute(views, CONFIG, RNG)
    return {f.id: f for f in analysis.section(computed.result).findings}, computed.tables


def name(seed):
    return f"scene{seed:02d}.png"


def test_only_copies_closer_than_one_expected_stranger_are_counted_and_advised_to_be_removed(monkeypatch):
    pretend(monkeypatch, {(name(0), name(1)): 0.05, (name(2), name(3)): 0.19}, tail=TAIL)
    found, tables = findings(duplicates, dataset(pictures(8)))
    sure, possible = found["duplicates.near"], found["duplicates.possible"]
    assert sure.metric.value == 1 / 8
    assert "sure = true" in sure.action
    assert (possible.severity, possible.metric.value) == (Severity.ATTENTION, 1 / 8)
    assert possible.metric.note == "about 1.6 unrelated pairs are expected to look so alike here"
    rows = tables["duplicates"].to_pylist()
    assert [(row["path"], row["sure"]) for row in rows if not row["keep"]] == [(name(1), True), (name(3), False)]


def test_without_an_e_value_only_copies_within_the_strict_distance_are_sure(monkeypatch):
    pretend(monkeypatch, {(name(0), name(1)): 0.11, (name(2), name(3)): 0.13})
    found, _ = findings(duplicates, dataset(pictures(8)))
    assert found["duplicates.near"].metric.value == 1 / 8
    assert found["duplicates.possible"].metric.value == 1 / 8
    assert "too few similar pairs" in found["duplicates.near"].metric.note


def test_where_pairs_of_every_likeness_occur_no_near_copy_is_sure(monkeypatch):
    pretend(monkeypatch, {(name(0), name(1)): 0.01}, bulk=np.linspace(0.15, 0.3, 60))
    found, _ = findings(duplicates, dataset(pictures(8)))
    assert set(found) == {"duplicates.possible"}
    assert "frames of one scene" in found["duplicates.possible"].sentence


def test_possible_copies_with_different_labels_are_no_conflict(monkeypatch):
    pretend(monkeypatch, {(name(0), name(1)): 0.19}, tail=TAIL)
    rows = [row | {"label": str(i)} for i, row in enumerate(pictures(4))]
    assert "duplicates.labels" not in findings(duplicates, dataset(rows))[0]


def test_one_group_of_conflicting_labels_carries_and_does_not_carry():
    rows = [*pictures(3, label="cat"), row_of(COPIES["resized"](scene(0), 0), "copy.jpg", label="dog")]
    finding = findings(duplicates, dataset(rows))[0]["duplicates.labels"]
    assert finding.sentence.startswith("1 group of copies carries different labels")


def test_copies_are_a_problem_when_their_interval_lies_above_one_percent():
    def severity(n_near, n):
        view = dataset([*pictures(1), row_of(COPIES["resized"](scene(0), 0), "copy.jpg")])
        result = duplicates.compute([view], CONFIG, RNG).result.model_copy(update={"n_near": n_near, "n": n})
        return duplicates.section(result).findings[0].severity

    assert [severity(6, 600), severity(6, 604), severity(15, 600)] == ["attention", "attention", "problem"]


def test_a_second_copy_of_a_possible_copy_is_sure(monkeypatch):
    pretend(monkeypatch, {(name(0), name(1)): 0.19})
    twin = {**pictures(2)[1], "path": "twin.png", "image_id": "f" * 16}
    _, tables = findings(duplicates, dataset([*pictures(4), twin]))
    extra = {row["path"]: row["sure"] for row in tables["duplicates"].to_pylist() if not row["keep"]}
    assert extra == {name(1): False, "twin.png": True}


def test_a_copy_that_nobody_compared_with_the_kept_one_is_looked_at_before_it_is_called_unsure(monkeypatch):
    pretend(monkeypatch, {(name(0), name(1)): 0.01, (name(0), name(2)): 0.01, (name(2), name(3)): 0.01})
    monkeypatch.setattr(Pairs, "confirm", lambda self, asked, threshold: np.ones(len(asked), bool))
    _, tables = findings(duplicates, dataset(pictures(4)))
    assert [row["sure"] for row in tables["duplicates"].to_pylist()] == [True] * 4


@pytest.mark.parametrize("larger", ["train", "test"])
def test_following_both_actions_leaves_the_picture_that_is_tested_on(larger):
    def sized(split):
        size = (320, 240) if split == larger else (160, 120)
        return row_of(scene(0).resize(size), f"{split}.png", split=split)

    view = dataset([*pictures(3, split="train")[1:], sized("train"), sized("test")])
    copies = findings(duplicates, view)[1]["duplicates"].to_pylist()
    leaks = findings(leakage, view)[1]["leakage"].to_pylist()
    removed = {row["path"] for row in copies if not row["keep"] and row["sure"]}
    removed |= {row["path"] for row in leaks if row["split"] == "train" and row["sure"]}
    assert removed == {"train.png"}


def test_the_nearest_leak_is_shown_first(monkeypatch):
    pretend(monkeypatch, {(name(0), name(1)): 0.11, (name(2), name(3)): 0.02})
    rows = [row | {"split": ("train", "test")[i % 2]} for i, row in enumerate(pictures(6))]
    found, _ = findings(leakage, dataset(rows))
    assert [picture.path for picture in found["leakage.test.train"].pictures] == [name(3), name(2), name(1), name(0)]


def test_a_leak_that_is_not_sure_is_no_problem_but_something_to_look_at(monkeypatch):
    pretend(monkeypatch, {(name(0), name(1)): 0.15})
    rows = [row | {"split": ("train", "test")[i % 2]} for i, row in enumerate(pictures(6))]
    found, tables = findings(leakage, dataset(rows))
    assert [(f.id, f.severity) for f in found.values()] == [("leakage.test.train.possible", Severity.ATTENTION)]
    assert [row["sure"] for row in tables["leakage"].to_pylist()] == [False, False]


def test_a_sure_copy_in_the_same_split_makes_no_leak_of_a_possible_one_in_another(monkeypatch):
    pretend(monkeypatch, {(name(0), name(1)): 0.01, (name(0), name(2)): 0.15})
    splits = ["train", "train", "test", "test"]
    rows = [row | {"split": split} for row, split in zip(pictures(4), splits, strict=True)]
    found, _ = findings(leakage, dataset(rows))
    assert set(found) == {"leakage.test.train.possible"}


def test_between_datasets_only_sure_copies_are_a_problem(monkeypatch):
    pretend(monkeypatch, {(name(0), "new.png"): 0.15})
    candidate = dataset([row_of(scene(20), "new.png"), row_of(scene(21), "other.png")], "new")
    found, _ = findings(cross_leakage, dataset(pictures(3), "old"), candidate)
    assert [(f.id, f.severity) for f in found.values()] == [("cross_leakage.possible", Severity.ATTENTION)]


def test_between_datasets_the_picture_of_the_reference_is_marked_as_kept():
    candidate = dataset([row_of(scene(0, (640, 480)), "larger.png")], "new")
    reference = dataset([row_of(scene(0, (640, 480)).resize((320, 240)), "smaller.png")], "old")
    found, _ = findings(cross_leakage, reference, candidate)
    kept = next(picture for picture in found["cross_leakage.copies"].pictures if picture.marked)
    assert (kept.dataset, kept.caption) == ("old", "kept")
