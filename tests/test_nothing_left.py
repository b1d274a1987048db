"""A run of a backfill that has nothing to do: it ends at once, and only where the plan would find the same.

Real homes on a small market; what Airflow answers is `tests.queued_runs.Queue`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import DownstreamTasksSkipped

import pipeline.covered as covered
from datasets.registry import active_datasets
from market_calendar.sessions import last_closed_session, sessions_between
from orchestration.at_once import is_left_at_once
from orchestration.operators import PlanOperator
from pipeline import steps
from pipeline.endings import LeftToAnother
from pipeline.home_state import Covered, HomeState
from pipeline.inputs import plan_dataset
from pipeline.turns import Backfill
from sources.files import FilesFutures
from tests.queued_runs import Queue
from tests.scheduler_fixture import REPOSITORY
from tests.small_market import context, fetch_all, small_settings, write_small_market
from warehouse.clock import utc_now
from warehouse.database import pipeline_database
from warehouse.settings import Settings

START, SESSIONS = date(2024, 5, 1), ["2024-07-10", "2024-07-11", "2024-07-12", "2024-07-15", "2024-07-16"]


def settings_of(folder: Path) -> Settings:
    """Settings on the files and the home of a folder."""
    return small_settings(folder / "files", folder / "home", ROTATION_HISTORY_START=str(START))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files and a home that has loaded them all, in which a run of a backfill found nothing."""
    folder = tmp_path_factory.mktemp("loaded")
    write_small_market(folder / "files", start=START, end=date(2024, 7, 31))
    home = settings_of(folder)
    run = context(home, SESSIONS[-1])
    fetch_all(run)
    steps.load(run)
    return folder


@pytest.fixture
def home(loaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A copy in which the first run of a backfill has planned and found nothing; the environment says so."""
    shutil.copytree(loaded, tmp_path, dirs_exist_ok=True)
    settings = settings_of(tmp_path)
    for name, value in {
        "ROTATION_SOURCE": "files",
        "ROTATION_FILES_DIR": str(settings.files_dir),
        "ROTATION_HOME": str(settings.home),
        "ROTATION_HISTORY_START": str(START),
    }.items():
        monkeypatch.setenv(name, value)
    plan_first(settings)
    return settings


def queue_of() -> Queue:
    """All runs of a backfill, queued."""
    return Queue([f"backfill__{session}" for session in SESSIONS])


def plan_first(home: Settings, session: str = SESSIONS[0]) -> None:
    """The plan of a run, in full."""
    run_id = f"backfill__{session}"
    shutil.rmtree(home.home / "runs" / run_id, ignore_errors=True)
    with pytest.raises(LeftToAnother):
        steps.plan(context(home, session, run_id, turns=queue_of().turns(run_id)))


def airflow_context(queue: Queue, session: str, **changes: Any) -> dict[str, Any]:
    """What Airflow gives the task `plan` of a run of the backfill."""
    run = {
        "run_type": "backfill",
        "conf": {},
        "partition_key": session,
        "run_id": f"backfill__{session}",
        **changes,
    }

    def get_dr_count(dag_id: str, run_ids: list[str] | None, states: list[str]) -> int:
        return queue.count(run_ids)

    return {
        "dag_run": SimpleNamespace(**run),
        "ti": SimpleNamespace(dag_id="rotation_daily", get_dr_count=get_dr_count),
    }


def is_left(session: str = SESSIONS[1], queue: Queue | None = None, **changes: Any) -> bool:
    """Whether a run ends at once."""
    return is_left_at_once(airflow_context(queue or queue_of(), session, **changes))


def test_the_runs_after_the_first_end_at_once_and_the_last_plans(home: Settings) -> None:
    queue = queue_of()
    queue.active.remove(f"backfill__{SESSIONS[0]}")
    *others, last = SESSIONS[1:]
    for session in reversed(others):
        assert is_left(session, queue)
        queue.active.remove(f"backfill__{session}")
    assert not is_left(last, queue)
    # What was left to it is the latest of them, and it decides as it always did.
    assert HomeState.read(home.home).left_session == date.fromisoformat(others[-1])
    assert not (home.home / "runs" / f"backfill__{others[0]}").exists()
    run = context(home, last, f"backfill__{last}", turns=queue.turns(f"backfill__{last}"))
    assert steps.plan(run).batches == ()


def test_its_task_succeeds_and_skips_the_others_without_a_link(home: Settings) -> None:
    plan = PlanOperator(task_id="plan")
    with pytest.raises(DownstreamTasksSkipped):
        plan.execute(airflow_context(queue_of(), SESSIONS[1]))
    assert plan.operator_extra_links == ()


def test_what_is_covered_is_what_a_full_plan_of_each_session_would_find(home: Settings) -> None:
    """Every session: the ends stand for all between them."""
    found = Covered.read(home.home)
    assert found is not None
    # The last payloads were asked for up to 2024-07-16.
    assert list(found.sessions) == sessions_between(START, date(2024, 7, 16))
    with pipeline_database(home) as connection:

        def wanted(session: date) -> list[str]:
            return [
                item.input
                for dataset in active_datasets(home)
                for item in plan_dataset(
                    home, connection, dataset, session, Backfill(), missing_only=True
                ).inputs
            ]

        assert {session: wanted(session) for session in found.sessions[::4]} == {
            session: [] for session in found.sessions[::4]
        }
        assert wanted(date(2024, 7, 17))
    assert not is_left("2024-07-17")


def _payload(home: Settings) -> None:
    folder = home.landing / "prices" / "SPY"
    (folder / "99990101T000000000000-0.csv.json").write_text("{}")


def _warehouse(home: Settings) -> None:
    with pipeline_database(home) as connection:
        connection.execute("delete from ops.payloads where input = 'SPY'")


def _file(home: Settings) -> None:
    assert home.files_dir is not None
    (home.files_dir / "futures" / "new.csv").write_text("")


def _expired(home: Settings) -> None:
    found = Covered.read(home.home)
    assert found is not None
    found.model_copy(update={"until_utc": utc_now()}).write(home.home)


def _cut_short(home: Settings) -> None:
    (home.home / "runs" / "covered.json").write_text('{"sessions": [')


@pytest.mark.parametrize(
    "change",
    [
        _payload,
        _warehouse,
        _file,
        _expired,
        _cut_short,
        lambda home: home.warehouse.unlink(),
        lambda home: shutil.rmtree(home.landing / "fred" / "DGS2"),
        lambda home: (home.home / "runs" / f"backfill__{SESSIONS[1]}").mkdir(),
    ],
    ids=["payload", "warehouse", "file", "expired", "cut", "lost", "landing lost", "began before"],
)
def test_whatever_has_changed_since_makes_the_run_plan_in_full(
    home: Settings, change: Callable[[Settings], None]
) -> None:
    assert is_left()
    HomeState.read(home.home).change(home.home, decided=())
    change(home)
    assert not is_left()


def test_other_settings_or_reference_data_make_the_run_plan_in_full(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = Path(shutil.copytree(covered.REFERENCE, tmp_path / "reference"))
    monkeypatch.setattr(covered, "REFERENCE", reference)
    plan_first(home)
    assert is_left()
    with monkeypatch.context() as patch:
        patch.setenv("ROTATION_HISTORY_START", "2024-05-02")
        assert not is_left(SESSIONS[2])
    assert is_left(SESSIONS[2])
    (reference / "instruments.csv").write_bytes((reference / "instruments.csv").read_bytes() + b"\n")
    assert not is_left(SESSIONS[3])


@pytest.mark.parametrize(
    "changes",
    [
        {"run_type": "manual"},
        {"conf": {"rebuild": True}},
        {"partition_key": None},
        {"partition_key": "2024-07-04"},
        {"partition_key": "today"},
        {"partition_key": str(last_closed_session(utc_now()) + timedelta(days=400))},
    ],
)
def test_what_is_no_plain_run_of_a_backfill_plans_in_full(home: Settings, changes: dict[str, Any]) -> None:
    assert is_left() and not is_left(SESSIONS[2], **changes)


def test_a_run_relies_on_those_that_fetch_as_long_as_they_are_active(
    loaded: Path, home: Settings, tmp_path: Path
) -> None:
    """Landing may grow meanwhile: they load it."""
    home.warehouse.unlink()
    queue, at_work = queue_of(), f"backfill__{SESSIONS[0]}"
    shutil.rmtree(home.home / "runs" / at_work)
    plan = steps.plan(context(home, SESSIONS[0], at_work, turns=queue.turns(at_work)))
    assert plan.replay
    second = f"backfill__{SESSIONS[1]}"
    with pytest.raises(LeftToAnother):
        steps.plan(context(home, SESSIONS[1], second, turns=queue.turns(second)))
    found = Covered.read(home.home)
    assert found is not None and found.relies_on == (at_work,)
    _payload(home)
    assert is_left(SESSIONS[2], queue)
    queue.active.remove(at_work)
    assert not is_left(SESSIONS[3], queue)


def test_nothing_is_covered_while_an_input_was_never_asked_for(home: Settings) -> None:
    with pipeline_database(home) as connection:
        connection.execute("delete from ops.payloads where input = 'SPY'")
    shutil.rmtree(home.landing / "prices" / "SPY")
    state = HomeState.read(home.home)
    lately = {"prices/SPY": utc_now() - timedelta(hours=23)}
    state.change(home.home, unserved={**state.unserved, **lately})
    plan_first(home)
    found = Covered.read(home.home)
    # It is not asked for again for a day; then the run plans in full.
    assert found is not None and found.until_utc < utc_now() + timedelta(hours=1, minutes=1)
    (home.home / "runs" / "covered.json").unlink()
    HomeState.read(home.home).change(home.home, unserved=state.unserved)
    run_id = f"backfill__{SESSIONS[0]}"
    assert steps.plan(context(home, SESSIONS[0], run_id, turns=queue_of().turns(run_id))).batches
    assert Covered.read(home.home) is None


def test_what_an_earlier_session_alone_would_ask_for_counts(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A contract that has ended: the last session's plan does not ask for it, one of May does."""
    every = FilesFutures.contracts

    def still_listed(source: FilesFutures, start: date, end: date) -> list[str]:
        ended = {"ZQK24"} if start > date(2024, 5, 31) else set()
        return sorted(set(every(source, start, end)) - ended)

    monkeypatch.setattr(FilesFutures, "contracts", still_listed)
    with pipeline_database(home) as connection:
        connection.execute("delete from ops.payloads where input = 'ZQK24'")
        contracts = next(dataset for dataset in active_datasets(home) if dataset.name == "futures")
        wanted = [
            len(
                plan_dataset(
                    home, connection, contracts, date(2024, month, 10), Backfill(), missing_only=True
                ).inputs
            )
            for month in (5, 7)
        ]
    assert wanted == [0, 0], "landing still holds it"
    shutil.rmtree(home.landing / "futures" / "ZQK24")
    plan_first(home, SESSIONS[-1])
    assert not is_left()
    with pipeline_database(home) as connection:
        assert plan_dataset(
            home, connection, contracts, date(2024, 5, 10), Backfill(), missing_only=True
        ).inputs


def test_a_run_that_ends_at_once_imports_nothing_heavy() -> None:
    """What it imports, each of ten years' runs imports."""
    program = (
        "import sys, orchestration.at_once;"
        "print([name for name in ('duckdb', 'pandas', 'numpy', 'pyarrow') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
