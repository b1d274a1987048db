"""The daily DAG under a running scheduler: a scheduled run, a backfill, a rerun and a manual run, all on
one small market.

Real Airflow components on loopback and SQLite (`tests/scheduler_fixture.py`); what comes out is compared
with an undisturbed home.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from airflow.timetables.base import TimeRestriction

from market_calendar.sessions import last_closed_session, sessions_between
from market_calendar.timetable import NyseSessionTimetable
from tests.scheduler_fixture import DAG_ID, RunningAirflow
from tests.small_market import (
    published,
    published_digests,
    run_day,
    small_settings,
    write_small_market,
)
from warehouse.settings import Settings

pytestmark = pytest.mark.full


class Case:
    """A running Airflow with its home, and a home that was filled without any of this."""

    def __init__(
        self, airflow: RunningAirflow, home: Settings, straight: Settings, sessions: list[str]
    ) -> None:
        self.airflow, self.home, self.straight, self.sessions = airflow, home, straight, sessions

    def generations(self) -> list[tuple[int, str, str]]:
        """What was published so far: generation, session, run."""
        with published(self.home) as connection:
            return connection.execute(
                "select generation, session_date::varchar, run_id from ops.publication order by 1"
            ).fetchall()

    def backfill(self, first: str, last: str, *options: str) -> None:
        """Create a backfill, when Airflow has closed the one before: it allows one at a time."""
        self.airflow.wait(
            lambda: all(
                entry["completed_at"]
                for entry in self.airflow.api(f"/backfills?dag_id={DAG_ID}")["backfills"]
            ),
            "the backfill before to be closed",
            180,
        )
        self.airflow.airflow(
            "backfill", "create", "--dag-id", DAG_ID, "--from-date", first, "--to-date", last, *options
        )

    def all_ended(self) -> bool:
        """No run is queued or running."""
        return all(run["state"] in ("success", "failed") for run in self.airflow.runs())


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """A backfill over two weeks was created while the DAG was paused; then the DAG was let go."""
    folder = tmp_path_factory.mktemp("scheduler")
    due = NyseSessionTimetable().next_dagrun_info_v2(
        last_dagrun_info=None,
        restriction=TimeRestriction(earliest=None, latest=None, catchup=False),
    )
    assert due is not None
    last_due = date.fromisoformat(str(due.partition_key))
    # A little more than the year that the models look back: what is asked here does not depend on a history.
    start = last_due - timedelta(days=400)
    market = write_small_market(folder / "market", start=start, end=last_closed_session(datetime.now(UTC)))
    history = {"ROTATION_HISTORY_START": str(start)}
    sessions = [str(day) for day in sessions_between(last_due - timedelta(days=14), last_due)]
    settings = {
        "ROTATION_SOURCE": "files",
        "ROTATION_FILES_DIR": str(market),
        "ROTATION_HOME": str(folder / "home"),
        **history,
    }
    straight = small_settings(market, folder / "straight", **history)
    run_day(straight, sessions[-1])
    with RunningAirflow(folder, settings) as airflow:
        airflow.airflow(
            "backfill", "create", "--dag-id", DAG_ID, "--from-date", sessions[0], "--to-date", sessions[-2]
        )
        airflow.unpause()
        home = small_settings(market, folder / "home", **history)
        running = Case(airflow, home, straight, sessions)
        airflow.wait(
            lambda: len(airflow.runs()) == len(sessions) and running.all_ended(), "the backfill to end", 500
        )
        yield running


def test_the_scheduler_runs_the_session_that_is_due_and_no_other(case: Case) -> None:
    scheduled = [run for run in case.airflow.runs() if run["run_type"] == "scheduled"]
    assert [(run["partition_key"], run["state"]) for run in scheduled] == [(case.sessions[-1], "success")]


def test_a_backfill_has_one_run_per_session_and_publishes_at_its_end_alone(case: Case) -> None:
    runs = [run for run in case.airflow.runs() if run["run_type"] == "backfill"]
    assert [run["partition_key"] for run in runs] == case.sessions[:-1]
    assert {run["state"] for run in runs} == {"success"}
    ids = {run["dag_run_id"] for run in runs}
    assert len([run_id for _, _, run_id in case.generations() if run_id in ids]) <= 1
    # Whichever of the last backfill run and the scheduled run comes first: a publication never goes back.
    sessions = [session for _, session, _ in case.generations()]
    assert sessions == sorted(sessions)
    assert sessions[-1] == case.sessions[-1]
    assert published_digests(case.home) == published_digests(case.straight)


def test_a_backfill_gives_way_to_every_other_run(case: Case) -> None:
    weights = {
        (run["run_type"], task["task_id"]): task["priority_weight"]
        for run in case.airflow.runs()
        for task in case.airflow.tasks(run["dag_run_id"])
    }
    order = ["plan", "load", "build", "audit", "publish"]
    for run_type in ("backfill", "scheduled"):
        assert [weights[run_type, task] for task in order] == sorted(
            weights[run_type, task] for task in order
        )
    assert weights["backfill", "publish"] < weights["scheduled", "plan"]


def test_a_backfill_fetches_each_input_once(case: Case) -> None:
    """One payload for each input and range: the first run of the backfill and the scheduled run may each
    have asked.
    """
    ranges = list((case.home.landing / "prices" / "SPY").glob("*.json"))
    assert 1 <= len(ranges) <= 2
    assert len(list((case.home.landing / "prices" / "SPY").glob("*.gz"))) == 1


def test_a_backfill_is_resumed_by_creating_it_again(case: Case) -> None:
    before = case.airflow.runs()
    case.backfill(case.sessions[0], case.sessions[-2])
    assert [run["dag_run_id"] for run in case.airflow.runs()] == [run["dag_run_id"] for run in before]


def test_a_run_that_is_cleared_runs_again_and_changes_nothing(case: Case) -> None:
    [run] = [run for run in case.airflow.runs() if run["run_type"] == "scheduled"]
    generation = case.generations()[-1][0]
    case.airflow.api(
        f"/dags/{DAG_ID}/clearTaskInstances",
        {"dry_run": False, "dag_run_id": run["dag_run_id"], "only_failed": False, "reset_dag_runs": True},
    )
    assert case.airflow.wait_for_run(run["dag_run_id"]) == "success"
    assert case.generations()[-1][0] == generation + 1
    assert published_digests(case.home) == published_digests(case.straight)


def test_a_manual_run_for_an_earlier_session_publishes_at_the_high_water_session(case: Case) -> None:
    run_id = case.airflow.trigger(case.sessions[3])
    assert case.airflow.wait_for_run(run_id) == "success"
    assert case.generations()[-1][1:] == (case.sessions[-1], run_id)
    assert published_digests(case.home) == published_digests(case.straight)


def test_a_manual_run_without_a_session_is_refused_with_advice(case: Case) -> None:
    run = case.airflow.api(f"/dags/{DAG_ID}/dagRuns", {"logical_date": None})
    assert case.airflow.wait_for_run(run["dag_run_id"]) == "failed"
    [plan] = [task for task in case.airflow.tasks(run["dag_run_id"]) if task["task_id"] == "plan"]
    # Another attempt would not help, so there was none.
    assert (plan["state"], plan["try_number"]) == ("failed", 1)
    status = json.loads((case.home.published / "status.json").read_text(encoding="utf-8"))
    assert '{"session": "2024-07-16"}' in status["message"]


def test_a_backfill_after_the_warehouse_was_lost_takes_what_landing_holds(case: Case) -> None:
    """The last test: it takes the home's database away."""
    payloads = sorted(path.name for path in case.home.landing.rglob("*.gz"))
    case.home.warehouse.unlink()
    shutil.rmtree(case.home.files_dir / "prices")  # type: ignore[operator]
    (case.home.files_dir / "prices").mkdir()  # type: ignore[operator]
    generation = case.generations()[-1][0]
    # Airflow has set the runs back to queued when the command ends: what has ended after it is new.
    case.backfill(case.sessions[-3], case.sessions[-1], "--reprocess-behavior", "completed")
    case.airflow.wait(case.all_ended, "the backfill to end", 300)
    assert case.generations()[-1][0] == generation + 1
    assert published_digests(case.home) == published_digests(case.straight)
    assert sorted(path.name for path in case.home.landing.rglob("*.gz")) == payloads
