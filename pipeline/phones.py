"""`python -m pipeline.phones`: how texts are read. One JSON object a line in, one out; for the command `phones`.

In: {text, language, symbols, readings, models_dir, as_public}.
Out: {segments: [{language, text, phones, word2ph}]} or {error}.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from GPT_SoVITS.errors import EngineError
from GPT_SoVITS.text.dictionary import Reading, dictionary_of
from GPT_SoVITS.text.frontend import phones_of
from GPT_SoVITS.text.mandarin.polyphone_model import polyphone_model


def main() -> int:
    """Answer each line of standard input and return 0."""
    answers, sys.stdout = sys.stdout, sys.stderr  # some libraries greet on standard output
    for line in sys.stdin:
        answers.write(json.dumps(_answer(json.loads(line))) + "\n")
        answers.flush()
    return 0


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    dictionary = dictionary_of(tuple(Reading(**reading) for reading in asked["readings"]))
    polyphones = polyphone_model(asked["models_dir"])
    try:
        pieces = phones_of(
            asked["text"],
            asked["language"],
            symbols=asked["symbols"],
            dictionary=dictionary,
            polyphones=polyphones,
            as_public=asked["as_public"],
        )
    except EngineError as error:
        return {"error": str(error)}
    return {
        "segments": [
            {"language": str(p.language), "text": p.norm_text, "phones": list(p.phones), "word2ph": p.word2ph}
            for p in pieces
        ]
    }


if __name__ == "__main__":
    sys.exit(main())
