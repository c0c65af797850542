"""How far a job is, as one number from 0 to 100."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.steps import StepName

WEIGHTS: dict[StepName, float] = {
    StepName.CONVERT_AUDIO: 1,
    StepName.SLICE_AUDIO: 1,
    StepName.DENOISE_AUDIO: 3,
    StepName.ASR_TRANSCRIBE: 10,
    StepName.EXTRACT_TEXT_FEATURES: 2,
    StepName.EXTRACT_AUDIO_FEATURES: 4,
    StepName.EXTRACT_SPEAKER_VECTORS: 2,
    StepName.EXTRACT_SEMANTIC_FEATURES: 2,
    StepName.TRAIN_SOVITS: 70,
    StepName.TRAIN_GPT: 20,
}
"""Rough share of the time of each step; only relations within one job matter."""


class JobProgress:
    """Adds up the steps of one job."""

    def __init__(self, steps: Sequence[StepName]) -> None:
        self._total = sum(WEIGHTS[step] for step in steps) or 1.0
        self._share = dict.fromkeys(steps, 0.0)

    def advance(self, step: StepName, done: float, total: float) -> None:
        """Note that `done` of `total` units of a step are done."""
        if step in self._share and total > 0:
            self._share[step] = min(1.0, max(0.0, done / total))

    def complete(self, step: StepName) -> None:
        """Note that a step is done."""
        self.advance(step, 1, 1)

    @property
    def percent(self) -> float:
        """How far the job is; 100 is left to the end of the job itself."""
        share = sum(WEIGHTS[step] * share for step, share in self._share.items()) / self._total
        return min(99.0, round(100 * share, 1))
