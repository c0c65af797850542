"""The text-to-semantic model (s1, "GPT"): phones and text features in, 25 Hz semantic tokens out.

One stack reads [text | audio]: text sees all of the text, audio sees the text and the audio before it. The last text
position predicts the first token, so there is no start token; token 1024 ends a sequence.

Two rules of the public implementation look accidental and are kept, since the public weights were trained with them:
the padding mask of the text lies on the left although phones are padded on the right, and places after the end of a
shorter sequence are trained as end tokens.

Letters in shape comments: B batch, P phones, T tokens, C width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from GPT_SoVITS.families import GptConfig
from GPT_SoVITS.models.aligner import LARGEST_STEP
from GPT_SoVITS.models.pointed_generation import generate_pointed
from GPT_SoVITS.models.position import SinePosition
from GPT_SoVITS.models.semantic_generation import (
    Generation,
    GenerationOptions,
    Progress,
    SemanticText,
    generate,
    generate_batch,
)
from GPT_SoVITS.models.semantic_transformer import SemanticTransformer, visibility
from GPT_SoVITS.models.text_pointer import TextPointer, rests

_ACCURACY_TOP = 3
_PREFERENCE_BETA = 0.2


@dataclass(frozen=True, slots=True)
class RejectedCodes:
    """Damaged copies of the batch's codes for preference training: codes int64 [B, R], lengths int64 [B]."""

    codes: Tensor
    lengths: Tensor


@dataclass(frozen=True, slots=True)
class TrainingOutput:
    """What one batch gives: both values are scalars, `loss` is a sum over batch and time."""

    loss: Tensor
    accuracy: Tensor
    """Share of tokens (end tokens aside) that are among the three best guesses."""
    preference_loss: Tensor | None = None
    """The part of `loss` that comes from preference training, when rejected codes were given."""


@dataclass(frozen=True, slots=True)
class PointedBatch:
    """A padded batch for a model with a pointer."""

    phones: Tensor
    """Ids, int64 [B, P]."""
    phones_lengths: Tensor
    codes: Tensor
    """What is to be chosen, int64 [B, T], padded with the end token."""
    codes_lengths: Tensor
    places: Tensor
    """Place of each code's phone, int64 [B, T]."""
    heard: Tensor
    """The codes as they are read back, int64 [B, T]; in training some may be others than the chosen ones."""

    def to(self, device: torch.device) -> PointedBatch:
        """Return the batch on a device."""
        return PointedBatch(
            self.phones.to(device),
            self.phones_lengths.to(device),
            self.codes.to(device),
            self.codes_lengths.to(device),
            self.places.to(device),
            self.heard.to(device),
        )


@dataclass(frozen=True, slots=True)
class PointedOutput:
    """What one batch gives a model with a pointer; means over the valid codes (and the end tokens)."""

    loss: Tensor
    """Cross-entropy of the codes plus that of the pointer's steps."""
    code_loss: Tensor
    step_loss: Tensor


class TokenEmbedding(nn.Module):
    """A table of vectors, under the parameter name of the public checkpoints."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(tokens, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Look up int64 [...] and return [..., C]."""
        out: Tensor = self.word_embeddings(tokens)
        return out


class TextToSemantic(nn.Module):
    """Phones and text features to semantic tokens; sizes come from `config`."""

    def __init__(self, config: GptConfig) -> None:
        super().__init__()
        width = config.hidden_dim
        self.config = config
        self.bert_proj = nn.Linear(config.bert_channels, width)
        self.ar_text_embedding = TokenEmbedding(config.phoneme_vocab_size, width)
        self.ar_text_position = SinePosition(width, config.p_dropout)
        self.ar_audio_embedding = TokenEmbedding(config.vocab_size, width)
        self.ar_audio_position = SinePosition(width, config.p_dropout)
        self.h = SemanticTransformer(config)
        self.ar_predict_layer = nn.Linear(width, config.vocab_size, bias=False)
        if config.is_aligned:
            self.pointer = TextPointer(config)

    def embed_text(self, phones: Tensor, bert: Tensor) -> Tensor:
        """Return [B, P, C] for phones int64 [B, P] and text features float [B, bert channels, P]."""
        x = self.ar_text_embedding(phones) + self.bert_proj(bert.transpose(1, 2))
        out: Tensor = self.ar_text_position(x)
        return out

    def embed_codes(self, codes: Tensor, first: int = 0) -> Tensor:
        """Return [B, T, C] for codes int64 [B, T], the first of which stands at position `first`."""
        out: Tensor = self.ar_audio_position(self.ar_audio_embedding(codes), first)
        return out

    def forward(
        self,
        phones: Tensor,
        phones_lengths: Tensor,
        codes: Tensor,
        codes_lengths: Tensor,
        bert: Tensor,
        rejected: RejectedCodes | None = None,
    ) -> TrainingOutput:
        """Return the loss of one batch, teacher-forced.

        Args:
            phones: int64 [B, P], padded on the right.
            phones_lengths: int64 [B].
            codes: int64 [B, T], padded on the right with any value.
            codes_lengths: int64 [B].
            bert: float [B, bert channels, P].
            rejected: worse versions of `codes`; adds the reference-free preference loss (Rafailov et al. 2023,
                DPO, with the reference model's terms left out).
        """
        text = self.embed_text(phones, bert)
        hidden_text = padding_mask_left(phones_lengths, phones.shape[1])
        logits, targets = self._predict(text, hidden_text, codes, codes_lengths)
        loss = F.cross_entropy(logits.transpose(1, 2).float(), targets, reduction="sum")
        accuracy = _top_accuracy(logits.detach(), targets, self.config.eos)
        if rejected is None:
            return TrainingOutput(loss, accuracy)
        worse = self._predict(text, hidden_text, rejected.codes, rejected.lengths)
        margin = _log_probability(logits, targets) - _log_probability(*worse)
        preference_loss = -F.logsigmoid(_PREFERENCE_BETA * margin).mean()
        return TrainingOutput(loss + preference_loss, accuracy, preference_loss)

    def pointed_losses(self, batch: PointedBatch) -> PointedOutput:
        """Return the losses of one batch of a model with a pointer, teacher-forced.

        Raises:
            ValueError: the model chooses codes in the way of older voices; these can be used, but learn no more.
        """
        if not self.config.longest_rest:
            raise ValueError("a voice of an earlier nano cannot be trained on; train it from the base again")
        phones, phones_lengths, codes = batch.phones, batch.phones_lengths, batch.codes
        rows, size, length = phones.shape[0], phones.shape[1], codes.shape[1]
        plain = self.ar_text_embedding(phones)
        text = self.embed_text(phones, plain.new_zeros(rows, self.config.bert_channels, size))
        # Beyond its end a text reads as nothing, as it does when it is spoken alone.
        present = plain.masked_fill(padding_mask_right(phones_lengths, size)[:, :, None], 0.0)
        begun = F.pad(batch.heard, (1, 0), value=self.config.eos)  # the end token also begins
        # The end token is read where the last code is.
        until = torch.arange(length + 1, device=phones.device).minimum(batch.codes_lengths[:, None] - 1)
        places = batch.places.gather(1, until)
        spoken = self.embed_codes(begun) + self.pointer.read(present, places, rests(places))
        valid = ~padding_mask_right(batch.codes_lengths + 1, length + 1)
        hidden = torch.cat([padding_mask_right(phones_lengths, size), ~valid], dim=1)
        mask = visibility(size, length + 1, phones.device) & ~hidden[:, None, None, :]
        states = self.h(torch.cat([text, spoken], dim=1), mask)[:, size:]  # [B, T + 1, C]
        targets = F.pad(codes, (0, 1), value=self.config.eos)
        code_loss = F.cross_entropy(self.ar_predict_layer(states[valid]), targets[valid])
        moves = places.diff(dim=1).clamp(0, LARGEST_STEP)
        spoken_places = valid[:, 1:]
        chosen = self.ar_audio_embedding(batch.heard)[spoken_places]
        steps = self.pointer.step_logits(states[:, :-1][spoken_places], chosen)
        step_loss = F.cross_entropy(steps, moves[spoken_places])
        return PointedOutput(code_loss + step_loss, code_loss, step_loss)

    def generate(
        self,
        text: SemanticText,
        prompt: Tensor | None,
        options: GenerationOptions,
        *,
        generator: torch.Generator | None = None,
        progress: Progress | None = None,
    ) -> Generation:
        """Generate tokens for one text; put the model in eval mode first. See `semantic_generation.generate`."""
        if self.config.is_aligned:
            return generate_pointed(self, [text], options, generators=[generator], progress=progress)[0]
        return generate(self, text, prompt, options, generator=generator, progress=progress)

    def generate_batch(
        self,
        texts: Sequence[SemanticText],
        prompt: Tensor | None,
        options: GenerationOptions,
        *,
        generators: Sequence[torch.Generator | None] | None = None,
        progress: Progress | None = None,
    ) -> list[Generation]:
        """Generate tokens for several texts together. See `semantic_generation.generate_batch`."""
        if self.config.is_aligned:
            each = generators or [None] * len(texts)
            return generate_pointed(self, texts, options, generators=each, progress=progress)
        return generate_batch(self, texts, prompt, options, generators=generators, progress=progress)

    def _predict(
        self, text: Tensor, hidden_text: Tensor, codes: Tensor, codes_lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return logits [B, T + 1, V] and targets [B, T + 1] for embedded text and codes."""
        phones, length = text.shape[1], codes.shape[1]
        hidden_codes = padding_mask_right(codes_lengths, length)
        codes = codes.masked_fill(hidden_codes, self.config.eos)
        targets = F.pad(codes, (0, 1), value=self.config.eos)
        hidden = torch.cat([hidden_text, hidden_codes], dim=1)
        mask = visibility(phones, length, text.device) & ~hidden[:, None, None, :]  # [B, 1, P + T, P + T]
        out = self.h(torch.cat([text, self.embed_codes(codes)], dim=1), mask)
        return self.ar_predict_layer(out[:, phones - 1 :]), targets


def padding_mask_right(lengths: Tensor, size: int) -> Tensor:
    """Return True at the places after each length: bool [B, size]."""
    return torch.arange(size, device=lengths.device) >= lengths[:, None]


def padding_mask_left(lengths: Tensor, size: int) -> Tensor:
    """Return True at the first (size - length) places: bool [B, size]; `size` is the longest length of the batch."""
    return torch.arange(size, device=lengths.device) < (size - lengths)[:, None]


def _log_probability(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the summed log-probability of every row's targets, padding included: float [B]."""
    return -F.cross_entropy(logits.transpose(1, 2).float(), targets, reduction="none").sum(dim=-1)


def _top_accuracy(logits: Tensor, targets: Tensor, ignored: int) -> Tensor:
    """Return the share of targets other than `ignored` that are among the best guesses: float scalar."""
    best = logits.topk(min(_ACCURACY_TOP, logits.shape[-1]), dim=-1).indices
    counted = targets != ignored
    hits = (best == targets[..., None]).any(dim=-1) & counted
    return hits.sum() / counted.sum().clamp(min=1)
