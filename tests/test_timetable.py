"""The session timetable: one run per NYSE session, on the right evening, summer and winter."""

from __future__ import annotations

import datetime as dt

import pendulum
import pytest
from airflow.timetables.base import DagRunInfo, TimeRestriction

from market_calendar.timetable import NyseSessionTimetable

EVERYTHING = TimeRestriction(earliest=pendulum.datetime(2000, 1, 3), latest=None, catchup=True)


def run_for(session: str) -> DagRunInfo:
    """The run info of one session, by way of a backfill of that day."""
    day = dt.datetime.fromisoformat(session).replace(tzinfo=dt.UTC)
    [info] = NyseSessionTimetable().iter_partition_dagrun_infos(earliest=day, latest=day)
    return info


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


def test_without_catch_up_old_sessions_are_left_out() -> None:
    restriction = TimeRestriction(earliest=pendulum.datetime(2000, 1, 3), latest=None, catchup=False)
    info = following("2024-07-16", restriction)
    assert info is not None
    assert info.run_after > pendulum.now("UTC").subtract(days=8)
    newest = following(info.partition_key, restriction)
    assert newest is not None
    assert newest.run_after > info.run_after


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
