"""`make run` as a person has it: one more session, warm; again with nothing new; and in a fresh clone.

In: a copy of the checkout with an Airflow of its own, and the environment that this process runs in. Out:
wall seconds from the command to its end, and CPU seconds of all its processes. Warm: Airflow is prepared
and a session is published. Only the fresh clone installs, from the package index that pip knows.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks.checkout import copy_checkout, many_symbols
from benchmarks.measured import Figures, medians
from benchmarks.moved_day import Benchmark
from warehouse.settings import REPOSITORY

NOTHING_NEW = "Nothing new"


def warm(folder: Path, symbols: int, start: date, runs: int) -> dict[str, Figures]:
    """Medians of one more session and of a session that is run again.

    Args:
        folder: for the copy, its world and its home.
        symbols: of the world.
        start: first day of the world.
        runs: of each.
    """
    checkout = copy_checkout(folder / "checkout")
    bench = Benchmark(folder, many_symbols(symbols), start, checkout)
    command = [sys.executable, "-m", "cli.run"]

    def run() -> Figures:
        return timed(command, checkout, {**bench.settings(), "ROTATION_SESSION": str(bench.world.end)})

    run()
    moved, again = [], []
    for _ in range(runs):
        bench.world.advance()
        moved.append(run())
        again.append(run())
    if not all(figures["nothing_new"] for figures in again):
        raise SystemExit("a session that was run again was published again")
    return {"one more session": medians(moved), "nothing new": medians(again)}


def fresh() -> Figures:
    """`git clone` and `make run` of the committed state, installation included."""
    with tempfile.TemporaryDirectory(prefix="rotation-bench-") as name:
        clone = Path(name) / "clone"
        subprocess.run(["git", "clone", "-q", str(REPOSITORY), str(clone)], check=True)
        return timed(["make", "run"], clone, {})


def timed(command: Sequence[str], folder: Path, settings: dict[str, str]) -> Figures:
    """Run a command with no settings of the project but these.

    Raises:
        SystemExit: it failed.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("ROTATION_")}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    answer = subprocess.run(
        command,
        cwd=folder,
        env={**own, "PYTHONPATH": str(folder), **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if answer.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{answer.stdout[-1500:]}\n{answer.stderr[-1500:]}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"wall_s": wall, "cpu_s": cpu, "nothing_new": NOTHING_NEW in answer.stdout}
