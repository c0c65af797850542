"""The first schema."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "character",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("renaming_to", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_character")),
        sa.UniqueConstraint("name", name=op.f("uq_character_name")),
    )
    op.create_table(
        "servicestate",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_servicestate")),
    )
    op.create_table(
        "artifact",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("character_id", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("input_hash", sa.String(), nullable=False),
        sa.Column("output_hash", sa.String(), nullable=False),
        sa.Column("outputs", sa.JSON(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["character_id"], ["character.id"], name=op.f("fk_artifact_character_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifact")),
        sa.UniqueConstraint("character_id", "step", "item", name=op.f("uq_artifact_character_id_step_item")),
    )
    op.create_index(op.f("ix_artifact_character_id"), "artifact", ["character_id"], unique=False)
    op.create_table(
        "audiofile",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("character_id", sa.Integer(), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("mtime_ns", sa.Integer(), nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=True),
        sa.Column("sample_rate_hz", sa.Integer(), nullable=True),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("transcript_text", sa.String(), nullable=True),
        sa.Column("transcript_language", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("modified_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["character_id"], ["character.id"], name=op.f("fk_audiofile_character_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audiofile")),
        sa.UniqueConstraint("character_id", "filename", name=op.f("uq_audiofile_character_id_filename")),
    )
    op.create_index(op.f("ix_audiofile_character_id"), "audiofile", ["character_id"], unique=False)
    op.create_index(op.f("ix_audiofile_character_id_sha256"), "audiofile", ["character_id", "sha256"], unique=False)
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("character_id", sa.Integer(), nullable=True),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["character_id"], ["character.id"], name=op.f("fk_event_character_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index(op.f("ix_event_character_id"), "event", ["character_id"], unique=False)
    op.create_table(
        "inference",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("character_id", sa.Integer(), nullable=True),
        sa.Column("character_name", sa.String(), nullable=False),
        sa.Column("target_text", sa.String(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=True),
        sa.Column("completed_at", sa.DateTime(), nullable=True),
        sa.Column("output_path", sa.String(), nullable=True),
        sa.Column("error_message", sa.String(), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["character_id"], ["character.id"], name=op.f("fk_inference_character_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inference")),
    )
    op.create_index(op.f("ix_inference_character_id"), "inference", ["character_id"], unique=False)
    op.create_index(op.f("ix_inference_created_at"), "inference", ["created_at"], unique=False)
    op.create_index(op.f("ix_inference_status"), "inference", ["status"], unique=False)
    op.create_table(
        "job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("character_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=True),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("not_before", sa.DateTime(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("pid_started", sa.Float(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=True),
        sa.Column("completed_at", sa.DateTime(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("log_path", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["character_id"], ["character.id"], name=op.f("fk_job_character_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_job_character_id"), "job", ["character_id"], unique=False)
    op.create_index(op.f("ix_job_status"), "job", ["status"], unique=False)
    op.create_index(
        "uq_job_active",
        "job",
        ["character_id", "kind"],
        unique=True,
        sqlite_where=sa.text("status IN ('pending', 'running')"),
    )
    op.create_table(
        "transcriptedit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("character_id", sa.Integer(), nullable=False),
        sa.Column("clip", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("excluded", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["character_id"], ["character.id"], name=op.f("fk_transcriptedit_character_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transcriptedit")),
        sa.UniqueConstraint("character_id", "clip", name=op.f("uq_transcriptedit_character_id_clip")),
    )
    op.create_index(op.f("ix_transcriptedit_character_id"), "transcriptedit", ["character_id"], unique=False)
    op.create_table(
        "voice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("character_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("sovits_path", sa.String(), nullable=False),
        sa.Column("gpt_path", sa.String(), nullable=False),
        sa.Column("input_hash", sa.String(), nullable=False),
        sa.Column("trained_from", sa.String(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["character_id"], ["character.id"], name=op.f("fk_voice_character_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voice")),
    )
    op.create_index(op.f("ix_voice_character_id"), "voice", ["character_id"], unique=False)


def downgrade() -> None:
    """Remove all tables."""
    op.drop_index(op.f("ix_voice_character_id"), table_name="voice")
    op.drop_table("voice")
    op.drop_index(op.f("ix_transcriptedit_character_id"), table_name="transcriptedit")
    op.drop_table("transcriptedit")
    op.drop_index("uq_job_active", table_name="job", sqlite_where=sa.text("status IN ('pending', 'running')"))
    op.drop_index(op.f("ix_job_status"), table_name="job")
    op.drop_index(op.f("ix_job_character_id"), table_name="job")
    op.drop_table("job")
    op.drop_index(op.f("ix_inference_status"), table_name="inference")
    op.drop_index(op.f("ix_inference_created_at"), table_name="inference")
    op.drop_index(op.f("ix_inference_character_id"), table_name="inference")
    op.drop_table("inference")
    op.drop_index(op.f("ix_event_character_id"), table_name="event")
    op.drop_table("event")
    op.drop_index(op.f("ix_audiofile_character_id_sha256"), table_name="audiofile")
    op.drop_index(op.f("ix_audiofile_character_id"), table_name="audiofile")
    op.drop_table("audiofile")
    op.drop_index(op.f("ix_artifact_character_id"), table_name="artifact")
    op.drop_table("artifact")
    op.drop_table("servicestate")
    op.drop_table("character")
