"""The data set of the semantic-to-waveform model: loading, checking, bucketing and padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from GPT_SoVITS.audio import read_wav
from GPT_SoVITS.dataset import CONTENT_FOLDER, SPEAKER_FOLDER, WAVE_FOLDER, TextLine, load_features, load_matrix
from GPT_SoVITS.errors import EngineError, TrainingDataError
from GPT_SoVITS.families import Family
from GPT_SoVITS.mel import spectrogram
from GPT_SoVITS.models.sovits import SovitsBatch
from GPT_SoVITS.text.symbols import ids_by_symbol
from GPT_SoVITS.training.recipe import DurationLimits, SovitsRecipe, repetitions

_HEADER_BYTES = 44
_BYTES_PER_SAMPLE = 2


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A clip that is not trained on, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class SovitsItem:
    """One clip in memory; `ssl` and `magnitudes` have the same number of frames T."""

    name: str
    phones: Tensor
    """int64 [P]."""
    ssl: Tensor
    """Float32 [ssl_channels, T]."""
    magnitudes: Tensor
    """Float32 [bins, T]."""
    wave: Tensor
    """Float32 [samples]."""
    speaker_vector: Tensor | None = None
    """Float32 [speaker_vector_channels], for families that have one."""

    @property
    def frames(self) -> int:
        """Length in hops."""
        return self.magnitudes.shape[1]


@dataclass(frozen=True, slots=True)
class BatchShape:
    """To what a batch is padded."""

    frames: int
    """Even, and above the longest item."""
    samples: int
    phones: int

    @classmethod
    def of(cls, items: Sequence[SovitsItem]) -> BatchShape:
        """Return the shape of a batch of these items."""
        return cls(
            2 * (max(item.frames for item in items) // 2 + 1),
            max(item.wave.shape[0] for item in items),
            max(item.phones.shape[0] for item in items),
        )


@dataclass(frozen=True, slots=True)
class WavedBatch:
    """A padded batch with its waves, float32 [B, 1, samples], longest item first."""

    inputs: SovitsBatch
    waves: Tensor

    def to(self, device: torch.device) -> WavedBatch:
        """Return the batch on a device."""
        inputs = self.inputs
        moved = SovitsBatch(
            inputs.ssl.to(device),
            inputs.spectrogram.to(device),
            inputs.spectrogram_lengths.to(device),
            inputs.phones.to(device),
            inputs.phones_lengths.to(device),
            None if inputs.speaker_vectors is None else inputs.speaker_vectors.to(device),
        )
        return WavedBatch(moved, self.waves.to(device))


def load_sovits_items(
    experiment: Path, names: Sequence[str], texts: dict[str, TextLine], family: Family, recipe: SovitsRecipe
) -> tuple[list[SovitsItem], list[LeftOut]]:
    """Load the clips that can be trained on and list the others with their reasons.

    Raises:
        TrainingDataError: no clip is left.
    """
    items: list[SovitsItem] = []
    left_out: list[LeftOut] = []
    for name in names:
        try:
            items.append(_load(experiment, name, texts, family, recipe))
        except (EngineError, OSError) as error:
            left_out.append(LeftOut(name, str(error)))
    check_enough(len(items), left_out)
    return items, left_out


def complete_clips(experiment: Path, names: Sequence[str], texts: dict[str, TextLine], family: Family) -> list[str]:
    """Return the clips that have phones and every file; the public loader counts these, usable or not."""
    vectors = [(SPEAKER_FOLDER, ".pt")] if family.uses_speaker_vector else []
    places = [(WAVE_FOLDER, ""), (CONTENT_FOLDER, ".pt"), *vectors]
    return [
        name
        for name in names
        if name in texts and all((experiment / folder / f"{name}{ending}").exists() for folder, ending in places)
    ]


def check_enough(items: int, left_out: Sequence[LeftOut]) -> None:
    """Refuse to train on nothing. One clip is enough: small sets are repeated, as in the public loaders.

    Raises:
        TrainingDataError: says why the clips are left out, and what to do.
    """
    if items:
        return
    why = f" (left out: {left_out[0].name}: {left_out[0].reason}" if left_out else ""
    more = f" and {len(left_out) - 1} more)" if len(left_out) > 1 else ")" if left_out else ""
    raise TrainingDataError(
        f"no usable clip is left to train on{why}{more}; "
        "add recordings with clear speech, a minute in all is a good start"
    )


def check_duration(seconds: float, limits: DurationLimits | None = None) -> None:
    """Refuse a clip that is too short or too long.

    Raises:
        TrainingDataError: says how long it is.
    """
    limits = limits or DurationLimits()
    if not limits.shortest_s < seconds < limits.longest_s:
        raise TrainingDataError(
            f"the clip lasts {seconds:.2f} s; clips between {limits.shortest_s} and {limits.longest_s} s are used"
        )


def _load(experiment: Path, name: str, texts: dict[str, TextLine], family: Family, recipe: SovitsRecipe) -> SovitsItem:
    line = texts.get(name)
    if line is None:
        raise TrainingDataError("the clip has no phones; its transcript is missing or cannot be spoken")
    wave = torch.from_numpy(read_wav(experiment / WAVE_FOLDER / name).samples)
    # The public rule takes the length from the file's size, header included.
    samples = wave.shape[0] + _HEADER_BYTES // _BYTES_PER_SAMPLE
    check_duration(samples / family.audio.sample_rate_hz)
    if bucket_of(samples // family.audio.hop_samples, recipe.bucket_limits_frames) is None:
        longest_s = recipe.bucket_limits_frames[-1] * family.audio.hop_samples / family.audio.sample_rate_hz
        raise TrainingDataError(f"the clip is longer than {longest_s:.0f} s or hardly longer than one training slice")
    magnitudes = spectrogram(wave.unsqueeze(0), family.audio).squeeze(0)
    ssl = load_features(experiment / CONTENT_FOLDER / f"{name}.pt", family.sovits.ssl_channels).squeeze(0)
    phones = torch.tensor(known_ids(line.phones, family.sovits.symbols), dtype=torch.int64)
    if phones.shape[0] == 0:
        raise TrainingDataError("the clip's transcript holds no phones")
    vector = _speaker_vector(experiment, name, family.sovits.speaker_vector_channels)
    return SovitsItem(name, phones, fit_frames(ssl, magnitudes.shape[1]), magnitudes, wave, vector)


def known_ids(phones: Sequence[str], symbols: str) -> tuple[int, ...]:
    """Return the ids of a clip's phones.

    Raises:
        TrainingDataError: the family's table lacks one of them.
    """
    table = ids_by_symbol(symbols)
    unknown = sorted({phone for phone in phones if phone not in table})
    if unknown:
        raise TrainingDataError(f"the clip's phones {' '.join(unknown)} are none of this family's; make them again")
    return tuple(table[phone] for phone in phones)


def _speaker_vector(experiment: Path, name: str, channels: int | None) -> Tensor | None:
    return None if channels is None else load_matrix(experiment / SPEAKER_FOLDER / f"{name}.pt", (1, channels))[0]


def fit_frames(features: Tensor, frames: int) -> Tensor:
    """Return features [C, T] cut to `frames`, or extended by copies of the last frame.

    Raises:
        TrainingDataError: they differ by more than a few frames: they belong to another recording.
    """
    missing = frames - features.shape[1]
    if abs(missing) > 3:
        raise TrainingDataError("the content features do not belong to the clip's sound; make them again")
    return F.pad(features.unsqueeze(0), (0, missing), mode="replicate").squeeze(0) if missing else features


def bucket_of(frames: int, limits: Sequence[int]) -> int | None:
    """Return the number of the bucket whose lower limit is below `frames` and whose upper limit is not; or None."""
    for number in range(len(limits) - 1):
        if limits[number] < frames <= limits[number + 1]:
            return number
    return None


def sovits_batches(
    frames: Sequence[int], batch_size: int, epoch: int, recipe: SovitsRecipe, found: int | None = None
) -> list[list[int]]:
    """Return the batches of one epoch as indices into the items.

    Items of similar length go together; each bucket is filled up from its start to whole batches; small sets are
    repeated. The order follows from the epoch alone.

    Args:
        frames: length of each item.
        batch_size: items a batch.
        epoch: 0, 1, ...
        recipe: the limits of the buckets.
        found: clips before any was left out, which decide on the repetitions of a small set; None: those of `frames`.
    """
    generator = torch.Generator().manual_seed(epoch + 1)
    buckets: dict[int, list[int]] = {}
    copies = repetitions(len(frames) if found is None else found, recipe.small_set)
    for index in list(range(len(frames))) * copies:
        bucket = bucket_of(frames[index], recipe.bucket_limits_frames)
        if bucket is not None:
            buckets.setdefault(bucket, []).append(index)
    batches: list[list[int]] = []
    for _, members in sorted(buckets.items()):
        order = [members[place] for place in torch.randperm(len(members), generator=generator).tolist()]
        missing = -len(order) % batch_size
        filled = [*order, *(order * -(-missing // len(order)))[:missing]]
        batches.extend(filled[start : start + batch_size] for start in range(0, len(filled), batch_size))
    return [batches[place] for place in torch.randperm(len(batches), generator=generator).tolist()]


def longest_first(items: Iterable[SovitsItem]) -> list[SovitsItem]:
    """Return the items of a batch in the order in which they are collated."""
    return sorted(items, key=lambda item: item.frames, reverse=True)


def collate_sovits(items: Iterable[SovitsItem], shape: BatchShape | None = None) -> WavedBatch:
    """Pad items into a batch, longest first; frames are padded to an even number above the longest.

    Args:
        items: one or more.
        shape: the padding of the batch that these items are a part of; None: they are all of it.
    """
    ordered = longest_first(items)
    shape = shape or BatchShape.of(ordered)
    vectors = [item.speaker_vector for item in ordered if item.speaker_vector is not None]
    inputs = SovitsBatch(
        ssl=_stack([item.ssl for item in ordered], shape.frames),
        spectrogram=_stack([item.magnitudes for item in ordered], shape.frames),
        spectrogram_lengths=torch.tensor([item.frames for item in ordered]),
        phones=_stack([item.phones for item in ordered], shape.phones),
        phones_lengths=torch.tensor([item.phones.shape[0] for item in ordered]),
        speaker_vectors=torch.stack(vectors) if vectors else None,
    )
    return WavedBatch(inputs, _stack([item.wave for item in ordered], shape.samples).unsqueeze(1))


def _stack(rows: Sequence[Tensor], length: int) -> Tensor:
    """Stack [..., n_i] into [B, ..., length], padded with zeros on the right."""
    return torch.stack([F.pad(row, (0, length - row.shape[-1])) for row in rows])


def pad_rows(rows: Sequence[Tensor], value: float = 0) -> Tensor:
    """Stack rows [n_i] of different lengths into [B, longest], padded on the right."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=value)
