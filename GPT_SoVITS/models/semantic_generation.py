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

from GPT_SoVITS.models.semantic_transformer import KeyValueCache, visibility
from GPT_SoVITS.sampling import SamplingOptions, sample

if TYPE_CHECKING:
    from GPT_SoVITS.models.text_to_semantic import TextToSemantic

MAX_STEPS = 1500
_STEPS_WITHOUT_END = 11
_FIRST_CACHE_STEPS = 256
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
    """Generate tokens for one text; `prompt` is int64 [T], or None to speak without a reference transcript."""
    with torch.inference_mode(), suitable_threads(model):
        embedded = model.embed_text(text.phones[None], text.bert[None])
        start = _no_codes(embedded) if prompt is None else prompt.to(embedded.device)[None]
        decoder = _Decoder(model, embedded, None, start, options)
        return decoder.run(generator, progress)[0]


def generate_batch(
    model: TextToSemantic,
    texts: Sequence[SemanticText],
    prompt: Tensor | None,
    options: GenerationOptions,
    *,
    generator: torch.Generator | None = None,
    progress: Progress | None = None,
) -> list[Generation]:
    """Generate tokens for several texts together, all with the same `prompt` (int64 [T]); order is kept.

    Without a prompt the texts are spoken one after the other, and progress counts from 0 for each.
    """
    if prompt is None:
        return [generate(model, text, None, options, generator=generator, progress=progress) for text in texts]
    with torch.inference_mode(), suitable_threads(model):
        longest = max(text.phones.shape[0] for text in texts)
        embedded = [model.embed_text(text.phones[None], text.bert[None])[0] for text in texts]
        padded = torch.stack([F.pad(row, (0, 0, longest - row.shape[0], 0)) for row in embedded])  # [B, P, C]
        padding = torch.tensor([longest - row.shape[0] for row in embedded], device=padded.device)
        hidden = torch.arange(longest, device=padded.device) < padding[:, None]  # [B, P]
        start = prompt.to(padded.device).expand(len(texts), -1)
        return _Decoder(model, padded, hidden, start, options).run(generator, progress)


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
    """The rows that are still being generated, and those that are finished."""

    def __init__(
        self, model: TextToSemantic, text: Tensor, hidden: Tensor | None, prompt: Tensor, options: GenerationOptions
    ) -> None:
        """Take embedded texts [B, P, C], their padding (bool [B, P], None on the single path) and prompts [B, T]."""
        rows, phones = text.shape[:2]
        self.model, self.options, self.text = model, options, text
        self.eos = model.config.eos
        self.prompt_codes = prompt.shape[1]
        self.batched = hidden is not None
        self.sequences = F.pad(prompt, (0, MAX_STEPS))  # [B, T + 1500]
        self.seen = torch.zeros(rows, model.config.vocab_size, dtype=torch.bool, device=text.device)
        self.seen.scatter_(1, prompt, True)
        self.visible: Tensor | None = None
        if hidden is not None:
            self.visible = F.pad(~hidden, (0, self.prompt_codes + MAX_STEPS), value=True)[:, None, None, :]
        self.cache = KeyValueCache(model.h, rows, phones + self.prompt_codes + _FIRST_CACHE_STEPS)
        self.alive = list(range(rows))
        self.finished: dict[int, Generation] = {}

    def run(self, generator: torch.Generator | None, progress: Progress | None) -> list[Generation]:
        """Generate until every row is finished; return them in their original order."""
        logits = self._first_logits()
        for step in range(MAX_STEPS):
            tokens, ended = self._draw(logits, step, generator)
            if progress is not None and (step + 1) % self.options.progress_every == 0:
                progress(step + 1)
            tokens = self._finish_rows(tokens, ended, step)
            if not self.alive:
                break
            logits = self._next_logits(tokens, self.prompt_codes + step)
        return [self.finished[row] for row in sorted(self.finished)]

    def _first_logits(self) -> Tensor:
        phones = self.text.shape[1]
        mask = visibility(phones, self.prompt_codes, self.text.device)
        if self.visible is not None:
            mask = mask & self.visible[..., : mask.shape[1]]
        codes = self.model.embed_codes(self.sequences[:, : self.prompt_codes])
        return self._logits(torch.cat([self.text, codes], dim=1), mask)

    def _next_logits(self, tokens: Tensor, position: int) -> Tensor:
        mask = None if self.visible is None else self.visible[..., : self.cache.length + 1]
        return self._logits(self.model.embed_codes(tokens[:, None], position), mask)

    def _logits(self, x: Tensor, mask: Tensor | None) -> Tensor:
        out = self.model.h(x, mask, self.cache)
        logits: Tensor = self.model.ar_predict_layer(out[:, -1])
        return logits.float()

    def _draw(self, logits: Tensor, step: int, generator: torch.Generator | None) -> tuple[Tensor, list[bool]]:
        """Draw a token for each row, note it, and say which rows end with it."""
        if step < _STEPS_WITHOUT_END:
            logits = logits[:, : self.eos]
        tokens = sample(logits, self.seen[:, : logits.shape[1]], self.options.sampling, generator)
        ended = [False] * len(self.alive)
        if step >= _STEPS_WITHOUT_END:
            ended = ((tokens == self.eos) | (logits.argmax(dim=-1) == self.eos)).tolist()
        self.sequences[:, self.prompt_codes + step] = tokens
        self.seen.scatter_(1, tokens[:, None], True)
        return tokens, ended

    def _finish_rows(self, tokens: Tensor, ended: list[bool], step: int) -> Tensor:
        """Take finished rows out of the batch and return the tokens of the others."""
        limit = self.options.early_stop_codes
        exhausted = step == MAX_STEPS - 1 or (limit is not None and step + 1 > limit)
        if not exhausted and not any(ended):
            return tokens
        staying = []
        for index, row in enumerate(self.alive):
            if exhausted or ended[index]:
                drop_last = ended[index] or self.batched
                end = self.prompt_codes + (step if drop_last else step + 1)
                kept = step if self.prompt_codes else 0
                self.finished[row] = Generation(
                    self.sequences[index, :end].clone(), self.prompt_codes, kept, ended[index]
                )
            else:
                staying.append(index)
        self._keep(staying)
        return tokens[staying]

    def _keep(self, staying: list[int]) -> None:
        self.alive = [self.alive[index] for index in staying]
        if not staying:
            return
        rows = torch.tensor(staying, device=self.sequences.device)
        self.sequences, self.seen = self.sequences[rows], self.seen[rows]
        self.cache.keep_rows(rows)
        if self.visible is not None:
            self.visible = self.visible[rows]
