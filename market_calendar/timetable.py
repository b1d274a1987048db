"""One DAG run per NYSE session, on the evening of the session.

In: the calendar of `market_calendar.sessions`. Out: an Airflow timetable whose runs carry the session as their partition key
(`2024-07-16`): holidays have no run, half days theirs. The class lives here and is only registered in `plugins/`, because a timetable
that is defined under `plugins/` is imported under two names and then "not registered".
Caveat: the calendar ends on 2028-12-31; after its last session the timetable schedules nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from market_calendar.sessions import NEW_YORK, NotASession, next_session, require_session, sessions_between

# Settlements are struck by 17:00 New York and prices are final by then; half days wait as long, because their settlements are no earlier.
RUN_AT = dt.time(18, 30)


class NyseSessionTimetable(Timetable):
    """Partitioned by session; the run of a session may start at 18:30 New York on its day."""

    partitioned = True
    description = "one run per NYSE session, 18:30 New York"

    @property
    def summary(self) -> str:
        """What the web interface shows."""
        return "NYSE sessions, 18:30 New York"

    def next_dagrun_info_v2(
        self, *, last_dagrun_info: DagRunInfo | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next session after the last run; without catch-up no earlier than the last session whose evening has come."""
        day_before_first = dt.date(1990, 1, 1)
        if last_dagrun_info is not None and last_dagrun_info.partition_key:
            day_before_first = require_session(dt.date.fromisoformat(last_dagrun_info.partition_key))
        if restriction.earliest is not None:
            earliest = restriction.earliest.astimezone(NEW_YORK).date()
            day_before_first = max(day_before_first, earliest - dt.timedelta(days=1))
        try:
            session = next_session(day_before_first)
            if not restriction.catchup:
                session = max(session, _last_due_session(dt.datetime.now(dt.UTC)))
        except NotASession:
            return None
        info = _run_of(session)
        return None if restriction.latest is not None and info.run_after > restriction.latest else info

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """A run started by hand has no interval; it names its session by parameter."""
        return DataInterval.exact(run_after)

    def iter_partition_dagrun_infos(
        self, *, earliest: dt.datetime, latest: dt.datetime
    ) -> Iterable[DagRunInfo]:
        """The sessions of a backfill, both ends included; the bounds are read as calendar days."""
        for session in sessions_between(earliest.date(), latest.date()):
            yield _run_of(session)

    def generate_run_id(self, *, run_type: Any, run_after: Any, data_interval: Any, **extra: Any) -> str:
        """`scheduled__2024-07-16T22:30:00+00:00`: the session is in it, and a second run of it gets another moment."""
        run_id: str = run_type.generate_run_id(suffix=run_after.isoformat())
        return run_id

    def _decode_partition_date(self, partition_key: str) -> dt.datetime:
        return _midnight(dt.date.fromisoformat(partition_key))


def _run_of(session: dt.date) -> DagRunInfo:
    evening = pendulum.instance(dt.datetime.combine(session, RUN_AT, tzinfo=NEW_YORK)).in_timezone("UTC")
    return DagRunInfo(
        run_after=evening,
        data_interval=None,
        partition_date=_midnight(session),
        partition_key=session.isoformat(),
    )


def _midnight(session: dt.date) -> pendulum.DateTime:
    return pendulum.datetime(session.year, session.month, session.day)


def _last_due_session(now: dt.datetime) -> dt.date:
    """The latest session whose evening run is due."""
    local = now.astimezone(NEW_YORK)
    today = local.date() if local.time() >= RUN_AT else local.date() - dt.timedelta(days=1)
    return sessions_between(today - dt.timedelta(days=14), today)[-1]
