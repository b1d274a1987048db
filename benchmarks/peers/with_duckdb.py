"""marts.instrument_daily by the statement beside this file, in DuckDB alone.

In: `bars.parquet`. Out: `duckdb.duckdb` with the table. It has the models' limits of memory and threads.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from warehouse.database import limits

STATEMENT = Path(__file__).with_suffix(".sql")


def prepare() -> None:
    """Nothing to compile."""


def run(folder: Path) -> None:
    """Read, compute, write."""
    target = folder / "duckdb.duckdb"
    target.unlink(missing_ok=True)
    with duckdb.connect(str(target), config=limits(folder)) as con:
        con.execute(f"create temp view bars as from '{folder / 'bars.parquet'}'")
        con.execute(STATEMENT.read_text(encoding="utf-8"))
        con.execute("checkpoint")
