"""A rebuild from raw prices to marts.instrument_daily beside polars, pandas with numba, and plain SQL.

In: a folder filled by benchmarks/peers/bars.py. Out: CPU and wall seconds and the peak memory of each,
every run in a process of its own, imports and compilation apart; and how far each peer's figures are from
ours. Each reads bars from a file and writes its table to a file. What the models do beyond the peers:
they take the latest version of each bar within the cut-off, look at every price for splits, jumps and
dividends that contradict each other, count sessions where the peers count rows, and write the four
staging tables too.
"""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.measured import Figures, Meter, in_own_process, medians, peak_memory_mb

# Module, and what its table is called in SQL once the folder is put in.
MODELS = "models"
PEERS = {
    "with_polars": "'{folder}/polars.parquet'",
    "with_numba": "'{folder}/numba.parquet'",
    "with_duckdb": "peer.instrument_daily",
}
NAMES = {
    MODELS: "this project's models",
    "with_polars": "polars",
    "with_numba": "pandas with a numba loop",
    "with_duckdb": "DuckDB, plain SQL",
}
TOLERANCE = 1e-9
# Polars and SQL have no expression for it.
ONLY_NUMBA = "return_5d_last_exceeded_date"


@dataclass(frozen=True)
class Agreement:
    """How a peer's table compares with the mart.

    Attributes:
        rows: compared.
        largest: difference of a number, as a share of the larger of it and 1.
        column: where that was.
        differing: values that are on one side alone, and dates that differ.
    """

    rows: int
    largest: float
    column: str
    differing: int

    def require(self, name: str) -> None:
        """Stop where the peer computes something else: the times would mean nothing."""
        if not self.largest <= TOLERANCE or self.differing:
            raise SystemExit(
                f"{name} differs: {self.largest:.1e} in {self.column}, {self.differing} values on one side"
            )


def compare(folder: Path, peer: str) -> Agreement:
    """Our table and a peer's, row by row and column by column."""
    with duckdb.connect() as con:
        con.execute(f"attach '{folder}/models.duckdb' as own (read_only)")
        if peer == "with_duckdb":
            con.execute(f"attach '{folder}/duckdb.duckdb' as peer (read_only)")
        table = PEERS[peer].format(folder=folder)
        columns = [name for (name, *_) in con.execute(f"describe from {table}").fetchall()]
        numbers = [name for name in columns if name != "symbol" and not name.endswith("_date")]
        dates = [name for name in columns if name.endswith("_date") and name != "session_date"]
        gaps = [f"max(abs(o.{name} - p.{name}) / greatest(1, abs(o.{name})))" for name in numbers]
        one_sided = [f"count_if((o.{name} is null) <> (p.{name} is null))" for name in numbers]
        one_sided += [f"count_if(o.{name} is distinct from p.{name}::date)" for name in dates]
        [(both, held, *found)] = con.execute(
            f"""
            select
                count(*), (select count(*) from own.marts.instrument_daily),
                {", ".join([*gaps, *one_sided])}
            from own.marts.instrument_daily as o
            inner join {table} as p on o.symbol = p.symbol and o.session_date = p.session_date::date
            """
        ).fetchall()
    worst = max(range(len(numbers)), key=lambda place: found[place] or 0.0)
    differing = held - both + sum(found[len(numbers) :])
    return Agreement(int(both), float(found[worst] or 0.0), numbers[worst], int(differing))


def measure(folder: Path, name: str, runs: int, environment: dict[str, str] | None = None) -> Figures:
    """The medians of some runs of one of them."""
    found = [
        in_own_process("benchmarks.peers.instruments", [name, str(folder)], environment or {})
        for _ in range(runs)
    ]
    return medians(found) | {"runs": runs}


def main() -> int:
    """One run in this process: NAME FOLDER."""
    name, folder = sys.argv[1:]
    module = importlib.import_module(f"benchmarks.peers.{name}")
    module.prepare()
    meter = Meter()
    module.run(Path(folder))
    print(json.dumps({**meter.read(), "memory_mb": peak_memory_mb()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
