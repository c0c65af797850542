"""An inbox on real folders and a real database, with a clock that the tests turn."""

from __future__ import annotations

import shutil
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from daemon import characters, migrate
from daemon.database import Database
from daemon.inbox import Inbox
from daemon.layout import Layout
from daemon.settings import Settings
from daemon.tables import AudioFile, Character, Event

CLIPS = Path(__file__).parents[2] / "data" / "allison_en"
SETTLE_S, QUIET_S = 3.0, 30.0


@dataclass
class Place:
    """One installation: drop files, let time pass, look at what came of it."""

    state: Path
    inbox_settings: dict[str, Any] = field(default_factory=dict)
    now: float = 1000.0
    queued: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        paths = {"work_dir": self.state / "work", "inbox_dir": self.state / "inbox"}
        chosen = {"watch": "off", "free_bytes_reserve": 0, **self.inbox_settings}
        self.settings = Settings.model_validate({"paths": paths, "inbox": chosen})
        self.layout = Layout.of(self.settings)
        self.layout.create()
        self.database = Database(self.layout.database)
        migrate.upgrade(self.database)
        self.inbox = self._inbox()

    def _inbox(self) -> Inbox:
        return Inbox(self.database, self.layout, self.settings, clock=lambda: self.now, enqueue=self.queued.append)

    def restart(self) -> None:
        """Stop the inbox and start a new one on the same state."""
        self.inbox.stop()
        self.inbox = self._inbox()
        self.inbox.start()

    def wav(self, name: str, *, tone: int = 1, seconds: float = 1.0, silent: bool = False) -> Path:
        """Write a small WAV file into the inbox; `tone` decides its bytes."""
        path = self.layout.inbox_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav_bytes(tone, seconds, silent=silent))
        return path

    def clip(self, name: str, target: str) -> Path:
        """Copy a real recording into the inbox."""
        path = self.layout.inbox_dir / target
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CLIPS / name, path)
        return path

    def write(self, name: str, content: str | bytes) -> Path:
        """Write any file into the inbox."""
        path = self.layout.inbox_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def pass_time(self, seconds: float) -> None:
        """Let time pass in steps, with a tick after each."""
        for _ in range(4):
            self.now += seconds / 4
            self.inbox.tick()

    def settle(self) -> None:
        """Find what is new and let it come to rest, with what follows from it."""
        self.inbox.reconcile()
        self.pass_time(SETTLE_S + 1)
        self.pass_time(SETTLE_S + 1)

    def rows(self, name: str = "anna") -> dict[str, AudioFile]:
        """Return the recordings of a character by file name."""
        with self.database.read() as session:
            character = characters.find(session, name)
            if character is None:
                return {}
            query = select(AudioFile).where(AudioFile.character_id == character.id)
            return {row.filename: row for row in session.exec(query).all()}

    def character(self, name: str = "anna") -> Character:
        """Return a character."""
        with self.database.read() as session:
            return characters.get(session, name)

    def events(self, kind: str) -> list[Event]:
        """Return the events of one kind."""
        with self.database.read() as session:
            return list(session.exec(select(Event).where(Event.kind == kind).order_by(col(Event.id))).all())

    def raw(self, filename: str, name: str = "anna") -> Path:
        """Return where a recording lies."""
        return self.layout.raw_audio(name) / filename

    def reason(self, name: str) -> str:
        """Return why a file of the inbox was rejected."""
        folder, _, rest = name.partition("/")
        return (self.layout.inbox(folder) / ".rejected" / f"{rest}.reason.txt").read_text(encoding="utf-8")

    def write_rows(self, work: Callable[[Session], None]) -> None:
        """Run something in a writing transaction."""
        with self.database.write() as session:
            work(session)


def wav_bytes(tone: int, seconds: float = 1.0, *, silent: bool = False) -> bytes:
    """Return a mono 8 kHz WAV file."""
    import io

    frames = int(8000 * seconds)
    samples = bytes(2 * frames) if silent else (bytes([tone % 251, 16]) * frames)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as stream:
        stream.setparams((1, 2, 8000, 0, "NONE", ""))
        stream.writeframes(samples)
    return buffer.getvalue()


@pytest.fixture
def make_place(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    made: list[Place] = []

    def make(**inbox_settings: Any) -> Place:
        place = Place(tmp_path / f"state {len(made)}", inbox_settings)
        place.inbox.start()
        made.append(place)
        return place

    yield make
    for place in made:
        place.inbox.stop()
        place.database.close()


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    return make_place()
