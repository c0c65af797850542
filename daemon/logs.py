"""Logs: one event a line on standard error, JSON unless a person watches a terminal, and a rotating file if wished."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler, WatchedFileHandler
from pathlib import Path
from typing import TextIO

from daemon.settings import LogSettings

_CONTEXT: ContextVar[dict[str, object] | None] = ContextVar("sovits_log_context", default=None)
QUIET = ("apscheduler", "watchdog", "alembic", "sqlalchemy", "httpx", "multipart")
"""Libraries whose ordinary lines would only hide ours."""


@contextmanager
def context(**fields: object) -> Iterator[None]:
    """Add fields such as character, job or step to every line logged inside, in this thread."""
    token = _CONTEXT.set({**(_CONTEXT.get() or {}), **fields})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def configure(settings: LogSettings, *, owner: bool = True, stream: TextIO | None = None) -> None:
    """Set up logging for this process; calling it again replaces the earlier set-up.

    Args:
        settings: level and file.
        owner: whether this process rotates the file. Only the daemon does; others follow when the file is replaced.
        stream: where lines go instead of standard error.
    """
    target = stream or sys.stderr
    terminal = logging.StreamHandler(target)
    terminal.setFormatter(PlainFormatter() if target.isatty() else JsonFormatter())
    handlers: list[logging.Handler] = [terminal]
    if settings.file is not None:
        settings.file.parent.mkdir(parents=True, exist_ok=True)
        file = _file_handler(settings.file, settings, owner)
        file.setFormatter(JsonFormatter())
        handlers.append(file)
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        handler.addFilter(_add_context)
        root.addHandler(handler)
    root.setLevel(settings.level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


def _file_handler(path: Path, settings: LogSettings, owner: bool) -> logging.Handler:
    if owner:
        return RotatingFileHandler(path, maxBytes=settings.max_bytes, backupCount=settings.backups, encoding="utf-8")
    return WatchedFileHandler(path, encoding="utf-8")


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry: dict[str, object] = {
            "time": moment,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "context", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


class PlainFormatter(logging.Formatter):
    """Lines for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, and a traceback below it if it has one."""
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = " ".join(f"{name}={value}" for name, value in getattr(record, "context", {}).items())
        line = f"{moment} {record.levelname:<7} {record.getMessage()}{f'  [{fields}]' if fields else ''}"
        # A name from outside may hold a newline; one event stays one line.
        line = line.replace("\r", "\\r").replace("\n", "\\n")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _add_context(record: logging.LogRecord) -> bool:
    record.context = _CONTEXT.get() or {}
    return True
