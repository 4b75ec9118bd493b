"""What people say of the features that an audit suspects, and how later audits of the dataset take it up."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Literal

import sqlalchemy as sa

from storage import queries, verdicts
from storage.database import Database
from storage.records import AuditRequest, Subject, SubjectKind, Verdict
from workers.errors import UnknownIdError

ANALYSIS = "spurious"
FIELD = "verdicts"
"""The field of the analysis' configuration that verdicts go into: a mapping of feature to verdict."""

NEAREST = 3
"""Names that are told to somebody who named a feature that is none."""

LIKE = 0.5
"""Least likeness (2 · letters in common / letters in all) of a name that is told."""

Said = Literal["confirmed", "rejected", "withdrawn"]


def record(database: Database, audit_id: str, feature: str, said: Said, note: str = "") -> Sequence[Verdict]:
    """Keep what a person says of a feature of an audited dataset; gives all verdicts that hold now.

    Raises
    ------
    UnknownIdError
        No such audit, or nothing to withdraw; the message names the features that have a verdict.
    """
    with database.write() as tx:
        dataset_id, extractor = _subject(tx, audit_id)
        if said == "withdrawn":
            if not verdicts.withdraw(tx, dataset_id, extractor, feature):
                raise UnknownIdError("verdict on", feature, hint=_holding(tx, dataset_id, extractor))
        else:
            verdicts.keep(tx, dataset_id, extractor, feature, (said, note))
        return verdicts.of_dataset(tx, dataset_id, extractor)


def recorded(database: Database, audit_id: str) -> Sequence[Verdict]:
    """The verdicts that hold for the dataset of an audit, under its extractor."""
    with database.read() as tx:
        return verdicts.of_dataset(tx, *_subject(tx, audit_id))


def nearest(feature: str, known: Sequence[str]) -> str:
    """A hint for somebody who named a feature that is none: those whose names are most like it."""
    alike = get_close_matches(feature, known, n=NEAREST, cutoff=LIKE)
    if alike:
        return f"its table {ANALYSIS} has {len(known):,} features; nearest to it: {_quoted(alike)}"
    return f"its table {ANALYSIS} has {len(known):,} features, such as {_quoted(known[:NEAREST])}"


def _holding(tx: sa.Connection, dataset_id: str, extractor: str) -> str:
    held = [one.feature for one in verdicts.of_dataset(tx, dataset_id, extractor)]
    return f"features with a verdict: {_quoted(held)}" if held else "no feature of the dataset has a verdict"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def with_verdicts(tx: sa.Connection, dataset_ids: Sequence[str], request: AuditRequest) -> AuditRequest:
    """A request to audit one dataset with the verdicts that hold for it; those it brings itself come first."""
    if len(dataset_ids) != 1 or ANALYSIS in request.skip:
        return request
    held = {one.feature: one.verdict for one in verdicts.of_dataset(tx, dataset_ids[0], request.extractor)}
    if not held:
        return request
    config = request.analyses.get(ANALYSIS, {})
    config = config | {FIELD: held | config.get(FIELD, {})}
    return request.model_copy(update={"analyses": request.analyses | {ANALYSIS: config}})


def _subject(tx: sa.Connection, audit_id: str) -> tuple[str, str]:
    """The dataset and the extractor that verdicts of an audit belong to."""
    row = queries.get_subject(tx, Subject(SubjectKind.AUDIT, audit_id))
    if row is None or len(row.dataset_ids) != 1:
        raise UnknownIdError("audit of one dataset", audit_id)
    return row.dataset_ids[0], AuditRequest.model_validate(row.request).extractor
