"""Days of rates that are served by business day."""

from __future__ import annotations

from datetime import date

from market_calendar.sessions import fed_business_days_between, first_and_last_day


def is_closed_day(day: date) -> bool:
    """Whether the Federal Reserve was closed, so that no rate of the day exists; not known outside the
    calendar.
    """
    first, last = first_and_last_day()
    return first <= day <= last and not fed_business_days_between(day, day)
