"""The short evaluation at the end of a training: a few sentences, so that a bad voice is noticed at once."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from GPT_SoVITS.audio import probe
from GPT_SoVITS.dataset import WAVE_FOLDER
from GPT_SoVITS.errors import EngineError
from GPT_SoVITS.families import RANDOM_WEIGHTS
from pipeline import evaluate
from pipeline.context import StepContext
from pipeline.evaluation_request import Clip, EvaluationRequest
from pipeline.steps import CHARACTER_ITEM, StepName

logger = logging.getLogger(__name__)

SENTENCES = 3
RECORDINGS = 4
_SHORTEST_S, _LONGEST_S = 3.0, 10.0


def first_impression(context: StepContext, gpt_path: Path, clips: list[str], trained_from: str) -> dict[str, Any]:
    """Return the measures of a voice whose text-to-semantic model was just trained; empty when it cannot be judged.

    Args:
        context: the step's.
        gpt_path: the new weights.
        clips: names of the clips that the voice was trained on.
        trained_from: a voice from random weights says nothing and is not judged.
    """
    sovits = context.inputs.artifacts.get((StepName.TRAIN_SOVITS, CHARACTER_ITEM))
    if trained_from == RANDOM_WEIGHTS or sovits is None or not sovits.outputs:
        return {}
    known = [clip for name in sorted(clips) if (clip := _clip(context, name)) is not None]
    reference = next((clip for clip in known if _SHORTEST_S <= probe_s(clip) <= _LONGEST_S), None)
    if reference is None:
        return {}
    request = EvaluationRequest(
        str(context.root / sovits.outputs[0].path),
        str(gpt_path),
        reference,
        tuple(known[:RECORDINGS]),
        (reference.language,),
        SENTENCES,
        context.inputs.config.models_dir,
        "cpu",
    )
    try:
        return evaluate.run(request, lambda done, total: context.progress(done, total, "listening to the voice"))
    except (EngineError, OSError) as error:
        logger.warning("the voice was not judged: %s", error)
        return {}


def probe_s(clip: Clip) -> float:
    """Return the length of a clip in seconds, 0 where the file does not tell."""
    return probe(Path(clip.path)).duration_s or 0.0


def _clip(context: StepContext, name: str) -> Clip | None:
    """Return a clip that was trained on, with its transcript; recognised texts are no measure and are left out."""
    transcript = context.root / "transcripts" / "clips" / f"{name}.json"
    wave = context.experiment / WAVE_FOLDER / name
    if not (wave.is_file() and transcript.is_file()):
        return None
    language = str(json.loads(transcript.read_text(encoding="utf-8"))["language"])
    return Clip(str(wave), "", language)
