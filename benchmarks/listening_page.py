"""Make docs/samples/: a page with a table of sounds, so that a person can judge the base of nano and a voice.

python -m benchmarks.listening_page --reference en=CLIP [--reference zh=CLIP] [--voice SOVITS GPT] [--sentences 2]
"""

from __future__ import annotations

import argparse
import html
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from GPT_SoVITS.audio import decode, write_wav
from GPT_SoVITS.devices import use_all_cores
from GPT_SoVITS.evaluation.evaluate import fixed_sentences
from GPT_SoVITS.evaluation.measures import character_errors
from GPT_SoVITS.families import family
from GPT_SoVITS.inference import Reference, SpeakOptions, Voice, base_voice, load_voice
from GPT_SoVITS.speaker_similarity import similarity, speaker_vector
from pipeline.evaluate import whisper_base

FOLDER = Path(__file__).parent.parent / "docs" / "samples"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    kind: str
    text: str
    heard: str
    errors: str
    alike: str
    file: str


def main() -> None:
    """Speak, measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", action="append", required=True, help="language=recording")
    parser.add_argument(
        "--voice", nargs=2, type=Path, help="weights of a trained voice, spoken with the first reference"
    )
    parser.add_argument("--sentences", type=int, default=2)
    parser.add_argument("--models-dir", default="")
    arguments = parser.parse_args()
    use_all_cores()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    rows: list[Row] = []
    references = [(language, Path(path)) for language, _, path in (each.partition("=") for each in arguments.reference)]
    base = base_voice(family("nano"), models_dir=arguments.models_dir, device="cpu")
    for language, path in references:
        rows.append(_real(language, path))
        rows += _spoken("base, never heard this speaker", base, language, path, arguments)
    if arguments.voice:
        voice = load_voice(*arguments.voice, models_dir=arguments.models_dir, device="cpu")
        rows += _spoken("voice trained on a minute", voice, *references[0], arguments)
    (FOLDER / "index.html").write_text(_page(rows), encoding="utf-8")
    for row in rows:
        print(f"{row.file:<32}{row.errors:>6}{row.alike:>6}  {row.heard}")


def _real(language: str, path: Path) -> Row:
    wave = decode(path, 32_000)
    name = f"{language}-reference.wav"
    write_wav(FOLDER / name, wave.samples, wave.rate_hz)
    return Row("real recording, the reference", "", "", "", "", name)


def _spoken(kind: str, voice: Voice, language: str, path: Path, arguments: argparse.Namespace) -> list[Row]:
    listener = whisper_base(arguments.models_dir)
    wave = decode(path)
    real = speaker_vector(wave.samples, wave.rate_hz)
    rows = []
    for number, sentence in enumerate(fixed_sentences(language, arguments.sentences)):
        speech = voice.speak(sentence.text, language, Reference(path), SpeakOptions(seed=number))
        samples = speech.samples.astype(np.float32) / np.float32(32768)
        name = f"{language}-{kind.split(',')[0].split()[0]}-{number}.wav"
        write_wav(FOLDER / name, samples, speech.rate_hz)
        heard = listener(samples, speech.rate_hz, language)
        errors = character_errors(sentence.text, heard, language)
        alike = similarity(speaker_vector(samples, speech.rate_hz), real)
        rows.append(Row(kind, sentence.text, heard, f"{errors:.0%}", f"{alike:.2f}", name))
    return rows


def _page(rows: list[Row]) -> str:
    cells = "\n".join(
        "<tr>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in (row.kind, row.text, row.heard, row.errors, row.alike))
        + f'<td><audio controls preload="none" src="{html.escape(row.file)}"></audio></td></tr>'
        for row in rows
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>nano: samples</title>
<style>body{{font-family:sans-serif;margin:2em}}td,th{{padding:.3em .8em;text-align:left;vertical-align:top}}</style>
</head><body>
<h1>What nano sounds like</h1>
<p>Made by <code>python -m benchmarks.listening_page</code>. The words heard are those of Whisper base; the errors are
character errors (Chinese: syllables without tones); alike is the cosine of two speaker vectors (Resemblyzer), about
0.93 for two recordings of one person and 0.55 to 0.65 for strangers. The English reference is from the Asterisk
sounds, recorded by Allison Smith, CC BY-SA 3.0; the others are synthetic.</p>
<table><tr><th>what</th><th>text</th><th>heard</th><th>errors</th><th>alike</th><th>sound</th></tr>
{cells}
</table></body></html>
"""


if __name__ == "__main__":
    main()
