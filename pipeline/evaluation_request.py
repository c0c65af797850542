"""What is asked of `python -m pipeline.evaluate`: one JSON object on standard input, one on standard output."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording of the speaker; the text is "" where it is unknown or was only recognised."""

    path: str
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """Paths are absolute."""

    sovits_path: str
    gpt_path: str
    reference: Clip
    recordings: tuple[Clip, ...]
    languages: tuple[str, ...]
    """Languages of the fixed sentences: zh, en, ja."""
    sentences: int = 20
    """How many a language, at most."""
    models_dir: str = ""
    device: str = "auto"


def encode(request: EvaluationRequest) -> str:
    """Return a request as JSON."""
    return json.dumps(dataclasses.asdict(request), ensure_ascii=False)


def decode(text: str) -> EvaluationRequest:
    """Return the request that was written as JSON.

    Raises:
        ValueError, TypeError, KeyError: it is no request.
    """
    data = json.loads(text)
    recordings = tuple(Clip(**clip) for clip in data.pop("recordings"))
    languages = tuple(data.pop("languages"))
    return EvaluationRequest(
        reference=Clip(**data.pop("reference")), recordings=recordings, languages=languages, **data
    )
