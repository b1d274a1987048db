"""The parts of `make bench`: what each runs, and its figures.

In: nothing but the machine. Out: figures by name, which benchmarks/page.py makes sentences of. Every part
works in a folder that is removed afterwards.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import make_run, moved_day
from benchmarks.checkout import copy_checkout, many_symbols
from benchmarks.measured import Figures, medians
from benchmarks.moved_day import Benchmark
from benchmarks.peers import betas, instruments
from benchmarks.peers.bars import last_sessions, write_bars

SYMBOLS, SESSIONS = 64, 6_172
SHORT = 617
MANY_SYMBOLS, MANY_SESSIONS = 1_000, 5_000
RUNS = 5
LARGE_RUNS = 1
# Of DuckDB; what numpy and pandas hold comes on top.
LARGE_MEMORY_LIMIT = "2GB"


def day(folder: Path) -> Figures:
    """One more session of 64 symbols beside a first load and a rebuild."""
    return moved_day.compare(Benchmark(folder, many_symbols(SYMBOLS), last_sessions(SESSIONS)[0]), RUNS)


def growth(folder: Path) -> Figures:
    """One more session of 64 symbols with a tenth of the history."""
    bench = Benchmark(folder, many_symbols(SYMBOLS), last_sessions(SHORT)[0])
    bench.run()
    return {"sessions": SHORT, "moved": bench.moved_days(RUNS)}


def run(folder: Path) -> Figures:
    """`make run`, warm."""
    return make_run.warm(folder, SYMBOLS, last_sessions(SESSIONS)[0], RUNS)


def fresh(folder: Path) -> Figures:
    """`make run` in a fresh clone."""
    return make_run.fresh()


def peers(folder: Path) -> Figures:
    """Staging and instrument_daily beside other tools, at both sizes."""
    return {
        "small": _instruments(folder / "small", SYMBOLS, SESSIONS, RUNS),
        "large": _instruments(folder / "large", MANY_SYMBOLS, MANY_SESSIONS, LARGE_RUNS),
    }


def _instruments(folder: Path, symbols: int, sessions: int, runs: int) -> Figures:
    write_bars(folder, symbols, sessions)
    found: Figures = {"symbols": symbols, "sessions": sessions, "runs": runs}
    for name in instruments.NAMES:
        found[name] = instruments.measure(folder, name, runs)
        if name != instruments.MODELS:
            agreement = instruments.compare(folder, name)
            agreement.require(name)
            found[name] |= {"rows": agreement.rows, "largest": agreement.largest}
    return found


def bank_betas(folder: Path) -> Figures:
    """marts.bank_rate_betas beside a numba loop and statsmodels; the size of the recorded data."""
    return _betas(folder, 28, 4_956, RUNS)


def _betas(folder: Path, symbols: int, sessions: int, runs: int) -> Figures:
    betas.write_observations(folder, symbols, sessions)
    found: Figures = {"symbols": symbols, "sessions": sessions, "runs": runs}
    found["own"] = medians([betas.measure(folder, "own") for _ in range(runs)])
    for name in ("numba", "statsmodels"):
        found[name] = betas.measure(folder, name)
        rows, largest = betas.compare(folder, name)
        found[name] |= {"rows": rows, "largest": largest}
    return found


def large(folder: Path, count: int = MANY_SYMBOLS) -> Figures:
    """A first load, one more session and a rebuild of a thousand symbols, end to end."""
    symbols = many_symbols(count)
    checkout = copy_checkout(folder / "checkout", symbols)
    start = last_sessions(MANY_SESSIONS)[0]
    return moved_day.compare(Benchmark(folder, symbols, start, checkout, LARGE_MEMORY_LIMIT), 1)


def small_day(folder: Path) -> Figures:
    """What CI prints: seven symbols from 2022 on."""
    return moved_day.compare(Benchmark(folder, many_symbols(7), last_sessions(636)[0]), 2)


def small_peers(folder: Path) -> Figures:
    """The peers on a few symbols."""
    return {"small": _instruments(folder, 8, 2_000, 1)}


def small_betas(folder: Path) -> Figures:
    """The betas of two symbols."""
    return _betas(folder, 2, 700, 1)


PARTS: dict[str, Callable[[Path], Figures]] = {
    "day": day,
    "growth": growth,
    "run": run,
    "peers": peers,
    "betas": bank_betas,
    "fresh": fresh,
    "large": large,
}
# Only when it is asked for: one installs, the other takes more than half an hour.
ON_DEMAND = ("fresh", "large")
SMALL: dict[str, Callable[[Path], Figures]] = {"day": small_day, "peers": small_peers, "betas": small_betas}


def measured(part: Callable[[Path], Figures]) -> Figures:
    """The figures of a part, run in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="rotation-bench-") as folder:
        return part(Path(folder) / "work")
