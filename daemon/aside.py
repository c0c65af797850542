"""Taking files and folders away together with the rows about them: back in place if the transaction fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType

from daemon.layout import Layout


class Aside:
    """Moves things into the scratch folder and removes them there.

    Opened around a writing transaction: what was taken inside goes back when the transaction fails, and is removed
    when it is committed. After a crash in between, the service empties the scratch folder when it starts.
    """

    def __init__(self, layout: Layout) -> None:
        self._scratch = layout.scratch
        self._moves: list[tuple[Path, Path]] = []

    def take(self, path: Path) -> None:
        """Move a file or folder out of the way, if it is there."""
        if not path.exists() and not path.is_symlink():
            return
        self._scratch.mkdir(parents=True, exist_ok=True)
        aside = self._scratch / f"deleted-{os.urandom(8).hex()}"
        path.rename(aside)
        self._moves.append((path, aside))

    def __enter__(self) -> Aside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for path, aside in reversed(self._moves):
            if error is not None:
                aside.rename(path)
            elif aside.is_dir() and not aside.is_symlink():
                shutil.rmtree(aside, ignore_errors=True)
            else:
                aside.unlink(missing_ok=True)
