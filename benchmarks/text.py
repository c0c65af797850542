"""How fast text becomes phones: characters a second and seconds to the first sentence, for each language."""

from __future__ import annotations

import subprocess
import sys
import time

from _report import Row, at_least, at_most, publish

from GPT_SoVITS.text.frontend import phones_of

CHARACTERS = 20_000
AIM_CHARACTERS_S = 20_000.0
AIM_FIRST_S = 2.0
ROUNDS = 3
TEXTS = {
    "all_zh": "今天是2024年5月1日，银行里的人不多，我们一起去喝杯咖啡吧。他跑了3公里，觉得很累，可还是笑了！",
    "en": "On May 1st, 2024, she read 3 books about the history of trade; nobody knew who wrote them. It's fine! ",
    "all_ja": "今日は2024年5月1日です。銀行の前で友達と待ち合わせをして、コーヒーを3杯も飲んでしまいました。",
    "all_ko": "오늘은 2024년 5월 1일입니다. 은행 앞에서 친구를 만나 커피를 3번이나 마셨어요. 즐거운 하루였습니다! ",
    "all_yue": "今日係2024年5月1日，銀行入面冇乜人，我哋一齊去飲杯咖啡啦。佢跑咗3公里，覺得好攰，但係仲笑緊！",
    "auto": "我用Python写代码，she reads books、今日はいい天気ですね。안녕하세요，谢谢大家！",
}
FIRST = (
    "import time\nfrom GPT_SoVITS.text.frontend import phones_of\n"
    "phones_of({text!r}, {mode!r}); print(time.process_time())"
)


def main() -> None:
    """Measure and print."""
    rows: list[Row] = []
    for mode, text in TEXTS.items():
        rows.append(at_least(f"{mode}: speed", _speed(text, mode), "characters/s", AIM_CHARACTERS_S))
    for mode, text in TEXTS.items():
        rows.append(at_most(f"{mode}: first sentence", _first(text, mode), "s of a core", AIM_FIRST_S))
    publish("text", "Text to phones, one processor core", rows)


def _speed(text: str, mode: str) -> float:
    """Characters a second of processor time, the best of some rounds; a sentence differs from the one before."""
    long = "".join(f"{text}{number}。" for number in range(CHARACTERS // len(text)))
    phones_of(text, mode)
    best = 0.0
    for _ in range(ROUNDS):
        began = time.process_time()
        phones_of(long, mode)
        best = max(best, len(long) / (time.process_time() - began))
    return best


def _first(text: str, mode: str) -> float:
    """Processor seconds of a new process from its start to the phones of a first sentence, the best of some."""
    command = [sys.executable, "-c", FIRST.format(text=text, mode=mode)]
    runs = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(ROUNDS))
    return min(float(run.stdout.split()[-1]) for run in runs)


if __name__ == "__main__":
    main()
