"""Which session a DAG run is for: partition key, else parameter `session`, else the explicit logical date,
else the newest session that is due. The parameter may name a range of sessions instead.

In: what Airflow knows of the run. Out: ISO dates as text. Caveat: a logical date is read as New York's date,
because that is where the session is.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from market_calendar.due import newest_due
from market_calendar.sessions import NEW_YORK

# Of ISO 8601, both ends included.
RANGE = re.compile(r"(\d{4}-\d{2}-\d{2})\s*/\s*(\d{4}-\d{2}-\d{2})")
TWO_DATES = re.compile(r"\d{4}-\d{2}-\d{2}.+\d{4}-\d{2}-\d{2}", re.DOTALL)
HOW_TO_WRITE = "write a session as 2024-07-16, a range as 2014-07-17/2024-07-16, both ends included"
LONGEST_DATE = 40


class SessionUnknown(ValueError):
    """The run names something that is not a session."""


def named_session(*, partition_key: str | None, parameter: Any, logical_date: datetime | None) -> str | None:
    """The session that a run names, the last one of a range, as text, not checked yet; None when it names
    none.

    Raises:
        SessionUnknown: the parameter is neither one date nor a range.
    """
    named = _named(partition_key, parameter, logical_date)
    return named[1] if named else None


def sessions_of_run(
    *, partition_key: str | None, parameter: Any, logical_date: datetime | None, now: datetime
) -> tuple[str, str]:
    """The first and the last session of a run as text, not checked yet; they are one where it names no range,
    and the newest one that is due when it names none.

    Raises:
        SessionUnknown: the parameter is neither one date nor a range.
        NotASession: no session is due, because the calendar has ended.
    """
    return _named(partition_key, parameter, logical_date) or (newest_due(now).isoformat(),) * 2


def _named(
    partition_key: str | None, parameter: Any, logical_date: datetime | None
) -> tuple[str, str] | None:
    if key := _short("partition key", (partition_key or "").strip()):
        return key, key
    if text := _text_of(parameter):
        return _ends_of(text)
    if logical_date is None:
        return None
    return (logical_date.astimezone(NEW_YORK).date().isoformat(),) * 2


def _ends_of(text: str) -> tuple[str, str]:
    """The first and the last session that a text names."""
    found = RANGE.fullmatch(text)
    if found is None:
        if "/" in text:
            raise SessionUnknown(
                f"The parameter session is {_shown(text)}, neither a session nor a range; {HOW_TO_WRITE}."
            )
        return text, text
    first, last = found.groups()
    if first > last:
        raise SessionUnknown(
            f"The parameter session is {_shown(text)}, a range that ends before it begins; {HOW_TO_WRITE}."
        )
    return first, last


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
    if TWO_DATES.search(text) and not RANGE.fullmatch(text):
        raise SessionUnknown(
            f"The parameter session is {_shown(text)}, which names more than one date; {HOW_TO_WRITE}."
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
