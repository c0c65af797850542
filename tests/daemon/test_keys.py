"""Keys: shown once, stored as a digest, revoked at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import keys
from daemon.errors import ConflictError, InvalidInputError, NotFoundError
from daemon.keys import KnownKey, Scope
from tests.daemon.installation import Installation, opened


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with opened(tmp_path) as made:
        yield made


def _make(installation: Installation, name: str = "studio", *scopes: Scope) -> str:
    with installation.database.write() as session:
        return keys.create(session, name, scopes or (Scope.READ,))[1]


def _valid(installation: Installation) -> tuple[KnownKey, ...]:
    with installation.database.read() as session:
        return keys.valid(session)


def test_a_key_is_found_by_its_whole_text_and_by_nothing_else(installation: Installation) -> None:
    key = _make(installation)
    found = keys.match(_valid(installation), key)
    assert found is not None
    assert found.name == "studio"
    for wrong in (key[:-1], key + "x", key.upper(), "", "svd_", key.replace("svd", "xyz"), f"svd_{found.public_part}_"):
        assert keys.match(_valid(installation), wrong) is None


def test_the_key_itself_is_nowhere_in_the_database(installation: Installation) -> None:
    key = _make(installation)
    secret = key.rsplit("_", 1)[-1].encode()
    files = [installation.layout.database, *installation.layout.work_dir.glob("sovits.db-*")]
    assert all(secret not in path.read_bytes() for path in files)


def test_a_revoked_key_is_invalid_and_its_name_is_free_again(installation: Installation) -> None:
    old = _make(installation)
    with installation.database.write() as session:
        keys.revoke(session, "studio")
    assert keys.match(_valid(installation), old) is None
    new = _make(installation)
    assert new != old
    assert keys.match(_valid(installation), new) is not None
    assert keys.match(_valid(installation), old) is None
    with installation.database.write() as session, pytest.raises(NotFoundError):
        keys.revoke(session, "nobody")


def test_a_name_is_used_once_and_a_key_has_a_scope(installation: Installation) -> None:
    _make(installation)
    with installation.database.write() as session:
        with pytest.raises(ConflictError):
            keys.create(session, "studio", [Scope.READ])
        with pytest.raises(InvalidInputError):
            keys.create(session, "other", [])
        for bad in ("", "a\nb", "x" * 65, " blank first"):
            with pytest.raises(InvalidInputError):
                keys.create(session, bad, [Scope.READ])


def test_admin_includes_the_other_scopes(installation: Installation) -> None:
    _make(installation, "chef", Scope.ADMIN)
    (key,) = _valid(installation)
    assert all(key.allows(scope) for scope in Scope)
    _make(installation, "reader", Scope.READ)
    reader = _valid(installation)[1]
    assert [scope for scope in Scope if reader.allows(scope)] == [Scope.READ]


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("::ffff:127.0.0.1", True),
        ("localhost", True), ("", True),
        ("10.0.0.1", False), ("::ffff:10.0.0.1", False), ("fe80::1%eth0", False), ("0.0.0.0", False), ("evil", False),
    ],
)  # fmt: skip
def test_addresses_of_this_machine_are_known(address: str, own: bool) -> None:
    assert keys.is_loopback(address) is own


@given(st.text())
def test_no_text_that_somebody_sends_is_a_key_or_an_error(presented: str) -> None:
    known = (KnownKey("a", "0011aabb", "0" * 64, frozenset({Scope.READ}), None),)
    assert keys.match(known, presented) is None


def test_keys_are_made_listed_and_revoked_on_the_command_line(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from daemon.cli import main

    monkeypatch.setenv("SOVITS_PATHS__WORK_DIR", str(installation.layout.work_dir))

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["keys", *arguments])
        return int(ended.value.code or 0), capsys.readouterr().out

    assert run("list")[0] == 3
    code, key = run("create", "录音棚", "--scope", "read", "--scope", "speak", "--per-minute", "5")
    assert code == 0
    found = keys.match(_valid(installation), key.strip())
    assert found is not None
    assert (found.scopes, found.sentences_per_minute) == ({Scope.READ, Scope.SPEAK}, 5)
    listed = json.loads(run("list", "--json")[1])
    assert [row["name"] for row in listed] == ["录音棚"]
    assert "digest" not in listed[0]
    assert run("revoke", "录音棚")[0] == 0
    assert _valid(installation) == ()
    assert run("revoke", "录音棚")[0] == 1
