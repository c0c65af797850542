"""asr_transcribe: sliced_audio/<clip> → transcripts/clips/<clip>.json, and the list file that people read and edit.

The un-denoised clips are recognised: denoising first makes phantom words more frequent. A text that a person gave
(beside the recording, or by editing the list file) wins and costs no recognition.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import soundfile

from pipeline.asr_process import open_recogniser
from pipeline.context import StepContext
from pipeline.listfile import ListLine, format_list
from pipeline.names import list_path, recording_of, sliced_path, transcript_path
from pipeline.plan import Item, input_hash, plan_step
from pipeline.recognise import LANGUAGES, Recogniser, objection
from pipeline.steps import LIST_ITEM

DETECTION_CLIPS = 3
"""So many of a recording's longest clips decide its language."""
HEARD = ("text", "language", "source", "scores")
"""What recognition says of a clip."""


def run(context: StepContext) -> None:
    """Transcribe every stale clip."""
    stale = [item for item in context.plan.stale if item.name != LIST_ITEM]
    with open_recogniser(context.inputs.config) as recogniser:
        languages = _Languages(context, recogniser)
        for done, item in enumerate(stale):
            context.progress(done, len(stale))
            before = _unedited(context, item)
            if item.excluded:
                context.drop(item, "excluded by a person", _remembered(before))
            elif item.text is not None:
                language = item.language or languages.of(item.name)
                facts = {"text": item.text.strip(), "language": language, "source": "given"}
                _publish(context, item, facts, before)
            elif before.get("input_hash") == item.input_hash:  # the edit was taken back: it is known what was heard
                _conclude(context, item, {name: before[name] for name in HEARD}, before["dropped"])
            else:
                _recognise(context, item, recogniser, item.language or languages.of(item.name), before)
    for item in plan_step(context.plan.step.name, context.inputs).stale:
        if item.name == LIST_ITEM:
            _write_list(context, item)


def _write_list(context: StepContext, item: Item) -> None:
    """Write transcripts/<character>.list from all kept clips."""
    lines = []
    for feed in item.feeds:
        made = context.artifact_of(item.step, feed.name)
        lines.append(ListLine(sliced_path(feed.name), context.character, made.detail["language"], made.detail["text"]))
    lines.sort(key=lambda line: line.path)
    with context.folder() as scratch:
        target = scratch / "list"
        target.write_text(format_list(lines), encoding="utf-8")
        detail = {"clips": [line.name for line in lines]}
        context.publish(item, {list_path(context.character): target}, detail)


def _unedited(context: StepContext, item: Item) -> dict[str, Any]:
    """Return what was recognised in these very bytes before a person edited it, as far as that is remembered."""
    made = context.inputs.artifacts.get((item.step, item.name))
    if made is None:
        return {}
    untouched = input_hash(context.plan.step, context.inputs.config, item.feeds, None, None, False)
    before = dict(made.detail.get("unedited") or {})
    if made.input_hash == untouched and made.detail.get("source") == "asr":
        heard = {name: made.detail[name] for name in HEARD}
        before = {**heard, "dropped": made.dropped, "input_hash": untouched}
    return before if before.get("input_hash") == untouched else {}


def _recognise(context: StepContext, item: Item, recogniser: Recogniser, language: str, before: dict[str, Any]) -> None:
    heard = recogniser.recognise(context.root / sliced_path(item.name), language)
    facts = {"text": heard.text, "language": language, "source": "asr", "scores": heard.facts()}
    _conclude(context, item, facts, objection(heard), before)


def _conclude(
    context: StepContext,
    item: Item,
    facts: dict[str, Any],
    reason: str | None,
    before: dict[str, Any] | None = None,
) -> None:
    """Publish what was heard, or drop the clip when it is not to be trusted."""
    if reason is None:
        _publish(context, item, facts, before)
    else:
        context.drop(item, reason, {**facts, **_remembered(before)})


def _publish(context: StepContext, item: Item, facts: dict[str, Any], before: dict[str, Any] | None = None) -> None:
    document = {"clip": item.name, **facts}
    with context.folder() as scratch:
        target = scratch / "transcript.json"
        target.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        duration_s = soundfile.info(context.root / sliced_path(item.name)).duration
        detail = {**facts, "duration_s": duration_s, **_remembered(before)}
        context.publish(item, {transcript_path(item.name): target}, detail)


def _remembered(before: dict[str, Any] | None) -> dict[str, Any]:
    return {"unedited": before} if before else {}


class _Languages:
    """The language of each clip: the configured one, or the one that its recording is most likely in."""

    def __init__(self, context: StepContext, recogniser: Recogniser) -> None:
        self._context = context
        self._recogniser = recogniser
        self._found: dict[str, str] = {}
        self._clips: dict[str, list[str]] = defaultdict(list)
        for item in context.plan.items:
            if item.name != LIST_ITEM:
                self._clips[recording_of(item.name)].append(item.name)

    def of(self, clip: str) -> str:
        """Return the language code of a clip."""
        configured = self._context.inputs.config.language
        if configured in LANGUAGES:
            return configured
        recording = recording_of(clip)
        if recording not in self._found:
            self._found[recording] = self._recogniser.language_of(self._longest(self._clips[recording]))
        return self._found[recording]

    def _longest(self, clips: Sequence[str]) -> list[Path]:
        root = self._context.root
        longest = sorted(clips, key=lambda name: (-(root / sliced_path(name)).stat().st_size, name))
        return [root / sliced_path(name) for name in longest[:DETECTION_CLIPS]]
