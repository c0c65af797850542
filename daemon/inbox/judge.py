"""Decide whether a file that was read is a recording that can be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from daemon.inbox.examine import Examiner
from daemon.inbox.headers import HeaderFacts
from daemon.inbox.reading import Outcome, Reading
from daemon.settings import InboxSettings


def judge(readings: Sequence[Reading], limits: InboxSettings, examiner: Examiner, known: set[str]) -> list[Reading]:
    """Return the readings with a verdict each; only those whose header tells too little are decoded.

    Args:
        readings: what was read; only those of outcome READ are judged.
        limits: accepted lengths.
        examiner: decodes.
        known: hashes of recordings that are stored already and need no second look.
    """
    good = [each for each in readings if each.outcome is Outcome.READ]
    unclear = [each for each in good if each.facts.duration_s is None and each.sha256 not in known]
    answers = iter(examiner.examine([each.settled.path for each in unclear])) if unclear else iter(())
    asked = {id(each) for each in unclear}
    judged = (_decoded(each, next(answers)) if id(each) in asked else each for each in readings)
    return [_of_fitting_length(each, limits) for each in judged]


def _decoded(reading: Reading, answer: dict[str, Any]) -> Reading:
    if answer.get("ok"):
        return replace(reading, facts=HeaderFacts(float(answer["duration_s"]), int(answer["rate_hz"])))
    reason = str(answer.get("reason") or "it cannot be decoded")
    if "audio" not in reason.lower() and not answer.get("silent"):
        reason = f"{reason}; it is not audio that can be used"
    # What cannot be decoded yet may be the first half of something.
    outcome = Outcome.REJECTED if reading.settled.patient or answer.get("silent") else Outcome.GROWING
    return replace(reading, outcome=outcome, reason=reason)


def _of_fitting_length(reading: Reading, limits: InboxSettings) -> Reading:
    duration_s = reading.facts.duration_s
    if reading.outcome is not Outcome.READ or duration_s is None:
        return reading
    if duration_s < limits.min_duration_s:
        sentence = f"the recording is too short: {duration_s:.2f} s, at least {limits.min_duration_s:g} s are needed"
        return replace(reading, outcome=Outcome.REJECTED, reason=sentence)
    if duration_s > limits.max_duration_s:
        sentence = (
            f"the recording is too long: {duration_s:.0f} s, more than inbox.max_duration_s "
            f"({limits.max_duration_s:g} s); split it or raise the limit"
        )
        return replace(reading, outcome=Outcome.REJECTED, reason=sentence)
    return reading
