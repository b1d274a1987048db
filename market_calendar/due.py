"""Which session is due: the one definition, for the timetable, for a run that names no session, and for
`make status`, the morning check and the alerts.

In: a moment. Out: the newest session whose evening run is due. Caveat: the calendar ends; after its last day
no session is due any more (`NotASession`). Airflow imports this module where it parses a DAG, so only the
standard library is imported.
"""

from __future__ import annotations

import datetime as dt

from market_calendar.sessions import NEW_YORK, require_session, sessions_between

# Settlements are struck by 17:00 New York and prices are final by then; half days wait as long, because
# their settlements are no earlier.
RUN_AT = dt.time(18, 30)
# The run of a session has as long until its deadline; only then is the session missing.
PUBLISHED_WITHIN = dt.timedelta(hours=2)
# A source that lacks more sessions than these has ended; one that lacks fewer is late, or the exchange was
# closed.
LATE_SESSIONS = 3
ONE_DAY = dt.timedelta(days=1)


def run_due_utc(session: dt.date) -> dt.datetime:
    """The moment from which the run of a session may start, with a time zone."""
    require_session(session)
    return dt.datetime.combine(session, RUN_AT, tzinfo=NEW_YORK).astimezone(dt.UTC)


def newest_due(now: dt.datetime, since: dt.timedelta = dt.timedelta(0)) -> dt.date:
    """The newest session whose evening run is due.

    Args:
        now: a moment with a time zone; a naive one is UTC.
        since: for how long its run must have been due.

    Raises:
        NotASession: the moment lies outside the calendar.
    """
    aware = now if now.tzinfo is not None else now.replace(tzinfo=dt.UTC)
    local = (aware.astimezone(dt.UTC) - since).astimezone(NEW_YORK)
    day = local.date() if local.time() >= RUN_AT else local.date() - ONE_DAY
    return sessions_between(day - 14 * ONE_DAY, day)[-1]


def has_ended(last: dt.date, session: dt.date) -> bool:
    """Whether a source whose last day is `last` has ended, and is not merely late, at a session."""
    return len(sessions_between(last + ONE_DAY, session)) > LATE_SESSIONS
