"""All SQL about subjects and their steps. Each function runs in the transaction it is given and never commits.

A state changes only by an UPDATE whose WHERE names the state it leaves, so of two writers one sees no row and stops.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import case, func, select, update

from storage.database import now
from storage.records import Outcome, Status, Step, StepDraft, Subject, SubjectKind
from storage.tables import audit_datasets, audits, datasets, embedding_sets, steps

TABLES: Mapping[SubjectKind, sa.Table] = {
    SubjectKind.DATASET: datasets,
    SubjectKind.EMBEDDING_SET: embedding_sets,
    SubjectKind.AUDIT: audits,
}
OPEN = (Status.QUEUED, Status.RUNNING)
UNSUCCESSFUL = (Status.FAILED, Status.CANCELLED)


class StageWork(NamedTuple):
    """What the steps of one stage add up to."""

    name: str
    n_steps: int
    n_ended: int
    done: int
    total: int
    seconds: float
    """Since the first of them was taken."""


def new_id() -> str:
    """A fresh id: 32 hexadecimal digits."""
    return uuid.uuid4().hex


# subjects ------------------------------------------------------------------------------------------------------------


def get_subject(tx: sa.Connection, subject: Subject, *, lock: bool = False) -> sa.Row[Any] | None:
    """The row of a subject; locked until the transaction ends if asked (PostgreSQL; SQLite writers are alone)."""
    query = select(TABLES[subject.kind]).where(TABLES[subject.kind].c.id == subject.id)
    return tx.execute(query.with_for_update() if lock else query).one_or_none()


def find_subject(tx: sa.Connection, kind: SubjectKind, key: str) -> sa.Row[Any] | None:
    """The row of that key, if there is one."""
    table = TABLES[kind]
    return tx.execute(select(table).where(table.c.key == key)).one_or_none()


def get_or_create(tx: sa.Connection, kind: SubjectKind, key: str, values: Mapping[str, Any]) -> sa.Row[Any]:
    """The row of that key, made if there is none. Of concurrent callers one makes it and all get it."""
    table = TABLES[kind]
    found = find_subject(tx, kind, key)
    if found is not None:
        return found
    row = {
        "id": new_id(), "key": key, "status": Status.QUEUED, "stage": -1, "artefact_kind": "", "artefact": "",
        "fingerprint": "", "summary": {}, "error": "", "created_at": now(),
    }  # fmt: skip
    insert_new(tx, table, row | dict(values))
    return tx.execute(select(table).where(table.c.key == key)).one()


def insert_new(tx: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> None:
    """Insert unless the row is there: the one statement the two databases spell alike but SQLAlchemy does not."""
    if tx.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as pg_insert

        tx.execute(pg_insert(table).values(**row).on_conflict_do_nothing())
    else:
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        tx.execute(sqlite_insert(table).values(**row).on_conflict_do_nothing())


def active_subjects(tx: sa.Connection, limit: int = 500) -> list[Subject]:
    """Subjects that are not at their end, oldest first."""
    found = []
    for kind, table in TABLES.items():
        ids = tx.execute(select(table.c.id).where(table.c.status.in_(OPEN)).order_by(table.c.created_at).limit(limit))
        found += [Subject(kind, id_) for id_ in ids.scalars()]
    return found


def end_subject(tx: sa.Connection, subject: Subject, status: Status, *, error: str = "") -> bool:
    """Move an open subject to its end. False if it was not open."""
    table = TABLES[subject.kind]
    ended = update(table).where(table.c.id == subject.id, table.c.status.in_(OPEN))
    return tx.execute(ended.values(status=status, error=error, ended_at=now())).rowcount == 1


def complete_subject(tx: sa.Connection, subject: Subject, stage: int, outcome: Outcome) -> bool:
    """Move a subject whose last stage is done to its end, with what that stage left."""
    table = TABLES[subject.kind]
    ended = update(table).where(table.c.id == subject.id, table.c.stage == stage, table.c.status.in_(OPEN))
    values = outcome.model_dump(exclude={"summary"}) | {"summary": outcome.summary}
    return tx.execute(ended.values(status=Status.DONE, error="", ended_at=now(), **values)).rowcount == 1


def cancel_subject(tx: sa.Connection, subject: Subject) -> bool:
    """End a subject and its open steps as cancelled; the workers in them are refused from now on."""
    if not end_subject(tx, subject, Status.CANCELLED):
        return False
    stop = update(steps).where(*_of(subject), steps.c.status.in_(OPEN))
    tx.execute(stop.values(status=Status.CANCELLED, ended_at=now()))
    return True


def restart_subject(tx: sa.Connection, subject: Subject, *, only: Sequence[Status]) -> bool:
    """Begin again at the first stage if the subject is in one of these statuses; what was committed is found again.

    A worker still in one of its steps is refused, for the step is gone.
    """
    table = TABLES[subject.kind]
    ended = update(table).where(table.c.id == subject.id, table.c.status.in_(only))
    fresh = {"status": Status.QUEUED, "stage": -1, "error": "", "ended_at": None}
    if tx.execute(ended.values(**fresh)).rowcount == 0:
        return False
    tx.execute(sa.delete(steps).where(*_of(subject)))
    return True


# stages --------------------------------------------------------------------------------------------------------------


def _of(subject: Subject, stage: int | None = None) -> tuple[sa.ColumnElement[bool], ...]:
    mine = (steps.c.subject_kind == subject.kind.value, steps.c.subject_id == subject.id)
    return mine if stage is None else (*mine, steps.c.stage == stage)


def add_stage(tx: sa.Connection, subject: Subject, stage: int, name: str, drafts: Sequence[StepDraft]) -> bool:
    """Plan the steps of a stage. False if the subject is not at the stage before, or has ended."""
    table = TABLES[subject.kind]
    at_previous = update(table).where(table.c.id == subject.id, table.c.stage == stage - 1, table.c.status.in_(OPEN))
    if tx.execute(at_previous.values(stage=stage, status=Status.RUNNING)).rowcount == 0:
        return False
    if drafts:
        tx.execute(sa.insert(steps), [_step_row(subject, stage, name, draft) for draft in drafts])
        tx.execute(update(steps).where(*_of(subject, stage)).values(created_at=now()))
    return True


def _step_row(subject: Subject, stage: int, name: str, draft: StepDraft) -> dict[str, Any]:
    return {
        "id": new_id(), "subject_kind": subject.kind.value, "subject_id": subject.id, "stage": stage,
        "stage_name": name, "name": draft.name, "params": draft.params, "status": Status.QUEUED, "attempts": 0,
        "fence": 0, "lease_until": 0.0, "rung_at": 0.0, "worker": "", "error": "", "done": 0, "total": draft.total,
        "artefact_kind": "", "artefact": "", "outcome": {}, "created_at": 0.0,
    }  # fmt: skip


def stage_counts(tx: sa.Connection, subject: Subject, stage: int) -> dict[Status, int]:
    """How many steps of a stage are in each status."""
    query = select(steps.c.status, func.count()).where(*_of(subject, stage)).group_by(steps.c.status)
    return {Status(status): n for status, n in tx.execute(query)}


def stage_error(tx: sa.Connection, subject: Subject, stage: int) -> str:
    """The error of the first failed step of a stage."""
    failed = select(steps.c.error).where(*_of(subject, stage), steps.c.status == Status.FAILED)
    return tx.execute(failed.order_by(steps.c.ended_at, steps.c.id).limit(1)).scalar() or ""


def stage_steps(tx: sa.Connection, subject: Subject, stage: int) -> list[sa.Row[Any]]:
    """The steps of a stage in the order they were planned by name."""
    return list(tx.execute(select(steps).where(*_of(subject, stage)).order_by(steps.c.name)))


def named_steps(tx: sa.Connection, subject: Subject, stage_name: str) -> list[sa.Row[Any]]:
    """The steps of the stage of a name, wherever it stands among the stages, by their names."""
    named = (*_of(subject), steps.c.stage_name == stage_name)
    return list(tx.execute(select(steps).where(*named).order_by(steps.c.name)))


def stage_work(tx: sa.Connection, subject: Subject, stage: int) -> StageWork | None:
    """How far a stage is; None if it has no steps."""
    row = tx.execute(
        select(
            func.max(steps.c.stage_name),
            func.count(),
            func.coalesce(func.sum(case((steps.c.status.in_(OPEN), 0), else_=1)), 0),
            func.coalesce(func.sum(case((steps.c.status == Status.DONE, steps.c.total), else_=steps.c.done)), 0),
            func.coalesce(func.sum(steps.c.total), 0),
            now() - func.coalesce(func.min(steps.c.started_at), now()),
        ).where(*_of(subject, stage))
    ).one()
    return StageWork(row[0], int(row[1]), int(row[2]), int(row[3]), int(row[4]), float(row[5])) if row[1] else None


def at_work(tx: sa.Connection, subject: Subject, stage: int) -> tuple[str, float] | None:
    """Name and beginning of the step of a stage that has been at work for longest."""
    running = select(steps.c.name, steps.c.started_at).where(*_of(subject, stage), steps.c.status == Status.RUNNING)
    row = tx.execute(running.order_by(steps.c.started_at, steps.c.name).limit(1)).one_or_none()
    return None if row is None else (row.name, row.started_at)


def take_rings(tx: sa.Connection, subject: Subject, stage: int, *, again_s: float, window: int) -> list[Step]:
    """Steps to ring for: queued ones not rung lately, at most ``window`` being rung or running at once."""
    waiting = (*_of(subject, stage), steps.c.status == Status.QUEUED)
    lately = steps.c.rung_at > now() - again_s
    running = (*_of(subject, stage), steps.c.status == Status.RUNNING)
    n_out = tx.execute(select(func.count()).where(sa.or_(sa.and_(*waiting, lately), sa.and_(*running)))).scalar_one()
    room = window - n_out
    if room <= 0:
        return []
    chosen = tx.execute(select(steps).where(*waiting, ~lately).order_by(steps.c.name).limit(room)).all()
    if chosen:
        tx.execute(update(steps).where(steps.c.id.in_([row.id for row in chosen])).values(rung_at=now()))
    return [_step(row) for row in chosen]


# steps ---------------------------------------------------------------------------------------------------------------


def _step(row: sa.Row[Any]) -> Step:
    return Step(
        id=row.id,
        subject=Subject(SubjectKind(row.subject_kind), row.subject_id),
        stage=row.stage_name,
        name=row.name,
        params=row.params,
        status=Status(row.status),
        attempts=row.attempts,
        fence=row.fence,
        error=row.error,
    )


def get_step(tx: sa.Connection, step_id: str) -> Step | None:
    """One step by its id."""
    row = tx.execute(select(steps).where(steps.c.id == step_id)).one_or_none()
    return None if row is None else _step(row)


def claim_step(tx: sa.Connection, step_id: str, worker: str, *, lease_s: float, max_attempts: int) -> Step | None:
    """Take a queued step, or a running one whose lease is over: it gets the next fencing number.

    Returns None if it is not to be had (taken, ended, or lost too often).
    """
    free = sa.or_(
        steps.c.status == Status.QUEUED, sa.and_(steps.c.status == Status.RUNNING, steps.c.lease_until < now())
    )
    taken = update(steps).where(steps.c.id == step_id, free, steps.c.attempts < max_attempts)
    values = {
        "status": Status.RUNNING, "fence": steps.c.fence + 1, "attempts": steps.c.attempts + 1, "worker": worker,
        "lease_until": now() + lease_s, "done": 0, "started_at": func.coalesce(steps.c.started_at, now()),
    }  # fmt: skip
    row = tx.execute(taken.values(**values).returning(steps)).one_or_none()
    return None if row is None else _step(row)


def _held(step: Step) -> sa.Update:
    """The step, as long as it is held under this fencing number."""
    return update(steps).where(steps.c.id == step.id, steps.c.status == Status.RUNNING, steps.c.fence == step.fence)


def renew_step(tx: sa.Connection, step: Step, *, lease_s: float, done: int, total: int) -> bool:
    """Keep the lease and record progress. False if the step is no longer held."""
    return tx.execute(_held(step).values(lease_until=now() + lease_s, done=done, total=total)).rowcount == 1


def finish_step(tx: sa.Connection, step: Step, outcome: Outcome) -> bool:
    """Record a step's outcome. False, and nothing changes, if it is no longer held under this fencing number."""
    values = {
        "status": Status.DONE, "error": "", "done": steps.c.total, "ended_at": now(),
        "artefact_kind": outcome.artefact_kind, "artefact": outcome.artefact, "outcome": outcome.model_dump(),
    }  # fmt: skip
    return tx.execute(_held(step).values(**values)).rowcount == 1


def fail_step(tx: sa.Connection, step: Step, error: str) -> bool:
    """Record that a held step failed for good."""
    return tx.execute(_held(step).values(status=Status.FAILED, error=error, ended_at=now())).rowcount == 1


def requeue_step(tx: sa.Connection, step: Step, error: str, *, counted: bool = True) -> bool:
    """Put a held step back; ``counted=False`` gives the attempt back too (a worker that leaves in good order)."""
    attempts = steps.c.attempts if counted else steps.c.attempts - 1
    values = {"status": Status.QUEUED, "error": error, "attempts": attempts, "rung_at": 0.0, "lease_until": 0.0}
    return tx.execute(_held(step).values(**values)).rowcount == 1


def lost_steps(tx: sa.Connection, dead: Iterable[str] = ()) -> list[tuple[Step, str]]:
    """Running steps whose lease is over or whose worker is known dead, with the worker's name."""
    over = sa.or_(steps.c.lease_until < now(), steps.c.worker.in_(list(dead)))
    rows = tx.execute(select(steps).where(steps.c.status == Status.RUNNING, over).order_by(steps.c.id))
    return [(_step(row), row.worker) for row in rows]


def workers_at_work(tx: sa.Connection) -> list[str]:
    """Names of the workers that hold a step."""
    return list(tx.execute(select(steps.c.worker).where(steps.c.status == Status.RUNNING).distinct()).scalars())


# who waits for whom --------------------------------------------------------------------------------------------------


def dependants(tx: sa.Connection, subject: Subject) -> list[Subject]:
    """Open audits that read a dataset or an embedding set."""
    if subject.kind is SubjectKind.AUDIT:
        return []
    mine = audit_datasets.c.dataset_id if subject.kind is SubjectKind.DATASET else audit_datasets.c.embedding_set_id
    query = select(audits.c.id).join(audit_datasets, audit_datasets.c.audit_id == audits.c.id)
    ids = tx.execute(query.where(mine == subject.id, audits.c.status.in_(OPEN)).distinct().order_by(audits.c.id))
    return [Subject(SubjectKind.AUDIT, id_) for id_ in ids.scalars()]


def inputs(tx: sa.Connection, audit_id: str) -> list[sa.Row[Any]]:
    """What an audit reads, reference first: rows of ``audit_datasets``."""
    query = select(audit_datasets).where(audit_datasets.c.audit_id == audit_id)
    return list(tx.execute(query.order_by(audit_datasets.c.position)))


def link_embedding_set(tx: sa.Connection, audit_id: str, position: int, embedding_set_id: str) -> None:
    """Say which embedding set an audit reads."""
    mine = (audit_datasets.c.audit_id == audit_id, audit_datasets.c.position == position)
    tx.execute(update(audit_datasets).where(*mine).values(embedding_set_id=embedding_set_id))
