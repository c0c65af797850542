"""Generate semantic tokens one by one with a pointer into the text: the way of small models.

* No prompt, and no repetition penalty: the pointer, which never goes back, is what keeps the text in order.
* The end token is impossible while more than two phones are unspoken.
* The temperature counts three tenths: a small model gives too much to tokens that do not fit.
* How long a phone lasts is not drawn: each lasts as long as the median of what the model expects.
* A pointer that rests for a second is pushed on; one that rests on the last phone ends the sequence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from GPT_SoVITS.models.semantic_generation import (
    MAX_STEPS,
    Generation,
    GenerationOptions,
    Progress,
    SemanticText,
    suitable_threads,
)
from GPT_SoVITS.models.semantic_transformer import KeyValueCache, visibility
from GPT_SoVITS.sampling import SamplingOptions, sample

if TYPE_CHECKING:
    from GPT_SoVITS.models.text_to_semantic import TextToSemantic

LONGEST_REST_CODES = 25
"""A phone lasts a second at most."""
UNSPOKEN_AT_END = 2
TEMPERATURE_SHARE = 0.3
MEDIAN = 0.5


def generate_pointed(
    model: TextToSemantic,
    text: SemanticText,
    options: GenerationOptions,
    *,
    generator: torch.Generator | None = None,
    progress: Progress | None = None,
) -> Generation:
    """Generate tokens for one text; put the model in eval mode first."""
    with torch.inference_mode(), suitable_threads(model):
        return _Walk(model, text, options, generator).run(progress)


class _Walk:
    """One sequence being generated."""

    def __init__(
        self, model: TextToSemantic, text: SemanticText, options: GenerationOptions, generator: torch.Generator | None
    ) -> None:
        self.model, self.options, self.generator = model, options, generator
        phones = text.phones[None]
        self.plain = model.ar_text_embedding(phones)  # [1, P, C]
        self.embedded = model.embed_text(phones, text.bert[None])
        self.last = phones.shape[1] - 1
        self.place, self.rested, self.still_here = 0, 0, 1.0
        self.eos = model.config.eos
        self.limit = min(options.early_stop_codes or MAX_STEPS, MAX_STEPS)
        self.cache = KeyValueCache(model.h, 1, phones.shape[1] + self.limit + 1)

    def run(self, progress: Progress | None) -> Generation:
        """Generate until the end token, the end of the text or a limit."""
        options = self.options
        start = torch.tensor([self.eos], device=self.plain.device)  # the end token also begins
        first = torch.cat([self.embedded, self._embedded(start, 0)], dim=1)
        hidden = self._stack(first, visibility(self.last + 1, 1, first.device))
        codes: list[Tensor] = []
        ended = False
        while len(codes) < self.limit:
            code = self._draw(hidden)
            ended = int(code) == self.eos or (self.place == self.last and self.rested > LONGEST_REST_CODES)
            if ended:
                break
            codes.append(code)
            self._move(hidden, code)
            if progress is not None and len(codes) % options.progress_every == 0:
                progress(len(codes))
            hidden = self._stack(self._embedded(code, len(codes)), None)
        sequence = torch.cat(codes) if codes else torch.zeros(0, dtype=torch.int64, device=self.plain.device)
        return Generation(sequence, 0, 0, ended)

    def _embedded(self, code: Tensor, position: int) -> Tensor:
        """Return [1, 1, C] for a code int64 [1], with what the pointer reads."""
        place = torch.tensor([[self.place]], device=code.device)
        read: Tensor = self.model.pointer.read(self.plain, place)
        return self.model.embed_codes(code[None], position) + read

    def _stack(self, x: Tensor, mask: Tensor | None) -> Tensor:
        out: Tensor = self.model.h(x, mask, self.cache)
        return out[:, -1:]

    def _draw(self, hidden: Tensor) -> Tensor:
        """Draw the next code int64 [1]."""
        logits = self.model.ar_predict_layer(hidden[:, 0]).float()
        if self.last - self.place > UNSPOKEN_AT_END:
            logits = logits[:, : self.eos]
        options: SamplingOptions = replace(
            self.options.sampling,
            temperature=TEMPERATURE_SHARE * self.options.sampling.temperature,
            repetition_penalty=1.0,
        )
        # Drawn on the CPU: a seed then means the same on every device.
        noise = torch.empty(logits.shape).exponential_(generator=self.generator).to(logits.device)
        return sample(logits, torch.zeros_like(logits, dtype=torch.bool), options, noise)

    def _move(self, hidden: Tensor, code: Tensor) -> None:
        """Let the pointer follow the code that was chosen: on as soon as half of all readers would have gone on."""
        logits = self.model.pointer.step_logits(hidden, self.model.ar_audio_embedding(code[None]))[0, 0]
        chances = logits.float().softmax(dim=-1).tolist()
        self.still_here *= chances[0]
        step = 0
        if self.still_here < MEDIAN or self.rested >= LONGEST_REST_CODES:
            step = max(range(1, len(chances)), key=chances.__getitem__)
            self.still_here = 1.0
        place = min(self.place + step, self.last)
        self.rested = self.rested + 1 if place == self.place else 0
        self.place = place
