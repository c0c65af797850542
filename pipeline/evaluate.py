"""`python -m pipeline.evaluate`: speak fixed sentences with a voice and measure them; see `sovits-daemon evaluate`."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from GPT_SoVITS.audio import resample
from GPT_SoVITS.devices import use_all_cores
from GPT_SoVITS.errors import EngineError
from GPT_SoVITS.evaluation.evaluate import Recording, evaluate, fixed_sentences
from GPT_SoVITS.inference import Reference, load_voice
from GPT_SoVITS.text.languages import language_of_mode, mode_of
from GPT_SoVITS.whisper import RATE_HZ
from GPT_SoVITS.word_check import Listener, Samples
from pipeline.channel import take_standard_output
from pipeline.evaluation_request import Clip, EvaluationRequest, decode
from pipeline.recognise import Recogniser

logger = logging.getLogger(__name__)

JUDGE = ""
"""Every voice is judged by Whisper base, whatever model transcribes, so that figures can be compared."""


def run(request: EvaluationRequest, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Evaluate a voice and return plain values.

    Raises:
        EngineError: the voice, a recording or the recogniser cannot be used.
    """
    voice = load_voice(
        Path(request.sovits_path), Path(request.gpt_path), models_dir=request.models_dir, device=request.device
    )
    sentences = [each for language in request.languages for each in fixed_sentences(language, request.sentences)]
    recordings = [Recording(Path(clip.path), clip.text, _language(clip)) for clip in request.recordings]
    listener = whisper_base(request.models_dir)
    return evaluate(voice, _reference(request.reference), recordings, sentences, listener, progress).as_facts()


def whisper_base(models_dir: str) -> Listener:
    """Return a listener that is the same for every voice."""
    recogniser = Recogniser(JUDGE, models_dir, "cpu", "int8")

    def listen(samples: Samples, rate_hz: int, language: str) -> str:
        return recogniser.recognise_samples(resample(samples, rate_hz, RATE_HZ), language).text

    return listen


def _language(clip: Clip) -> str:
    """Return the language to listen for; English where the mode leaves it open."""
    return language_of_mode(mode_of(clip.language)) or "en"


def _reference(clip: Clip) -> Reference:
    return Reference(Path(clip.path), clip.text, mode_of(clip.language))


def main() -> int:
    """Answer one request and return the exit code."""
    stream = take_standard_output()
    logging.basicConfig(stream=sys.stderr, level="WARNING")
    use_all_cores()
    answer: dict[str, Any]
    try:
        answer = {"evaluation": run(decode(sys.stdin.read()))}
    except (EngineError, OSError) as error:
        answer = {"error": str(error)}
    stream.write(json.dumps(answer, ensure_ascii=False) + "\n")
    stream.flush()
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
