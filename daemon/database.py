"""SQLite as the one truth: WAL, foreign keys on, every writing transaction begins IMMEDIATE.

A deferred transaction that reads and then writes fails at once when somebody else committed in between, whatever
the busy timeout (SQLite documentation, isolation in WAL mode); therefore there are two kinds of sessions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, create_engine

from daemon.errors import BusyError, StorageError

BUSY_TIMEOUT_MS = 10_000


class Database:
    """Sessions on one SQLite file; safe to share between threads, never across a fork."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = _engine(path)

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for migrations."""
        return self._engine

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that only reads; it is rolled back at the end."""
        with _translated(), Session(self._engine, autoflush=False, expire_on_commit=False) as session:
            session.execute(text("BEGIN"))
            try:
                yield session
            finally:
                session.expunge_all()  # a rollback would expire the rows that the caller still reads
                session.rollback()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session in an immediate transaction; committed at the end, rolled back on an error.

        Raises:
            BusyError: another writer held the database for the whole busy timeout.
            StorageError: the disk is full.
        """
        with _translated(), Session(self._engine, expire_on_commit=False) as session:
            session.execute(text("BEGIN IMMEDIATE"))
            try:
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # no implicit BEGIN by the driver: ours are explicit
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            "journal_mode = WAL",
            # A power cut may cost the last commits, never the file; artifacts on disk are found again by the plan.
            "synchronous = NORMAL",
            "foreign_keys = ON",
            "temp_store = MEMORY",
            "trusted_schema = OFF",
            "journal_size_limit = 67108864",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        message = str(error.orig)
        if "locked" in message or "busy" in message:
            raise BusyError("the database is busy; try again in a few seconds") from error
        if "full" in message:
            raise StorageError("the disk that holds the work directory is full; free some space") from error
        raise
