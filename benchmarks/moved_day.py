"""What one more session costs beside a rebuild, in a world in which every file is one row longer each
day.

In: a world of any size (`tests/moving_world.py`) and the folder of a checkout. Out: figures of each run:
CPU seconds of the steps, the highest memory, what the generation holds and what was written beside the
copy of the database. Each run is a process of its own and is timed after its imports.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.measured import Figures, Meter, in_own_process, medians, peak_memory_mb
from market_calendar.sessions import sessions_between
from tests.moving_world import MovingWorld
from tests.small_market import SERIES
from warehouse.catalog import load_catalog
from warehouse.publication import current_generation
from warehouse.settings import Settings

STEPS = ("plan", "fetch", "load", "build", "audit", "publish")
COMPUTED = ("load", "build", "audit", "publish")
LAST = date(2024, 7, 16)


def one_run(session: str, run_id: str, *, rebuild: bool) -> Figures:
    """Run the steps in this process and time each, imports apart."""
    from expectations.suites import _great_expectations
    from pipeline import steps
    from pipeline.context import Requested, RunContext
    from pipeline.endings import NothingNew

    _great_expectations()
    for table in load_catalog().models():
        if table.model is not None and table.model.suffix == ".py":
            __import__(f"transforms.{table.schema}.{table.name}")
    import brief.page  # noqa: F401

    run = RunContext(Settings.from_environment(), run_id, Requested(parameter=session, rebuild=rebuild))
    figures: Figures = {}

    def timed(name: str, call: Callable[[], Any]) -> None:
        meter = Meter()
        call()
        spent = meter.read()
        figures[name] = spent["cpu_s"]
        figures[f"{name}_wall"] = spent["wall_s"]
        figures[f"{name}_memory_mb"] = peak_memory_mb()

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
    figures["memory_mb"] = peak_memory_mb()
    return figures


@dataclass
class Benchmark:
    """A world, a home, and the runs in it.

    Attributes:
        folder: of the world and the home.
        symbols: with prices.
        start: first day of the world.
        checkout: whose packages run; by default this one.
        memory_limit: of DuckDB; by default the product's.
    """

    folder: Path
    symbols: Sequence[str]
    start: date
    checkout: Path | None = None
    memory_limit: str = ""

    def __post_init__(self) -> None:
        self.world = MovingWorld(
            self.folder / "market", self.start, LAST, self.symbols, SERIES, from_market=True
        ).write()
        self.home = self.folder / "home"
        self.runs = 0

    def settings(self) -> dict[str, str]:
        """The environment of a run for the last session of the world."""
        return {
            "ROTATION_SOURCE": "files",
            "ROTATION_FILES_DIR": str(self.world.folder),
            "ROTATION_HOME": str(self.home),
            "ROTATION_HISTORY_START": str(self.world.start),
            **({"ROTATION_MEMORY_LIMIT": self.memory_limit} if self.memory_limit else {}),
        }

    def run(self, *, rebuild: bool = False) -> Figures:
        """One run for the last session of the world, in a process of its own."""
        self.runs += 1
        arguments = [str(self.world.end), f"bench-{self.runs}", *(["--rebuild"] if rebuild else [])]
        figures = in_own_process("benchmarks.moved_day", arguments, self.settings(), self.checkout)
        return figures | self._disk()

    def moved_days(self, days: int) -> Figures:
        """The medians of some days, each of which brings every file a row."""
        found = []
        for _ in range(days):
            self.world.advance()
            found.append(self.run())
        return medians(found)

    def _disk(self) -> Figures:
        generation = current_generation(Settings.from_environment(self.settings()))
        assert generation is not None
        files = [path for path in generation.rglob("*") if path.is_file()]
        own = [path for path in files if path.stat().st_nlink == 1]
        return {
            "generation_mb": _megabytes(files),
            "database_mb": _megabytes([generation / "warehouse.duckdb"]),
            "written_mb": _megabytes([path for path in own if path.name != "warehouse.duckdb"]),
            "home_mb": _megabytes({path.resolve() for path in self.home.rglob("*") if path.is_file()}),
        }


def _megabytes(files: Sequence[Path] | set[Path]) -> float:
    """Bytes of files; a file with several names counts once."""
    return sum({path.stat().st_ino: path.stat().st_size for path in files}.values()) / 1e6


def compare(bench: Benchmark, days: int) -> dict[str, Figures]:
    """A first load, some moved days, a run with nothing new and a rebuild."""
    first = bench.run()
    moved = bench.moved_days(days)
    again = bench.run()
    if "nothing_new" not in again:
        raise SystemExit("a run with nothing new published something")
    rebuilt = bench.run(rebuild=True)
    return {
        "first load": first,
        "rebuild": rebuilt,
        f"one more session (median of {days})": moved,
        "nothing new": again,
        "world": {
            "symbols": len(bench.world.symbols),
            "sessions": len(sessions_between(bench.world.start, bench.world.end)),
            "days": days,
            "memory_limit": bench.memory_limit,
            "cost_ratio": total(rebuilt) / total(moved),
        },
    }


def total(figures: Figures) -> float:
    """CPU seconds of the steps that compute."""
    return sum(float(figures.get(name, 0.0)) for name in COMPUTED)


def moved(found: dict[str, Figures]) -> Figures:
    """The moved day of a comparison."""
    return found[f"one more session (median of {found['world']['days']})"]


def table(found: dict[str, Figures]) -> str:
    """A comparison in Markdown."""
    rows = {name: figures for name, figures in found.items() if name != "world"}
    world, day = found["world"], moved(found)
    lines = [
        f"{world['symbols']:,} symbols, {world['sessions']:,} sessions; CPU seconds by step, imports apart.",
        "",
        "| | " + " | ".join(STEPS) + " | load to publish | memory MB | generation MB | home MB |",
        "| --- |" + " ---: |" * (len(STEPS) + 4),
        *(
            f"| {name} | "
            + " | ".join(f"{figures[step]:.2f}" if step in figures else "–" for step in STEPS)
            + f" | {total(figures):.2f} | {figures['memory_mb']:,.0f} | {figures['generation_mb']:,.0f}"
            f" | {figures['home_mb']:,.0f} |"
            for name, figures in rows.items()
        ),
        "",
        f"One more session writes {day['written_mb']:,.1f} MB beside the copy of the database"
        f" ({day['database_mb']:,.1f} MB).",
    ]
    return "\n".join(lines)


def main() -> int:
    """One run in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("session")
    parser.add_argument("run_id")
    parser.add_argument("--rebuild", action="store_true")
    given = parser.parse_args()
    print(json.dumps(one_run(given.session, given.run_id, rebuild=given.rebuild)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
