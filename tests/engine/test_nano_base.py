"""The base of nano: written small, read with its checksum, refused when damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from GPT_SoVITS.errors import CheckpointError
from GPT_SoVITS.families import FAMILIES, RANDOM_WEIGHTS, FamilyName
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.nano_base import (
    CHECKSUMS_FILE,
    GPT_FILE,
    LARGEST_FILE_BYTES,
    SOVITS_FILE,
    base_version,
    load_nano_base,
    nano_base,
    write_nano_base,
)
from GPT_SoVITS.training.codebook import install_codebook, whisper_codebook
from GPT_SoVITS.training.start import base_name, start_gpt, start_sovits

NANO = FAMILIES[FamilyName.NANO]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with a base of random weights."""
    home = tmp_path_factory.mktemp("models")
    torch.manual_seed(5)
    sovits, gpt = SovitsModel(NANO.sovits, NANO.audio), TextToSemantic(NANO.gpt)
    install_codebook(sovits, whisper_codebook())
    write_nano_base(home / "nano", sovits.state_dict(), gpt.state_dict(), {"made": "for a test"})
    return home


def test_a_training_starts_from_the_base_whatever_the_seed(models: Path) -> None:
    assert nano_base(str(models)) == models / "nano"
    assert base_name(NANO, str(models)) == base_version(models / "nano")
    for start in (start_sovits, start_gpt):
        one, other = start(NANO, 1, str(models)), start(NANO, 2, str(models))
        for (name, value), again in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
            assert torch.equal(value, again), name


def test_codes_are_the_same_after_half_precision(models: Path) -> None:
    torch.manual_seed(0)
    plain = SovitsModel(NANO.sovits, NANO.audio)
    install_codebook(plain, whisper_codebook())
    book = whisper_codebook()
    ssl = (book.centres[:200] * book.scale + book.mean).T.repeat_interleave(2, dim=1)[None]
    ours = start_sovits(NANO, 1, str(models)).extract_codes(ssl)
    assert (ours == plain.extract_codes(ssl)).float().mean() > 0.98


def test_the_files_are_small(models: Path) -> None:
    for name in (SOVITS_FILE, GPT_FILE):
        assert (models / "nano" / name).stat().st_size <= LARGEST_FILE_BYTES


def test_a_damaged_file_is_refused(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "nano"
    folder.mkdir()
    for file in (models / "nano").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    content = bytearray((folder / GPT_FILE).read_bytes())
    content[-5] ^= 1
    (folder / GPT_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match="checksum"):
        load_nano_base(TextToSemantic(NANO.gpt), folder, GPT_FILE)
    (folder / GPT_FILE).unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_nano_base(TextToSemantic(NANO.gpt), folder, GPT_FILE)


def test_a_base_of_other_sizes_is_refused(models: Path) -> None:
    with pytest.raises(CheckpointError, match="shape"):
        load_nano_base(TextToSemantic(replace(NANO.gpt, ffn_dim=64)), models / "nano", GPT_FILE)


def test_weights_that_are_no_numbers_are_not_written(tmp_path: Path) -> None:
    sovits, gpt = SovitsModel(NANO.sovits, NANO.audio), TextToSemantic(NANO.gpt)
    with torch.no_grad():
        gpt.bert_proj.bias.fill_(float("inf"))
    with pytest.raises(CheckpointError, match=r"bert_proj\.bias"):
        write_nano_base(tmp_path, sovits.state_dict(), gpt.state_dict(), {})
    assert not (tmp_path / CHECKSUMS_FILE).exists()


def test_the_base_in_the_package_is_whole() -> None:
    folder = nano_base()
    if folder is None:
        assert base_name(NANO) == RANDOM_WEIGHTS
        pytest.skip("this checkout carries no base of nano")
    load_nano_base(SovitsModel(NANO.sovits, NANO.audio), folder, SOVITS_FILE)
    load_nano_base(TextToSemantic(NANO.gpt), folder, GPT_FILE)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 40_000_000
    assert (folder / "MODEL_CARD.md").is_file()
