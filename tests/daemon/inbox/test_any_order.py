"""Whatever people do to the folders in whatever order, disk, database and a simple model agree in the end."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.daemon.inbox.conftest import Place, wav_bytes

NAMES = st.sampled_from(["a.wav", "b.wav", "c d.wav", "目 |1.wav", "sub/a.wav"])
TONES = st.integers(1, 4)
SAFE = {"目 |1.wav": "目 _1.wav", "sub/a.wav": "sub__a.wav"}


class InboxMachine(RuleBasedStateMachine):
    """The model: which bytes each recording has."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="inbox-"))
        self.place = Place(self.folder)
        self.place.inbox.start()
        self.model: dict[str, int] = {}
        self.waiting: dict[str, int] = {}
        self.calm = True

    @rule(name=NAMES, tone=TONES)
    def drop(self, name: str, tone: int) -> None:
        self.place.wav(f"anna/{name}", tone=tone)
        self.waiting[name] = tone
        self.calm = False

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.waiting)))
        (self.place.layout.inbox("anna") / name).unlink()
        del self.waiting[name]

    @precondition(lambda self: self.model and self.calm)
    @rule(data=st.data())
    def delete_by_hand(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        self.place.raw(name).unlink()
        del self.model[name]
        self.calm = False
        self.settle()

    @rule()
    def restart(self) -> None:
        self.place.restart()

    @rule()
    def look(self) -> None:
        self.place.inbox.reconcile()

    @rule()
    def settle(self) -> None:
        self.place.inbox.reconcile()  # the clock stands still until here: all files come to rest together
        self.place.settle()
        self.place.now += self.place.settings.inbox.reconcile_seconds
        self.place.settle()
        coming = {SAFE.get(name, name): tone for name, tone in self.waiting.items()}
        lasting = {tone for name, tone in self.model.items() if coming.get(name, tone) == tone}
        for name in sorted(self.waiting, key=lambda each: tuple(each.split("/"))):
            tone = self.waiting[name]
            if tone not in lasting:
                self.model[SAFE.get(name, name)] = tone
                lasting.add(tone)
        self.waiting.clear()
        self.calm = True

    @invariant()
    def database_disk_and_model_agree(self) -> None:
        if not self.calm:
            return
        rows = self.place.rows()
        hashes = {name: hashlib.sha256(wav_bytes(tone)).hexdigest() for name, tone in self.model.items()}
        # Under which name a file stays whose recording was just deleted by hand is free; its bytes are not.
        assert sorted(row.sha256 for row in rows.values()) == sorted(hashes.values())
        folder = self.place.layout.raw_audio("anna")
        on_disk = {path.name: path.read_bytes() for path in folder.glob("*.wav")} if folder.is_dir() else {}
        assert {name: hashlib.sha256(data).hexdigest() for name, data in on_disk.items()} == {
            name: row.sha256 for name, row in rows.items()
        }
        self.model = {name: self._tone(row.sha256) for name, row in rows.items()}

    def _tone(self, sha256: str) -> int:
        return next(tone for tone in range(1, 5) if hashlib.sha256(wav_bytes(tone)).hexdigest() == sha256)

    def teardown(self) -> None:
        self.place.inbox.stop()
        self.place.database.close()
        shutil.rmtree(self.folder)


TestAnyOrder = InboxMachine.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
