"""`python -m pipeline.models`: reads model files for the daemon, in a process of its own.

One JSON request a line on standard input, one JSON answer a line on standard output: {"ok", "said", …facts}. A file
from a stranger can crash or hang a reader, and the libraries are large; the daemon loads neither.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from GPT_SoVITS.base_checks import check_base_file
from GPT_SoVITS.base_files import Part
from GPT_SoVITS.errors import EngineError
from GPT_SoVITS.families import FamilyName
from GPT_SoVITS.voice_files import check_voice, export_training_states

Answer = dict[str, Any]


def _base(request: Answer) -> Answer:
    return {"said": check_base_file(Path(request["path"]), Part(request["part"]), FamilyName(request["family"]))}


def _voice(request: Answer) -> Answer:
    """Check the two files of a voice and write them as finished weights where the request says."""
    facts = check_voice(Path(request["sovits"]), Path(request["gpt"]), Path(request["output"]))
    return {"said": f"a voice of the family {facts.family}", "family": facts.family, "info": list(facts.info)}


def _training_states(request: Answer) -> Answer:
    made = export_training_states(Path(request["snapshots"]), Path(request["output"]), FamilyName(request["family"]))
    return {"said": ", ".join(path.name for path in made), "files": [str(path) for path in made]}


_OPERATIONS: dict[str, Callable[[Answer], Answer]] = {
    "base": _base,
    "voice": _voice,
    "training_states": _training_states,
}


def _answer(line: str) -> Answer:
    try:
        request = json.loads(line)
        return {"ok": True, **_OPERATIONS[request["operation"]](request)}
    except EngineError as error:
        return {"ok": False, "said": str(error)}
    except MemoryError:
        return {"ok": False, "said": "the memory is full; close other programs and try again"}
    except OSError as error:
        return {"ok": False, "said": f"reading or writing failed: {error.strerror or error}"}


def main() -> int:
    """Answer until the input ends."""
    logging.basicConfig(stream=sys.stderr, level="WARNING", format="%(levelname)s %(name)s %(message)s")
    stream, sys.stdout = sys.stdout, sys.stderr  # libraries may greet on standard output
    for line in sys.stdin:
        stream.write(json.dumps(_answer(line)) + "\n")
        stream.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
