"""What people say of features that a report suspects."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table of verdicts."""
    op.create_table(
        "verdicts",
        sa.Column("dataset_id", sa.String(32), nullable=False),
        sa.Column("extractor", sa.Text, nullable=False),
        sa.Column("feature", sa.Text, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_verdicts_dataset_id_datasets"),
        sa.PrimaryKeyConstraint("dataset_id", "extractor", "feature", name="pk_verdicts"),
    )
