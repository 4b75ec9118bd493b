"""SQL about what is kept beside subjects and steps: committed artefacts, idempotency keys, lists for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import select, update

from storage.artefacts import Manifest
from storage.database import now
from storage.queries import OPEN, TABLES, insert_new
from storage.records import Subject, SubjectKind
from storage.tables import artefacts, audit_datasets, audits, datasets, embedding_sets, idempotency, steps, verdicts


def record_artefact(tx: sa.Connection, manifest: Manifest) -> None:
    """Note that an artefact is committed, or was found again."""
    mine = (artefacts.c.kind == manifest.kind, artefacts.c.fingerprint == manifest.fingerprint)
    if tx.execute(update(artefacts).where(*mine).values(used_at=now())).rowcount == 0:
        row = {"kind": manifest.kind, "fingerprint": manifest.fingerprint, "n_bytes": manifest.n_bytes}
        insert_new(tx, artefacts, row | {"used_at": now()})


def take_unreferenced(tx: sa.Connection, grace_s: float, limit: int = 1000) -> list[tuple[str, str]]:
    """Forget artefacts that nothing refers to and nobody used for a while. Returns their kinds and fingerprints."""
    name = (artefacts.c.kind, artefacts.c.fingerprint)
    referenced = [
        select(steps.c.id).where(steps.c.artefact_kind == name[0], steps.c.artefact == name[1]),
        select(embedding_sets.c.id).where(name[0] == "scan", embedding_sets.c.scan == name[1]),
        select(audits.c.id).where(name[0] == "translation", audits.c.request["translation"].as_string() == name[1]),
        *(
            select(table.c.id).where(table.c.artefact_kind == name[0], table.c.artefact == name[1])
            for table in TABLES.values()
        ),
    ]
    old = select(*name).where(artefacts.c.used_at < now() - grace_s, *(~sa.exists(query) for query in referenced))
    found = [(row.kind, row.fingerprint) for row in tx.execute(old.limit(limit))]
    for kind, fingerprint in found:
        tx.execute(sa.delete(artefacts).where(name[0] == kind, name[1] == fingerprint))
    return found


def idempotent_audit(tx: sa.Connection, key: str) -> tuple[str, str] | None:
    """The request's fingerprint and the audit's id that an idempotency key was used for."""
    row = tx.execute(select(idempotency).where(idempotency.c.key == key)).one_or_none()
    return None if row is None else (row.request, row.audit_id)


def keep_idempotency(tx: sa.Connection, key: str, request: str, audit_id: str) -> None:
    """Remember what a key was used for."""
    insert_new(tx, idempotency, {"key": key, "request": request, "audit_id": audit_id, "created_at": now()})


def link_datasets(tx: sa.Connection, audit_id: str, dataset_ids: Sequence[str]) -> None:
    """Say what an audit reads, reference first; embedding sets are chosen when it is planned (again)."""
    tx.execute(sa.delete(audit_datasets).where(audit_datasets.c.audit_id == audit_id))
    rows = [{"audit_id": audit_id, "position": i, "dataset_id": id_} for i, id_ in enumerate(dataset_ids)]
    tx.execute(sa.insert(audit_datasets), rows)


def page(tx: sa.Connection, kind: SubjectKind, cursor: tuple[float, str] | None, limit: int) -> list[sa.Row[Any]]:
    """Rows newest first, after the one with this ``(created_at, id)``."""
    table = TABLES[kind]
    query = select(table).order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)
    if cursor is not None:
        query = query.where(sa.tuple_(table.c.created_at, table.c.id) < sa.tuple_(*map(sa.literal, cursor)))
    return list(tx.execute(query))


def audits_of(tx: sa.Connection, dataset_id: str) -> tuple[str, ...]:
    """Ids of the audits that read a dataset."""
    query = select(audit_datasets.c.audit_id).where(audit_datasets.c.dataset_id == dataset_id).distinct()
    return tuple(tx.execute(query.order_by(audit_datasets.c.audit_id)).scalars())


def sets_only_for(tx: sa.Connection, audit_id: str) -> list[Subject]:
    """Open embedding sets that no other open audit waits for."""
    mine = select(audit_datasets.c.embedding_set_id).where(audit_datasets.c.audit_id == audit_id)
    others = (
        select(audit_datasets.c.embedding_set_id)
        .join(audits, audits.c.id == audit_datasets.c.audit_id)
        .where(audits.c.id != audit_id, audits.c.status.in_(OPEN), audit_datasets.c.embedding_set_id.is_not(None))
    )
    sets = embedding_sets
    query = select(sets.c.id).where(sets.c.id.in_(mine), sets.c.id.not_in(others), sets.c.status.in_(OPEN))
    return [Subject(SubjectKind.EMBEDDING_SET, id_) for id_ in tx.execute(query).scalars()]


def delete_audit(tx: sa.Connection, audit_id: str) -> None:
    """Remove an audit, its steps and its idempotency keys."""
    tx.execute(sa.delete(audit_datasets).where(audit_datasets.c.audit_id == audit_id))
    tx.execute(sa.delete(idempotency).where(idempotency.c.audit_id == audit_id))
    _delete(tx, Subject(SubjectKind.AUDIT, audit_id))


def delete_dataset(tx: sa.Connection, dataset_id: str) -> None:
    """Remove a dataset that no audit reads, its embedding sets and all their steps."""
    sets = tx.execute(select(embedding_sets.c.id).where(embedding_sets.c.dataset_id == dataset_id)).scalars()
    for set_id in list(sets):
        _delete(tx, Subject(SubjectKind.EMBEDDING_SET, set_id))
    tx.execute(sa.delete(verdicts).where(verdicts.c.dataset_id == dataset_id))
    _delete(tx, Subject(SubjectKind.DATASET, dataset_id))


def _delete(tx: sa.Connection, subject: Subject) -> None:
    tx.execute(sa.delete(steps).where(steps.c.subject_kind == subject.kind.value, steps.c.subject_id == subject.id))
    table = TABLES[subject.kind]
    tx.execute(sa.delete(table).where(table.c.id == subject.id))


def next_generation(tx: sa.Connection, dataset_id: str) -> None:
    """Count another scan of a dataset."""
    mine = update(datasets).where(datasets.c.id == dataset_id)
    tx.execute(mine.values(generation=datasets.c.generation + 1))
