"""A voice goes out as a bundle that GPT-SoVITS opens and comes in again; what is not sound is refused."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import wave
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sqlmodel import select

from daemon import archives, bundles, characters, inferences
from daemon.cli import main
from daemon.errors import ConflictError, InvalidInputError, TooLargeError
from daemon.model_reader import ModelReader
from daemon.tables import Voice
from daemon.voice_import import IMPORTED, Given, import_voice
from GPT_SoVITS.checkpoints import read_gpt_weights, read_sovits_weights, write_gpt_weights, write_sovits_weights
from GPT_SoVITS.families import FAMILIES, FamilyName
from GPT_SoVITS.training.snapshot import Position, Snapshot, save_snapshot
from GPT_SoVITS.training.start import start_gpt, start_sovits
from GPT_SoVITS.voice_files import export_training_states
from pipeline.protocol import MessageType, decode_message, encode
from tests.daemon.installation import Installation

NAME = "爱丽丝"
NANO = FAMILIES[FamilyName.NANO]
CLIPS = {"a.flac_0000000000_0000128000.wav": "good morning", "b.flac_0000000000_0000160000.wav": "how are you"}


@pytest.fixture(scope="module")
def reader() -> Iterator[ModelReader]:
    with ModelReader() as made:
        yield made


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two untrained but real weight files."""
    folder = tmp_path_factory.mktemp("weights")
    sovits, gpt = folder / f"{NAME}_e8_s96.pth", folder / f"{NAME}-e15.ckpt"
    write_sovits_weights(sovits, start_sovits(NANO, 1).state_dict(), NANO, "8epoch_96iteration")
    write_gpt_weights(gpt, start_gpt(NANO, 1).state_dict(), NANO, "GPT-e15")
    return sovits, gpt


@pytest.fixture
def voiced(installation: Installation, weights: tuple[Path, Path]) -> Installation:
    """A character with a voice and a small data set."""
    character = installation.character(NAME)
    root, experiment = installation.layout.character(NAME), installation.layout.experiment(NAME)
    models = installation.layout.models(NAME)
    models.mkdir(parents=True)
    for path in weights:
        (models / path.name).write_bytes(path.read_bytes())
    for folder in ("3-bert", "4-cnhubert", "5-wav32k"):
        (experiment / folder).mkdir(parents=True)
    for clip in (*CLIPS, "left over.wav"):
        (experiment / "4-cnhubert" / f"{clip}.pt").write_bytes(b"features of " + clip.encode())
        _write_wave(experiment / "5-wav32k" / clip, 4)
    lines = [f"{clip}\tAH0 B\tNone\t{text}" for clip, text in CLIPS.items()]
    (experiment / "2-name2text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (experiment / "6-name2semantic.tsv").write_text("item_name\tsemantic_audio\n", encoding="utf-8")
    listing = [f"{root}/denoised_audio/{clip}|{NAME}|EN|{text}" for clip, text in CLIPS.items()]
    installation.layout.transcript_list(NAME).parent.mkdir(parents=True)
    installation.layout.transcript_list(NAME).write_text("\n".join(listing) + "\n", encoding="utf-8")
    with installation.database.write() as session:
        session.add(
            Voice(
                character_id=character.id or 0,
                family="nano",
                sovits_path=f"models/{weights[0].name}",
                gpt_path=f"models/{weights[1].name}",
                input_hash="x",
                trained_from="random weights",
                metrics={"sovits": {"clips": 2}},
            )
        )
    return installation


def _write_wave(path: Path, seconds: int) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(32_000)
        sound.writeframes(os.urandom(2 * 32_000 * seconds))


def _voice(installation: Installation, name: str) -> Voice:
    with installation.database.read() as session:
        return inferences.speaking_voice(session, characters.get(session, name))


def test_a_bundle_has_the_public_layout_and_only_the_present_data_set(voiced: Installation, tmp_path: Path) -> None:
    target = tmp_path / "out" / "bundle"
    target.parent.mkdir()
    exported = bundles.export(voiced.world, NAME, target)

    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    logs = f"logs/{NAME}"
    assert found == {
        f"SoVITS_weights_nano/{NAME}_e8_s96.pth",
        f"GPT_weights_nano/{NAME}-e15.ckpt",
        f"{logs}/2-name2text.txt",
        f"{logs}/6-name2semantic.tsv",
        *(f"{logs}/4-cnhubert/{clip}.pt" for clip in CLIPS),
        *(f"{logs}/5-wav32k/{clip}" for clip in CLIPS),
        f"{NAME}.list",
        "manifest.json",
    }
    assert exported.files == len(found) - 1
    first = (target / f"{NAME}.list").read_text(encoding="utf-8").splitlines()[0]
    assert first == f"{logs}/5-wav32k/{next(iter(CLIPS))}|{NAME}|EN|good morning"
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["family"], manifest["trained_from"]) == ("nano", "random weights")
    assert set(manifest["files"]) == found - {"manifest.json"}
    assert [path.name for path in target.parent.iterdir()] == ["bundle"]


def test_weights_of_the_first_version_lie_where_public_tools_look_for_them() -> None:
    assert bundles.weight_folders("v1") == ("SoVITS_weights", "GPT_weights")
    assert bundles.weight_folders("v2ProPlus") == ("SoVITS_weights_v2ProPlus", "GPT_weights_v2ProPlus")


def test_an_export_never_touches_what_is_there(voiced: Installation, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for target in (tmp_path / "x.zip", tmp_path / "full"):
        with pytest.raises(ConflictError, match="is there already"):
            bundles.export(voiced.world, NAME, target)
    voiced.character("voiceless")
    with pytest.raises(ConflictError, match="no trained voice"):
        bundles.export(voiced.world, "voiceless", tmp_path / "y.zip")
    assert not (tmp_path / "y.zip").exists()


@pytest.mark.parametrize("target", ["b.zip", "b"])
def test_an_exported_voice_comes_in_under_another_name_with_its_data_set(
    target: str, voiced: Installation, reader: ModelReader, weights: tuple[Path, Path], tmp_path: Path
) -> None:
    bundles.export(voiced.world, NAME, tmp_path / target)
    made = import_voice(voiced.world, "鲍勃", Given(tmp_path / target), reader)

    assert (made.family, made.recordings) == ("nano", 2)
    voice, models = _voice(voiced, "鲍勃"), voiced.layout.models("鲍勃")
    assert (voice.trained_from, voice.metrics) == ("random weights", {"sovits": {"clips": 2}})
    read, original = read_sovits_weights(models / made.sovits), read_sovits_weights(weights[0])
    assert read.family == original.family and read.info == original.info
    assert all(torch.equal(read.state_dict[name], tensor) for name, tensor in original.state_dict.items())
    assert read_gpt_weights(models / made.gpt).info == "GPT-e15"
    # a reference is there at once, with what is said in it
    request = inferences.InferenceRequest(target_text="hello", character_name="鲍勃", target_language="en")
    inference = inferences.create(voiced.database, voiced.world.settings, voiced.layout, request)
    with voiced.database.read() as session:
        told = inferences.speak_request(session, voiced.world.settings, voiced.layout, inference)
    assert told.ref_text in CLIPS.values() and Path(told.ref_audio).parent == voiced.layout.raw_audio("鲍勃")
    assert not list(voiced.layout.scratch.iterdir())
    # and a second import changes nothing but the time
    again = import_voice(voiced.world, "鲍勃", Given(tmp_path / target), reader)
    assert (again.sovits, again.gpt, again.recordings) == (made.sovits, made.gpt, 0)
    with voiced.database.read() as session:
        active = [each.active for each in session.exec(select(Voice).where(Voice.character_id == voice.character_id))]
    assert active == [False, True]


def test_an_imported_voice_speaks(voiced: Installation, reader: ModelReader, tmp_path: Path) -> None:
    bundles.export(voiced.world, NAME, tmp_path / "b.zip")
    import_voice(voiced.world, "鲍勃", Given(tmp_path / "b.zip"), reader)
    wanted = inferences.InferenceRequest(target_text="Hello world.", character_name="鲍勃", target_language="en")
    inference = inferences.create(voiced.database, voiced.world.settings, voiced.layout, wanted)
    with voiced.database.read() as session:
        told = inferences.speak_request(session, voiced.world.settings, voiced.layout, inference)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.voice"],
        input=f"{encode(replace(told, device='cpu'))}\n",
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        timeout=240,
    )
    messages = [decode_message(line) for line in done.stdout.splitlines()]
    assert [message.type for message in messages if message.type is MessageType.ERROR] == []
    with wave.open(told.output_path, "rb") as sound:
        assert sound.getframerate() == 32_000 and sound.getnframes() > 3_200


def test_the_commands_say_what_was_written_and_taken_in(
    voiced: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOVITS_PATHS__WORK_DIR", str(voiced.layout.work_dir))
    monkeypatch.setenv("SOVITS_PATHS__INBOX_DIR", str(voiced.layout.inbox_dir))
    monkeypatch.chdir(tmp_path)
    for arguments, sentence in (
        (["export", NAME], f"{NAME}.zip (9 files"),
        (["import-voice", f"{NAME}.zip", "--character", "鲍勃"], f"鲍勃 speaks with {NAME}_e8_s96.pth"),
    ):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 0
        assert sentence in capsys.readouterr().out
    with pytest.raises(SystemExit) as left:
        main(["export", NAME, "--training-state", "--output", "other"])
    assert left.value.code == 1 and "cannot train the family nano" in capsys.readouterr().err
    assert not Path("other").exists()


def test_two_weight_files_are_enough(
    installation: Installation, reader: ModelReader, weights: tuple[Path, Path]
) -> None:
    made = import_voice(installation.world, "new", Given(None, *weights, "en"), reader)
    assert made.recordings == 0 and _voice(installation, "new").trained_from == IMPORTED
    assert installation.now("new").config["language"] == "en"
    assert installation.now("new").config["family"] == "nano"


def test_a_folder_of_another_program_must_hold_one_pair_of_weights(
    installation: Installation, reader: ModelReader, weights: tuple[Path, Path], tmp_path: Path
) -> None:
    root = tmp_path / "GPT-SoVITS"
    (root / "SoVITS_weights_v2").mkdir(parents=True)
    (root / "GPT_weights_v2").mkdir()
    for number in range(2):
        (root / "SoVITS_weights_v2" / f"x_e{number}_s1.pth").write_bytes(weights[0].read_bytes())
    (root / "GPT_weights_v2" / "x-e1.ckpt").write_bytes(weights[1].read_bytes())
    with pytest.raises(InvalidInputError, match=r"found SoVITS_weights_v2/x_e0_s1\.pth, .*choose with --sovits"):
        import_voice(installation.world, "new", Given(root), reader)
    chosen = root / "SoVITS_weights_v2" / "x_e1_s1.pth"
    assert import_voice(installation.world, "new", Given(root, chosen), reader).sovits == "x_e1_s1.pth"


def test_files_that_do_not_belong_together_or_are_harmed_are_refused_and_nothing_is_registered(
    installation: Installation, reader: ModelReader, weights: tuple[Path, Path], tmp_path: Path
) -> None:
    few = {"enc_p.text_embedding.weight": torch.zeros(322, 4)}
    other, cut = tmp_path / "v1.pth", tmp_path / "cut.pth"
    write_sovits_weights(other, few, FAMILIES[FamilyName.V1], "1epoch_1iteration")
    cut.write_bytes(weights[0].read_bytes()[:10_000])
    for sovits, sentence in (
        (other, "do not belong together"),
        (cut, "damaged"),
        (weights[1], "not a SoVITS model file"),
    ):
        with pytest.raises(InvalidInputError, match=sentence):
            import_voice(installation.world, "new", Given(None, sovits, weights[1]), reader)
    with installation.database.read() as session:
        assert characters.list_all(session) == []


def test_a_changed_bundle_is_refused(voiced: Installation, reader: ModelReader, tmp_path: Path) -> None:
    bundles.export(voiced.world, NAME, tmp_path / "b")
    (tmp_path / "b" / f"{NAME}.list").write_text("other", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"\.list of the bundle is missing or changed"):
        import_voice(voiced.world, "x", Given(tmp_path / "b"), reader)
    (tmp_path / "b" / "manifest.json").write_text('{"format": "sovits-voice-bundle", "version": 1}')
    with pytest.raises(InvalidInputError, match="is damaged"):
        import_voice(voiced.world, "x", Given(tmp_path / "b"), reader)


@pytest.mark.parametrize(
    "change",
    [
        {"trained_from": 5},
        {"metrics": "x"},
        {"sovits": ["a"]},
        {"files": {"a": {"sha256": 1, "size_bytes": 2}}},
        {"files": []},
        {"more": 1},
        {"version": 99},
    ],
)
def test_a_manifest_with_values_of_other_kinds_is_refused(
    change: dict[str, object], voiced: Installation, tmp_path: Path
) -> None:
    bundles.export(voiced.world, NAME, tmp_path / "b")
    path = tmp_path / "b" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"is damaged|of version 99"):
        bundles.read_manifest(tmp_path / "b")


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../b", "c\\..\\d"])
def test_an_archive_that_leads_outside_is_refused(name: str, tmp_path: Path) -> None:
    path, target = tmp_path / "evil.zip", tmp_path / "in"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good", b"x")
        archive.writestr(name, b"x")
    target.mkdir()
    with pytest.raises(InvalidInputError, match="no plain file inside"):
        archives.unpack(path, target)
    assert not list(target.iterdir())


def test_links_bombs_and_damaged_archives_are_refused(tmp_path: Path) -> None:
    path, target = tmp_path / "evil.zip", tmp_path / "in"
    target.mkdir()
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc")
    with pytest.raises(InvalidInputError, match="no plain file"):
        archives.unpack(path, target)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(10**6))
    with pytest.raises(TooLargeError):
        archives.unpack(path, target, most_bytes=10**5)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InvalidInputError, match="damaged or no zip file"):
        archives.unpack(path, target)


def test_an_archive_that_lies_about_its_sizes_is_refused_while_it_is_unpacked(tmp_path: Path) -> None:
    path, target = tmp_path / "liar.zip", tmp_path / "in"
    target.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(10**6))
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # uncompressed size in both headers
        at = data.index(mark) + offset
        data[at : at + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises((TooLargeError, InvalidInputError)):
        archives.unpack(path, target)
    assert sum(each.stat().st_size for each in target.iterdir()) <= 1000


def test_the_state_of_a_training_is_written_as_public_trainers_resume_from(tmp_path: Path) -> None:
    optimizer = {"state": {}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    trainee = {"model": {"w": torch.ones(2)}, "critic": {"v": torch.zeros(1)}}
    trainee |= {"model_optimizer": optimizer, "critic_optimizer": optimizer}
    save_snapshot(tmp_path / "logs_s2_v2", "hash", Snapshot(Position(3, 0, 30), trainee))
    made = export_training_states(tmp_path / "logs_s2_v2", tmp_path / "out", FamilyName.V2)
    assert [path.name for path in made] == ["G_233333333333.pth", "D_233333333333.pth"]
    content = torch.load(made[0], weights_only=True)
    assert (content["iteration"], content["learning_rate"], content["optimizer"]) == (3, 1e-4, optimizer)
    assert torch.equal(content["model"]["w"], torch.ones(2))
    assert export_training_states(tmp_path / "none", tmp_path / "out", FamilyName.V2) == []
