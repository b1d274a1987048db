"""Which session a DAG run is for: partition key, else parameter `session`, else the explicit logical date,
else the newest session that is due.

In: what Airflow knows of the run. Out: an ISO date as text. Caveat: a logical date is read as New York's
date, because that is where the session is.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from market_calendar.due import newest_due
from market_calendar.sessions import NEW_YORK

TWO_DATES = re.compile(r"\d{4}-\d{2}-\d{2}.+\d{4}-\d{2}-\d{2}", re.DOTALL)
LONGEST_DATE = 40


class SessionUnknown(ValueError):
    """The run names something that is not a session."""


def named_session(*, partition_key: str | None, parameter: Any, logical_date: datetime | None) -> str | None:
    """The session that a run names, as text, not checked yet; None when it names none.

    Raises:
        SessionUnknown: the parameter is not one date.
    """
    if key := _short("partition key", (partition_key or "").strip()):
        return key
    if text := _text_of(parameter):
        return text
    return logical_date.astimezone(NEW_YORK).date().isoformat() if logical_date else None


def session_of_run(
    *, partition_key: str | None, parameter: Any, logical_date: datetime | None, now: datetime
) -> str:
    """The session of a run as text, not checked yet; the newest one that is due when it names none.

    Raises:
        SessionUnknown: the parameter is not one date.
        NotASession: no session is due, because the calendar has ended.
    """
    named = named_session(partition_key=partition_key, parameter=parameter, logical_date=logical_date)
    return named or newest_due(now).isoformat()


def _text_of(parameter: Any) -> str:
    """The parameter as text; empty where it names nothing."""
    if parameter is None:
        return ""
    if not isinstance(parameter, str):
        raise SessionUnknown(
            f"The parameter session is {_shown(parameter)}, not a date in quotes; write it as 2024-07-16, or"
            " leave it empty for the newest session that is due."
        )
    text = parameter.strip()
    if TWO_DATES.search(text):
        raise SessionUnknown(
            f"The parameter session is {_shown(text)}, which names more than one date; a run is for one"
            " session. For several create a backfill (docs/operations.md)."
        )
    return _short("parameter session", text)


def _short(name: str, text: str) -> str:
    """A text that may be a date; a long one is no date and would fill the message that quotes it."""
    if len(text) > LONGEST_DATE:
        raise SessionUnknown(f"The {name} is {_shown(text)}, not a date; write it as 2024-07-16.")
    return text


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
