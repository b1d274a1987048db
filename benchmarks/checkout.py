"""A copy of this checkout in another folder: for a team with a thousand symbols, and for runs of `make
run` that leave this one's Airflow alone.

In: a folder, and how many symbols. Out: the packages as they are here, committed or not, with
`instruments.csv` extended, which is all that a symbol needs.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from tests.small_market import SYMBOLS
from warehouse.reference_data import reference_frame
from warehouse.settings import REPOSITORY

LEFT_OUT = shutil.ignore_patterns(".*", "data", "build", "__pycache__", "node_modules", "*.duckdb", "secrets")
INSTRUMENTS = Path("warehouse") / "reference" / "instruments.csv"


def copy_checkout(folder: Path, symbols: list[str] | None = None) -> Path:
    """Copy the packages and name these symbols as instruments, too."""
    shutil.copytree(REPOSITORY, folder, ignore=LEFT_OUT)
    path = folder / INSTRUMENTS
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows, columns = list(reader), list(reader.fieldnames or [])
    known = {row["symbol"] for row in rows}
    [like] = [row for row in rows if row["symbol"] == "JPM"]
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writerows(
            {**like, "symbol": symbol, "name": f"Share {symbol}", "required": "false"}
            for symbol in symbols or []
            if symbol not in known
        )
    return folder


def many_symbols(count: int) -> list[str]:
    """Those of the small market, which a run cannot do without, the project's others, then made-up ones."""
    known = list(dict.fromkeys([*SYMBOLS, *reference_frame("instruments")["symbol"]]))
    return [*known, *(f"S{number:04d}" for number in range(count - len(known)))][:count]
