"""`python -m pipeline.doctor MODELS_DIR ASR_MODEL DEVICE`: what the engine needs, checked on this machine.

Writes one JSON object a line: {level, name, said, remedy} with level ok, warn or fail. The daemon's `doctor` command
shows them; it runs this apart because the libraries are large and some crash rather than raise.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator

from GPT_SoVITS.base_files import PUBLIC_FAMILIES, base_files, polyphone_files
from GPT_SoVITS.errors import EngineError
from GPT_SoVITS.families import FAMILIES, FamilyName
from GPT_SoVITS.text.packages import package_file

LIBRARIES = {
    "audio libraries": ("av", "soundfile", "soxr", "noisereduce", "scipy"),
    "text libraries": ("pypinyin", "opencc", "pyopenjtalk", "wordsegment", "mecab", "ToJyutping"),
}
TEXT_DATA = {"g2p_en": "checkpoint20.npz", "g2pk2": "table.csv", "jieba": "dict.txt", "misaki": "tone_sandhi.py"}
"""Packages of which only a data file is read."""
REINSTALL = "install sovits-daemon again"


def main() -> int:
    """Check everything and return 0; what is wrong is in the lines."""
    models_dir, asr_model, device = (*sys.argv[1:], "", "", "")[:3]
    checks: list[Callable[[], Iterator[dict[str, str]]]] = [
        lambda: _torch(device),
        *(lambda name=name: _libraries(name) for name in LIBRARIES),
        _text_data,
        lambda: _whisper(asr_model, models_dir),
        lambda: _families(models_dir),
        lambda: _polyphones(models_dir),
    ]
    stream, sys.stdout = sys.stdout, sys.stderr  # some libraries greet on standard output
    for check in checks:
        for line in check():
            stream.write(json.dumps(line) + "\n")
            stream.flush()
    return 0


def _finding(level: str, name: str, said: str, remedy: str = "") -> dict[str, str]:
    return {"level": level, "name": name, "said": said, "remedy": remedy}


def _torch(device: str) -> Iterator[dict[str, str]]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield _finding("fail", "torch", f"cannot be loaded: {error}", REINSTALL)
        return
    if device == "cpu" or not torch.cuda.is_available():
        if device == "cuda":
            remedy = "set gpu.device to auto, or install the driver of the card"
            yield _finding("fail", "torch", f"{torch.__version__} finds no card, and gpu.device is cuda", remedy)
            return
        yield _finding("ok", "torch", f"{torch.__version__}, on the processor, which is enough for the family nano")
        return
    names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    try:
        float((torch.ones(8, device="cuda") * 2).sum())
    except RuntimeError as error:
        sentence = f"{names}: {str(error).splitlines()[0]}"
        yield _finding("fail", "torch", sentence, "update the driver, or set gpu.device to cpu")
        return
    yield _finding("ok", "torch", f"{torch.__version__}, on {names}")


def _libraries(name: str) -> Iterator[dict[str, str]]:
    broken = []
    for module in LIBRARIES[name]:
        try:
            importlib.import_module(module)
        except (ImportError, OSError) as error:
            broken.append(f"{module} ({error})")
    if broken:
        yield _finding("fail", name, f"cannot be loaded: {'; '.join(broken)}", REINSTALL)
    else:
        yield _finding("ok", name, ", ".join(LIBRARIES[name]))


def _text_data() -> Iterator[dict[str, str]]:
    try:
        for package, name in TEXT_DATA.items():
            package_file(package, name)
    except EngineError as error:
        sentence, _, remedy = str(error).partition("; ")
        yield _finding("fail", "text data", sentence, remedy)
    else:
        yield _finding("ok", "text data", ", ".join(TEXT_DATA))


def _whisper(model: str, models_dir: str) -> Iterator[dict[str, str]]:
    try:
        from GPT_SoVITS.whisper_files import locate_model

        folder = locate_model(model, models_dir)
    except EngineError as error:
        sentence, _, remedy = str(error).partition("; ")
        yield _finding("fail", "speech recognition", sentence, remedy)
    except (ImportError, OSError) as error:
        yield _finding("fail", "speech recognition", f"cannot be loaded: {error}", REINSTALL)
    else:
        yield _finding("ok", "speech recognition", str(folder))


def _families(models_dir: str) -> Iterator[dict[str, str]]:
    lacking = {name: base_files(FAMILIES[name], models_dir).missing() for name in PUBLIC_FAMILIES}
    usable = ", ".join(name for name in FamilyName if not lacking.get(name))
    absent = "; ".join(f"{name} lacks {len(files)} base files" for name, files in lacking.items() if files)
    yield _finding("ok", "families", f"usable: {usable}{f'; {absent}' if absent else ''}")


def _polyphones(models_dir: str) -> Iterator[dict[str, str]]:
    name = "polyphone model"
    try:
        from GPT_SoVITS.text.mandarin.polyphone_model import load_polyphone_model

        files = polyphone_files(models_dir)
        if files is not None:
            load_polyphone_model(files)
    except EngineError as error:
        sentence, _, remedy = str(error).partition("; ")
        yield _finding("warn", name, sentence, remedy)
    except (ImportError, OSError) as error:
        yield _finding("warn", name, f"cannot be loaded: {error}", REINSTALL)
    else:
        said = str(files.network) if files is not None else "none; Chinese characters are read by the dictionary"
        yield _finding("ok", name, said)


if __name__ == "__main__":
    sys.exit(main())
