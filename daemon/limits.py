"""What callers may use: sentences a minute, bytes of recordings."""

from __future__ import annotations

import time

from sqlalchemy import delete
from sqlmodel import Session, col, func, select

from daemon.errors import RateLimitError, StorageError
from daemon.keys import Caller
from daemon.settings import LimitSettings
from daemon.tables import AudioFile, SentenceCount

MINUTE_S = 60


def count_sentences(session: Session, settings: LimitSettings, caller: Caller, sentences: int = 1) -> None:
    """Count sentences of a caller in the present minute; all API processes count together.

    Args:
        session: the writing session that also stores the sentences, so that a refused one is not counted.

    Raises:
        RateLimitError: these would be more than the caller's limit.
    """
    limit = caller.sentences_per_minute if caller.sentences_per_minute is not None else settings.sentences_per_minute
    if not limit:
        return
    seconds = time.time()
    minute = int(seconds) // MINUTE_S
    row = session.get(SentenceCount, (caller.name, minute)) or SentenceCount(caller=caller.name, minute=minute)
    if row.count + sentences > limit:
        wait_s = MINUTE_S - int(seconds) % MINUTE_S
        raise RateLimitError(f"only {limit} sentences a minute are allowed; try again in {wait_s} s", wait_s)
    row.count += sentences
    session.add(row)
    session.execute(delete(SentenceCount).where(col(SentenceCount.minute) < minute - 1))


def refuse_over_quota(session: Session, settings: LimitSettings, added_bytes: int) -> None:
    """Refuse a recording that all recordings together have no room for.

    Raises:
        StorageError: the quota is used up.
    """
    if not settings.quota_bytes:
        return
    used = int(session.exec(select(func.sum(AudioFile.size_bytes))).one() or 0)
    if used + added_bytes > settings.quota_bytes:
        raise StorageError(
            f"the recordings take {used} of the {settings.quota_bytes} bytes that are allowed; delete some first"
        )
