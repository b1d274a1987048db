"""The days on which the FOMC publishes its economic projections, and which of them a set of years is from.

In: the decisions in `fomc_meetings.csv`. Out: days. Since 2013 projections come with the scheduled decisions
of March, June, September and December, 14:00 New York time; each names the current year and the two that
follow, from September on the three. Source: https://www.federalreserve.gov/monetarypolicy/fomccalendars.htm
(meetings marked with an asterisk). Caveat: that a coming meeting publishes projections is assumed from its
month.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path

from market_calendar.calendar_file import REFERENCE

RELEASE_TIME = dt.time(14, 0)
PROJECTION_MONTHS = (3, 6, 9, 12)
# The first projections of the funds rate, and the other months of 2012.
FIRST_PROJECTION = dt.date(2012, 1, 25)
OTHER_PROJECTIONS = frozenset({FIRST_PROJECTION, dt.date(2012, 4, 25)})
WITHOUT_PROJECTIONS = frozenset({dt.date(2012, 3, 13)})
# From this month on projections name one year more.
LONGER_FROM_MONTH = 9
SHORT_REACH_YEARS, LONG_REACH_YEARS = 2, 3


def with_projections(decisions: Iterable[dt.date]) -> list[dt.date]:
    """Those of the scheduled decisions, cancelled ones apart, that come with projections, in order."""
    return sorted(
        day
        for day in decisions
        if day in OTHER_PROJECTIONS
        or (day > FIRST_PROJECTION and day.month in PROJECTION_MONTHS and day not in WITHOUT_PROJECTIONS)
    )


@lru_cache(maxsize=4)
def projection_days(folder: Path = REFERENCE) -> tuple[dt.date, ...]:
    """The decision days with projections, in order; cancelled and unscheduled meetings have none."""
    with (folder / "fomc_meetings.csv").open(newline="", encoding="utf-8") as handle:
        held = [
            dt.date.fromisoformat(row["decision_date"])
            for row in csv.DictReader(handle)
            if row["scheduled"] == "true" and row["cancelled"] != "true"
        ]
    return tuple(with_projections(held))


def last_year_named(day: dt.date) -> int:
    """The last calendar year that the projections of a day name."""
    return day.year + (LONG_REACH_YEARS if day.month >= LONGER_FROM_MONTH else SHORT_REACH_YEARS)


def first_naming(year: int) -> dt.date | None:
    """The first projections that name a year; None while no listed meeting does."""
    return next((day for day in projection_days() if last_year_named(day) >= year), None)


def newest_with_years(years: Collection[int], before: dt.date) -> dt.date | None:
    """The newest projections up to a day that name exactly these years; None where there are none.

    Args:
        years: the calendar years that were served with a value.
        before: the last day that may be found.
    """
    if not years:
        return None
    for day in reversed(projection_days()):
        if day <= before and (day.year, last_year_named(day)) == (min(years), max(years)):
            return day
    return None
