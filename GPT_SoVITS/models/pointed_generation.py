"""Generate semantic tokens one by one with a pointer into the text: the way of small models.

* No prompt, and no repetition penalty: the pointer, which never goes back, is what keeps the text in order.
* The end token is impossible while more than two phones are unspoken.
* The temperature counts three tenths: a small model gives too much to tokens that do not fit.
* How long a phone lasts is not drawn: each lasts as long as the median of what the model expects.
* A pointer that rests for a second is pushed on; one that rests on the last phone ends the sequence.

Several texts are spoken side by side, each with its own pointer. Letters in shape comments: B texts, P phones, C width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from GPT_SoVITS.models.semantic_generation import (
    MAX_STEPS,
    Generation,
    GenerationOptions,
    Progress,
    SemanticText,
    steps_between_looks,
    suitable_threads,
)
from GPT_SoVITS.models.semantic_step import DecodeStep
from GPT_SoVITS.models.semantic_transformer import KeyValueCache, visibility
from GPT_SoVITS.sampling import NoiseSource, SamplingOptions, sample

if TYPE_CHECKING:
    from GPT_SoVITS.models.text_to_semantic import TextToSemantic

LONGEST_REST_CODES = 25
"""A phone lasts a second at most."""
UNSPOKEN_AT_END = 2
TEMPERATURE_SHARE = 0.3
MEDIAN = 0.5
_NO_END = -1


def generate_pointed(
    model: TextToSemantic,
    texts: Sequence[SemanticText],
    options: GenerationOptions,
    *,
    generators: Sequence[torch.Generator | None],
    progress: Progress | None = None,
) -> list[Generation]:
    """Generate tokens for texts together, each with the draws that it would get alone; the model is in eval mode."""
    with torch.inference_mode(), suitable_threads(model):
        return _Walks(model, texts, options).run(generators, progress)


class _Walks:
    """Sequences being generated. All state has a row for each text that is not finished, and stays on the device."""

    def __init__(self, model: TextToSemantic, texts: Sequence[SemanticText], options: GenerationOptions) -> None:
        self.model, self.options = model, options
        self.sampling: SamplingOptions = replace(
            options.sampling,
            temperature=TEMPERATURE_SHARE * options.sampling.temperature,
            repetition_penalty=1.0,
        )
        self.eos = model.config.eos
        self.limit = min(options.early_stop_codes or MAX_STEPS, MAX_STEPS)
        lengths = [text.phones.shape[0] for text in texts]
        rows, longest = len(texts), max(lengths)
        device = texts[0].phones.device
        self.text = torch.cat([_embedded(model, text, longest) for text in texts])  # [B, P, C]
        plain = [model.ar_text_embedding(text.phones) for text in texts]
        self.plain = torch.stack([F.pad(row, (0, 0, 0, longest - row.shape[0])) for row in plain])  # [B, P, C]
        self.last = torch.tensor(lengths, device=device) - 1
        self.hidden: Tensor | None = None
        self.mask: Tensor | None = None
        if rows > 1:
            self.hidden = torch.arange(longest, device=device) < longest - 1 - self.last[:, None]  # [B, P]
            padding = F.pad(self.hidden, (0, self.limit + 1))[:, None, None, :]
            self.mask = torch.zeros_like(padding, dtype=self.text.dtype).masked_fill_(padding, -torch.inf)
        self.place = torch.zeros(rows, dtype=torch.int64, device=device)
        self.rested = torch.zeros_like(self.place)
        self.still_here = torch.ones(rows, device=device)
        self.ends = torch.full_like(self.place, _NO_END)
        self.codes = torch.zeros(rows, self.limit, dtype=torch.int64, device=device)
        self.places = torch.zeros_like(self.codes)
        self.cache = KeyValueCache(model.h, rows, longest + self.limit + 1)
        self.step = DecodeStep(model.h, self.cache)
        self.alive = list(range(rows))
        self.finished: dict[int, Generation] = {}

    def run(self, generators: Sequence[torch.Generator | None], progress: Progress | None) -> list[Generation]:
        """Generate until every text has come to its end token, its last phone's longest rest or the limit."""
        look_every = steps_between_looks(self.text.device)
        noise = NoiseSource(generators, self.model.config.vocab_size, self.text.device)
        state = self._first_state()
        for step in range(self.limit):
            code = self._draw(state, noise.at(step), step)
            self._move(state, code)
            if progress is not None and (step + 1) % self.options.progress_every == 0:
                progress(step + 1)
            if (step + 1) % look_every == 0 or step + 1 == self.limit:
                staying = self._finish_rows(exhausted=step + 1 == self.limit)
                if not staying:
                    break
                if len(staying) < len(code):
                    code = code[staying]
                    self._keep(staying, noise)
            mask = None if self.mask is None else self.mask[..., : self.cache.length + 1]
            state = self.step(self._read(code, step + 1)[:, 0], mask)
        return [self.finished[row] for row in sorted(self.finished)]

    def _first_state(self) -> Tensor:
        """Read the texts and return the state [B, C] that the first codes are drawn from; the end token also begins."""
        start = torch.full_like(self.place, self.eos)
        phones = self.text.shape[1]
        mask: Tensor = visibility(phones, 1, self.text.device)
        if self.hidden is not None:
            mask = mask & ~F.pad(self.hidden, (0, 1))[:, None, None, :]
        out: Tensor = self.model.h(torch.cat([self.text, self._read(start, 0)], dim=1), mask, self.cache)
        return out[:, -1]

    def _read(self, code: Tensor, position: int) -> Tensor:
        """Return [B, 1, C] for codes int64 [B], with what the pointers read."""
        read: Tensor = self.model.pointer.read(self.plain, self.place[:, None], self.rested[:, None])
        return self.model.embed_codes(code[:, None], position) + read

    def _draw(self, state: Tensor, noise: Tensor, step: int) -> Tensor:
        """Draw the next codes int64 [B], note them with their places, and note which rows end here."""
        logits = self.model.ar_predict_layer(state).float()
        unspoken = self.last - self.place > UNSPOKEN_AT_END
        logits[:, self.eos].masked_fill_(unspoken, -torch.inf)
        code = sample(logits, torch.zeros_like(logits, dtype=torch.bool), self.sampling, noise)
        ending = (code == self.eos) | ((self.place == self.last) & (self.rested > LONGEST_REST_CODES))
        self.ends.masked_fill_(ending & (self.ends == _NO_END), step)
        self.codes[:, step], self.places[:, step] = code, self.place
        return code

    def _move(self, state: Tensor, code: Tensor) -> None:
        """Let the pointers follow the codes that were chosen: on as soon as half of all readers would have gone on."""
        chosen = self.model.ar_audio_embedding(code)
        chances = self.model.pointer.step_logits(state, chosen).float().softmax(dim=-1)  # [B, steps]
        self.still_here = self.still_here * chances[:, 0]
        going = (self.still_here < MEDIAN) | (self.rested >= LONGEST_REST_CODES)
        self.still_here = self.still_here.masked_fill(going, 1.0)
        step = (1 + chances[:, 1:].argmax(dim=-1)) * going
        place = (self.place + step).minimum(self.last)
        self.rested = (self.rested + 1) * (place == self.place)
        self.place = place

    def _finish_rows(self, *, exhausted: bool) -> list[int]:
        """Take out the texts that are finished, and return the rows of the others."""
        staying = []
        for index, (row, end) in enumerate(zip(self.alive, self.ends.tolist(), strict=True)):
            if end == _NO_END and not exhausted:
                staying.append(index)
                continue
            count = self.limit if end == _NO_END else end
            codes, places = self.codes[index, :count].clone(), self.places[index, :count].clone()
            # Older models choose a code at the place of the one before, and so cannot tell its own.
            known = places if self.model.config.longest_rest else None
            self.finished[row] = Generation(codes, 0, 0, end != _NO_END, known)
        return staying

    def _keep(self, staying: list[int], noise: NoiseSource) -> None:
        self.alive = [self.alive[index] for index in staying]
        for name in ("plain", "last", "place", "rested", "still_here", "ends", "codes", "places"):
            setattr(self, name, getattr(self, name)[staying])
        self.cache.keep_rows(staying)
        noise.keep_rows(staying)
        if self.mask is not None:
            self.mask = self.mask[staying]


def _embedded(model: TextToSemantic, text: SemanticText, longest: int) -> Tensor:
    """Return an embedded text [1, P, C], padded on the left, where the stack does not look."""
    embedded = model.embed_text(text.phones[None], text.bert[None])
    return F.pad(embedded, (0, 0, longest - embedded.shape[1], 0))
