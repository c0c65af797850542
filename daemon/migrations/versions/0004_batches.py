"""Batches of sentences."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the table, and the place of a sentence in a batch."""
    op.create_table(
        "speechbatch",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("character_id", sa.Integer(), nullable=True),
        sa.Column("character_name", sa.String(), nullable=False),
        sa.Column("sound_format", sa.String(), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("starts_s", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["character_id"], ["character.id"], name=op.f("fk_speechbatch_character_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_speechbatch")),
    )
    op.create_index(op.f("ix_speechbatch_character_id"), "speechbatch", ["character_id"], unique=False)
    with op.batch_alter_table("inference") as batch:
        batch.add_column(sa.Column("batch_id", sa.String(), nullable=True))
        batch.add_column(sa.Column("batch_position", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch.create_foreign_key(op.f("fk_inference_batch_id"), "speechbatch", ["batch_id"], ["id"], ondelete="CASCADE")
    op.create_index(op.f("ix_inference_batch_id"), "inference", ["batch_id"], unique=False)


def downgrade() -> None:
    """Remove both."""
    op.drop_index(op.f("ix_inference_batch_id"), table_name="inference")
    with op.batch_alter_table("inference") as batch:
        batch.drop_constraint(op.f("fk_inference_batch_id"), type_="foreignkey")
        batch.drop_column("batch_position")
        batch.drop_column("batch_id")
    op.drop_index(op.f("ix_speechbatch_character_id"), table_name="speechbatch")
    op.drop_table("speechbatch")
