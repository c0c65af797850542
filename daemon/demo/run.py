"""The demo itself: drop, wait, speak, download, report."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from sqlmodel import select

from daemon.database import Database
from daemon.demo.report import StepDisplay, console, step_table, words_of
from daemon.demo.service import Service, running
from daemon.errors import ServiceError
from daemon.layout import Layout
from daemon.settings import Settings
from daemon.tables import Event, Voice
from GPT_SoVITS.families import RANDOM_WEIGHTS

CHARACTER = "allison"
RECORDINGS = Path(__file__).parent / "allison_en"
SENTENCE = "Thank you for calling. Your new voice is ready."
POLL_S = 0.5
JOB_TIMEOUT_S = 3600.0
FINAL = ("completed", "failed", "cancelled")


def run_demo(settings: Settings) -> None:
    """Carry one minute of a real voice through a service of its own and print what happened.

    Everything is kept in a new folder below the configured work directory, so that it can be looked at and heard.

    Raises:
        ServiceError: a step failed; says which and where the logs are.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the service is stopped on the way out
    out = console()
    state = Layout.of(settings).work_dir / "demo" / datetime.now().strftime("%Y%m%d-%H%M%S")
    began = time.monotonic()
    out.print(f"Starting the service on {state}")
    with running(state) as service:
        out.print(f"It answers at {service.base_url} (documents: {service.base_url}/docs)")
        _drop(service, out)
        _follow(service, "audio", out)
        _follow(service, "training", out)
        wav = _speak(service, out)
        database = Database(service.work_dir / "sovits.db")
        _close(service, database, wav, time.monotonic() - began, out)
        database.close()
    out.print("The service is stopped; nothing is left running.")


def _drop(service: Service, out: Console) -> None:
    folder = service.inbox_dir / CHARACTER
    folder.mkdir()
    (folder / "character.yaml").write_text("language: en\n", encoding="utf-8")
    recordings = sorted(RECORDINGS.glob("*.flac"))
    for recording in recordings:
        shutil.copy(recording, folder / recording.name)
    out.print(f"Dropped {len(recordings)} recordings into {folder}")


def _follow(service: Service, kind: str, out: Console) -> None:
    """Watch a job over REST until it ends."""
    display = StepDisplay(out)
    deadline = time.monotonic() + JOB_TIMEOUT_S
    try:
        while time.monotonic() < deadline:
            state = _status(service, kind)
            if state and state["current_step"]:
                display.show(kind, state["current_step"], state["progress"])
            if state and state["status"] in FINAL:
                break
            time.sleep(POLL_S)
        else:
            raise ServiceError(f"{kind} took longer than {JOB_TIMEOUT_S / 60:.0f} minutes; see {service.state}")
    finally:
        display.close()
    if state["status"] != "completed":
        reason = state["error_message"] or state["status"]
        raise ServiceError(f"{kind} of {CHARACTER} did not complete: {reason}; the logs are in {service.work_dir}/logs")


def _status(service: Service, kind: str) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = service.get(f"/characters/{CHARACTER}/{kind}/status")
    except ServiceError:
        return None  # the character appears when its first recording has been taken
    return answer


def _speak(service: Service, out: Console) -> Path:
    out.print(f"Asking for a sentence: {SENTENCE}")
    body = {"character_name": CHARACTER, "target_text": SENTENCE, "target_language": "en", "ref_language": "en"}
    inference = service.post("/inference", body)
    while inference["status"] not in FINAL:
        time.sleep(POLL_S)
        inference = service.get(f"/inference/{inference['inference_id']}")
    if inference["status"] != "completed":
        raise ServiceError(f"speaking failed: {inference['error_message']}")
    wav = service.state / "spoken.wav"
    service.download(f"/inference/{inference['inference_id']}/download", wav)
    return wav


def _close(service: Service, database: Database, wav: Path, seconds: float, out: Console) -> None:
    with database.read() as session:
        events = session.exec(select(Event).where(Event.kind == "step.finished").order_by(Event.id)).all()  # type: ignore[arg-type]
        voice = session.exec(select(Voice).where(Voice.active)).one()
    rows = [
        (e.data["step"], e.data.get("note") or f"{e.data['items_in']} → {e.data['items_out']}", e.data["seconds"])
        for e in events
    ]
    layout = Layout(service.work_dir, service.inbox_dir)
    words = words_of(layout.character(CHARACTER) / "transcripts" / "clips", RECORDINGS / "transcripts.tsv")
    out.print(step_table(rows))
    out.print(f"clips: {words.clips}; words recognised: {words.recognised}; word error rate: {words.error_rate:.1%}")
    out.print(f"from the drop to the sentence: {seconds:.0f} s")
    out.print(f"spoken sentence:  {wav}")
    out.print(f"models:           {layout.models(CHARACTER)}")
    out.print(f"transcript:       {layout.transcript_list(CHARACTER)}")
    out.print(f"log of the service: {service.state / 'service.log'}")
    if voice.trained_from == RANDOM_WEIGHTS:
        out.print(
            "Note: this voice was trained from random weights on one minute of speech. The WAV is noise with the "
            "rhythm of speech, not a usable voice; the demo shows that the chain works here."
        )
    out.print("What to do next: `sovits-daemon run`, then put recordings into inbox/<character>/; see README.md")
