"""Takes: a piece whose codes are judged faulty is tried again with another seed, and the best try is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from GPT_SoVITS.models.semantic_generation import Generation, GenerationOptions, Progress, SemanticText
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.sampling import SamplingOptions
from GPT_SoVITS.speech_guard import RateBounds, Verdict, judge

LEAST_CODE_LIMIT = 100
_SEED_STRIDE = 7919
_STEPS_BETWEEN_REPORTS = 10


@dataclass(frozen=True, slots=True)
class Piece:
    """What is to be spoken: the prompt's transcript and the text, how many phones the text alone has, and a seed."""

    text: SemanticText
    phones: int
    seed: int


@dataclass(frozen=True, slots=True)
class Take:
    """Codes int64 [N] of a piece, and what is wrong with them."""

    codes: Tensor
    verdict: Verdict
    places: Tensor | None = None
    """Which phone each code belongs to, int64 [N], where the model tells."""


@dataclass(frozen=True, slots=True)
class TakeOptions:
    """How pieces are tried."""

    sampling: SamplingOptions
    bounds: RateBounds
    tries: int


def best_takes(
    model: TextToSemantic,
    pieces: Sequence[Piece],
    prompt: Tensor | None,
    options: TakeOptions,
    progress: Progress | None = None,
) -> list[Take]:
    """Generate the codes of pieces together; those that fail are tried again together, with other seeds.

    Args:
        model: in eval mode.
        pieces: what to speak.
        prompt: codes int64 [T] of the reference, or None.
        options: how to draw and to judge.
        progress: told the number of steps now and then; an exception it raises ends the work.
    """
    best: dict[int, Take] = {}
    pending = list(range(len(pieces)))
    for attempt in range(options.tries):
        chosen = [pieces[place] for place in pending]
        for place, take in zip(pending, _takes(model, chosen, prompt, options, attempt, progress), strict=True):
            if place not in best or take.verdict.badness < best[place].verdict.badness:
                best[place] = take
        pending = [place for place in pending if not best[place].verdict.passed]
        if not pending:
            break
    return [best[place] for place in range(len(pieces))]


def _takes(
    model: TextToSemantic,
    pieces: Sequence[Piece],
    prompt: Tensor | None,
    options: TakeOptions,
    attempt: int,
    progress: Progress | None,
) -> list[Take]:
    limit = max(_limit(piece, options) for piece in pieces)
    generation = GenerationOptions(options.sampling, limit, _STEPS_BETWEEN_REPORTS)
    generators = [torch.Generator().manual_seed((piece.seed + _SEED_STRIDE * attempt) % 2**63) for piece in pieces]
    if len(pieces) == 1:
        made = [model.generate(pieces[0].text, prompt, generation, generator=generators[0], progress=progress)]
    else:
        texts = [piece.text for piece in pieces]
        made = model.generate_batch(texts, prompt, generation, generators=generators, progress=progress)
    return [_judged(piece, each, options) for piece, each in zip(pieces, made, strict=True)]


def _judged(piece: Piece, made: Generation, options: TakeOptions) -> Take:
    """Judge a piece by its own limit, so that those beside it make no difference.

    All codes up to the limit count. (`Generation.codes` leaves the first or the last one out where a limit was
    reached, as the public engine does.)
    """
    limit = _limit(piece, options)
    whole = made.sequence[made.prompt_codes :]
    codes = whole[:limit]
    ended = made.ended and len(whole) <= limit
    places = None if made.places is None else made.places[:limit]
    return Take(codes, judge(codes.cpu().numpy(), piece.phones, ended, options.bounds), places)


def _limit(piece: Piece, options: TakeOptions) -> int:
    return max(LEAST_CODE_LIMIT, options.bounds.longest(piece.phones))
