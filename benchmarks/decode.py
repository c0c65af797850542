"""How fast semantic tokens are decoded, beside the memory limit of the machine.

    python -m benchmarks.decode [FAMILY ...]     (default: nano v2; the public families share one decoder)

The limit is one plain pass over the decoder's weights: a matrix-vector product for each. A sentence of 30 phones is
spoken after a reference of 3 s (75 codes, 30 phones), 60 tokens long. Weights are random: they cost the same.
Cold is the first sentence after loading. Passes and sentences alternate, and medians are taken, since other programs
disturb such measurements; the best of each is given too.

A step at batch 1 is bound by reading the weights. At batch 16 a CPU is bound by arithmetic instead: most of its time
goes into matrix products, which are as fast in plain, transposed and packed layouts, and the attention then reads about
as many bytes of keys and values as of weights.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

import torch

from benchmarks._report import Row, at_least, at_most, publish
from GPT_SoVITS.devices import choose_compute, use_all_cores
from GPT_SoVITS.families import Family, FamilyName, family
from GPT_SoVITS.models.semantic_generation import GenerationOptions, SemanticText
from GPT_SoVITS.models.semantic_step import store_matrices_by_input
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.sampling import SamplingOptions

PHONES, PROMPT_CODES, TOKENS = 60, 75, 60
BATCH = 16
ROUNDS = 9
STEP_AIM, BATCH_AIM = 1.4, 6.0


class Decoder:
    """A model with random weights and the sentence that it speaks."""

    def __init__(self, chosen: Family) -> None:
        torch.manual_seed(1)
        self.device = choose_compute("auto").device
        self.model = TextToSemantic(chosen.gpt).eval().to(self.device)
        with torch.no_grad():
            self.model.ar_predict_layer.weight[chosen.gpt.eos] = 0.0
        store_matrices_by_input(self.model)
        phones = torch.randint(0, chosen.gpt.phoneme_vocab_size, (PHONES,), device=self.device)
        self.text = SemanticText(phones, torch.zeros(chosen.gpt.bert_channels, PHONES, device=self.device))
        self.prompt = torch.randint(0, 1024, (PROMPT_CODES,), device=self.device)
        matrices = [each for name, each in self.model.named_parameters() if each.dim() == 2 and _is_decoded(name)]
        self.bytes = sum(each.numel() * each.element_size() for each in matrices)
        self._matrices = [matrix.detach().contiguous() for matrix in matrices]  # plain: one row after the other
        self._vectors = [torch.randn(matrix.shape[1], device=self.device) for matrix in matrices]

    def plain_pass(self) -> None:
        """Multiply every weight matrix with a vector."""
        with torch.inference_mode():
            for matrix, vector in zip(self._matrices, self._vectors, strict=True):
                torch.mv(matrix, vector)
        self._wait()

    def speak(self, tokens: int, rows: int = 1) -> None:
        """Decode `tokens` tokens of the sentence, in `rows` copies."""
        options = GenerationOptions(SamplingOptions(), early_stop_codes=tokens)
        self.model.generate_batch(
            [self.text] * rows,
            self.prompt,
            options,
            generators=[torch.Generator().manual_seed(seed) for seed in range(rows)],
        )
        self._wait()

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _is_decoded(name: str) -> bool:
    return "embedding" not in name and not name.startswith("bert_proj")


def seconds(work: Callable[[], None]) -> float:
    """Return how long a piece of work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(name: str, rounds: int = ROUNDS) -> list[Row]:
    """Measure one family, so many times."""
    decoder = Decoder(family(name))
    cold_s = seconds(lambda: decoder.speak(TOKENS))
    passes: list[float] = []
    steps: dict[int, list[float]] = {1: [], BATCH: []}
    for _ in range(rounds):
        for rows, taken in steps.items():
            passes += [seconds(decoder.plain_pass) for _ in range(3)]
            first_s = seconds(lambda rows=rows: decoder.speak(1, rows))  # type: ignore[misc]
            whole_s = seconds(lambda rows=rows: decoder.speak(TOKENS, rows))  # type: ignore[misc]
            taken.append((whole_s - first_s) / (TOKENS - 1))
    plain, alone, together = median(passes), median(steps[1]), median(steps[BATCH])
    best_alone, best_together = min(steps[1]), min(steps[BATCH])
    gain = f"{name}: tokens/s at batch {BATCH} ÷ batch 1"
    return [
        Row(f"{name}: weights that a step reads", decoder.bytes / 1e6, "MB"),
        Row(f"{name}: plain pass over the weights, median", plain * 1e3, "ms"),
        Row(f"{name}: plain pass over the weights, best", min(passes) * 1e3, "ms"),
        Row(f"{name}: cold, with the first pass over the text", TOKENS / cold_s, "tokens/s"),
        Row(f"{name}: warm, batch 1", 1 / alone, "tokens/s"),
        Row(f"{name}: warm, batch {BATCH}", BATCH / together, "tokens/s"),
        at_most(f"{name}: step at batch 1 ÷ plain pass", alone / plain, "×", STEP_AIM),
        at_most(f"{name}: step at batch 1 ÷ plain pass, best of each", best_alone / min(passes), "×", STEP_AIM),
        at_least(gain, BATCH * alone / together, "×", BATCH_AIM),
        at_least(
            f"{name}: tokens/s at batch {BATCH} ÷ batch 1, best of each",
            BATCH * best_alone / best_together,
            "×",
            BATCH_AIM,
        ),
    ]


def main() -> None:
    """Measure and print."""
    use_all_cores()
    names = sys.argv[1:] or [FamilyName.NANO, FamilyName.V2]
    rows = [row for name in names for row in measure(name)]
    where = choose_compute("auto")
    publish("decode", f"Decoding semantic tokens ({where.device}, {torch.get_num_threads()} threads)", rows)


if __name__ == "__main__":
    main()
