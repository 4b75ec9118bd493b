"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _subject(name: str, *columns: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("stage", sa.Integer, nullable=False),
        sa.Column("artefact_kind", sa.String(32), nullable=False),
        sa.Column("artefact", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("summary", sa.JSON, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("ended_at", sa.Float(53)),
        *columns,
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        sa.UniqueConstraint("key", name=f"uq_{name}_key"),
    )
    op.create_index(f"ix_{name}_status", name, ["status"])


def upgrade() -> None:
    """Create every table."""
    _subjects()
    _steps()
    op.create_table(
        "idempotency",
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("audit_id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_idempotency"),
    )
    op.create_table(
        "artefacts",
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("n_bytes", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("kind", "fingerprint", name="pk_artefacts"),
    )
    op.create_index("ix_artefacts_used_at", "artefacts", ["used_at"])


def _subjects() -> None:
    _subject(
        "datasets",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("source", sa.JSON, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
    )
    _subject(
        "embedding_sets",
        sa.Column("dataset_id", sa.String(32), nullable=False),
        sa.Column("dataset_fingerprint", sa.String(64), nullable=False),
        sa.Column("scan", sa.String(64), nullable=False),
        sa.Column("source", sa.JSON, nullable=False),
        sa.Column("extractor", sa.Text, nullable=False),
        sa.Column("extractor_fingerprint", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_embedding_sets_dataset_id"),
    )
    op.create_index("ix_embedding_sets_dataset_id", "embedding_sets", ["dataset_id"])
    _subject(
        "audits",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("dataset_ids", sa.JSON, nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
    )
    op.create_table(
        "audit_datasets",
        sa.Column("audit_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("dataset_id", sa.String(32), nullable=False),
        sa.Column("embedding_set_id", sa.String(32)),
        sa.PrimaryKeyConstraint("audit_id", "position", name="pk_audit_datasets"),
        sa.ForeignKeyConstraint(["audit_id"], ["audits.id"], name="fk_audit_datasets_audit_id"),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_audit_datasets_dataset_id"),
        sa.ForeignKeyConstraint(["embedding_set_id"], ["embedding_sets.id"], name="fk_audit_datasets_embedding_set_id"),
    )
    op.create_index("ix_audit_datasets_dataset_id", "audit_datasets", ["dataset_id"])
    op.create_index("ix_audit_datasets_embedding_set_id", "audit_datasets", ["embedding_set_id"])


def _steps() -> None:
    op.create_table(
        "steps",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("subject_kind", sa.String(16), nullable=False),
        sa.Column("subject_id", sa.String(32), nullable=False),
        sa.Column("stage", sa.Integer, nullable=False),
        sa.Column("stage_name", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.Float(53), nullable=False),
        sa.Column("rung_at", sa.Float(53), nullable=False),
        sa.Column("worker", sa.String(64), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("artefact_kind", sa.String(32), nullable=False),
        sa.Column("artefact", sa.String(64), nullable=False),
        sa.Column("outcome", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("started_at", sa.Float(53)),
        sa.Column("ended_at", sa.Float(53)),
        sa.PrimaryKeyConstraint("id", name="pk_steps"),
        sa.UniqueConstraint(
            "subject_kind", "subject_id", "stage", "name", name="uq_steps_subject_kind_subject_id_stage_name"
        ),
    )
    op.create_index(
        "ix_steps_subject_kind_subject_id_stage_status", "steps", ["subject_kind", "subject_id", "stage", "status"]
    )
    op.create_index("ix_steps_status_lease_until", "steps", ["status", "lease_until"])
