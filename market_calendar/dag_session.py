"""Which session a DAG run is for: partition key, else parameter `session`, else the explicit logical date.

In: what Airflow knows of the run. Out: an ISO date as text. Caveat: a logical date is read as New York's
date, because that is where the session is.
"""

from __future__ import annotations

from datetime import datetime

from market_calendar.sessions import NEW_YORK


class SessionUnknown(ValueError):
    """The run does not say which session it is for."""


def session_of_run(*, partition_key: str | None, parameter: str | None, logical_date: datetime | None) -> str:
    """The session of a run as text, not checked yet.

    Raises:
        SessionUnknown: nothing names one.
    """
    if partition_key:
        return partition_key
    if parameter:
        return parameter
    if logical_date is None:
        raise SessionUnknown(
            'This run names no session. Trigger it with the parameter session, for example {"session":'
            ' "2024-07-16"}.'
        )
    return logical_date.astimezone(NEW_YORK).date().isoformat()
