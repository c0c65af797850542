"""The schema: a new database, an upgraded one and the tables in the code are the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import SQLModel, col, select

from daemon import migrate
from daemon.database import Database
from daemon.errors import StorageError
from daemon.tables import Voice


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
