"""The public base weights: listed, imported, pulled from a hub, verified; what is not good is never put in place."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from huggingface_hub.constants import DOWNLOAD_CHUNK_SIZE

from daemon import pulling
from daemon.base_models import INCOMING, RECORD, ModelStore, Verdict, import_folder
from daemon.cli import main
from daemon.errors import DownloadError, InvalidInputError
from daemon.model_reader import ModelReader
from GPT_SoVITS.base_files import HUBERT_FOLDER, ROBERTA_FOLDER, BaseFile, Part, files_of, polyphone_state
from GPT_SoVITS.families import FamilyName
from tests.daemon.stand_in_hub import Hub, running_hub
from tests.engine.text.polyphone_folder import write_polyphone_model

CONFIG = json.dumps({"hidden_size": 1024, "num_hidden_layers": 24}).encode()
CONFIG_PATH, TOKENIZER_PATH = f"{ROBERTA_FOLDER}/config.json", f"{ROBERTA_FOLDER}/tokenizer.json"
WEIGHTS_PATH = f"{ROBERTA_FOLDER}/pytorch_model.bin"
HUBERT_CONFIG = BaseFile(Part.HUBERT, f"{HUBERT_FOLDER}/preprocessor_config.json", optional=True)
FILES = (
    *(file for file in files_of(FamilyName.V2) if file.path in (CONFIG_PATH, TOKENIZER_PATH)),
    HUBERT_CONFIG,
)
REVISION = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "somebody/models"


@pytest.fixture(scope="module")
def reader() -> Iterator[ModelReader]:
    with ModelReader() as made:
        yield made


@pytest.fixture(scope="module")
def tokenizer() -> bytes:
    """A vocabulary that takes more than one piece of a download (10 MiB)."""
    words = ["[UNK]", "[CLS]", "[SEP]", *(f"{number:01000d}" for number in range(11_000))]
    return json.dumps({"model": {"vocab": {word: number for number, word in enumerate(words)}}}).encode()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "模型")


@pytest.fixture
def installation(tmp_path: Path, tokenizer: bytes) -> Path:
    """Something like a GPT-SoVITS installation: good files deep inside, bad ones, and others of the same names."""
    root = tmp_path / "GPT-SoVITS 整合包"
    models = root / "GPT_SoVITS" / "pretrained_models"
    roberta = models / ROBERTA_FOLDER
    roberta.mkdir(parents=True)
    (roberta / "config.json").write_bytes(CONFIG)
    (roberta / "tokenizer.json").write_bytes(tokenizer)
    other = root / "tools" / "asr"
    other.mkdir(parents=True)
    (other / "config.json").write_text("{}")
    (other / "pytorch_model.bin").write_bytes(b"of another model")
    (models / "s1v3.ckpt").write_bytes(b"PK cut short")
    return root


def _paths(outcomes: list[object], verdict: Verdict) -> list[str]:
    return [each.path for each in outcomes if each.verdict is verdict]  # type: ignore[attr-defined]


def test_an_import_takes_what_reads_well_from_anywhere_below_and_refuses_the_rest(
    store: ModelStore, installation: Path, reader: ModelReader, tokenizer: bytes
) -> None:
    outcomes = list(import_folder(store, installation, reader))

    assert _paths(outcomes, Verdict.TAKEN) == [CONFIG_PATH, TOKENIZER_PATH]
    assert _paths(outcomes, Verdict.REFUSED) == ["s1v3.ckpt"]
    assert (store.home / TOKENIZER_PATH).read_bytes() == tokenizer
    assert not (store.home / "s1v3.ckpt").exists()
    assert not [path for path in (store.home / INCOMING).rglob("*") if path.is_file()]
    states = {file.path: file for family in store.inventory() for file in family.files}
    assert states[TOKENIZER_PATH].size_bytes == len(tokenizer) and states[TOKENIZER_PATH].recorded
    assert states["s1v3.ckpt"].size_bytes is None
    # and a second import finds everything in place
    again = list(import_folder(store, installation, reader))
    assert _paths(again, Verdict.PRESENT) == [CONFIG_PATH, TOKENIZER_PATH]


def test_an_import_takes_the_polyphone_model_of_an_installation(
    store: ModelStore, tmp_path: Path, reader: ModelReader
) -> None:
    folder = write_polyphone_model(tmp_path / "GPT-SoVITS" / "GPT_SoVITS" / "text")
    (folder / "POLYPHONIC_CHARS.txt").write_text("damaged")
    outcomes = list(import_folder(store, tmp_path / "GPT-SoVITS", reader))
    assert _paths(outcomes, Verdict.REFUSED) == ["G2PWModel/POLYPHONIC_CHARS.txt"]
    assert not store.polyphone_model().complete
    write_polyphone_model(tmp_path / "GPT-SoVITS" / "GPT_SoVITS" / "text")
    outcomes = list(import_folder(store, tmp_path / "GPT-SoVITS", reader))
    assert _paths(outcomes, Verdict.TAKEN) == ["G2PWModel/POLYPHONIC_CHARS.txt"]
    assert store.polyphone_model().complete
    assert polyphone_state(str(store.home))
    assert {outcome.verdict for outcome in store.verify(reader)} == {Verdict.GOOD}


def test_code_in_a_file_is_refused_and_not_run(store: ModelStore, tmp_path: Path, reader: ModelReader) -> None:
    trace = tmp_path / "executed"

    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(trace),)

    source = tmp_path / "download"
    (source / ROBERTA_FOLDER).mkdir(parents=True)
    for path in ("s2G2333k.pth", "s2D2333k.pth", "s1v3.ckpt", WEIGHTS_PATH, "pretrained_eres2netv2w24s4ep4.ckpt"):
        torch.save({"weight": Hostile()}, source / path)
    outcomes = list(import_folder(store, source, reader))
    assert {outcome.verdict for outcome in outcomes} == {Verdict.REFUSED} and len(outcomes) == 5
    assert all("refused" in outcome.said for outcome in outcomes)
    assert not trace.exists()


def test_a_file_with_weights_that_are_no_numbers_or_of_another_model_is_refused(
    store: ModelStore, tmp_path: Path, reader: ModelReader
) -> None:
    source = tmp_path / "download" / ROBERTA_FOLDER
    source.mkdir(parents=True)
    torch.save({"weight": {"model.a": torch.full((2,), float("nan"))}, "config": {}}, source / "s1v3.ckpt")
    assert "not finite" in next(import_folder(store, source.parent, reader)).said
    (source / "s1v3.ckpt").unlink()
    torch.save({"conv1.weight": torch.ones(2)}, source / "pretrained_eres2netv2w24s4ep4.ckpt")
    assert "has shape [2]" in next(import_folder(store, source.parent, reader)).said
    (source / "config.json").write_text('{"hidden_size": 768}')
    assert "does not describe" in next(import_folder(store, source.parent, reader)).said


def test_an_import_from_no_folder_or_from_the_models_folder_itself_is_refused(
    store: ModelStore, tmp_path: Path, reader: ModelReader
) -> None:
    store.home.mkdir(parents=True)
    for folder in (tmp_path / "nowhere", store.home):
        with pytest.raises(InvalidInputError):
            next(import_folder(store, folder, reader))


def test_verify_finds_changed_missing_and_unrecorded_files(
    store: ModelStore, installation: Path, reader: ModelReader, tokenizer: bytes
) -> None:
    list(import_folder(store, installation, reader))
    assert {outcome.verdict for outcome in store.verify(reader)} == {Verdict.GOOD}

    (store.home / TOKENIZER_PATH).write_bytes(tokenizer[:-1] + b"x")
    (store.home / CONFIG_PATH).unlink()
    found = {outcome.path: outcome.verdict for outcome in store.verify(reader)}
    assert found == {CONFIG_PATH: Verdict.MISSING, TOKENIZER_PATH: Verdict.CHANGED}

    (store.home / RECORD).unlink()
    (store.home / TOKENIZER_PATH).write_bytes(tokenizer)
    assert [outcome.said for outcome in store.verify(reader)] == ["it was not on record and is now"]
    assert list(store.record()) == [TOKENIZER_PATH]


def test_a_damaged_record_is_one_clear_sentence(store: ModelStore) -> None:
    store.home.mkdir(parents=True)
    (store.home / RECORD).write_text("[]")
    with pytest.raises(InvalidInputError, match="is damaged; delete it"):
        store.inventory()


@pytest.fixture
def hub(tokenizer: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # the hub's client pauses ever longer between its tries
    files = {CONFIG_PATH: CONFIG, TOKENIZER_PATH: tokenizer}
    with running_hub(Hub(REPOSITORY, REVISION, files)) as made:
        yield made


def _pull(store: ModelStore, hub: Hub, reader: ModelReader, **sums: str) -> list[object]:
    release = pulling.Release(REPOSITORY, REVISION, sums, hub.url)
    return list(pulling.pull(store, FamilyName.V2, FILES, release, reader))


def test_a_pull_fetches_what_is_published_once(store: ModelStore, hub: Hub, reader: ModelReader) -> None:
    outcomes = _pull(store, hub, reader)
    # the preprocessor's settings are optional and not published here
    assert _paths(outcomes, Verdict.TAKEN) == [CONFIG_PATH, TOKENIZER_PATH]
    assert (store.home / TOKENIZER_PATH).read_bytes() == hub.files[TOKENIZER_PATH]
    assert store.record()[TOKENIZER_PATH].source == f"{REPOSITORY}@{REVISION}"
    assert {outcome.verdict for outcome in store.verify(reader)} == {Verdict.GOOD}
    asked = len(hub.ranges)
    assert _paths(_pull(store, hub, reader), Verdict.PRESENT) == [CONFIG_PATH, TOKENIZER_PATH]
    assert len(hub.ranges) == asked


def test_an_interrupted_pull_goes_on_where_it_ended(store: ModelStore, hub: Hub, reader: ModelReader) -> None:
    hub.cut_at[TOKENIZER_PATH] = DOWNLOAD_CHUNK_SIZE + 1000
    with pytest.raises(DownloadError, match="run the command again to go on"):
        _pull(store, hub, reader)
    assert not (store.home / TOKENIZER_PATH).exists()

    hub.repair()
    assert _paths(_pull(store, hub, reader), Verdict.TAKEN) == [TOKENIZER_PATH]
    assert hub.ranges[-1] == (TOKENIZER_PATH, f"bytes={DOWNLOAD_CHUNK_SIZE}-")
    assert (store.home / TOKENIZER_PATH).read_bytes() == hub.files[TOKENIZER_PATH]


def test_what_a_mirror_states_leads_no_download_out_of_the_models_folder(
    store: ModelStore, hub: Hub, reader: ModelReader, tmp_path: Path
) -> None:
    hub.stated[TOKENIZER_PATH] = "/../../../../out"
    hub.cut_at[TOKENIZER_PATH] = DOWNLOAD_CHUNK_SIZE + 1000
    with pytest.raises(DownloadError):
        _pull(store, hub, reader)
    assert list(tmp_path.iterdir()) == [store.home]


def test_wrong_bytes_are_refused_and_fetched_anew_the_next_time(
    store: ModelStore, hub: Hub, reader: ModelReader
) -> None:
    hub.corrupted |= {TOKENIZER_PATH, CONFIG_PATH}
    outcomes = _pull(store, hub, reader)
    assert _paths(outcomes, Verdict.REFUSED) == [CONFIG_PATH, TOKENIZER_PATH]
    assert not (store.home / TOKENIZER_PATH).exists()
    hub.corrupted.clear()
    assert _paths(_pull(store, hub, reader), Verdict.TAKEN) == [CONFIG_PATH, TOKENIZER_PATH]


def test_a_mirror_that_serves_other_files_than_the_published_ones_is_found_out(
    store: ModelStore, hub: Hub, reader: ModelReader
) -> None:
    outcomes = _pull(store, hub, reader, **{TOKENIZER_PATH: "0" * 64})
    assert _paths(outcomes, Verdict.REFUSED) == [TOKENIZER_PATH]


def test_a_file_that_is_not_published_and_a_hub_that_is_not_there_are_sentences(
    store: ModelStore, hub: Hub, reader: ModelReader
) -> None:
    del hub.files[CONFIG_PATH]
    with pytest.raises(DownloadError, match=r"has no chinese-roberta-wwm-ext-large/config\.json"):
        _pull(store, hub, reader)
    hub.url = "http://127.0.0.1:9"
    with pytest.raises(DownloadError, match="name a mirror"):
        _pull(store, hub, reader)


@dataclass
class Answer:
    """What a command said."""

    code: object
    output: str
    errors: str


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run `sovits-daemon models` on an empty models folder."""
    for name in [name for name in os.environ if name.startswith(("SOVITS_", "HF_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SOVITS_PATHS__MODELS_DIR", str(tmp_path / "models"))

    def command(*arguments: str) -> Answer:
        with pytest.raises(SystemExit) as left:
            main(["models", *arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Answer(left.value.code, said.out, said.err)

    return command


def test_the_commands_say_what_is_there_and_leave_with_the_documented_codes(
    run: Callable[..., Answer], installation: Path
) -> None:
    listed = run("list")
    assert listed.code == 0 and "v2ProPlus: 9 of 10 files missing" in listed.output
    assert run("verify").code == 3
    imported = run("import", str(installation))
    assert imported.code == 1
    assert f"taken: {TOKENIZER_PATH}" in imported.output and "refused: s1v3.ckpt" in imported.output
    found = json.loads(run("list", "--json").output)
    v2 = next(each for each in found["families"] if each["family"] == "v2")
    assert not v2["complete"] and {file["path"]: file["recorded"] for file in v2["files"]}[TOKENIZER_PATH]


def test_offline_mode_is_respected_with_a_clear_sentence(
    run: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    answer = run("pull", "v2ProPlus")
    assert answer.code == 1
    assert "HF_HUB_OFFLINE is set, so nothing is downloaded" in answer.errors and "models import DIR" in answer.errors


def test_the_mirror_of_the_settings_or_the_command_line_is_asked(
    run: Callable[..., Answer], hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the stand-in publishes nothing of the public release, and says so
    assert f"at {hub.url} has no" in run("pull", "v2", "--mirror", hub.url).errors
    monkeypatch.setenv("SOVITS_MODELS__MIRROR", hub.url)
    assert f"at {hub.url} has no" in run("pull", "v2").errors
