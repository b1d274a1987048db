"""Days as text, and days of rates that are served by business day."""

from __future__ import annotations

import re
from datetime import date

from market_calendar.sessions import fed_business_days_between, first_and_last_day

PLAIN_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def plain_day(text: object) -> date | None:
    """The day of a text such as 2024-07-16; None for anything else, the other forms of ISO 8601 included."""
    if not isinstance(text, str) or not PLAIN_DAY.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def is_closed_day(day: date) -> bool:
    """Whether the Federal Reserve was closed, so that no rate of the day exists; not known outside the
    calendar.
    """
    first, last = first_and_last_day()
    return first <= day <= last and not fed_business_days_between(day, day)
