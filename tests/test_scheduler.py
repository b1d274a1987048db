"""The daily DAG under a running scheduler: a scheduled run, a backfill, a rerun and a manual run, all on
one small market.

Real Airflow components on loopback and SQLite (`tests/scheduler_fixture.py`); what comes out is compared
with an undisturbed home. Two DAGs of another team wait for the publication, and a StatsD server for the
metrics.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.timetables.base import TimeRestriction

from market_calendar.sessions import last_closed_session, sessions_between
from market_calendar.timetable import NyseSessionTimetable
from orchestration.metrics import METRICS
from pipeline.state import RunState
from tests.metric_collectors import StatsdServer
from tests.scheduler_fixture import DAG_ID, REPOSITORY, RunningAirflow
from tests.small_market import (
    published,
    published_digests,
    run_day,
    small_settings,
    write_small_market,
)
from warehouse.settings import Settings
from warehouse.status import is_scheduled

pytestmark = pytest.mark.full

CONSUMER, DEAF = "after_publication", "schedule_without_partitions"
# Airflow 3.3.2 does not start such a DAG by an event with a partition key; docs/observe.md says so.
DEAF_DAG = f"""
from airflow.sdk import Asset, dag, task

@dag(dag_id="{DEAF}", schedule=[Asset(name="rotation_warehouse_publication", uri="rotation://publication")])
def deaf():
    @task
    def nothing():
        return None
    nothing()

deaf()
"""


def other_team(folder: Path) -> dict[str, str]:
    """The deployment of docs/deploy-existing-airflow.md: in the DAG folder another team's DAGs (that of
    docs/observe.md and one that listens the old way), ours in a second bundle.
    """
    (folder / "other_team").mkdir()
    shutil.copy(REPOSITORY / "docs" / "examples" / "after_publication.py", folder / "other_team")
    (folder / "other_team" / "deaf.py").write_text(DEAF_DAG)
    classpath = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundles = [
        {"name": "dags-folder", "classpath": classpath, "kwargs": {}},
        {"name": "rotation-warehouse", "classpath": classpath, "kwargs": {"path": str(REPOSITORY / "dags")}},
    ]
    return {
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "other_team"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
    }


class Case:
    """A running Airflow with its home, and a home that was filled without any of this."""

    def __init__(
        self,
        airflow: RunningAirflow,
        home: Settings,
        straight: Settings,
        sessions: list[str],
        statsd: StatsdServer,
    ) -> None:
        self.airflow, self.home, self.straight, self.sessions = airflow, home, straight, sessions
        self.statsd = statsd
        # What the consumer got while it was on: the events of each of its runs.
        self.consumed: dict[str, list[dict[str, Any]]] = {}

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

    def events(self) -> list[dict[str, Any]]:
        """The events of the publication so far, oldest first."""
        [asset] = self.airflow.api("/assets?name_pattern=rotation_warehouse_publication")["assets"]
        found = self.airflow.api(f"/assets/events?asset_id={asset['id']}&limit=100&order_by=timestamp")
        events: list[dict[str, Any]] = found["asset_events"]
        return events

    def let_consume(self) -> None:
        """Wait until the consumer has run for every publication, then pause it: each run costs seconds."""

        def caught_up() -> bool:
            runs = self.airflow.runs(CONSUMER)
            # Of a run that has not started yet Airflow 3.3.2 gives no events but an internal error.
            if any(run["state"] != "success" for run in runs):
                return False
            self.consumed = {
                run["dag_run_id"]: self.airflow.api(
                    f"/dags/{CONSUMER}/dagRuns/{run['dag_run_id']}/upstreamAssetEvents"
                )["asset_events"]
                for run in runs
            }
            return sum(map(len, self.consumed.values())) == len(self.generations())

        self.airflow.wait(caught_up, "the consumer to run", 120)
        for dag_id in (CONSUMER, DEAF):
            self.airflow.api(f"/dags/{dag_id}", {"is_paused": True}, method="PATCH")

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
    settings |= other_team(folder)
    with StatsdServer() as statsd, RunningAirflow(folder, settings | statsd.settings()) as airflow:
        airflow.airflow(
            "backfill", "create", "--dag-id", DAG_ID, "--from-date", sessions[0], "--to-date", sessions[-2]
        )
        for dag_id in (CONSUMER, DEAF, DAG_ID):
            airflow.unpause(dag_id)
        home = small_settings(market, folder / "home", **history)
        running = Case(airflow, home, straight, sessions, statsd)
        airflow.wait(
            lambda: len(airflow.runs()) == len(sessions) and running.all_ended(), "the backfill to end", 500
        )
        running.let_consume()
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


def test_a_dag_of_another_team_runs_for_each_publication_and_reads_its_session(case: Case) -> None:
    consumed = [event for events in case.consumed.values() for event in events]
    published_by = {run_id: (number, session) for number, session, run_id in case.generations()}
    # Every publication reached it once: those of the runs that left it to another one are not among them.
    assert sorted(event["source_run_id"] for event in consumed) == sorted(
        run_id
        for run_id, (number, _) in published_by.items()
        if number <= max(event["extra"]["generation"] for event in consumed)
    )
    for run_id, events in case.consumed.items():
        said = case.airflow.api(
            f"/dags/{CONSUMER}/dagRuns/{run_id}/taskInstances/report/xcomEntries/return_value"
        )["value"]
        newest = max(events, key=lambda event: event["extra"]["generation"])
        assert (said["generation"], said["session"]) == published_by[newest["source_run_id"]]
        assert newest["partition_key"] == said["session"]
        assert (case.home.home / said["folder"]).parent == case.home.published / "generations"


def test_a_dag_that_listens_without_partitions_is_not_started(case: Case) -> None:
    assert case.consumed
    assert case.airflow.runs(DEAF) == []


def test_the_tasks_of_a_scheduler_send_every_metric(case: Case) -> None:
    received = {name for (name, _) in case.statsd.values}
    for name in METRICS:
        assert any(key == name or key.startswith(f"{name}.") for key in received), name
    assert case.statsd.value("rotation.generation") == case.generations()[-1][0]


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
    tasks = {task["task_id"]: task["state"] for task in case.airflow.tasks(run["dag_run_id"])}
    assert [tasks[name] for name in ("load", "build", "publish")] == ["success", "skipped", "skipped"]
    assert case.generations()[-1][0] == generation
    assert published_digests(case.home) == published_digests(case.straight)


def test_a_manual_run_for_an_earlier_session_publishes_at_the_high_water_session(case: Case) -> None:
    run_id = case.airflow.trigger(case.sessions[3], rebuild=True)
    assert case.airflow.wait_for_run(run_id) == "success"
    assert case.generations()[-1][1:] == (case.sessions[-1], run_id)
    assert published_digests(case.home) == published_digests(case.straight)
    # Consumers get the session that is published, not the one that was repaired.
    newest = case.events()[-1]
    assert (newest["source_run_id"], newest["partition_key"]) == (run_id, case.sessions[-1])
    assert newest["extra"]["session"] == case.sessions[-1]


def test_a_run_for_a_range_repairs_its_sessions_and_says_which(case: Case) -> None:
    asked = f"{case.sessions[0]}/{case.sessions[3]}"
    body = {"logical_date": None, "conf": {"session": asked, "rebuild": True}}
    run_id = case.airflow.api(f"/dags/{DAG_ID}/dagRuns", body)["dag_run_id"]
    assert case.airflow.wait_for_run(run_id) == "success"
    assert case.generations()[-1][1:] == (case.sessions[-1], run_id)
    assert published_digests(case.home) == published_digests(case.straight)
    note = case.airflow.api(f"/dags/{DAG_ID}/dagRuns/{run_id}")["note"]
    assert note.startswith(f"**Sessions {asked} repaired, published at {case.sessions[-1]}: ")
    body["conf"] = {"session": asked.replace("/", "..")}
    run_id = case.airflow.api(f"/dags/{DAG_ID}/dagRuns", body)["dag_run_id"]
    assert case.airflow.wait_for_run(run_id) == "failed"
    note = case.airflow.api(f"/dags/{DAG_ID}/dagRuns/{run_id}")["note"]
    assert "a range as 2014-07-17/2024-07-16, both ends included" in note


def test_the_runs_of_a_backfill_that_had_nothing_to_do_ended_at_their_first_task(case: Case) -> None:
    """All but the one that loads and the one that publishes; few of them planned in full."""
    runs = [run["dag_run_id"] for run in case.airflow.runs() if run["run_type"] == "backfill"]
    left = {
        run_id: {task["task_id"]: task["state"] for task in case.airflow.tasks(run_id)} for run_id in runs
    }
    left = {run_id: states for run_id, states in left.items() if states["load"] == "skipped"}
    assert len(left) >= len(runs) - 2
    rest = {"fetch": "skipped", "load": "skipped", "build": "skipped", "audit": "skipped"}
    assert all(states == {"plan": "success", **rest, "publish": "skipped"} for states in left.values())
    planned = [run_id for run_id in left if RunState(case.home.home, run_id).folder.exists()]
    assert len(planned) < len(left) / 2


def test_a_manual_run_without_a_session_is_for_the_newest_one(case: Case) -> None:
    body = {"logical_date": None, "conf": {"rebuild": True}}
    run = case.airflow.api(f"/dags/{DAG_ID}/dagRuns", body)
    assert case.airflow.wait_for_run(run["dag_run_id"]) == "success"
    assert case.generations()[-1][1:] == (case.sessions[-1], run["dag_run_id"])


def test_a_trigger_that_is_refused_fails_and_leaves_the_status_alone(case: Case) -> None:
    before = (case.home.published / "status.json").read_bytes()
    body = {"logical_date": None, "conf": {"session": "2024-07-04"}}
    run = case.airflow.api(f"/dags/{DAG_ID}/dagRuns", body)
    assert case.airflow.wait_for_run(run["dag_run_id"]) == "failed"
    [plan] = [task for task in case.airflow.tasks(run["dag_run_id"]) if task["task_id"] == "plan"]
    # Another attempt would not help, so there was none.
    assert (plan["state"], plan["try_number"]) == ("failed", 1)
    assert (case.home.published / "status.json").read_bytes() == before
    assert is_scheduled(case.home)


def test_a_run_has_a_note_and_links_that_lead_to_its_pages(case: Case) -> None:
    generation, session, run_id = case.generations()[-1]
    run = case.airflow.api(f"/dags/{DAG_ID}/dagRuns/{run_id}")
    assert f"{session}: [generation {generation}]" in run["note"].splitlines()[0]
    labels = {task["rendered_map_index"] for task in case.airflow.tasks(run_id) if task["task_id"] == "fetch"}
    assert {label.split(":")[0].split(" ")[0] for label in labels} == {"prices", "futures", "fred"}
    path = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances"
    links = case.airflow.api(f"{path}/publish/links")["extra_links"]
    folder = f"/rotation/published/generations/{generation}"
    assert links == {
        "Failed checks": f"{folder}/validation.html",
        "Morning brief": f"/rotation/published/briefs/{session}.html",
        "Publication": f"{folder}/",
        "Runbook": "/rotation/docs/runbook/failed.md",
    }
    for name, words in (
        ("Failed checks", "rules"),
        ("Morning brief", session),
        ("Publication", f"Generation {generation}"),
        ("Runbook", "A daily run failed"),
    ):
        status, text = case.airflow.page(links[name])
        assert status == 200 and words in text, name
    for path in ("/..%2f..%2fstatus.json", "/warehouse.duckdb", "/%2e%2e/%2e%2e/status.json"):
        status, text = case.airflow.page(folder + path)
        assert '"state"' not in text and (status, "<title>Not here" in text) in ((404, True), (404, False))


def test_a_dry_run_says_what_it_would_do_and_skips_the_rest(case: Case) -> None:
    status = (case.home.published / "status.json").read_bytes()
    generations = case.generations()
    conf = {"session": case.sessions[-1], "dry_run": True, "fetch_again": ["prices/SPY"]}
    run = case.airflow.api(f"/dags/{DAG_ID}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
    assert case.airflow.wait_for_run(run) == "success"
    states = {task["task_id"]: task["state"] for task in case.airflow.tasks(run)}
    assert states.pop("plan") == "success" and set(states.values()) == {"skipped"}
    note = case.airflow.api(f"/dags/{DAG_ID}/dagRuns/{run}")["note"]
    assert note.startswith(f"**Dry run for {case.sessions[-1]}**") and "would fetch" in note
    path = f"/dags/{DAG_ID}/dagRuns/{run}/taskInstances/plan/xcomEntries/dry_run"
    assert case.airflow.api(f"{path}?deserialize=true")["value"]["session"] == case.sessions[-1]
    assert (case.home.published / "status.json").read_bytes() == status
    assert case.generations() == generations


def test_a_slip_in_the_form_is_refused_in_the_note_and_changes_nothing(case: Case) -> None:
    status = (case.home.published / "status.json").read_bytes()
    conf = {"session": case.sessions[-1], "fetch_again": ["prices/SPYY"]}
    run = case.airflow.api(f"/dags/{DAG_ID}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
    assert case.airflow.wait_for_run(run) == "failed"
    note = case.airflow.api(f"/dags/{DAG_ID}/dagRuns/{run}")["note"]
    assert note.startswith(f"**Rotation: a run for {case.sessions[-1]} was refused**: fetch_again names")
    assert "Did you mean prices/SPY" in note
    assert note.endswith("[What to do](/rotation/docs/runbook/failed.md)")
    assert (case.home.published / "status.json").read_bytes() == status


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
