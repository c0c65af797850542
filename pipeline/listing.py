"""The file that lists all clips of a step, rewritten from the parts of the single clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from GPT_SoVITS.dataset import write_lines
from pipeline.context import StepContext
from pipeline.plan import plan_step
from pipeline.steps import LIST_ITEM


def part_path(folder: str, clip: str) -> str:
    """Return where the part of one clip lies, relative to the experiment folder."""
    return f"{folder}/{clip}.txt"


def publish_list(context: StepContext, name: str, folder: str, header: Sequence[str] = ()) -> None:
    """Write file `name` of the experiment folder from the parts in `folder`, if any clip made it stale."""
    plan = plan_step(context.plan.step.name, context.inputs)
    stale = next((item for item in plan.stale if item.name == LIST_ITEM), None)
    if stale is None or plan.blocked:
        return
    clips = sorted(feed.name for feed in stale.feeds)
    lines = [_part(context.experiment / part_path(folder, clip)) for clip in clips]
    relative = context.experiment.relative_to(context.root)
    with context.folder() as scratch:
        path = scratch / "list"
        write_lines(path, [*header, *lines])
        context.publish(stale, {f"{relative}/{name}": path}, {"clips": clips})


def _part(path: Path) -> str:
    return path.read_text(encoding="utf-8").rstrip("\n")
