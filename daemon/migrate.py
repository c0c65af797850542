"""The database schema and its revisions.

Only the daemon changes the schema, while it holds the lock of the work directory; the API asks `revision_matches` and
answers 503 until it does. A new database is made from the metadata and stamped, which needs no Alembic (it costs a
second and 50 MB to load); an older one is upgraded by Alembic. A test holds both ways to the same result.
"""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlmodel import SQLModel

from daemon import tables as _tables  # noqa: F401 - fills the metadata
from daemon.database import Database
from daemon.errors import StorageError

logger = logging.getLogger(__name__)

HEAD = "0004"
SCRIPTS = Path(__file__).parent / "migrations"


def revision(database: Database) -> str | None:
    """Return the revision of a database, or None when it is empty."""
    with database.engine.connect() as connection:
        return _revision(connection)


def revision_matches(database: Database) -> bool:
    """Whether the database has the schema that this version works with."""
    try:
        return database.path.exists() and revision(database) == HEAD
    except OperationalError:
        return False


def upgrade(database: Database) -> None:
    """Bring the database to this version's schema, in one transaction; the caller holds the lock.

    Raises:
        StorageError: the database comes from a newer version, or is none of ours.
    """
    with database.engine.connect() as connection:
        present = _revision(connection)
        if present == HEAD:
            return
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")  # Alembic copies tables to change them
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            if present is None:
                _create(connection, database.path)
            else:
                _migrate(connection, present, database.path)
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
            if broken:
                raise StorageError(
                    f"upgrading {database.path} would break {len(broken)} references; it is left as it was"
                )
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        finally:
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")
    logger.info("the database is at revision %s", HEAD)


def known_revisions() -> frozenset[str]:
    """Return the revisions that this version can work with or upgrade from."""
    return frozenset(path.stem.partition("_")[0] for path in (SCRIPTS / "versions").glob("[0-9]*.py"))


def run_scripts(connection: Connection, target: str = HEAD) -> None:
    """Run the migration scripts up to a revision, inside the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)


def _create(connection: Connection, path: Path) -> None:
    existing = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
    if existing:
        raise StorageError(
            f"{path} holds tables but no revision, so it is not a database of this service; move it away"
        )
    SQLModel.metadata.create_all(connection)
    connection.exec_driver_sql(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (HEAD,))


def _migrate(connection: Connection, present: str, path: Path) -> None:
    from alembic.util.exc import CommandError

    try:
        run_scripts(connection)
    except CommandError as error:
        raise StorageError(
            f"the database {path} has revision {present}, which this version does not know; "
            "install the newer version that wrote it"
        ) from error


def _revision(connection: Connection) -> str | None:
    try:
        found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").first()
    except OperationalError:
        raise
    except DatabaseError as error:
        path = connection.engine.url.database
        raise StorageError(f"{path} cannot be read ({error.orig}); put a copy of it back, or move it away") from error
    if found is None:
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
