"""What one more session costs beside a rebuild, in a world in which every file is one row longer each day.

In: how large the world is (`--symbols`, `--start`; `--small` for the one that CI runs). Out: a table on
standard output, in Markdown: CPU seconds of the steps for the first load, for a rebuild, for the moved day
(the median of `--days` days) and for a run with nothing new; what a generation holds, what the moved day
wrote beside the copy of the database, and the highest memory. Each run is a process of its own and is timed
after its imports. Run it by `make bench`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from market_calendar.sessions import sessions_between
from tests.moving_world import MovingWorld
from tests.small_market import SERIES, SYMBOLS
from warehouse.catalog import load_catalog
from warehouse.publication import current_generation
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings

STEPS = ("plan", "fetch", "load", "build", "audit", "publish")
COMPUTED = ("load", "build", "audit", "publish")
LAST = date(2024, 7, 16)
Figures = dict[str, Any]


def one_run(session: str, run_id: str, *, rebuild: bool) -> Figures:
    """Run the steps in this process and time each, imports apart."""
    from expectations.suites import _great_expectations
    from pipeline import steps
    from pipeline.context import Requested, RunContext
    from pipeline.errors import NothingNew

    _great_expectations()
    for table in load_catalog().models():
        if table.model is not None and table.model.suffix == ".py":
            __import__(f"transforms.{table.schema}.{table.name}")
    import brief.page  # noqa: F401

    run = RunContext(Settings.from_environment(), run_id, Requested(parameter=session, rebuild=rebuild))
    figures: Figures = {}

    def timed(name: str, call: Callable[[], Any]) -> None:
        before = time.process_time()
        call()
        figures[name] = time.process_time() - before

    def fetch_all() -> None:
        for batch in run.plan.batches:
            steps.fetch(run.for_batch(batch.number))

    timed("plan", lambda: steps.plan(run))
    timed("fetch", fetch_all)
    timed("load", lambda: steps.load(run))
    try:
        timed("build", lambda: steps.build(run))
        timed("audit", lambda: steps.audit(run))
        timed("publish", lambda: steps.publish(run))
    except NothingNew as nothing:
        figures["nothing_new"] = str(nothing)
    figures["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


class Benchmark:
    """A world, a home, and the runs in it."""

    def __init__(self, folder: Path, symbols: list[str], start: date) -> None:
        self.world = MovingWorld(folder / "market", start, LAST, symbols, SERIES).write()
        self.home = folder / "home"
        self.runs = 0

    def run(self, *, rebuild: bool = False) -> Figures:
        """One run for the last session of the world, in a process of its own."""
        self.runs += 1
        command = [sys.executable, "-m", "benchmarks.moved_day", "--one", str(self.world.end)]
        command += ["--run-id", f"bench-{self.runs}", *(["--rebuild"] if rebuild else [])]
        settings = {
            "ROTATION_SOURCE": "files",
            "ROTATION_FILES_DIR": str(self.world.folder),
            "ROTATION_HOME": str(self.home),
            "ROTATION_HISTORY_START": str(self.world.start),
        }
        answer = subprocess.run(
            command, env={**os.environ, **settings}, capture_output=True, text=True, check=False
        )
        if answer.returncode:
            raise SystemExit(f"the run for {self.world.end} failed:\n{answer.stderr[-2000:]}")
        figures: Figures = json.loads(answer.stdout.splitlines()[-1])
        return figures | self._disk()

    def _disk(self) -> Figures:
        settings = Settings.from_environment(
            {
                "ROTATION_SOURCE": "files",
                "ROTATION_HOME": str(self.home),
                "ROTATION_FILES_DIR": str(self.home),
            }
        )
        generation = current_generation(settings)
        assert generation is not None
        files = [path for path in generation.rglob("*") if path.is_file()]
        own = [path for path in files if path.stat().st_nlink == 1]
        return {
            "generation_mb": sum(path.stat().st_size for path in files) / 1e6,
            "database_mb": (generation / "warehouse.duckdb").stat().st_size / 1e6,
            "written_mb": sum(path.stat().st_size for path in own if path.name != "warehouse.duckdb") / 1e6,
        }


def medians(runs: list[Figures]) -> Figures:
    """The median of each figure that is a number."""
    names = [name for name, value in runs[0].items() if isinstance(value, float)]
    return {name: statistics.median(run[name] for run in runs) for name in names}


def total(figures: Figures) -> float:
    """CPU seconds of the steps that compute."""
    return sum(float(figures.get(name, 0.0)) for name in COMPUTED)


def described_machine() -> str:
    """Processor, cores, memory and the versions that matter."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "numpy", "pandas"))
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, {versions}"


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--run-id", help=argparse.SUPPRESS)
    parser.add_argument("--rebuild", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--small", action="store_true", help="seven symbols from 2022 on, as in CI")
    parser.add_argument("--symbols", type=int, default=64)
    parser.add_argument("--start", type=date.fromisoformat, default=date(2000, 1, 3))
    parser.add_argument("--days", type=int, default=5, help="moved days, of which the median counts")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one_run(given.one, given.run_id, rebuild=given.rebuild)))
        return 0
    symbols = list(SYMBOLS)
    if given.small:
        given.start, given.days = date(2022, 1, 3), 3
    else:
        known = reference_frame("instruments")["symbol"].tolist()
        symbols += [name for name in known if name not in symbols][: given.symbols - len(symbols)]
    with tempfile.TemporaryDirectory(prefix="rotation-bench-") as folder:
        print(report(Benchmark(Path(folder), symbols, given.start), given.days))
    return 0


def report(bench: Benchmark, days: int) -> str:
    """The runs, as a table."""
    sessions = len(sessions_between(bench.world.start, bench.world.end))
    first = bench.run()
    moved = []
    for _ in range(days):
        bench.world.advance()
        moved.append(bench.run())
    again = bench.run()
    rebuilt = bench.run(rebuild=True)
    day = medians(moved)
    rows = {"first load": first, "rebuild": rebuilt, f"one more session (median of {days})": day}
    rows["nothing new"] = again
    lines = [
        f"{len(bench.world.symbols)} symbols, {sessions:,} sessions. {described_machine()}.",
        "",
        "| CPU seconds, imports apart | " + " | ".join(STEPS) + " | load to publish | memory MB |",
        "| --- |" + " ---: |" * (len(STEPS) + 2),
        *(
            f"| {name} | "
            + " | ".join(f"{figures[step]:.2f}" if step in figures else "–" for step in STEPS)
            + f" | {total(figures):.2f} | {figures['memory_mb']:,.0f} |"
            for name, figures in rows.items()
        ),
        "",
        f"A rebuild costs {total(rebuilt) / total(day):.1f} times one more session. A generation holds"
        f" {day['generation_mb']:,.1f} MB; one more session writes {day['written_mb']:,.1f} MB beside the"
        f" copy of the database ({day['database_mb']:,.1f} MB).",
    ]
    if "nothing_new" not in again:
        raise SystemExit("a run with nothing new published something")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
