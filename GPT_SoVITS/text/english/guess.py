"""Guessing the phones of an unknown word: splitting it into known words, else the neural model of g2p_en.

The model is a character-to-phone sequence model of two gated recurrent units (Park and Kim, g2p_en, 2019; gate
order reset, update, new as in Cho et al. 2014); only its weights are read, the package itself is never imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from GPT_SoVITS.text.packages import package_file

Array = NDArray[np.float32]

_LETTERS = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]
_PHONES = str.split(
    "<pad> <unk> <s> </s> AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH "
    "EH0 EH1 EH2 ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 OY1 OY2 "
    "P R S SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH"
)
_LETTER_IDS = {letter: number for number, letter in enumerate(_LETTERS)}
_START, _END = _PHONES.index("<s>"), _PHONES.index("</s>")
_LETTER_END = _LETTERS.index("</s>")
_LETTER_UNKNOWN = _LETTERS.index("<unk>")
_MOST_PHONES = 20
_NOT_PHONES = {"<pad>", "<unk>", "<s>", "</s>", "UW"}
_loading = Lock()


@dataclass(frozen=True, slots=True)
class GatedUnit:
    """Weights of one gated recurrent unit: [3 * hidden, input], [3 * hidden, hidden] and their biases."""

    input_weight: Array
    hidden_weight: Array
    input_bias: Array
    hidden_bias: Array

    def step(self, value: Array, hidden: Array) -> Array:
        """Return the next hidden state [hidden] from one input vector and the state before."""
        size = hidden.shape[0]
        from_input = self.input_weight @ value + self.input_bias
        from_hidden = self.hidden_weight @ hidden + self.hidden_bias
        gates = 1 / (1 + np.exp(-(from_input[: 2 * size] + from_hidden[: 2 * size])))
        reset, update = gates[:size], gates[size:]
        new = np.tanh(from_input[2 * size :] + reset * from_hidden[2 * size :])
        result: Array = (1 - update) * new + update * hidden
        return result


@dataclass(frozen=True, slots=True)
class GuessingModel:
    """Embeddings [symbols, 64], encoder and decoder units and the output layer [phones, hidden]."""

    letters: Array
    encoder: GatedUnit
    phones: Array
    decoder: GatedUnit
    output_weight: Array
    output_bias: Array


@lru_cache(maxsize=20_000)
def guessed_phones(word: str) -> tuple[str, ...]:
    """Return the most likely phones of `word` (lower-case letters), at most twenty."""
    model = _model()
    hidden: Array = np.zeros(model.encoder.hidden_weight.shape[1], dtype=np.float32)
    for letter in [*(_LETTER_IDS.get(c, _LETTER_UNKNOWN) for c in word), _LETTER_END]:
        hidden = model.encoder.step(model.letters[letter], hidden)
    phones: list[str] = []
    phone = _START
    for _ in range(_MOST_PHONES):
        hidden = model.decoder.step(model.phones[phone], hidden)
        phone = int(np.argmax(model.output_weight @ hidden + model.output_bias))
        if phone == _END:
            break
        phones.append(_PHONES[phone])
    return tuple(phone for phone in phones if phone not in _NOT_PHONES)


@lru_cache(maxsize=20_000)
def known_parts(word: str) -> tuple[str, ...]:
    """Return the common words that `word` (lower-case letters) is most likely made of."""
    with _loading:
        import wordsegment

        if not wordsegment.UNIGRAMS:
            wordsegment.load()
    return tuple(wordsegment.segment(word)) or (word,)


@cache
def _model() -> GuessingModel:
    with np.load(package_file("g2p_en", "checkpoint20.npz")) as arrays:
        weights = {name: np.ascontiguousarray(arrays[name], dtype=np.float32) for name in arrays.files}
    encoder, decoder = (
        GatedUnit(*(weights[f"{part}_{name}"] for name in ("w_ih", "w_hh", "b_ih", "b_hh"))) for part in ("enc", "dec")
    )
    return GuessingModel(weights["enc_emb"], encoder, weights["dec_emb"], decoder, weights["fc_w"], weights["fc_b"])
