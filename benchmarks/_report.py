"""Print one table and write one JSON file: what every benchmark ends with."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement and what was aimed at."""

    what: str
    value: float
    unit: str
    aim: str = ""
    reached: bool | None = None


def at_least(what: str, value: float, unit: str, aim: float) -> Row:
    """A row whose value should not be below the aim."""
    return Row(what, value, unit, f"≥ {aim:g}", value >= aim)


def at_most(what: str, value: float, unit: str, aim: float) -> Row:
    """A row whose value should not be above the aim."""
    return Row(what, value, unit, f"≤ {aim:g}", value <= aim)


def publish(name: str, title: str, rows: list[Row]) -> None:
    """Print the rows and write benchmarks/results/<name>.json."""
    table = Table(title=title, title_justify="left")
    for column in ("what", "value", "unit", "aim", "reached"):
        table.add_column(column, justify="right" if column == "value" else "left")
    for row in rows:
        reached = "" if row.reached is None else ("yes" if row.reached else "no")
        table.add_row(
            row.what, f"{row.value:.3g}" if row.value < 100 else f"{row.value:.0f}", row.unit, row.aim, reached
        )
    Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    document = {
        "name": name,
        "machine": {
            "cores": psutil.cpu_count(),
            "architecture": platform.machine(),
            "python": platform.python_version(),
        },
        "rows": [asdict(row) for row in rows],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
