"""Taking in a voice that was trained elsewhere: a bundle (folder or archive), or two weight files."""

from __future__ import annotations

import logging
import os
import shutil
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import update
from sqlmodel import Session, col

from daemon import archives, character_config, characters, events, recordings
from daemon.base_models import hash_of
from daemon.bundles import MANIFEST, WAVES, Manifest, read_manifest
from daemon.errors import InvalidInputError
from daemon.layout import Layout
from daemon.model_reader import ModelReader
from daemon.names import recording_name
from daemon.recordings import RecordingFacts
from daemon.tables import Character, Origin, Voice
from daemon.world import World
from GPT_SoVITS.durable import sync_folder
from pipeline.listfile import ListLine, parse_list
from pipeline.plan import content_hash

logger = logging.getLogger(__name__)

IMPORTED = "an imported voice"
"""What `trained_from` says where the files themselves do not tell."""
_LARGEST_LIST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Given:
    """What a person names: a bundle, or the two weight files, or a folder and the files to take from it."""

    bundle: Path | None = None
    sovits: Path | None = None
    gpt: Path | None = None
    language: str | None = None
    """Language of a new character; None: that of the bundle."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of it."""

    character: str
    family: str
    sovits: str
    gpt: str
    recordings: int


@dataclass(frozen=True, slots=True)
class _Clip:
    """A recording of the bundle's data set, ready in the scratch folder."""

    path: Path
    facts: RecordingFacts


def import_voice(world: World, name: str, given: Given, reader: ModelReader) -> Imported:
    """Give a character, new or old, a voice from elsewhere; from then on it speaks with it.

    The data set of a bundle becomes recordings with their transcripts, so that there is something to take the tone
    from, and so that the voice can be trained on here.

    Raises:
        InvalidInputError: the files are not there, ambiguous, changed, or cannot be used; says which and why.
        TooLargeError, StorageError: an archive is too large, or the disk too full.
        BusyError: the character is being renamed.
    """
    with _scratch(world.layout) as scratch:
        root = _root(given, scratch)
        manifest = read_manifest(root) if root is not None else None
        if root is not None and manifest is not None:
            _check_hashes(root, manifest)
        sovits, gpt = _weight_files(given, root, manifest)
        answer = reader.ask("voice", sovits=sovits, gpt=gpt, output=scratch / "weights")
        if not answer.ok:
            raise InvalidInputError(answer.said)
        family = str(answer.facts["family"])
        clips = list(_clips(root, manifest, scratch)) if root is not None else []
        files = {scratch / "weights" / "sovits.pth": sovits.name, scratch / "weights" / "gpt.ckpt": gpt.name}
        with world.database.write() as session:
            character = _character(session, world, name, family, given, manifest)
            paths = [_place(made, world.layout.models(character.name) / recording_name(n)) for made, n in files.items()]
            added = _add_clips(session, world.layout, character, clips)
            _activate(session, character, family, paths, manifest)
        logger.info("imported a voice of the family %s for %s", family, character.name)
        return Imported(character.name, family, paths[0].name, paths[1].name, added)


@contextmanager
def _scratch(layout: Layout) -> Iterator[Path]:
    folder = layout.scratch / f"import-{os.urandom(8).hex()}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _root(given: Given, scratch: Path) -> Path | None:
    """Return the folder of the bundle, unpacked if it is an archive; None where only files were named."""
    bundle = given.bundle
    if bundle is None:
        return None
    if bundle.is_dir():
        return bundle
    if not bundle.is_file() or bundle.suffix.lower() != ".zip":
        raise InvalidInputError(f"{bundle} is neither a folder nor a zip file; name weights with --sovits and --gpt")
    target = scratch / "bundle"
    target.mkdir()
    archives.unpack(bundle, target)
    inner = [path for path in target.iterdir() if path.is_dir()]
    only = len(inner) == 1 and not any(path.is_file() for path in target.iterdir())
    return inner[0] if only and (inner[0] / MANIFEST).is_file() else target


def _check_hashes(root: Path, manifest: Manifest) -> None:
    for relative, expected in manifest.files.items():
        path = _inside(root, relative)
        if path is None or path.stat().st_size != expected.size_bytes or hash_of(path) != expected.sha256:
            raise InvalidInputError(f"{relative} of the bundle is missing or changed; export the voice again")


def _inside(root: Path, relative: str) -> Path | None:
    """Return an ordinary file below a folder, None for anything else or a way out of it."""
    try:
        path = (root / relative).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        return None
    return path if path.is_file() and path.is_relative_to(root.resolve()) else None


def _weight_files(given: Given, root: Path | None, manifest: Manifest | None) -> tuple[Path, Path]:
    """Return generator and text-to-semantic file: those named, those of the manifest, else the only ones there are."""
    named = {"sovits": given.sovits, "gpt": given.gpt}
    for option, path in named.items():
        if path is not None and not path.is_file():
            raise InvalidInputError(f"--{option} {path} is no file")
    found = []
    kinds = (("sovits", ".pth", "SoVITS_weights"), ("gpt", ".ckpt", "GPT_weights"))
    for option, suffix, folder in kinds:
        path = named[option]
        if path is None and root is not None and manifest is not None:
            path = _inside(root, getattr(manifest, option))
        found.append(path or _only(root, option, suffix, folder))
    return found[0], found[1]


def _only(root: Path | None, option: str, suffix: str, folder: str) -> Path:
    if root is None:
        raise InvalidInputError(f"a voice has two weight files; name the other one with --{option}")
    every = sorted(path for path in root.rglob(f"*{suffix}") if path.is_file())
    usual = [path for path in every if path.parent.name.startswith(folder)]
    candidates = usual or [path for path in every if path.parent == root]
    if len(candidates) != 1:
        names = ", ".join(path.relative_to(root).as_posix() for path in candidates[:5]) or "none"
        raise InvalidInputError(f"{root} must hold one {folder}*/*{suffix} file, found {names}; choose with --{option}")
    return candidates[0]


def _clips(root: Path, manifest: Manifest | None, scratch: Path) -> Iterator[_Clip]:
    """Copy the data set's clips into the scratch folder; those without a transcript or that are no sound stay out."""
    folder = scratch / "clips"
    folder.mkdir()
    for line in _listed(root, manifest):
        source = next((path for path in root.glob(f"logs/*/{WAVES}/*") if path.name == line.name), None)
        source = _inside(root, source.relative_to(root).as_posix()) if source is not None else None
        target = folder / recording_name(f"{Path(line.name).stem}.wav")
        if source is None or target.exists():
            continue
        shutil.copyfile(source, target)
        facts = _facts(target, line)
        if facts is None:
            logger.warning("%r of the bundle is no WAV file; it was left out", line.name)
            continue
        yield _Clip(target, facts)


def _listed(root: Path, manifest: Manifest | None) -> tuple[ListLine, ...]:
    """Return the utterances of the bundle's list file, if it has exactly one."""
    if manifest is not None:
        path = _inside(root, manifest.list_file) if manifest.list_file else None
    else:
        lists = sorted(root.glob("*.list"))
        path = lists[0] if len(lists) == 1 else None
    if path is None or path.stat().st_size > _LARGEST_LIST_BYTES:
        return ()
    return parse_list(path.read_text(encoding="utf-8", errors="replace")).lines


def _facts(path: Path, line: ListLine) -> RecordingFacts | None:
    try:
        with wave.open(str(path), "rb") as sound:
            rate = sound.getframerate()
            seconds = sound.getnframes() / rate if rate else 0.0
    except (wave.Error, EOFError, OSError):
        return None
    if seconds <= 0:
        return None
    stat = path.stat()
    return RecordingFacts(
        filename=path.name,
        sha256=hash_of(path),
        size_bytes=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        duration_s=seconds,
        sample_rate_hz=rate,
        origin=Origin.API,
        transcript_text=line.text,
        transcript_language=line.language,
    )


def _character(
    session: Session, world: World, name: str, family: str, given: Given, manifest: Manifest | None
) -> Character:
    """Return the character that gets the voice, made if there is none."""
    language = given.language or (manifest.language if manifest is not None else None)
    wanted = {"family": family} | ({"language": language} if language else {})
    character = characters.ensure(session, name, character_config.parse(wanted, world.settings))
    characters.make_folders(world.layout, character.name)
    return character


def _place(made: Path, target: Path) -> Path:
    """Move finished weights into the models folder, under their own name or, beside other bytes, a longer one."""
    digest = hash_of(made)
    if target.exists() and hash_of(target) != digest:
        target = target.with_name(f"{target.stem[:100]}_{digest[:8]}{target.suffix}")
    target.parent.mkdir(parents=True, exist_ok=True)
    made.replace(target)
    sync_folder(target.parent)
    return target


def _add_clips(session: Session, layout: Layout, character: Character, clips: list[_Clip]) -> int:
    """Record the clips that are not there yet and put them into raw_audio/; returns how many."""
    added = 0
    folder = layout.raw_audio(character.name)
    for clip in clips:
        taken = recordings.find(session, character, clip.facts.filename) or (folder / clip.facts.filename).exists()
        if taken or recordings.find_by_hash(session, character, clip.facts.sha256) is not None:
            continue
        recordings.add(session, character, clip.facts)
        session.flush()
        clip.path.replace(folder / clip.facts.filename)
        added += 1
    return added


def _activate(
    session: Session, character: Character, family: str, paths: list[Path], manifest: Manifest | None
) -> None:
    """Make the imported voice the speaking one."""
    assert character.id is not None
    older = update(Voice).where(col(Voice.character_id) == character.id, col(Voice.active).is_(True))
    session.execute(older.values(active=False))
    sovits, gpt = (f"models/{path.name}" for path in paths)
    voice = Voice(
        character_id=character.id,
        family=family,
        sovits_path=sovits,
        gpt_path=gpt,
        input_hash=content_hash("imported", *(hash_of(path) for path in paths)),
        trained_from=manifest.trained_from if manifest is not None else IMPORTED,
        metrics=manifest.metrics if manifest is not None else {},
    )
    session.add(voice)
    events.append(session, "voice.imported", character_id=character.id, family=family, sovits=sovits, gpt=gpt)
    events.append(session, "voice.activated", character_id=character.id)
