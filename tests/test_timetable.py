"""The session timetable: one run per NYSE session, on the right evening, summer and winter."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pendulum
import pytest
from airflow.exceptions import InvalidPartitionKeyError
from airflow.timetables.base import DagRunInfo, TimeRestriction
from airflow.utils.types import DagRunType
from hypothesis import given
from hypothesis import strategies as st

from market_calendar import timetable
from market_calendar.sessions import (
    NEW_YORK,
    is_session,
    session_close_utc,
    sessions_between,
    settlement_days_between,
)
from market_calendar.timetable import NyseSessionTimetable
from warehouse.settings import REPOSITORY

EVERYTHING = TimeRestriction(earliest=pendulum.datetime(2000, 1, 3), latest=None, catchup=True)


def run_for(session: str) -> DagRunInfo:
    """The run info of one session."""
    return timetable._run_of(dt.date.fromisoformat(session))


def following(session: str | None, restriction: TimeRestriction = EVERYTHING) -> DagRunInfo | None:
    """What the scheduler gets after the run of a session."""
    return NyseSessionTimetable().next_dagrun_info_v2(
        last_dagrun_info=run_for(session) if session else None, restriction=restriction
    )


@pytest.mark.parametrize(
    ("session", "after"),
    [
        ("2024-07-03", "2024-07-05"),  # a half day, then Independence Day
        ("2024-07-05", "2024-07-08"),  # a weekend
        ("2023-04-06", "2023-04-10"),  # Good Friday, on which futures settle
        ("2025-01-08", "2025-01-10"),  # day of mourning
        ("2012-10-26", "2012-10-31"),  # a storm
        ("2001-09-10", "2001-09-17"),
    ],
)
def test_the_next_run_is_the_next_session(session: str, after: str) -> None:
    info = following(session)
    assert info is not None
    assert info.partition_key == after
    assert info.data_interval is None


@pytest.mark.parametrize(
    ("session", "utc"),
    [
        ("2024-07-16", "2024-07-16T22:30:00+00:00"),
        ("2024-01-16", "2024-01-16T23:30:00+00:00"),
        ("2024-11-29", "2024-11-29T23:30:00+00:00"),
    ],
)
def test_runs_start_at_1830_new_york_summer_and_winter(session: str, utc: str) -> None:
    assert run_for(session).run_after.isoformat() == utc


def test_the_first_run_obeys_the_start_date() -> None:
    info = following(None)
    assert info is not None
    assert info.partition_key == "2000-01-03"


def set_clock(monkeypatch: pytest.MonkeyPatch, clock: str) -> None:
    """The present moment, in New York."""
    moment = dt.datetime.fromisoformat(clock).replace(tzinfo=NEW_YORK)
    monkeypatch.setattr(timetable, "_now", lambda: moment)


NO_CATCH_UP = TimeRestriction(earliest=pendulum.datetime(2000, 1, 3), latest=None, catchup=False)


def test_a_backfill_includes_its_last_session_and_no_holiday() -> None:
    infos = NyseSessionTimetable().iter_partition_dagrun_infos(
        earliest=dt.datetime(2024, 7, 1, tzinfo=dt.UTC), latest=dt.datetime(2024, 7, 8, tzinfo=dt.UTC)
    )
    assert [info.partition_key for info in infos] == [
        "2024-07-01",
        "2024-07-02",
        "2024-07-03",
        "2024-07-05",
        "2024-07-08",
    ]


def test_an_end_date_ends_it() -> None:
    restriction = TimeRestriction(earliest=None, latest=pendulum.datetime(2024, 7, 16), catchup=True)
    assert following("2024-07-16", restriction) is None


def test_after_the_calendar_nothing_is_scheduled() -> None:
    assert following("2028-12-29") is None


def test_it_survives_serialisation() -> None:
    timetable = NyseSessionTimetable.deserialize(NyseSessionTimetable().serialize())
    assert timetable.partitioned
    assert timetable.summary == NyseSessionTimetable().summary


def test_a_partition_key_is_its_session() -> None:
    assert NyseSessionTimetable().resolve_partition_date("2024-07-16") == pendulum.datetime(2024, 7, 16)


# --- what the scheduler asks, at any moment


def next_of(monkeypatch: pytest.MonkeyPatch, clock: str, last: str | None) -> str | None:
    set_clock(monkeypatch, clock)
    info = following(last, NO_CATCH_UP)
    return info.partition_key if info else None


@pytest.mark.parametrize(
    ("clock", "last", "expected"),
    [
        ("2024-07-16 18:29", "2024-07-15", "2024-07-16"),  # due in a minute
        ("2024-07-16 18:31", "2024-07-15", "2024-07-16"),
        ("2024-07-16 18:31", "2024-07-16", "2024-07-17"),  # created already, as after a restart
        (
            "2024-07-16 18:29",
            None,
            "2024-07-15",
        ),  # a new installation starts with the last session that is due
        ("2024-07-16 18:30", None, "2024-07-16"),
        ("2024-07-20 12:00", None, "2024-07-19"),  # a Saturday
        ("2024-07-22 18:31", "2024-07-12", "2024-07-22"),  # a week's outage: the newest session alone
        ("2024-07-22 18:29", "2024-07-12", "2024-07-19"),
        ("2024-07-03 18:31", "2024-07-02", "2024-07-03"),  # a half day
        ("2024-07-04 18:31", "2024-07-03", "2024-07-05"),  # a holiday
        ("2024-03-11 18:29", "2024-03-08", "2024-03-11"),  # summer time began on Sunday
        ("2024-11-04 18:31", "2024-11-04", "2024-11-05"),  # and ended
        ("2028-12-29 18:31", "2028-12-28", "2028-12-29"),
        ("2028-12-29 18:31", "2028-12-29", None),  # the calendar ends
        ("2029-02-01 12:00", "2028-12-29", None),
        ("2029-02-01 12:00", "2028-12-26", "2028-12-29"),
    ],
)
def test_the_next_run_at_a_moment(
    monkeypatch: pytest.MonkeyPatch, clock: str, last: str | None, expected: str | None
) -> None:
    assert next_of(monkeypatch, clock, last) == expected


@pytest.mark.parametrize(
    ("clock", "stored", "expected"),
    [
        ("2024-07-16 18:31", "2024-07-16", "2024-07-16"),
        ("2024-07-16 12:00", "2024-07-16", "2024-07-16"),  # what `airflow dags next-execution` shows
        ("2024-07-22 18:31", "2024-07-15", "2024-07-22"),  # stored before an outage of a week
        ("2025-01-10 09:00", "2025-01-09", "2025-01-10"),  # stored before the day turned out to be closed
        ("2029-02-01 12:00", "2028-12-29", "2028-12-29"),
    ],
)
def test_what_was_stored_before_an_outage_gives_way_to_the_newest_session(
    monkeypatch: pytest.MonkeyPatch, clock: str, stored: str, expected: str
) -> None:
    set_clock(monkeypatch, clock)
    model = SimpleNamespace(
        next_dagrun=None,
        next_dagrun_create_after=pendulum.parse(f"{stored}T22:30:00+00:00"),
        next_dagrun_partition_date=pendulum.parse(stored),
        next_dagrun_partition_key=stored,
    )
    info = NyseSessionTimetable().next_run_info_from_dag_model(dag_model=model)
    assert info is not None
    assert info == run_for(expected)


def test_nothing_stored_is_nothing_to_run() -> None:
    model = SimpleNamespace(next_dagrun_create_after=None)
    assert NyseSessionTimetable().next_run_info_from_dag_model(dag_model=model) is None


def test_a_start_date_is_a_day() -> None:
    for start in ("2024-07-16", "2024-07-16T04:00:00"):  # midnight in London's winter, midnight in New York
        restriction = TimeRestriction(earliest=pendulum.parse(start), latest=None, catchup=True)
        info = following(None, restriction)
        assert info is not None and info.partition_key == "2024-07-16"


def test_a_backfill_leaves_what_is_not_due_to_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = dt.datetime(2024, 7, 15, tzinfo=dt.UTC), dt.datetime(2031, 1, 1, tzinfo=dt.UTC)
    for clock, expected in (
        ("2024-07-16 18:29", ["2024-07-15"]),
        ("2024-07-16 18:30", ["2024-07-15", "2024-07-16"]),
    ):
        set_clock(monkeypatch, clock)
        infos = NyseSessionTimetable().iter_partition_dagrun_infos(earliest=first, latest=last)
        assert [info.partition_key for info in infos] == expected


@pytest.mark.parametrize(
    "key", ["2024-07-20", "2025-01-09", "20240716", "2024-7-16", "2024-W29-2", "tomorrow", "2031-01-02"]
)
def test_a_key_that_is_no_session_is_refused_where_it_is_triggered(key: str) -> None:
    with pytest.raises(InvalidPartitionKeyError, match="session"):
        NyseSessionTimetable().resolve_partition_date(key)


def test_run_ids_are_unique_for_every_kind_of_run() -> None:
    evening = run_for("2024-07-16").run_after

    def run_id(kind: DagRunType) -> str:
        return NyseSessionTimetable().generate_run_id(
            run_type=kind, run_after=evening, data_interval=None, partition_key="2024-07-16"
        )

    # One scheduled run per session, whatever happens; a second backfill of the session is a second run.
    assert (
        run_id(DagRunType.SCHEDULED) == run_id(DagRunType.SCHEDULED) == "scheduled__2024-07-16T22:30:00+00:00"
    )
    assert run_id(DagRunType.BACKFILL_JOB) != run_id(DagRunType.BACKFILL_JOB)
    assert all(
        DagRunType.from_run_id(run_id(kind)) == kind
        for kind in DagRunType
        if kind.value != "operator_triggered"
    )


# --- properties

DAYS = st.dates(dt.date(1990, 1, 2), dt.date(2026, 10, 30))


@given(first=DAYS, days=st.integers(0, 900))
def test_every_session_runs_exactly_once_in_order_after_its_close_and_settlement(
    first: dt.date, days: int
) -> None:
    last = min(first + dt.timedelta(days=days), dt.date(2026, 10, 30))
    expected = sessions_between(first, last)
    info = None
    seen = []
    while True:
        info = NyseSessionTimetable().next_dagrun_info_v2(
            last_dagrun_info=info,
            restriction=TimeRestriction(
                earliest=pendulum.datetime(first.year, first.month, first.day),
                latest=pendulum.datetime(last.year, last.month, last.day).add(days=1, hours=12),
                catchup=True,
            ),
        )
        if info is None or info.partition_key > str(last):
            break
        seen.append(info)
    assert [info.partition_key for info in seen] == [str(day) for day in expected]
    settlement = set(settlement_days_between(first, last))
    for info, day in zip(seen, expected, strict=True):
        assert is_session(day)
        local = info.run_after.astimezone(NEW_YORK)
        assert (local.date(), local.time()) == (day, dt.time(18, 30))
        assert info.run_after.replace(tzinfo=None) > session_close_utc(day)
        if day in settlement:
            assert local.time() > dt.time(17, 0), "settlements are available at 17:00 New York"
        assert info.partition_date == NyseSessionTimetable().resolve_partition_date(info.partition_key)


@given(first=DAYS, days=st.integers(-3, 400))
def test_a_backfill_has_the_sessions_between_its_ends_both_included(first: dt.date, days: int) -> None:
    last = max(min(first + dt.timedelta(days=days), dt.date(2026, 10, 30)), dt.date(1990, 1, 2))
    infos = NyseSessionTimetable().iter_partition_dagrun_infos(
        earliest=dt.datetime.combine(first, dt.time(), dt.UTC),
        latest=dt.datetime.combine(last, dt.time(), dt.UTC),
    )
    assert [info.partition_key for info in infos] == [str(day) for day in sessions_between(first, last)]


@given(moment=st.datetimes(dt.datetime(1990, 2, 1), dt.datetime(2028, 12, 30)), last=st.none() | DAYS)
def test_without_catch_up_no_due_session_is_older_than_the_newest(
    moment: dt.datetime, last: dt.date | None
) -> None:
    """Whatever ran last and whenever the scheduler asks: the next run is later than the last, and at most
    one of the due ones is left to run.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timetable, "_now", lambda: moment.replace(tzinfo=dt.UTC))
        sessions = sessions_between(last, dt.date(2028, 12, 29)) if last else []
        ran = str(sessions[0]) if sessions else None
        due = timetable._last_due_session(moment.replace(tzinfo=dt.UTC))
        before = timetable._run_of(dt.date.fromisoformat(ran)) if ran else None
        info = NyseSessionTimetable().next_dagrun_info_v2(last_dagrun_info=before, restriction=NO_CATCH_UP)
        if info is None:
            assert str(due) >= "2028-12-28" or (ran and ran >= "2028-12-28")
            return
        key = str(info.partition_key)
        assert ran is None or key > ran
        if key <= str(due):
            assert key == str(due)


# --- under Airflow's own code


def in_airflow() -> None:
    """Run in a process with its own AIRFLOW_HOME: Airflow's scheduler, DAG processor and backfill code on a
    real metadata database.
    """
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
    from airflow.jobs.job import Job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.models import DagModel, DagRun
    from airflow.models.backfill import ReprocessBehavior, _create_backfill
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        manager = DagBundlesManager()
        manager.sync_bundles_to_db(session=session)
        session.commit()
    [bundle] = manager.get_all_dag_bundles()

    def clock(text: str) -> dt.datetime:
        moment = dt.datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)
        timetable._now = lambda: moment  # type: ignore[assignment]
        return moment

    def parse() -> str | None:
        """The DAG processor reads the file; the session that is stored as the next one."""
        sync_bag_to_db(
            BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name),
            bundle.name,
            None,
        )
        with create_session() as session:
            return session.scalars(
                select(DagModel.next_dagrun_partition_key).where(DagModel.dag_id == "rotation_daily")
            ).one()

    def schedule(moment: dt.datetime) -> None:
        """The scheduler's loop, as often as something is due."""
        runner = SchedulerJobRunner(job=Job())
        while True:
            with create_session() as session:
                model = session.scalars(select(DagModel).where(DagModel.dag_id == "rotation_daily")).one()
                model.exceeds_max_non_backfill = False
                due = model.next_dagrun_create_after
                if due is None or due > moment:
                    return
                runner._create_dag_runs([model], session)

    def runs(kind: str = "scheduled") -> list[str]:
        with create_session() as session:
            found = session.scalars(select(DagRun).where(DagRun.run_type == kind).order_by(DagRun.id)).all()
            assert len({run.run_id for run in found}) == len(found)
            return [str(run.partition_key) for run in found]

    moment = clock("2024-07-12 18:29")
    assert parse() == "2024-07-11", "a new installation starts with the newest session that is due"
    schedule(moment)
    assert runs() == ["2024-07-11"]
    schedule(clock("2024-07-12 18:31"))
    schedule(clock("2024-07-12 18:32"))
    assert runs() == ["2024-07-11", "2024-07-12"]
    # A week without a scheduler; the stored next session is Monday the 15th. One run, whoever comes
    # first after the start.
    moment = clock("2024-07-22 18:31")
    schedule(moment)
    assert runs()[2:] == ["2024-07-22"], runs()
    assert parse() == "2024-07-23"
    clock("2024-07-29 18:31")
    assert parse() == "2024-07-29"
    schedule(clock("2024-07-29 18:32"))
    assert runs()[3:] == ["2024-07-29"]

    # A backfill over the same sessions, then again over those that failed: every run is a run of its own.
    clock("2024-07-30 12:00")
    for _ in range(2):
        _create_backfill(
            dag_id="rotation_daily",
            from_date=pendulum.datetime(2024, 7, 24),
            to_date=pendulum.datetime(2024, 7, 26),
            max_active_runs=1,
            reverse=False,
            dag_run_conf={},
            triggering_user_name="test",
            reprocess_behavior=ReprocessBehavior.FAILED,
        )
        with create_session() as session:
            from airflow.models.backfill import Backfill

            for run in session.scalars(select(DagRun).where(DagRun.run_type == "backfill")):
                run.state = "failed"
            for entry in session.scalars(select(Backfill)):
                entry.completed_at = dt.datetime.now(dt.UTC)
    assert runs("backfill") == ["2024-07-24", "2024-07-25", "2024-07-26"] * 2
    # An older session that was backfilled does not move the schedule back.
    assert parse() == "2024-07-30"


@pytest.mark.slow
def test_the_scheduler_the_dag_processor_and_backfills_of_airflow(tmp_path: Path) -> None:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("ROTATION_", "AIRFLOW"))
    }
    environment = {
        **clean,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONPATH": str(REPOSITORY),
    }

    def run(*command: str) -> str:
        result = subprocess.run(
            command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=240, check=False
        )
        assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
        return result.stdout

    airflow = str(Path(sys.executable).with_name("airflow"))
    run(airflow, "db", "migrate")
    run(sys.executable, "-c", "from tests.test_timetable import in_airflow; in_airflow()")
    shown = run(airflow, "dags", "next-execution", "rotation_daily", "-n", "2").split()
    due = timetable._last_due_session(dt.datetime.now(dt.UTC))
    assert shown[-2:] == [str(due), str(sessions_between(due, due + dt.timedelta(days=10))[1])]
