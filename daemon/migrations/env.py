"""Run by Alembic: the connection and its transaction come from daemon.migrate."""

from alembic import context
from sqlmodel import SQLModel

from daemon import tables as _tables  # noqa: F401 - fills the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
