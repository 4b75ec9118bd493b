"""What an audit and a comparison of the planted datasets found, against what was planted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import pyarrow as pa

from audit.scenes.planted import CANDIDATE_HABITATS, HABITATS, PROBLEMS, SHORTCUT, PlantedFile


@dataclass(frozen=True)
class Score:
    """How one kind of planted problem fared.

    Attributes
    ----------
    kind, title : str
        Key and words of :data:`audit.scenes.planted.PROBLEMS`.
    planted, found : int
        How many were planted, and how many of those the report names.
    false : int
        How many the report names that were not planted.
    rule : str
        What counts as found.
    """

    kind: str
    title: str
    planted: int
    found: int
    false: int
    rule: str


Tables = Mapping[str, pa.Table]
Member = TypeVar("Member")


def score_audit(files: Sequence[PlantedFile], tables: Tables) -> list[Score]:
    """Score the tables of the audit of the planted reference."""
    near = _copies(files, tables["duplicates"], ("exact_copy", "near_copy"))
    leaked = _copies(files, tables["leakage"], ("split_leak",))
    return [
        near("exact_copy", "shares a group of duplicates.parquet with its original"),
        near("near_copy", "shares a group of duplicates.parquet with its original"),
        leaked("split_leak", "shares a group of leakage.parquet with its original"),
        _ranked(files, tables["outliers"], "outlier"),
        _ranked(files, tables["labels"], "wrong_label"),
        _flagged(files, tables["quality"], "dark", "dark"),
        _flagged(files, tables["quality"], "blurred", "blurry"),
        _quarantined(files, tables["images"]),
        _shortcut(tables["settings"]),
    ]


def score_comparison(reference: Sequence[PlantedFile], candidate: Sequence[PlantedFile], tables: Tables) -> list[Score]:
    """Score the tables of the comparison of the planted reference with the planted candidate.

    The datasets must be called "reference" and "candidate".
    """
    origin = {("reference", f.path): _origin(f) for f in reference}
    origin |= {("candidate", f.path): f.of or f"candidate/{f.path}" for f in candidate}
    table = tables["leakage"]
    owners = zip(table["dataset"].to_pylist(), table["path"].to_pylist(), strict=True)
    crossing = {
        frozenset((a, b))
        for members in _groups(table["group"].to_pylist(), owners)
        for a, b in combinations(members, 2)
        if a[0] != b[0]
    }
    planted = [f for f in candidate if f.problem == "dataset_leak"]
    found = sum(frozenset((("reference", f.of), ("candidate", f.path))) in crossing for f in planted)
    false = sum(len({origin[owner] for owner in pair}) > 1 for pair in crossing)
    rule = "shares a group of leakage.parquet with the picture of the reference"
    leaked = Score("dataset_leak", PROBLEMS["dataset_leak"], len(planted), found, false, rule)
    return [leaked, _missing_classes(tables["class_shares"])]


def _origin(file: PlantedFile) -> str:
    return file.of or file.path


def _groups(groups: Sequence[object], members: Iterable[Member]) -> Iterable[list[Member]]:
    found: dict[object, list[Member]] = {}
    for group, member in zip(groups, members, strict=True):
        found.setdefault(group, []).append(member)
    return found.values()


def _copies(files: Sequence[PlantedFile], table: pa.Table, kinds: tuple[str, ...]) -> Callable[[str, str], Score]:
    """Scores of copies by the pairs that share a group; a pair of pictures with two origins is false."""
    origin = {f.path: _origin(f) for f in files}
    groups = _groups(table["group"].to_pylist(), table["path"].to_pylist())
    pairs = {frozenset(pair) for members in groups for pair in combinations(members, 2)}
    false = sum(len({origin[path] for path in pair}) > 1 for pair in pairs)

    def score(kind: str, rule: str) -> Score:
        planted = [f for f in files if f.problem == kind]
        found = sum(frozenset((f.path, f.of)) in pairs for f in planted)
        return Score(kind, PROBLEMS[kind], len(planted), found, false if kind == kinds[-1] else 0, rule)

    return score


def _ranked(files: Sequence[PlantedFile], table: pa.Table, kind: str) -> Score:
    """Score of a ranking: found is what stands among the first n, where n were planted.

    Dark and blurred pictures are passed over: they are unlike the others too, and rightly stand high.
    """
    planted = {f.path for f in files if f.problem == kind}
    spoiled = {f.path for f in files if f.problem in ("dark", "blurred")}
    order = [path for path in table.sort_by("rank")["path"].to_pylist() if path not in spoiled][: len(planted)]
    found = len(planted.intersection(order))
    rule = f"is among the first {len(planted)} of the ranking, dark and blurred pictures apart"
    return Score(kind, PROBLEMS[kind], len(planted), found, len(order) - found, rule)


def _flagged(files: Sequence[PlantedFile], table: pa.Table, kind: str, issue: str) -> Score:
    planted = {f.path for f in files if f.problem == kind}
    issues = zip(table["path"].to_pylist(), table["issue"].to_pylist(), strict=True)
    flagged = {path for path, name in issues if name == issue}
    rule = f"is listed in quality.parquet as {issue}"
    return Score(kind, PROBLEMS[kind], len(planted), len(planted & flagged), len(flagged - planted), rule)


def _quarantined(files: Sequence[PlantedFile], images: pa.Table) -> Score:
    planted = {f.path for f in files if f.problem == "corrupt"}
    rows = zip(images["path"].to_pylist(), images["status"].to_pylist(), strict=True)
    bad = {path for path, status in rows if status == "quarantined"}
    rule = "is quarantined in images.parquet, with the reason"
    return Score("corrupt", PROBLEMS["corrupt"], len(planted), len(planted & bad), len(bad - planted), rule)


def _shortcut(settings: pa.Table) -> Score:
    """The planted class and its one background, among the pairs that the table ties together."""
    tied = {
        (row["class"], row["value"])
        for row in settings.to_pylist()
        if row["attribute"] == "place" and row["low"] >= 0.8 and row["p_max_t"] <= 0.05
    }
    rule = "has a lower bound of 80 % or more in settings.parquet, with p_max_t of 5 % or less"
    return Score("shortcut", PROBLEMS["shortcut"], 1, int(SHORTCUT in tied), len(tied - {SHORTCUT}), rule)


def _missing_classes(class_shares: pa.Table) -> Score:
    """The classes that only the reference's plan has, among those that the table calls missing."""
    planted = HABITATS.keys() - CANDIDATE_HABITATS.keys()
    states = zip(class_shares["label"].to_pylist(), class_shares["state"].to_pylist(), strict=True)
    missing = {label for label, state in states if state == "missing"}
    rule = "is missing in class_shares.parquet"
    found, false = len(planted & missing), len(missing - planted)
    return Score("missing_class", PROBLEMS["missing_class"], len(planted), found, false, rule)
