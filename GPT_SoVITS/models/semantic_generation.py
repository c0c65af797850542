"""Generate semantic tokens one by one with a key/value cache, by the rules of the public implementation.

* The end token is impossible in the first 11 steps.
* A sequence ends when the drawn token, or the best token after the repetition penalty, is the end token; the token
  drawn in that step is dropped. It also ends beyond `early_stop_codes` and at 1500 tokens.
* Of the generated tokens the caller uses the last `Generation.kept`. A sequence that reaches a limit on the single
  path thereby loses its first token, on the batched path its last one; the public code does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from GPT_SoVITS.models.semantic_step import DecodeStep
from GPT_SoVITS.models.semantic_transformer import KeyValueCache, visibility
from GPT_SoVITS.sampling import NoiseSource, SamplingOptions, sample

if TYPE_CHECKING:
    from GPT_SoVITS.models.text_to_semantic import TextToSemantic

MAX_STEPS = 1500
_STEPS_WITHOUT_END = 11
_STEPS_BETWEEN_LOOKS_ON = {"cpu": 1}
_STEPS_BETWEEN_LOOKS = 8
_NO_END = -1
_SMALL_MODEL_ELEMENTS = 20_000_000

Progress = Callable[[int], None]
"""Receives the number of steps done; an exception it raises ends the generation and reaches the caller."""


@dataclass(frozen=True, slots=True)
class SemanticText:
    """One text: phones int64 [P] and its features float [bert channels, P], both starting with the prompt's."""

    phones: Tensor
    bert: Tensor


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """How tokens are drawn and when to stop."""

    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    early_stop_codes: int | None = None
    """Stop once more tokens than this were generated; None leaves the limit of 1500."""
    progress_every: int = 25
    """Tokens between two progress reports."""

    def __post_init__(self) -> None:
        """Refuse limits that have no meaning.

        Raises:
            ValueError: names the option.
        """
        if self.early_stop_codes is not None and self.early_stop_codes < 1:
            raise ValueError(f"early_stop_codes is {self.early_stop_codes}; it must be 1 or more, or None")
        if self.progress_every < 1:
            raise ValueError(f"progress_every is {self.progress_every}; it must be 1 or more")


@dataclass(frozen=True, slots=True)
class Generation:
    """One finished sequence."""

    sequence: Tensor
    """Prompt and generated tokens, int64 [prompt + generated], on the model's device."""
    prompt_codes: int
    kept: int
    """How many of the last tokens are meant to be used; 0 means all that were generated."""
    ended: bool
    """Whether the model ended the sequence itself, rather than a limit."""
    places: Tensor | None = None
    """Which phone of the text each generated token belongs to, int64 [generated]; models with a pointer tell."""

    @property
    def codes(self) -> Tensor:
        """The tokens to turn into sound, int64 [N]."""
        first = self.sequence.shape[0] - self.kept if self.kept else self.prompt_codes
        return self.sequence[first:]


def generate(
    model: TextToSemantic,
    text: SemanticText,
    prompt: Tensor | None,
    options: GenerationOptions,
    *,
    generator: torch.Generator | None = None,
    progress: Progress | None = None,
) -> Generation:
    """Generate tokens for one text.

    Args:
        model: in eval mode.
        text: what to say, the prompt's transcript first.
        prompt: int64 [T], or None to speak without a reference transcript.
        options: how to draw and when to stop.
        generator: on the CPU, wherever the model is; None means torch's global one.
        progress: told the number of steps.
    """
    with torch.inference_mode(), suitable_threads(model):
        embedded = model.embed_text(text.phones[None], text.bert[None])
        start = _no_codes(embedded) if prompt is None else prompt.to(embedded.device)[None]
        return _Decoder(model, embedded, None, start, options).run([generator], progress)[0]


def generate_batch(
    model: TextToSemantic,
    texts: Sequence[SemanticText],
    prompt: Tensor | None,
    options: GenerationOptions,
    *,
    generators: Sequence[torch.Generator | None] | None = None,
    progress: Progress | None = None,
) -> list[Generation]:
    """Generate tokens for several texts together, all with the same `prompt` (int64 [T]); order is kept.

    With a generator a text, each text gets the draws that it would get alone. Without a prompt the texts are spoken
    one after the other, and progress counts from 0 for each.
    """
    generators = generators or [None] * len(texts)
    if prompt is None:
        pairs = zip(texts, generators, strict=True)
        return [generate(model, text, None, options, generator=one, progress=progress) for text, one in pairs]
    with torch.inference_mode(), suitable_threads(model):
        longest = max(text.phones.shape[0] for text in texts)
        embedded = [model.embed_text(text.phones[None], text.bert[None])[0] for text in texts]
        padded = torch.stack([F.pad(row, (0, 0, longest - row.shape[0], 0)) for row in embedded])  # [B, P, C]
        padding = torch.tensor([longest - row.shape[0] for row in embedded], device=padded.device)
        hidden = torch.arange(longest, device=padded.device) < padding[:, None]  # [B, P]
        start = prompt.to(padded.device).expand(len(texts), -1)
        return _Decoder(model, padded, hidden, start, options).run(generators, progress)


def steps_between_looks(device: torch.device) -> int:
    """Return after how many steps the host looks at what was drawn; on a GPU each look waits for the device."""
    return _STEPS_BETWEEN_LOOKS_ON.get(device.type, _STEPS_BETWEEN_LOOKS)


@contextmanager
def suitable_threads(model: TextToSemantic) -> Iterator[None]:
    """Decode small models on one CPU thread.

    Their matrix products take some 20 microseconds each: a second thread gains nothing, and whenever another process
    takes its core, the first one waits a whole time slice for it (measured: 250 tokens a second fall to 25).
    """
    before = torch.get_num_threads()
    if sum(parameter.numel() for parameter in model.parameters()) < _SMALL_MODEL_ELEMENTS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _no_codes(embedded: Tensor) -> Tensor:
    return torch.empty(1, 0, dtype=torch.int64, device=embedded.device)


class _Decoder:
    """The rows that are still being generated, and those that are finished.

    What is drawn stays on the device; the host looks at it every `look_every` steps. On a GPU each look would wait for
    the device, so that a row may run a few steps beyond its end; those are cut off.
    """

    def __init__(
        self, model: TextToSemantic, text: Tensor, hidden: Tensor | None, prompt: Tensor, options: GenerationOptions
    ) -> None:
        """Take embedded texts [B, P, C], their padding (bool [B, P], None on the single path) and prompts [B, T]."""
        rows, phones = text.shape[:2]
        self.model, self.options, self.text = model, options, text
        self.eos = model.config.eos
        self.prompt_codes = prompt.shape[1]
        self.batched = hidden is not None
        self.limit = min(MAX_STEPS, (options.early_stop_codes or MAX_STEPS) + 1)
        self.look_every = steps_between_looks(text.device)
        positions = self.prompt_codes + self.limit
        self.sequences = F.pad(prompt, (0, self.limit))  # [B, T + limit]
        self.ends = torch.full((rows,), _NO_END, device=text.device)
        self.seen = torch.zeros(rows, model.config.vocab_size, dtype=torch.bool, device=text.device)
        self.seen.scatter_(1, prompt, True)
        self.mask: Tensor | None = None
        if hidden is not None:
            padding = F.pad(hidden, (0, positions))[:, None, None, :]
            self.mask = torch.zeros_like(padding, dtype=text.dtype).masked_fill_(padding, -torch.inf)
        self.cache = KeyValueCache(model.h, rows, phones + positions)
        self.step = DecodeStep(model.h, self.cache)
        self.alive = list(range(rows))
        self.finished: dict[int, Generation] = {}

    def run(self, generators: Sequence[torch.Generator | None], progress: Progress | None) -> list[Generation]:
        """Generate until every row is finished; return them in their original order."""
        greedy = self.options.sampling.greedy
        noise = None if greedy else NoiseSource(generators, self.model.config.vocab_size, self.text.device)
        logits = self._first_logits()
        for step in range(self.limit):
            tokens = self._draw(logits, step, noise)
            if progress is not None and (step + 1) % self.options.progress_every == 0:
                progress(step + 1)
            if (step + 1) % self.look_every == 0 or step + 1 == self.limit:
                staying = self._finish_rows(step)
                if not staying:
                    break
                if len(staying) < len(tokens):
                    tokens = tokens[staying]
                    self._keep(staying, noise)
            logits = self._next_logits(tokens, self.prompt_codes + step)
        return [self.finished[row] for row in sorted(self.finished)]

    def _first_logits(self) -> Tensor:
        phones = self.text.shape[1]
        mask: Tensor = visibility(phones, self.prompt_codes, self.text.device)
        if self.mask is not None:
            mask = mask & (self.mask[..., : mask.shape[1]] == 0)
        codes = self.model.embed_codes(self.sequences[:, : self.prompt_codes])
        out: Tensor = self.model.h(torch.cat([self.text, codes], dim=1), mask, self.cache)
        return self._logits(out[:, -1])

    def _next_logits(self, tokens: Tensor, position: int) -> Tensor:
        mask = None if self.mask is None else self.mask[..., : self.cache.length + 1]
        embedded = self.model.embed_codes(tokens[:, None], position)[:, 0]
        return self._logits(self.step(embedded, mask))

    def _logits(self, out: Tensor) -> Tensor:
        logits: Tensor = self.model.ar_predict_layer(out)
        return logits.float()

    def _draw(self, logits: Tensor, step: int, noise: NoiseSource | None) -> Tensor:
        """Draw a token for each row (int64 [B]), note it, and note which rows end with it."""
        may_end = step >= _STEPS_WITHOUT_END
        if not may_end:
            logits = logits[:, : self.eos]
        width = logits.shape[1]
        drawn = None if noise is None else noise.at(step)[:, :width]
        tokens = sample(logits, self.seen[:, :width], self.options.sampling, drawn)
        if may_end:
            ending = (tokens == self.eos) | (logits.argmax(dim=-1) == self.eos)
            self.ends.masked_fill_(ending & (self.ends == _NO_END), step)
        self.sequences[:, self.prompt_codes + step] = tokens
        self.seen.scatter_(1, tokens[:, None], True)
        return tokens

    def _finish_rows(self, step: int) -> list[int]:
        """Note the rows that are finished by this step and return the places of the others."""
        exhausted = step + 1 == self.limit
        staying = []
        for index, (row, end) in enumerate(zip(self.alive, self.ends.tolist(), strict=True)):
            ended = end != _NO_END
            if not ended and not exhausted:
                staying.append(index)
                continue
            steps = end if ended else step
            drop_last = ended or self.batched
            last = self.prompt_codes + (steps if drop_last else steps + 1)
            kept = steps if self.prompt_codes else 0
            self.finished[row] = Generation(self.sequences[index, :last].clone(), self.prompt_codes, kept, ended)
        return staying

    def _keep(self, staying: list[int], noise: NoiseSource | None) -> None:
        self.alive = [self.alive[index] for index in staying]
        self.sequences, self.seen, self.ends = self.sequences[staying], self.seen[staying], self.ends[staying]
        self.cache.keep_rows(staying)
        if noise is not None:
            noise.keep_rows(staying)
        if self.mask is not None:
            self.mask = self.mask[staying]
