"""Have a character's voice judged by a process of its own, and keep what it found with the voice."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from sqlmodel import Session

from daemon import characters, inferences, references
from daemon.errors import ServiceError
from daemon.processes import module_command
from daemon.tables import Voice
from daemon.world import World
from pipeline.evaluation_request import Clip, EvaluationRequest, encode

RECORDINGS = 12
"""Clips of the speaker that a voice is compared with, at most."""


class EvaluationError(ServiceError):
    """The voice could not be judged; the sentence says why."""

    code = "evaluation_failed"


def evaluate_voice(world: World, name: str, sentences: int) -> dict[str, Any]:
    """Judge the active voice of a character, store the measures with it and return them.

    Raises:
        NotFoundError: there is no such character.
        ConflictError: it has no voice, or no clip with a transcript, yet.
        EvaluationError: the judging process failed.
    """
    with world.database.read() as session:
        voice = inferences.speaking_voice(session, characters.get(session, name))
        request = _request(session, world, name, voice, sentences)
        voice_id = voice.id
    found = _ask(request)
    with world.database.write() as session:
        row = session.get(Voice, voice_id)
        if row is not None:
            row.metrics = {**row.metrics, "evaluation": found}
            session.add(row)
    return found


def headline(metrics: dict[str, Any]) -> str:
    """Return the measures of a voice in a few words, "" where it was not judged."""
    found = metrics.get("evaluation")
    if not found:
        return ""
    words = [f"character errors {found['character_error_rate']:.1%}"]
    if found.get("similarity") is not None:
        ceiling = found.get("real_similarity")
        words.append(f"similarity {found['similarity']:.2f}" + (f" (real {ceiling:.2f})" if ceiling else ""))
    words.append(f"real-time factor {found['real_time_factor']:.2f}")
    return ", ".join(words)


def _request(session: Session, world: World, name: str, voice: Voice, sentences: int) -> EvaluationRequest:
    character = characters.get(session, name)
    layout, config = world.layout, character.config
    chosen = references.best(session, layout, character)
    language = str(config.get("language") or "zh")
    clips = references.known_clips(session, layout, character)[:RECORDINGS]
    return EvaluationRequest(
        sovits_path=str(layout.character(name) / voice.sovits_path),
        gpt_path=str(layout.character(name) / voice.gpt_path),
        reference=Clip(str(chosen.path), chosen.text, chosen.mode),
        recordings=tuple(Clip(str(clip.path), clip.text, clip.mode) for clip in clips),
        languages=(language if language in ("en", "ja", "zh") else "en",),
        sentences=sentences,
        models_dir=str(world.settings.paths.models_dir or ""),
        device=world.settings.gpu.device,
    )


def _ask(request: EvaluationRequest) -> dict[str, Any]:
    done = subprocess.run(
        module_command("pipeline.evaluate"), input=encode(request), capture_output=True, text=True, check=False
    )
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise EvaluationError(f"the voice could not be judged: {last}") from None
    if "error" in answer:
        raise EvaluationError(f"the voice could not be judged: {answer['error']}")
    found: dict[str, Any] = answer["evaluation"]
    return found
