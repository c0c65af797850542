"""Steps of jobs with their times; voices become versions with settings and a note."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add a table and two columns, and forget voices whose files a later training has overwritten."""
    op.create_table(
        "jobstep",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("completed_at", sa.DateTime(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("work", sa.Float(), nullable=False),
        sa.Column("items_in", sa.Integer(), nullable=False),
        sa.Column("items_out", sa.Integer(), nullable=False),
        sa.Column("redone", sa.Integer(), nullable=False),
        sa.Column("dropped", sa.JSON(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_jobstep_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobstep")),
        sa.UniqueConstraint("job_id", "step", name=op.f("uq_jobstep_job_id_step")),
    )
    op.create_index(op.f("ix_jobstep_job_id"), "jobstep", ["job_id"], unique=False)
    op.execute(
        "DELETE FROM voice WHERE NOT active AND EXISTS (SELECT 1 FROM voice AS later WHERE later.id > voice.id "
        "AND later.character_id = voice.character_id "
        "AND (later.sovits_path = voice.sovits_path OR later.gpt_path = voice.gpt_path))"
    )
    with op.batch_alter_table("voice", recreate="always", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.add_column(sa.Column("config", sa.JSON(), server_default=sa.text("'{}'"), nullable=False))
        batch.add_column(sa.Column("note", sa.String(), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    """Remove what was added."""
    with op.batch_alter_table("voice", recreate="always", table_kwargs={"sqlite_autoincrement": False}) as batch:
        batch.drop_column("note")
        batch.drop_column("config")
    op.drop_index(op.f("ix_jobstep_job_id"), table_name="jobstep")
    op.drop_table("jobstep")
