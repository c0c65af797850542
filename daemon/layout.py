"""Where things lie below the work directory and the inbox."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daemon.settings import Settings

REJECTED = ".rejected"
"""Sub-folder of a character's inbox folder that holds what could not be taken, each with its reason."""

DICTIONARY = "dictionary.tsv"
"""Words with the readings that a user wants, for all characters or for one."""


@dataclass(frozen=True, slots=True)
class Layout:
    """All paths of one installation."""

    work_dir: Path
    inbox_dir: Path

    @staticmethod
    def of(settings: Settings) -> Layout:
        """Return the layout that the settings name, with absolute paths."""
        return Layout(settings.paths.work_dir.absolute(), settings.paths.inbox_dir.absolute())

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.work_dir / "sovits.db"

    @property
    def lock(self) -> Path:
        """Held for life by the one daemon of this work directory."""
        return self.work_dir / "daemon.lock"

    @property
    def scratch(self) -> Path:
        """Unfinished writes; emptied at start."""
        return self.work_dir / "scratch"

    @property
    def logs(self) -> Path:
        """Logs of jobs and workers."""
        return self.work_dir / "logs"

    @property
    def request_counts(self) -> Path:
        """Counters of the API processes, for /metrics; emptied at start."""
        return self.work_dir / "request_counts"

    @property
    def audit(self) -> Path:
        """One line for each change that came over the API."""
        return self.logs / "audit.jsonl"

    @property
    def inference(self) -> Path:
        """Spoken sentences."""
        return self.work_dir / "inference"

    @property
    def characters(self) -> Path:
        """One folder a character."""
        return self.work_dir / "characters"

    def dictionaries(self, name: str | None = None) -> tuple[Path, ...]:
        """The users' dictionaries: that of all characters, then that of one; a later reading counts."""
        own = (self.character(name) / DICTIONARY,) if name is not None else ()
        return (self.work_dir / DICTIONARY, *own)

    def character(self, name: str) -> Path:
        """The folder of one character."""
        return self.characters / name

    def raw_audio(self, name: str) -> Path:
        """The recordings of one character."""
        return self.character(name) / "raw_audio"

    def transcript_list(self, name: str) -> Path:
        """The list file that people read and edit: path|speaker|language|text."""
        return self.character(name) / "transcripts" / f"{name}.list"

    def experiment(self, name: str) -> Path:
        """The public GPT-SoVITS experiment folder."""
        return self.character(name) / "experiments" / name

    def models(self, name: str) -> Path:
        """Finished weights."""
        return self.character(name) / "models"

    def inbox(self, name: str) -> Path:
        """Where recordings of one character are dropped."""
        return self.inbox_dir / name

    def create(self) -> None:
        """Make the folders that must exist."""
        for folder in (self.work_dir, self.inbox_dir, self.scratch, self.logs, self.inference, self.characters):
            folder.mkdir(parents=True, exist_ok=True)
