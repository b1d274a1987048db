"""One DAG run per NYSE session, on the evening of the session.

In: the calendar of `market_calendar.sessions`. Out: an Airflow timetable whose runs carry the session as
their partition key (`2024-07-16`): holidays have no run, half days have one. The class lives here and is only
registered in `plugins/`, because a timetable that is defined under `plugins/` is imported under two names
and then "not registered". Caveat: the calendar ends on LAST_DAY; after its last session the timetable
schedules nothing (`horizons`).
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable
from typing import Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from market_calendar.due import RUN_AT, newest_due, run_due_utc
from market_calendar.sessions import (
    NEW_YORK,
    CalendarError,
    NotASession,
    first_and_last_day,
    next_session,
    require_session,
    sessions_between,
)

__all__ = ["RUN_AT", "NyseSessionTimetable"]

ONE_DAY = dt.timedelta(days=1)


class NyseSessionTimetable(Timetable):
    """Partitioned by session; the run of a session may start at 18:30 New York on its day."""

    partitioned = True
    description = "one run per NYSE session, 18:30 New York"

    @property
    def summary(self) -> str:
        """What the web interface shows."""
        return "NYSE sessions, 18:30 New York"

    def validate(self) -> None:
        """Make a rejected row of the calendar an import error of the DAG, which is visible, instead of a
        schedule that silently stops.
        """
        from airflow.exceptions import AirflowTimetableInvalid

        try:
            first_and_last_day()
        except CalendarError as error:
            raise AirflowTimetableInvalid(str(error)) from None

    def next_dagrun_info_v2(
        self, *, last_dagrun_info: DagRunInfo | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next session after the last run; without catch-up no earlier than the last session whose
        evening run is due.
        """
        day_before_first = dt.date(1990, 1, 1)
        if last_dagrun_info is not None and last_dagrun_info.partition_key:
            # It need not be a session any more: that the exchange was closed may have become
            # known after its run.
            day_before_first = dt.date.fromisoformat(last_dagrun_info.partition_key)
        if restriction.earliest is not None:
            # A start date is read as a day, as the bounds of a backfill are.
            day_before_first = max(day_before_first, restriction.earliest.astimezone(dt.UTC).date() - ONE_DAY)
        try:
            session = next_session(day_before_first)
            if not restriction.catchup:
                session = max(session, _last_due_session(_now()))
        except NotASession:
            return None
        info = _run_of(session)
        return None if restriction.latest is not None and info.run_after > restriction.latest else info

    def next_run_info_from_dag_model(self, *, dag_model: Any) -> DagRunInfo | None:
        """The run that the scheduler creates now.

        What it stored after the last run may be old: after an outage the newest due session takes its place
        (one run loads every session that is missing), and a day that turned out to be closed is replaced by
        the session after it.
        """
        stored = super().next_run_info_from_dag_model(dag_model=dag_model)
        if stored is None or stored.partition_key is None:
            return stored
        try:
            session = next_session(dt.date.fromisoformat(stored.partition_key) - ONE_DAY)
            return _run_of(max(session, _last_due_session(_now())))
        except NotASession:
            return stored

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """A run started by hand has no interval; it names its session by parameter."""
        return DataInterval.exact(run_after)

    def iter_partition_dagrun_infos(
        self, *, earliest: dt.datetime, latest: dt.datetime
    ) -> Iterable[DagRunInfo]:
        """The sessions of a backfill, both ends included; the bounds are read as calendar days. What is not
        due yet is left to the schedule.
        """
        due = _last_due_session(_now())
        for session in sessions_between(earliest.date(), min(latest.date(), due)):
            yield _run_of(session)

    def generate_run_id(self, *, run_type: Any, run_after: Any, data_interval: Any, **extra: Any) -> str:
        """`scheduled__2024-07-16T22:30:00+00:00`; a backfill may come again over the same sessions, so its
        runs get a suffix.
        """
        suffix = run_after.isoformat()
        if run_type == "backfill":
            suffix = f"{suffix}__{secrets.token_hex(4)}"
        run_id: str = run_type.generate_run_id(suffix=suffix)
        return run_id

    def _decode_partition_date(self, partition_key: str) -> dt.datetime:
        """Midnight of the session; an invalid key is refused where the run is triggered."""
        from airflow.exceptions import InvalidPartitionKeyError

        try:
            session = require_session(dt.datetime.strptime(partition_key, "%Y-%m-%d").date())
        except NotASession as error:
            raise InvalidPartitionKeyError(str(error)) from None
        except ValueError:
            session = None
        if session is None or session.isoformat() != partition_key:
            raise InvalidPartitionKeyError(
                f"The partition key {partition_key!r} is not a session; write it as 2024-07-16."
            )
        return _midnight(session)


def _run_of(session: dt.date) -> DagRunInfo:
    return DagRunInfo(
        run_after=pendulum.instance(run_due_utc(session)).in_timezone("UTC"),
        data_interval=None,
        partition_date=_midnight(session),
        partition_key=session.isoformat(),
    )


def _midnight(session: dt.date) -> pendulum.DateTime:
    return pendulum.datetime(session.year, session.month, session.day)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _last_due_session(now: dt.datetime) -> dt.date:
    """The newest session that is due; after the end of the calendar, its last session."""
    end = dt.datetime.combine(first_and_last_day()[1], dt.time(23, 59), tzinfo=NEW_YORK)
    return newest_due(min(now, end))
