"""Keys of the API: made and revoked by the operator, checked on each request from another machine.

A key is `svd_<8 characters>_<43 characters>`. The first part finds its row, the whole is compared by its SHA-256 in
constant time; the secret part holds 256 random bits, so that no slow hash is needed to protect the stored digests.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from sqlmodel import Session, col, func, select

from daemon import events
from daemon.errors import ConflictError, InvalidInputError, NotFoundError
from daemon.settings import Settings
from daemon.tables import ApiKey, now

MARK = "svd"
PUBLIC_BYTES = 4
SECRET_BYTES = 32
_NAME = re.compile(r"[\w][\w .@-]{0,63}")


class Scope(StrEnum):
    """What a key allows; each stands alone, admin includes the others."""

    READ = "read"
    WRITE = "write"
    SPEAK = "speak"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request: the holder of a key, or an address without one."""

    name: str
    """`key:<name>` or `address:<address>`."""
    sentences_per_minute: int | None = None
    """A limit of its own."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A valid key as requests are checked against it."""

    name: str
    public_part: str
    digest: str
    scopes: frozenset[Scope]
    sentences_per_minute: int | None

    def allows(self, scope: Scope) -> bool:
        """Whether the key allows a scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    @property
    def caller(self) -> Caller:
        """The holder."""
        return Caller(f"key:{self.name}", self.sentences_per_minute)


def create(
    session: Session, name: str, scopes: Sequence[Scope], sentences_per_minute: int | None = None
) -> tuple[ApiKey, str]:
    """Make a key and return its row with the key itself, which is shown this once and never stored.

    Raises:
        InvalidInputError: a bad name or no scope.
        ConflictError: the name is taken.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInputError("a key's name has 1 to 64 letters, digits, blanks or any of . _ @ -")
    if not scopes:
        raise InvalidInputError(f"a key needs a scope; choose of {', '.join(Scope)}")
    if session.exec(select(ApiKey).where(ApiKey.name == name)).first() is not None:
        raise ConflictError(f"there is a key {name!r} already; revoke it first, or choose another name")
    public_part = secrets.token_hex(PUBLIC_BYTES)
    key = f"{MARK}_{public_part}_{secrets.token_urlsafe(SECRET_BYTES)}"
    row = ApiKey(
        name=name,
        public_part=public_part,
        digest=_digest(key),
        scopes=sorted({Scope(scope).value for scope in scopes}),
        sentences_per_minute=sentences_per_minute,
    )
    session.add(row)
    events.append(session, "key.created", name=name, scopes=row.scopes)
    return row, key


def revoke(session: Session, name: str) -> None:
    """Make a key invalid from the next request on, and free its name.

    Raises:
        NotFoundError: there is no valid key of that name.
    """
    row = session.exec(select(ApiKey).where(ApiKey.name == name, col(ApiKey.revoked_at).is_(None))).first()
    if row is None:
        raise NotFoundError(f"there is no valid key {name!r}; `sovits-daemon keys list` shows them")
    row.revoked_at = now()
    row.name = f"{row.name[:40]} revoked {row.public_part}"  # another key may have the name
    session.add(row)
    events.append(session, "key.revoked", name=name)


def listing(session: Session) -> Sequence[ApiKey]:
    """Return all keys, revoked ones too, by time."""
    return session.exec(select(ApiKey).order_by(col(ApiKey.id))).all()


def valid(session: Session) -> tuple[KnownKey, ...]:
    """Return the keys that are valid now."""
    rows = session.exec(select(ApiKey).where(col(ApiKey.revoked_at).is_(None))).all()
    return tuple(
        KnownKey(
            row.name,
            row.public_part,
            row.digest,
            frozenset(Scope(scope) for scope in row.scopes),
            row.sentences_per_minute,
        )
        for row in rows
    )


def any_valid(session: Session) -> bool:
    """Whether there is a valid key at all."""
    return session.exec(select(func.count()).select_from(ApiKey).where(col(ApiKey.revoked_at).is_(None))).one() > 0


def match(known: Sequence[KnownKey], presented: str) -> KnownKey | None:
    """Return the key that was presented, or None; the digest is compared in constant time."""
    mark, _, rest = presented.partition("_")
    public_part = rest.partition("_")[0]
    digest = _digest(presented)
    for key in known:
        if mark == MARK and key.public_part == public_part and hmac.compare_digest(key.digest, digest):
            return key
    return None


def is_loopback(address: str) -> bool:
    """Whether an address is one of this machine's own; a local socket has none and counts as one."""
    if not address:
        return True
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address == "localhost"
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def exposure(session: Session, settings: Settings) -> str | None:
    """Return a sentence when everybody who reaches the API may use it, else None."""
    if is_loopback(settings.server.host) or settings.access.require_key or any_valid(session):
        return None
    return (
        f"the API listens on {settings.server.host} and there is no key; make one with `sovits-daemon keys create NAME "
        "--scope admin`, or listen on this machine alone with --host 127.0.0.1"
    )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
