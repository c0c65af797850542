"""A voice as a folder or archive that GPT-SoVITS opens: its weights, its data set, its list file and a manifest.

The layout is that of a GPT-SoVITS installation: `SoVITS_weights_<version>/`, `GPT_weights_<version>/`,
`logs/<name>/` with the experiment's files, and `<name>.list`. `manifest.json` names every file with its SHA-256.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daemon import characters, inferences
from daemon.base_models import hash_of
from daemon.errors import ConflictError, InvalidInputError
from daemon.layout import Layout
from daemon.model_reader import ModelReader
from daemon.tables import Voice
from daemon.world import World
from GPT_SoVITS.durable import sync_folder
from GPT_SoVITS.families import FamilyName
from pipeline.listfile import ListLine, format_list, parse_list

FORMAT = "sovits-voice-bundle"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST_BYTES = 64 * 2**20
WAVES = "5-wav32k"
_TEXT, _SEMANTIC = "2-name2text.txt", "6-name2semantic.tsv"
_CLIP_FILES = {"3-bert": ".pt", "4-cnhubert": ".pt", WAVES: "", "7-sv_cn": ".pt"}
"""Folder of the experiment → what is appended to a clip's name in it."""


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file of a bundle as its manifest names it."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself. Paths are relative to its root, with forward slashes."""

    character: str
    family: str
    language: str
    trained_from: str
    sovits: str
    gpt: str
    list_file: str
    created_at: str
    metrics: dict[str, Any]
    files: dict[str, BundleFile]


@dataclass(frozen=True, slots=True)
class Exported:
    """Where a bundle was written and how much it holds."""

    target: Path
    files: int
    size_bytes: int


def export(world: World, name: str, target: Path, reader: ModelReader | None = None) -> Exported:
    """Write a character's voice to a new folder, or to an archive when `target` ends in `.zip`.

    Args:
        world: the installation.
        name: the character.
        target: what is written; it appears only when it is complete.
        reader: given, the state from which GPT-SoVITS can go on training is written, too.

    Raises:
        NotFoundError: there is no such character.
        ConflictError: it has no trained voice, its weights are gone, or `target` is there already.
        InvalidInputError: the training state cannot be read.
    """
    with world.database.read() as session:
        character = characters.get(session, name)
        voice = inferences.speaking_voice(session, character)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConflictError(f"{target} is there already; choose another --output")
    temporary = target.absolute().with_name(f".{target.name}.{os.getpid()}.part")
    content = temporary if target.suffix.lower() != ".zip" else temporary.with_suffix(".folder")
    try:
        files = list(_sources(world.layout, character.name, voice))
        _copy(files, content)
        _write_list(world.layout, character.name, content)
        if reader is not None:
            _add_training_state(world.layout, character.name, voice, content, reader)
        exported = _manifest(content, character.name, str(character.config.get("language", "zh")), voice)
        if content != temporary:
            _pack(content, temporary)
        if target.is_dir():
            target.rmdir()
        temporary.rename(target)
        sync_folder(target.absolute().parent)
    finally:
        shutil.rmtree(content, ignore_errors=True)
        if temporary.is_file():
            temporary.unlink()
    return Exported(target, len(exported), sum(file.size_bytes for file in exported.values()))


def weight_folders(family: str) -> tuple[str, str]:
    """Return the folders in which GPT-SoVITS looks for finished weights of a version, generator first."""
    suffix = "" if family == FamilyName.V1 else f"_{family}"
    return f"SoVITS_weights{suffix}", f"GPT_weights{suffix}"


def _sources(layout: Layout, name: str, voice: Voice) -> Iterator[tuple[str, Path]]:
    """Yield place in the bundle and file of everything that is copied as it is."""
    root = layout.character(name)
    for folder, relative in zip(weight_folders(voice.family), (voice.sovits_path, voice.gpt_path), strict=True):
        path = root / relative
        if not path.is_file():
            raise ConflictError(f"the weights {relative} of {name!r} are gone; train the voice again")
        yield f"{folder}/{path.name}", path
    experiment = layout.experiment(name)
    for file in (_TEXT, _SEMANTIC):
        if (experiment / file).is_file():
            yield f"logs/{name}/{file}", experiment / file
    for clip in _clips(experiment):
        for folder, suffix in _CLIP_FILES.items():
            path = experiment / folder / f"{clip}{suffix}"
            if path.is_file():
                yield f"logs/{name}/{folder}/{clip}{suffix}", path


def _clips(experiment: Path) -> list[str]:
    """Return the clips that the present data set holds; features of others are litter."""
    path = experiment / _TEXT
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
    return [line.split("\t", 1)[0] for line in lines if line.count("\t") == 3]


def _copy(files: list[tuple[str, Path]], target: Path) -> None:
    for relative, source in files:
        place = target / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)


def _write_list(layout: Layout, name: str, target: Path) -> None:
    """Write the list file with the places of the clips in the bundle."""
    path = layout.transcript_list(name)
    if not path.is_file():
        return
    waves = f"logs/{name}/{WAVES}"
    lines = [
        ListLine(f"{waves}/{line.name}", name, line.language, line.text)
        for line in parse_list(path.read_text(encoding="utf-8")).lines
        if (target / waves / line.name).is_file()
    ]
    (target / f"{name}.list").write_text(format_list(lines), encoding="utf-8")


def _add_training_state(layout: Layout, name: str, voice: Voice, target: Path, reader: ModelReader) -> None:
    if voice.family == FamilyName.NANO:
        raise InvalidInputError("GPT-SoVITS cannot train the family nano; export without --training-state")
    folder = f"logs_s2_{voice.family}"
    answer = reader.ask(
        "training_states",
        snapshots=layout.experiment(name) / folder,
        output=target / "logs" / name / folder,
        family=voice.family,
    )
    if not answer.ok:
        raise InvalidInputError(answer.said)
    if not answer.facts["files"]:
        raise ConflictError(f"{name!r} has no training state any more; export without --training-state")


def _manifest(content: Path, name: str, language: str, voice: Voice) -> dict[str, BundleFile]:
    """Hash what is in a bundle's folder and write its manifest; returns the files."""
    paths = sorted(path for path in content.rglob("*") if path.is_file())
    files = {path.relative_to(content).as_posix(): BundleFile(hash_of(path), path.stat().st_size) for path in paths}
    sovits, gpt = weight_folders(voice.family)
    manifest = Manifest(
        character=name,
        family=voice.family,
        language=language,
        trained_from=voice.trained_from,
        sovits=f"{sovits}/{Path(voice.sovits_path).name}",
        gpt=f"{gpt}/{Path(voice.gpt_path).name}",
        list_file=f"{name}.list" if f"{name}.list" in files else "",
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        metrics=voice.metrics,
        files=files,
    )
    values = {"format": FORMAT, "version": FORMAT_VERSION, **asdict(manifest)}
    (content / MANIFEST).write_text(json.dumps(values, ensure_ascii=False, indent=1), encoding="utf-8")
    return files


def _pack(content: Path, target: Path) -> None:
    """Write a folder as an archive; stored, because weights and sounds do not shrink."""
    with zipfile.ZipFile(target, "x", zipfile.ZIP_STORED) as archive:
        for path in sorted(content.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(content).as_posix())


def read_manifest(root: Path) -> Manifest | None:
    """Return what a bundle says of itself, None where there is no manifest of ours.

    Raises:
        InvalidInputError: the manifest is damaged or of a later version.
    """
    path = root / MANIFEST
    if not path.is_file():
        return None
    if path.stat().st_size > LARGEST_MANIFEST_BYTES:
        raise InvalidInputError(f"{path.name} of the bundle is larger than any manifest; export the voice again")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT:
            return None
        version = values.pop("version")
        files = {str(name): BundleFile(**facts) for name, facts in values.pop("files").items()}
        manifest = Manifest(**values, files=files)
        _check_kinds(manifest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInputError(f"{path.name} of the bundle is damaged; export the voice again") from error
    if version != FORMAT_VERSION:
        raise InvalidInputError(f"the bundle is of version {version!r}, this program reads {FORMAT_VERSION}")
    return manifest


def _check_kinds(manifest: Manifest) -> None:
    """Raise TypeError for a value of another kind than its field: a manifest may come from anywhere."""
    for field in fields(manifest):
        wanted = dict if field.name in ("metrics", "files") else str
        if not isinstance(getattr(manifest, field.name), wanted):
            raise TypeError(field.name)
    for file in manifest.files.values():
        if not isinstance(file.sha256, str) or not isinstance(file.size_bytes, int):
            raise TypeError("files")
