"""Plain sentences about a character's data: what would make the voice better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from daemon.data_report import BETWEEN_CLIPS, NOT_PROCESSED, Report

MINUTE_S = 60.0
ENOUGH_S = 5 * MINUTE_S
MUCH_S = 30 * MINUTE_S
NOISY_DB = 20.0
LOST_SHARE = 0.3
CLIPPED_SHARE = 0.05
FOREIGN_SHARE = 0.1
CONSISTENT = 0.75
"""Mean likeness of all pairs of clips; below this they are probably not all of one speaker."""


def advice(report: Report, language: str) -> Report:
    """Return a report with its advice; `language` is what the character is said to speak, or auto."""
    found = [*_amount(report), *_losses(report), *_sound(report), *_words(report, language), *_speaker(report)]
    return replace(report, advice=tuple(found or ["nothing stands in the way of a good voice"]))


def _amount(report: Report) -> Iterator[str]:
    if report.recordings == 0:
        yield "there are no recordings yet; 5 to 30 minutes of clear speech of one person are recommended"
        return
    if report.clips == 0:
        yield "the recordings are not processed yet; process them to see what they are good for"
        return
    minutes = report.kept_s / MINUTE_S
    if report.kept_s < MINUTE_S:
        yield (
            f"only {report.kept_s:.0f} s can be used; with less than one minute the voice will hardly sound like the "
            "person; 5 to 30 minutes are recommended"
        )
    elif report.kept_s < ENOUGH_S:
        yield f"{minutes:.1f} minutes can be used; more would help, 5 to 30 minutes are recommended"
    elif report.kept_s > MUCH_S:
        yield f"{minutes:.0f} minutes can be used; beyond 30 minutes more recordings cost time and improve little"
    if report.kept_clips and report.reference_clips == 0:
        yield "no clip lasts 3 to 10 s, which a sentence takes its voice from; record a few whole sentences"


def _losses(report: Report) -> Iterator[str]:
    lost = [loss for loss in report.losses if loss.reason not in (BETWEEN_CLIPS, NOT_PROCESSED)]
    lost_s = sum(loss.seconds for loss in lost)
    if report.recorded_s and lost_s > LOST_SHARE * report.recorded_s:
        share = 100 * lost_s / report.recorded_s
        yield f"{share:.0f} % of the recordings cannot be used, mostly because: {lost[0].reason}"


def _sound(report: Report) -> Iterator[str]:
    if report.snr_db is not None and report.snr_db.median < NOISY_DB:
        yield (
            f"the speech is only {report.snr_db.median:.0f} dB above the noise in the middle clip; record in a quieter "
            "place, nearer to the microphone, without music"
        )
    if report.kept_clips and report.clipped_clips > CLIPPED_SHARE * report.kept_clips:
        yield f"{report.clipped_clips} clips are distorted because the recording was too loud; lower the input level"


def _words(report: Report, language: str) -> Iterator[str]:
    total_s = sum(report.languages.values())
    others = {name: seconds for name, seconds in report.languages.items() if name != language}
    if language != "auto" and total_s and sum(others.values()) > FOREIGN_SHARE * total_s:
        mostly = max(others, key=lambda name: others[name])
        yield f"some clips are in another language ({mostly}) than the character's ({language}); check its setting"
    if language == "auto" and len(report.languages) > 1:
        names = ", ".join(report.languages)
        yield f"several languages were recognised ({names}); if it is one, set the character's language"
    if report.unsure_clips:
        yield f"{report.unsure_clips} transcripts are uncertain; check them first: list the clips by confidence"


def _speaker(report: Report) -> Iterator[str]:
    if report.speaker_consistency is not None and report.speaker_consistency < CONSISTENT:
        yield "the clips do not sound like one person; a wrong speaker is suspected: listen to them"
    elif report.stranger_clips:
        count = len(report.stranger_clips)
        yield (
            f"{count} of {report.kept_clips} clips do not sound like the others; a wrong speaker is suspected: "
            f"listen to them, for example {report.stranger_clips[0]}"
        )
