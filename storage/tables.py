"""The SQL tables, as SQLAlchemy Core sees them on SQLite and PostgreSQL alike.

A change here comes with a migration in ``storage/migrations``; a test holds the two together.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _subject_columns() -> list[Column[Any]]:
    """Columns shared by everything that steps are done for.

    key : what it is got or created by
    stage : number of the last stage that was planned, -1 before the first
    artefact, artefact_kind, fingerprint, summary : of the last stage's step, once done
    """
    return [
        Column("id", String(32), primary_key=True),
        Column("key", String(64), nullable=False, unique=True),
        Column("status", String(16), nullable=False, index=True),
        Column("stage", Integer, nullable=False),
        Column("artefact_kind", String(32), nullable=False),
        Column("artefact", String(64), nullable=False),
        Column("fingerprint", String(64), nullable=False),
        Column("summary", JSON, nullable=False),
        Column("error", Text, nullable=False),
        Column("created_at", Float(53), nullable=False),
        Column("ended_at", Float(53)),
    ]


datasets = Table(
    "datasets",
    metadata,
    *_subject_columns(),
    Column("name", Text, nullable=False),
    Column("source", JSON, nullable=False),
    Column("generation", Integer, nullable=False),
)
"""``generation`` counts scans: a source that is submitted again after a change is scanned again under the same id."""

embedding_sets = Table(
    "embedding_sets",
    metadata,
    *_subject_columns(),
    Column("dataset_id", String(32), ForeignKey("datasets.id"), nullable=False, index=True),
    Column("dataset_fingerprint", String(64), nullable=False),
    Column("scan", String(64), nullable=False),
    Column("source", JSON, nullable=False),
    Column("extractor", Text, nullable=False),
    Column("extractor_fingerprint", String(64), nullable=False),
)
"""``scan`` names the scan artefact it was made from, which outlives later scans of the dataset."""

audits = Table(
    "audits",
    metadata,
    *_subject_columns(),
    Column("kind", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("dataset_ids", JSON, nullable=False),
    Column("request", JSON, nullable=False),
)

audit_datasets = Table(
    "audit_datasets",
    metadata,
    Column("audit_id", String(32), ForeignKey("audits.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("dataset_id", String(32), ForeignKey("datasets.id"), nullable=False, index=True),
    Column("embedding_set_id", String(32), ForeignKey("embedding_sets.id"), index=True),
)
"""What an audit reads, reference first; the embedding set is known once the dataset is scanned."""

steps = Table(
    "steps",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("subject_kind", String(16), nullable=False),
    Column("subject_id", String(32), nullable=False),
    Column("stage", Integer, nullable=False),
    Column("stage_name", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("params", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("lease_until", Float(53), nullable=False),
    Column("rung_at", Float(53), nullable=False),
    Column("worker", String(64), nullable=False),
    Column("error", Text, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("artefact_kind", String(32), nullable=False),
    Column("artefact", String(64), nullable=False),
    Column("outcome", JSON, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("started_at", Float(53)),
    Column("ended_at", Float(53)),
    UniqueConstraint("subject_kind", "subject_id", "stage", "name"),
    Index(None, "subject_kind", "subject_id", "stage", "status"),
    Index(None, "status", "lease_until"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("audit_id", String(32), nullable=False),
    Column("created_at", Float(53), nullable=False),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("dataset_id", String(32), ForeignKey("datasets.id"), primary_key=True),
    Column("extractor", Text, primary_key=True),
    Column("feature", Text, primary_key=True),
    Column("verdict", String(16), nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", Float(53), nullable=False),
)
"""What people say of features that a report suspects; some features exist under one extractor only."""

artefacts = Table(
    "artefacts",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("n_bytes", BigInteger, nullable=False),
    Column("used_at", Float(53), nullable=False, index=True),
)
"""What is committed; ``used_at`` is when it was last written or found again by a step."""
