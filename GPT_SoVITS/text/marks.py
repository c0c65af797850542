"""Conventions for marks: which are kept as phones, how written marks map to them, how runs collapse."""

from __future__ import annotations

import re

KEPT = "!?…,.-"
"""Marks that are phones themselves."""

TO_KEPT = str.maketrans(
    {"：": ",", "；": ",", "，": ",", "、": ",", "·": ",", "。": ".", "\n": ".", "！": "!", "？": "?"}
)

_RUN = re.compile(rf"([{re.escape(KEPT)}])[{re.escape(KEPT)}]+")


def collapse_runs(text: str) -> str:
    """Return `text` with every run of kept marks reduced to its first."""
    return _RUN.sub(r"\1", text)
