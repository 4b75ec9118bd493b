"""Rows of the database as records for people, with how far they are and how long it will take."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from storage import queries
from storage.records import Audit, AuditRequest, Dataset, Progress, Status, Subject, SubjectKind

COUNTS_IMAGES = frozenset({"scan", "embed", "seal"})


def dataset_record(tx: sa.Connection, row: sa.Row[Any]) -> Dataset:
    """A row of ``datasets`` as a record."""
    return Dataset(
        id=row.id,
        name=row.name,
        source=row.source,
        status=Status(row.status),
        fingerprint=row.fingerprint or None,
        progress=subject_progress(tx, Subject(SubjectKind.DATASET, row.id), row),
        error=row.error,
        created_at=row.created_at,
        **{name: row.summary.get(name) for name in ("n_inputs", "n_ok", "n_quarantined", "n_skipped")},
    )


def audit_record(tx: sa.Connection, row: sa.Row[Any]) -> Audit:
    """A row of ``audits`` as a record."""
    return Audit(
        id=row.id,
        kind=row.kind,
        title=row.title,
        dataset_ids=tuple(row.dataset_ids),
        request=AuditRequest.model_validate(row.request),
        status=shown_status(tx, SubjectKind.AUDIT, row),
        progress=audit_progress(tx, row),
        n_failed=row.summary.get("n_failed", 0),
        error=row.error,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def shown_status(tx: sa.Connection, kind: SubjectKind, row: sa.Row[Any]) -> Status:
    """The status as people are told: an audit whose datasets are being scanned or embedded is running."""
    status = Status(row.status)
    if status is not Status.QUEUED or kind is not SubjectKind.AUDIT:
        return status
    at_work = (one for one in _waited_for(tx, row.id) if one[1].status == Status.RUNNING)
    return Status.RUNNING if next(at_work, None) else status


def audit_progress(tx: sa.Connection, row: sa.Row[Any]) -> Progress:
    """How far an audit is: its own stage once it has one, until then that of what it waits for."""
    if row.stage < 0:
        for subject, other in _waited_for(tx, row.id):
            if not Status(other.status).ended:
                return subject_progress(tx, subject, other)
    return subject_progress(tx, Subject(SubjectKind.AUDIT, row.id), row)


def _waited_for(tx: sa.Connection, audit_id: str) -> list[tuple[Subject, sa.Row[Any]]]:
    """Datasets, then embedding sets, of an audit."""
    inputs = queries.inputs(tx, audit_id)
    wanted = [Subject(SubjectKind.DATASET, one.dataset_id) for one in inputs]
    wanted += [Subject(SubjectKind.EMBEDDING_SET, one.embedding_set_id) for one in inputs if one.embedding_set_id]
    rows = [(subject, queries.get_subject(tx, subject)) for subject in wanted]
    return [(subject, row) for subject, row in rows if row is not None]


def subject_progress(tx: sa.Connection, subject: Subject, row: sa.Row[Any]) -> Progress:
    """How far the stage of a subject is."""
    if Status(row.status).ended:
        return Progress(stage=row.status, done=1, total=1, unit="steps")
    work = queries.stage_work(tx, subject, row.stage)
    if work is None:
        return Progress(stage="waiting", done=0, total=0, unit="steps")
    if work.name not in COUNTS_IMAGES:
        name, since = queries.at_work(tx, subject, row.stage) or ("", None)
        at = name.partition("-")[0]  # of pieces of one work, such as parts-0-000003
        return Progress(stage=work.name, done=work.n_ended, total=work.n_steps, unit="steps", at=at, at_since=since)
    rate = work.done / work.seconds if work.seconds > 0.5 and work.done else None
    left = max(0, work.total - work.done)
    eta = left / rate if rate and work.total else None
    return Progress(stage=work.name, done=work.done, total=work.total, unit="images", images_per_s=rate, eta_s=eta)
