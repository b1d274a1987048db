"""What ten years of sessions cost under a scheduler: as a backfill by session and as one run with a range,
beside as many runs of an empty DAG with one task.

In: how many sessions (`--sessions`, the last ones up to 2024-07-16) get a run each; the range is always ten
years. Out: a table on standard output, in Markdown, with wall and CPU seconds of all processes of Airflow.
Everything is real: API server, scheduler with LocalExecutor and DAG processor (`tests/scheduler_fixture.py`)
on loopback and SQLite, and a small market in a folder of files; what is measured is the runs. Each part
starts with an empty home, `again` with the one before it. Run it by `make bench-backfill SESSIONS=500`.
Caveat: 2,514 runs of the empty DAG and of ours take about three hours on two cores.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path

from market_calendar.sessions import sessions_between
from tests.scheduler_fixture import DAG_ID, ENDED, REPOSITORY, RunningAirflow
from tests.small_market import write_small_market

LAST, FIRST_EVER = date(2024, 7, 16), date(2003, 1, 2)
# What the models look back beyond the first session.
START = date(2013, 1, 2)
EMPTY = "empty"
EMPTY_DAG = f"""
from datetime import UTC, datetime
from airflow.sdk import dag, task
from market_calendar.timetable import NyseSessionTimetable

@dag(dag_id="{EMPTY}", schedule=NyseSessionTimetable(), start_date=datetime(2000, 1, 3, tzinfo=UTC),
     catchup=False, max_active_runs=1)
def empty():
    @task
    def nothing():
        return None
    nothing()

empty()
"""
# Of /proc/<pid>/stat after the name of the program: session, user, system, and both of children that ended.
SESSION, TIMES = 3, slice(11, 15)
TEN_YEARS = 2514
PARTS = {
    "empty": "a run per session of an empty DAG with one task",
    "first": "a first load: one run for the last session",
    "range": f"one run with a range of {TEN_YEARS:,} sessions",
    "sessions": "a run per session: fetch, load and publication included",
    "again": "a run per session where everything is there",
}
# What the two ways of a backfill are held against.
BESIDE = {"range": "first", "sessions": "empty", "again": "empty"}


@dataclass(frozen=True)
class Cost:
    """Seconds of one part, CPU by component of Airflow."""

    wall: float
    cpu: dict[str, float]
    runs: int

    @property
    def cpu_all(self) -> float:
        """CPU seconds of all components."""
        return sum(self.cpu.values())


def cpu_seconds(airflow: RunningAirflow) -> dict[str, float]:
    """CPU seconds so far of each component with all its processes, those that ended among them."""
    leaders = {process.pid: name for name, process in airflow.processes.items()}
    ticks = dict.fromkeys(leaders.values(), 0)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        name = leaders.get(int(fields[SESSION]))
        if name:
            ticks[name] += sum(map(int, fields[TIMES]))
    per_second = os.sysconf("SC_CLK_TCK")
    commands = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        **{name: count / per_second for name, count in ticks.items()},
        "command line": commands.ru_utime + commands.ru_stime,
    }


def measured(airflow: RunningAirflow, work: Callable[[], int]) -> Cost:
    """Wall and CPU of something that says how many runs it made."""
    before, started = cpu_seconds(airflow), time.monotonic()
    runs = work()
    wall, after = time.monotonic() - started, cpu_seconds(airflow)
    return Cost(wall, {name: after[name] - before[name] for name in after}, runs)


def backfill(airflow: RunningAirflow, dag_id: str, sessions: list[date], at_once: int) -> int:
    """A run per session, to the end of the last; how many."""
    first, last = str(sessions[0]), str(sessions[-1])
    options = ("--dag-id", dag_id, "--from-date", first, "--to-date", last)
    airflow.airflow("backfill", "create", *options, "--max-active-runs", str(at_once), seconds=3600)

    def count(state: str) -> int:
        path = f"/dags/{dag_id}/dagRuns?limit=1&run_type=backfill&state={state}"
        return int(airflow.api(path)["total_entries"])

    def ended() -> bool:
        left = count("queued") or count("running")
        print(f"{datetime.now():%H:%M:%S} {dag_id}: {left} runs left", file=sys.stderr)
        return not left

    # Seldom: each question costs the API server time, too.
    airflow.wait(ended, f"the backfill of {dag_id} to end", 24 * 3600, every=5)
    if failed := count("failed"):
        raise SystemExit(f"{failed} runs of {dag_id} failed")
    return len(sessions)


def has_ended(airflow: RunningAirflow, dag_id: str) -> bool:
    """Whether there were runs and all have ended."""
    runs = airflow.runs(dag_id)
    return bool(runs) and all(run["state"] in ENDED for run in runs)


def one_run(airflow: RunningAirflow, session: str) -> int:
    """One run that names its session, or a range, by the parameter."""
    body = {"logical_date": None, "conf": {"session": session}}
    run_id = airflow.api(f"/dags/{DAG_ID}/dagRuns", body)["dag_run_id"]
    state = airflow.wait_for_run(run_id, seconds=3600)
    if state not in ENDED[:1]:
        raise SystemExit(f"the run for {session} {state}: {airflow.log('scheduler')[-3000:]}")
    return 1


def measure(folder: Path, sessions: list[date], parts: list[str], at_once: int) -> dict[str, Cost]:
    """Run the parts one after the other in one Airflow; each of ours in a home of its own."""
    market = write_small_market(folder / "market", start=START, end=LAST)
    home, dags = folder / "home", folder / "dags"
    dags.mkdir()
    (dags / "empty.py").write_text(EMPTY_DAG, encoding="utf-8")
    (dags / "rotation_daily.py").symlink_to(REPOSITORY / "dags" / "rotation_daily.py")
    settings = {
        "ROTATION_SOURCE": "files",
        "ROTATION_FILES_DIR": str(market),
        "ROTATION_HOME": str(home),
        "ROTATION_HISTORY_START": str(START),
        "ROTATION_WAIT_MINUTES": "0",
        # While a backfill of thousands is created, the others must wait for longer than five seconds.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow' / 'airflow.db'}?timeout=300",
    }
    last = str(LAST)
    span = f"{sessions_between(FIRST_EVER, LAST)[-TEN_YEARS]}/{last}"
    works: dict[str, Callable[[RunningAirflow], int]] = {
        "empty": lambda airflow: backfill(airflow, EMPTY, sessions, at_once),
        "first": lambda airflow: one_run(airflow, last),
        "range": lambda airflow: one_run(airflow, span),
        "sessions": lambda airflow: backfill(airflow, DAG_ID, sessions, at_once),
        "again": lambda airflow: backfill(airflow, DAG_ID, sessions, at_once),
    }
    costs: dict[str, Cost] = {}
    with RunningAirflow(folder, settings, dags_folder=dags) as airflow:
        for dag_id in (EMPTY, DAG_ID):
            airflow.unpause(dag_id)
        # The scheduler gives each DAG a run for the session that is due. The market ends before it, so ours
        # fails; it warms the workers up.
        for dag_id in (EMPTY, DAG_ID):
            airflow.wait(lambda dag_id=dag_id: has_ended(airflow, dag_id), f"{dag_id} to be warm", 600)
        for part in parts:
            if part != "again" and home.exists():
                home.rename(folder / f"home-before-{part}")
            costs[part] = measured(airflow, lambda part=part: works[part](airflow))  # type: ignore[misc]
            print(part, costs[part], file=sys.stderr)
    return costs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sessions", type=int, default=60, help="how many, up to 2024-07-16")
    parser.add_argument("--at-once", type=int, default=2, help="runs of a backfill at once")
    parser.add_argument("--parts", default="empty,first,range,sessions", help=", ".join(PARTS))
    parser.add_argument("--folder", type=Path, help="to keep; else a temporary one")
    arguments = parser.parse_args()
    sessions = sessions_between(FIRST_EVER, LAST)[-arguments.sessions :]
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="backfill-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        costs = measure(folder, sessions, arguments.parts.split(","), arguments.at_once)
    finally:
        if not arguments.folder:
            shutil.rmtree(folder)
    print(table(costs, arguments.at_once))


def table(costs: dict[str, Cost], at_once: int) -> str:
    """The costs, in Markdown; a part is held against the same number of runs of the other."""
    lines = [
        "| what | runs | wall s | CPU s | wall s a run | CPU s a run | times the other: wall | CPU |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for part, cost in costs.items():
        other = costs.get(BESIDE.get(part, ""))
        times = (
            (f"{cost.wall / cost.runs / (other.wall / other.runs):.2f}", f"{_each(cost) / _each(other):.2f}")
            if other
            else ("", "")
        )
        lines.append(
            f"| {PARTS[part]} | {cost.runs:,} | {cost.wall:,.0f} | {cost.cpu_all:,.0f} |"
            f" {cost.wall / cost.runs:,.2f} | {_each(cost):,.2f} | {times[0]} | {times[1]} |"
        )
    cores = f"{os.cpu_count()} cores, Python {platform.python_version()}, Airflow {version('apache-airflow')}"
    return "\n".join([*lines, "", f"{cores}, at most {at_once} runs of a backfill at once, SQLite."])


def _each(cost: Cost) -> float:
    return cost.cpu_all / cost.runs


if __name__ == "__main__":
    main()
