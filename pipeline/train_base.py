"""`python -m pipeline.train_base`: make the base of a small family from a corpus; see `sovits-daemon train-base`."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path

from GPT_SoVITS.content import content_encoder
from GPT_SoVITS.devices import Compute, choose_compute, multiplies_bfloat16, use_all_cores
from GPT_SoVITS.errors import EngineError
from GPT_SoVITS.families import Family, family
from GPT_SoVITS.training.base.corpus import read_corpus
from GPT_SoVITS.training.base.export import export_base
from GPT_SoVITS.training.base.extract import extract, extract_paces
from GPT_SoVITS.training.base.prepare import INDEX, keep_tokens, load_prepared, prepare
from GPT_SoVITS.training.base.recipe import BaseRecipe
from GPT_SoVITS.training.base.train import BaseRun, Deadline, train_base_gpt, train_base_sovits

logger = logging.getLogger(__name__)

PARTS = ("all", "prepare", "sovits", "gpt")


def main() -> int:
    """Run the parts that were asked for and return the exit code."""
    arguments = _arguments()
    logging.basicConfig(stream=sys.stderr, level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        _run(arguments)
    except EngineError as error:
        logger.error("%s", error)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipeline.train_base", description="train a base")
    parser.add_argument("--family", default="nano")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--part", choices=PARTS, default="all")
    parser.add_argument("--models-dir", default="")
    parser.add_argument("--export", type=Path, help="folder to write the base to at the end")
    parser.add_argument("--start", type=Path, help="folder of a base whose weights and tokens are gone on from")
    parser.add_argument("--updates", type=int, help="updates over which the learning rates fall")
    parser.add_argument("--threads", type=int, help="CPU threads; all cores if left out")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> None:
    import torch

    chosen, output = family(arguments.family), arguments.output
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    else:
        use_all_cores()
    recipe = _recipe(arguments)
    output.mkdir(parents=True, exist_ok=True)
    record = {"recipe": asdict(recipe), "sovits": asdict(chosen.sovits), "gpt": asdict(chosen.gpt)}
    (output / "config.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if arguments.part in ("all", "prepare"):
        _prepare(arguments, chosen, recipe)
    if arguments.part == "prepare":
        return
    run = BaseRun(load_prepared(output / "data"), chosen, recipe, _compute(recipe), arguments.start)
    minutes = arguments.minutes / (2 if arguments.part == "all" else 1)
    if arguments.part in ("all", "sovits"):
        train_base_sovits(run, output / "sovits", _deadline(minutes))
    if arguments.part in ("all", "gpt"):
        train_base_gpt(run, output / "gpt", _deadline(minutes))
    if arguments.export is not None:
        export_base(output, arguments.export)


def _deadline(minutes: float) -> Deadline:
    """Return a deadline that SIGINT and SIGTERM bring forward."""
    deadline = Deadline(minutes)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: deadline.bring_forward())
    return deadline


def _recipe(arguments: argparse.Namespace) -> BaseRecipe:
    recipe = BaseRecipe()
    if not arguments.updates:
        return recipe
    schedules = {name: replace(getattr(recipe, name), total_updates=arguments.updates) for name in ("sovits", "gpt")}
    return replace(recipe, **schedules)


def _prepare(arguments: argparse.Namespace, chosen: Family, recipe: BaseRecipe) -> None:
    output = arguments.output
    if (output / "data" / INDEX).exists():
        return
    utterances = read_corpus(arguments.corpus)
    encode = content_encoder(chosen, arguments.models_dir)

    def progress(done: int, total: int) -> None:
        if done % 100 == 0:
            logger.info("features: %d of %d", done, total)

    if arguments.start is not None and not (output / "data").exists():
        keep_tokens(arguments.start, output / "data", chosen)
    extract(utterances, output / "cache", chosen, encode, progress)
    extract_paces(utterances, output / "cache", encode, recipe, progress)
    prepare(utterances, output / "cache", output / "data", chosen, recipe)


def _compute(recipe: BaseRecipe) -> Compute:
    """Return where to train; a CPU that multiplies bfloat16 in software only is many times faster in float32."""
    import torch

    compute = choose_compute("auto")
    if compute.device.type == "cpu" and not multiplies_bfloat16():
        return compute
    return replace(compute, dtype=getattr(torch, recipe.precision))


if __name__ == "__main__":
    sys.exit(main())
