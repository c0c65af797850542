"""Text as the networks take it: phones, with the text encoder's features of what is Chinese in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from GPT_SoVITS.families import Family
from GPT_SoVITS.least_recent import LeastRecentlyUsed
from GPT_SoVITS.roberta import TextEncoder, text_encoder
from GPT_SoVITS.text.cutting import SENTENCE_MARKS
from GPT_SoVITS.text.dictionary import EMPTY, Dictionary
from GPT_SoVITS.text.frontend import Phones, ids_of, phones_of
from GPT_SoVITS.text.languages import Language, Mode, mode_of
from GPT_SoVITS.text.mandarin.polyphone_model import PolyphoneModel, polyphone_model

_Key = tuple[str, Mode, Dictionary, PolyphoneModel | None]

_KEPT_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class SpokenText:
    """One piece of text, on the CPU."""

    phones: Tensor
    """Ids, int64 [P]."""
    bert: Tensor
    """Float32 [bert channels, P]; zero where the text is not Chinese."""
    characters: int
    """Length of the normalised text."""
    language: str
    """The language that most of its phones are in."""

    @property
    def bytes(self) -> int:
        """Memory that the tensors take."""
        return sum(each.numel() * each.element_size() for each in (self.phones, self.bert))


class TextReader:
    """Reads text for one voice and keeps what it read last; `encoded` counts the pieces that were read anew."""

    def __init__(self, family: Family, models_dir: str, device: torch.device) -> None:
        self.encoded = 0
        self._family, self._models_dir, self._device = family, models_dir, str(device)
        self._texts: LeastRecentlyUsed[_Key, SpokenText] = LeastRecentlyUsed(_KEPT_BYTES, _bytes)

    def read(self, text: str, language: str, dictionary: Dictionary = EMPTY) -> SpokenText:
        """Return a piece of text as the networks take it; the user's `dictionary` wins over other readings.

        Raises:
            TextError: nothing in it can be spoken, or the language is unknown.
            ModelMissingError: it holds Chinese and the family's text encoder is not installed.
        """
        mode = mode_of(language)
        polyphones = polyphone_model(self._models_dir)
        key = (text, mode, dictionary, polyphones)
        return self._texts.get(key, lambda: self._make(text, mode, dictionary, polyphones))

    def transcript(self, text: str, language: str, dictionary: Dictionary = EMPTY) -> SpokenText | None:
        """Return what is said in a reference, None where that is not known.

        Raises:
            TextError: it cannot be spoken, or the language is unknown.
        """
        line = text.replace("\n", " ").strip()
        if not line:
            return None
        closing = "." if mode_of(language) is Mode.EN else "。"
        return self.read(line if line[-1] in SENTENCE_MARKS else line + closing, language, dictionary)

    def _make(self, text: str, mode: Mode, dictionary: Dictionary, polyphones: PolyphoneModel | None) -> SpokenText:
        self.encoded += 1
        symbols = self._family.sovits.symbols
        pieces = phones_of(text, mode, symbols=symbols, dictionary=dictionary, polyphones=polyphones)
        counts = Counter[str]()
        for piece in pieces:
            counts[piece.language] += len(piece.ids)
        return SpokenText(
            phones=torch.tensor(ids_of(pieces), dtype=torch.int64),
            bert=self._features(pieces),
            characters=sum(len(piece.norm_text) for piece in pieces),
            language=counts.most_common(1)[0][0],
        )

    def _features(self, pieces: Sequence[Phones]) -> Tensor:
        encoder = None
        if any(piece.language == Language.ZH for piece in pieces):
            encoder = text_encoder(self._family, self._models_dir, self._device)
        if encoder is None:
            return torch.zeros(self._family.gpt.bert_channels, sum(len(piece.ids) for piece in pieces))
        return phone_features([pieces], encoder)[0]


def phone_features(texts: Sequence[Sequence[Phones]], encoder: TextEncoder) -> list[Tensor]:
    """Return the features of all phones of each text, float32 [channels, phones]; zero for what is not Chinese."""
    encoded = iter(encoder.encode([read for pieces in texts for piece in pieces if (read := _to_encode(piece))]))

    def features(piece: Phones) -> Tensor:
        return next(encoded) if _to_encode(piece) else torch.zeros(encoder.channels, len(piece.ids))

    return [torch.cat([features(piece) for piece in pieces], dim=1) for pieces in texts]


def _to_encode(piece: Phones) -> tuple[str, tuple[int, ...]] | None:
    """Return what the text encoder reads of a piece, None if it is not Chinese."""
    if piece.language != Language.ZH or piece.word2ph is None:
        return None
    return piece.norm_text, piece.word2ph


def _bytes(text: SpokenText) -> int:
    return text.bytes
