"""A full-size v2ProPlus base, of filled weights in the public formats, goes the whole way on the CPU."""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from daemon.base_models import ModelStore, Verdict, import_folder
from daemon.model_reader import ModelReader
from GPT_SoVITS.base_files import HUBERT_FOLDER, ROBERTA_FOLDER, SPEAKER_FILE, base_files
from GPT_SoVITS.checkpoint_files import HParams, write_atomically
from GPT_SoVITS.checkpoint_settings import gpt_settings, sovits_settings
from GPT_SoVITS.checkpoints import (
    TrainingProgress,
    load_weights,
    read_sovits_weights,
    write_gpt_weights,
    write_sovits_weights,
    write_training_state,
)
from GPT_SoVITS.dataset import SEMANTIC_FILE, TEXT_FILE, read_semantic_lines, read_text_lines
from GPT_SoVITS.devices import choose_compute
from GPT_SoVITS.families import FAMILIES, FamilyName
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.training.gpt_data import load_gpt_items
from GPT_SoVITS.training.gpt_trainer import GptSetup, GptTrainee
from GPT_SoVITS.training.recipe import gpt_recipe, sovits_recipe
from GPT_SoVITS.training.sovits_data import load_sovits_items
from GPT_SoVITS.training.sovits_trainer import SovitsSetup, SovitsTrainee
from GPT_SoVITS.training.start import base_name, start_discriminator, start_gpt, start_sovits
from GPT_SoVITS.voice_files import check_voice
from pipeline.context import Cancelled
from pipeline.protocol import Message, MessageType, SpeakRequest, decode_message, encode
from pipeline.steps import JobConfig, JobKind, StepName
from tests.engine.golden import filled_state
from tests.pipeline.conftest import CLIPS, Character, Log

FAMILY = FAMILIES[FamilyName.V2_PRO_PLUS]
SPOKEN = {
    "dir-nomore": ("There are no more compatible entries in the directory.", "en"),
    "agent-alreadyon": ("That agent is already logged on. Please enter your agent number.", "en"),
    "auth-incorrect": ("密码不正确，请重新输入您的密码。", "zh"),
}
"""Real clips; the Chinese text is not what is said, but it goes through the Chinese text encoder."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A models folder that was filled by an import from something like a GPT-SoVITS installation."""
    source, home = tmp_path_factory.mktemp("installation"), tmp_path_factory.mktemp("models")
    for write in (_write_networks, _write_hubert, _write_roberta, _write_speaker):
        write(source / "GPT_SoVITS" / "pretrained_models")
        gc.collect()
    with ModelReader() as reader:
        outcomes = list(import_folder(ModelStore(home), source, reader))
    shutil.rmtree(source)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.TAKEN}, outcomes
    assert base_files(FAMILY, str(home)).missing() == []
    yield home
    shutil.rmtree(home)


def _half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def _write_networks(home: Path) -> None:
    """Write generator (posterior encoder kept), discriminators and text-to-semantic model as bases are published."""
    files = base_files(FAMILY, str(home))
    settings = HParams(sovits_settings(FAMILY))
    write_atomically(files.generator, {"weight": _half(filled_state("s2_v2ProPlus")), "config": settings, "info": ""})
    write_atomically(files.discriminator, {"weight": _half(filled_state("s2d_v2ProPlus"))})
    write_atomically(files.gpt, {"weight": _half(filled_state("s1_v2")), "config": gpt_settings(FAMILY), "info": ""})


def _write_hubert(home: Path) -> None:
    from transformers import HubertConfig

    HubertConfig().save_pretrained(home / HUBERT_FOLDER)
    torch.save(_half(filled_state("hubert_base")), home / HUBERT_FOLDER / "pytorch_model.bin")


def _write_roberta(home: Path) -> None:
    from transformers import BertConfig

    sizes = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
    BertConfig(vocab_size=21128, **sizes).save_pretrained(home / ROBERTA_FOLDER)
    torch.save(_half(filled_state("bert_large")), home / ROBERTA_FOLDER / "pytorch_model.bin")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(chr(0x4E00 + number) for number in range(20_902))]
    (home / ROBERTA_FOLDER / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")


def _write_speaker(home: Path) -> None:
    path = home / SPEAKER_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(filled_state("sv_eres2netv2"), path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_public_base_is_imported_trained_written_read_again_and_speaks(
    models: Path, character: Character, tmp_path: Path
) -> None:
    # given three real clips
    for clip, (text, language) in SPOKEN.items():
        recording = character.add(clip, text=text)
        character.recordings[recording.name] = type(recording)(recording.name, recording.sha256, text, language)
    character.config = JobConfig(
        language="en", family="v2ProPlus", enable_denoise=False, models_dir=str(models), batch_size=1
    )
    # when their features are made
    character.run(JobKind.PROCESS)
    log = Log(cancel_when=_features_are_made)
    with pytest.raises(Cancelled):
        character.run(JobKind.TRAIN, log)
    # then every public file of each clip is there
    finished = [message.data for message in log.messages if message.type is MessageType.STEP_FINISHED]
    assert {report["step"]: report["items_out"] for report in finished} == {
        StepName.EXTRACT_TEXT_FEATURES: 3,
        StepName.EXTRACT_AUDIO_FEATURES: 3,
        StepName.EXTRACT_SPEAKER_VECTORS: 3,
        StepName.EXTRACT_SEMANTIC_FEATURES: 3,
    }
    experiment = character.root / "experiments" / character.name
    clips = sorted(path.name for path in (experiment / "5-wav32k").iterdir())
    assert [len(list((experiment / folder).iterdir())) for folder in ("3-bert", "4-cnhubert", "7-sv_cn")] == [1, 3, 3]
    _forget_encoders()

    # when both models are trained for two steps from the base
    assert base_name(FAMILY, str(models)) == "s2Gv2ProPlus.pth"
    sovits = _train_sovits(models, experiment, clips, tmp_path)
    gpt = _train_gpt(models, experiment, tmp_path)
    # then what was written is a voice of the family, and it speaks
    assert check_voice(sovits, gpt, tmp_path / "checked").family == "v2ProPlus"
    assert sovits.read_bytes()[:2] == b"06"
    _speak(sovits, gpt, models, tmp_path / "said.wav")


def _features_are_made(message: Message) -> bool:
    return message.type is MessageType.STEP_FINISHED and message.data["step"] == StepName.EXTRACT_SEMANTIC_FEATURES


def _train_sovits(models: Path, experiment: Path, clips: list[str], folder: Path) -> Path:
    model = start_sovits(FAMILY, 1, str(models))
    filled = filled_state("s2_v2ProPlus")
    assert all(torch.equal(tensor, filled[name].half().float()) for name, tensor in model.state_dict().items())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    recipe = sovits_recipe(FAMILY)
    items, left_out = load_sovits_items(experiment, clips, read_text_lines(experiment / TEXT_FILE), FAMILY, recipe)
    assert len(items) == 3 and not left_out
    critic = start_discriminator(FAMILY, 1, str(models))
    trainee = SovitsTrainee(model, critic, items, SovitsSetup(FAMILY, recipe, choose_compute("cpu"), 1))
    losses = [trainee.train(0, batch, [batch]) for batch in range(2)]
    assert all(np.isfinite(value) for loss in losses for value in loss.values())
    now = model.state_dict()
    moved = {name for name, tensor in before.items() if not torch.equal(tensor, now[name])}
    assert "dec.conv_post.weight" in moved and "enc_p.text_embedding.weight" in moved
    assert not [name for name in moved if name.startswith(("ssl_proj.", "quantizer."))]
    # the training state goes through the public layout and back
    state = folder / "G_2.pth"
    write_training_state(state, now, TrainingProgress(1, recipe.learning_rate, trainee.model_optimizer.state_dict()))
    again = SovitsModel(FAMILY.sovits, FAMILY.audio)
    read = read_sovits_weights(state, training_state=True)
    assert read.family.name is FamilyName.V2_PRO_PLUS
    load_weights(again, read.state_dict, state)
    assert all(torch.equal(tensor, now[name]) for name, tensor in again.state_dict().items())
    state.unlink()
    path = folder / "voice_e1_s2.pth"
    write_sovits_weights(path, now, FAMILY, "1epoch_2iteration")
    return path


def _train_gpt(models: Path, experiment: Path, folder: Path) -> Path:
    model = start_gpt(FAMILY, 1, str(models))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    texts, rows = read_text_lines(experiment / TEXT_FILE), read_semantic_lines(experiment / SEMANTIC_FILE)
    recipe = gpt_recipe(FAMILY)
    items, left_out = load_gpt_items(experiment, texts, rows.values(), FAMILY, recipe)
    assert len(items) >= 2, left_out
    trainee = GptTrainee(model, items, GptSetup(FAMILY, recipe, choose_compute("cpu"), 1))
    # the second one is the batch of an epoch after which the public recipe updates first
    losses = [trainee.train(0, batch, [item]) for item, batch in enumerate((0, recipe.batches_per_update))]
    assert all(np.isfinite(value) for loss in losses for value in loss.values())
    now = model.state_dict()
    assert any(not torch.equal(tensor, now[name]) for name, tensor in before.items())
    path = folder / "voice-e1.ckpt"
    write_gpt_weights(path, now, FAMILY, "GPT-e1")
    return path


def _forget_encoders() -> None:
    """Give back the memory of the encoders, which a process keeps."""
    from GPT_SoVITS.hubert import load_hubert
    from GPT_SoVITS.roberta import load_roberta
    from GPT_SoVITS.speaker import load_speaker_encoder

    caches: tuple[Callable[..., object], ...] = (load_hubert, load_roberta, load_speaker_encoder)
    for cached in caches:
        cached.cache_clear()  # type: ignore[attr-defined]
    gc.collect()


def _speak(sovits: Path, gpt: Path, models: Path, output: Path) -> None:
    text, language = SPOKEN["dir-nomore"]
    request = SpeakRequest(
        request_id="one",
        family="v2ProPlus",
        sovits_path=str(sovits),
        gpt_path=str(gpt),
        ref_audio=str(CLIPS / "dir-nomore.flac"),
        ref_text=text,
        ref_language=language,
        text="Yes.",
        language="en",
        output_path=str(output),
        models_dir=str(models),
        device="cpu",
        seed=3,
    )
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.voice"],
        input=f"{encode(request)}\n",
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=1800,
    )
    answers = [decode_message(line) for line in done.stdout.splitlines()]
    assert [answer.data for answer in answers if answer.type is MessageType.ERROR] == []
    samples, rate_hz = soundfile.read(output)
    assert rate_hz == 32_000 and len(samples) > 3_200 and np.isfinite(samples).all() and np.abs(samples).max() > 0
