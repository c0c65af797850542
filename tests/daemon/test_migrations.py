"""The schema: a new database, an upgraded one and the tables in the code are the same."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlmodel import SQLModel, col, select

from daemon import migrate
from daemon.backup import restoring
from daemon.backup.manifest import DATABASE, NAME, Entry, Manifest
from daemon.database import Database
from daemon.errors import StorageError
from daemon.layout import Layout
from daemon.tables import Job, Voice


def _schema(database: Database) -> dict[str, str]:
    with database.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").all()
        details: dict[str, Any] = {
            name: sorted(connection.exec_driver_sql(f"PRAGMA table_info({name})").all(), key=str)
            + sorted(connection.exec_driver_sql(f"PRAGMA foreign_key_list({name})").all(), key=str)
            for name, sql in rows
            if sql.startswith("CREATE TABLE")
        }
        indexes = {name: " ".join(sql.split()) for name, sql in rows if not sql.startswith("CREATE TABLE")}
    return {**{name: str(detail) for name, detail in details.items()}, **indexes}


def _scripted(path: Path) -> Database:
    database = Database(path)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        migrate.run_scripts(connection)
        connection.commit()
    return database


def test_a_new_database_gets_the_newest_revision(tmp_path: Path) -> None:
    database = Database(tmp_path / "sovits.db")
    assert not migrate.revision_matches(database)
    migrate.upgrade(database)
    assert migrate.revision_matches(database)
    migrate.upgrade(database)
    database.close()


def test_the_scripts_lead_to_the_same_schema_as_the_tables_in_the_code(tmp_path: Path) -> None:
    scripted = _scripted(tmp_path / "scripted.db")
    made = Database(tmp_path / "made.db")
    migrate.upgrade(made)
    assert _schema(scripted) == _schema(made)
    assert migrate.revision(scripted) == migrate.HEAD
    scripted.close()
    made.close()


def test_alembic_finds_no_difference_between_the_scripts_and_the_tables(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    scripted = _scripted(tmp_path / "scripted.db")
    with scripted.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
    scripted.close()


def test_voices_of_the_first_schema_become_versions(tmp_path: Path) -> None:
    # given three trainings of the first version, of which the second overwrote one file of the first
    database = Database(tmp_path / "sovits.db")
    facts = "'nano', '{}', 'random weights', '2026-01-01'"
    with database.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        migrate.run_scripts(connection, "0001")
        connection.exec_driver_sql(
            "INSERT INTO character (id, name, config, is_default, created_at, updated_at) "
            "VALUES (1, '小明', '{}', 1, '2026-01-01', '2026-01-01')"
        )
        for number, path in ((1, "a"), (2, "a"), (3, "b")):
            connection.exec_driver_sql(
                "INSERT INTO voice (id, character_id, sovits_path, gpt_path, input_hash, active, family, metrics, "
                f"trained_from, created_at) VALUES ({number}, 1, '{path}.pth', '{number}.ckpt', 'h', {number == 3}, "
                f"{facts})"
            )
        connection.commit()
    # when the database is brought up to date
    migrate.upgrade(database)
    # then what still has its files is a version, the same one speaks, and no number is given twice
    with database.read() as session:
        voices = session.exec(select(Voice).order_by(col(Voice.id))).all()
    assert [(voice.id, voice.active, voice.config, voice.note) for voice in voices] == [
        (2, False, {}, ""), (3, True, {}, ""),
    ]  # fmt: skip
    with database.engine.connect() as connection:
        sql = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'voice'").scalar()
    assert "AUTOINCREMENT" in str(sql)
    database.close()


OLD_REVISIONS = sorted(migrate.known_revisions() - {migrate.HEAD})
WORDS = {"kind": "train", "status": "completed", "config": '{"language": "en"}', "names": '["0001"]'}
"""What some columns hold; all others hold values by their type."""


def _older(path: Path, revision: str) -> Database:
    """A database as the version of that revision left it, with two rows in every table."""
    database = Database(path)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        migrate.run_scripts(connection, revision)
        for table in _tables(connection):
            for number in (1, 2):
                row = {column: _value(column, kind, number) for column, kind in _columns(connection, table).items()}
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        connection.commit()
    return database


def _tables(connection: Connection) -> list[str]:
    """The tables in an order in which every row finds the row that it refers to."""
    rows = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
    present = [name for name in rows if not name.startswith(("sqlite_", "alembic_"))]
    return sorted(present, key=lambda name: [table.name for table in SQLModel.metadata.sorted_tables].index(name))


def _columns(connection: Connection, table: str) -> dict[str, str]:
    return {row[1]: row[2] for row in connection.exec_driver_sql(f"PRAGMA table_info({table})").all()}


def _value(column: str, kind: str, number: int) -> Any:
    if column in WORDS:
        return WORDS[column]
    if column == "id" and kind == "VARCHAR":
        return f"{number:032}"
    if column == "batch_id":
        return f"{1:032}"
    by_type: dict[str, Any] = {
        "INTEGER": number,
        "FLOAT": number + 0.5,
        "BOOLEAN": number == 1,
        "JSON": '{"text": "你好"}',
        "DATETIME": f"2026-01-0{number} 10:00:00.000000",
    }
    return by_type.get(kind, f"{column} {number} 小明")


def _rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.engine.connect() as connection:
        return {
            table: [dict(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}").mappings().all()]
            for table in _tables(connection)
        }


def _is_whole(database: Database, before: dict[str, list[dict[str, Any]]]) -> None:
    """Every row of an older database is there with the values it had, and the code reads it."""
    after = _rows(database)
    for table, rows in before.items():
        assert rows, table
        assert [{name: new[name] for name in old} for old, new in zip(rows, after[table], strict=True)] == rows
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    with database.read() as session:
        for mapper in SQLModel._sa_registry.mappers:
            assert len(session.execute(select(mapper.class_)).all()) == len(after[mapper.local_table.name])


@pytest.mark.parametrize("revision", OLD_REVISIONS)
def test_an_older_database_keeps_every_row_of_every_table(tmp_path: Path, revision: str) -> None:
    database = _older(tmp_path / "sovits.db", revision)
    before = _rows(database)
    migrate.upgrade(database)
    assert migrate.revision_matches(database)
    _is_whole(database, before)
    # and its counters go on where they were, so that no number is given twice
    with database.write() as session:
        session.add(Job(character_id=1, kind="process"))
    assert max(row["id"] for row in _rows(database)["job"]) == 3
    database.close()


@pytest.mark.parametrize("revision", OLD_REVISIONS)
def test_a_backup_of_an_older_version_is_restored_and_brought_up_to_date(tmp_path: Path, revision: str) -> None:
    # given a backup that an older version wrote
    database = _older(tmp_path / "sovits.db", revision)
    before = _rows(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = DELETE")
    database.close()
    content = (tmp_path / "sovits.db").read_bytes()
    entry = Entry(len(content), hashlib.sha256(content).hexdigest(), 1)
    manifest = Manifest(revision, "0", "2026-01-01T00:00:00+00:00", {DATABASE: entry}).encode()
    with tarfile.open(tmp_path / "old.tar", "w") as archive:
        for name, held in ((DATABASE, content), (NAME, manifest)):
            facts = tarfile.TarInfo(name)
            facts.size = len(held)
            archive.addfile(facts, io.BytesIO(held))
    # when it is put back and the service prepares the database at its start
    layout = Layout(tmp_path / "work", tmp_path / "inbox")
    restoring.restore(tmp_path / "old.tar", layout, replace=False)
    restored = Database(layout.database)
    assert migrate.revision(restored) == revision
    migrate.upgrade(restored)
    # then everything is there
    _is_whole(restored, before)
    restored.close()


def test_the_head_in_the_code_is_the_newest_script() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    assert ScriptDirectory.from_config(config).get_current_head() == migrate.HEAD


def test_a_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    database = Database(tmp_path / "sovits.db")
    migrate.upgrade(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="newer version"):
        migrate.upgrade(database)
    assert migrate.revision(database) == "9999"
    database.close()


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    database = Database(tmp_path / "sovits.db")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(StorageError, match="not a database of this service"):
        migrate.upgrade(database)
    database.close()


def test_a_new_database_is_made_without_loading_alembic_or_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from daemon.database import Database; from daemon import migrate\n"
        f"migrate.upgrade(Database(Path({str(tmp_path / 'sovits.db')!r})))\n"
        "assert not {'alembic', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
