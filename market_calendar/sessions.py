"""NYSE sessions as pure functions of dates.

In: the days of `market_calendar.calendar_file`, FIRST_DAY to LAST_DAY, read on first use and again when
a file of it changes. Out: sessions as `datetime.date`, instants as naive UTC `datetime`. Source:
exchange_calendars XNYS, see `market_calendar.refresh`. Caveat: a closure that was announced after the
calendar was generated (a national day of mourning, a storm) is known once somebody adds its row to
`unscheduled_closures.csv`. Airflow imports this module where it parses a DAG, so only the standard library
is imported.
"""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from market_calendar import calendar_file
from market_calendar.calendar_file import CALENDAR_CSV, COLUMNS, NEW_YORK, CalendarError

__all__ = [
    "CALENDAR_CSV",
    "CUTOFF_CLOCK_TIME",
    "NEW_YORK",
    "CalendarError",
    "NotASession",
    "calendar_days",
    "cutoff_utc",
    "fed_business_days_between",
    "first_and_last_day",
    "is_early_close",
    "is_session",
    "last_closed_session",
    "next_session",
    "previous_session",
    "require_session",
    "session_close_utc",
    "session_closes_utc",
    "sessions_between",
    "settlement_days_between",
]

CUTOFF_CLOCK_TIME = dt.time(23, 59)

# Not from strftime, which follows the language of the machine.
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class NotASession(CalendarError):
    """The date is not an NYSE session; the message gives the reason and the nearest sessions."""


@dataclass(frozen=True)
class _Calendar:
    first_day: dt.date
    last_day: dt.date
    sessions: tuple[dt.date, ...]
    closes_utc: dict[dt.date, dt.datetime]
    early_closes: frozenset[dt.date]
    settlement_days: tuple[dt.date, ...]
    fed_business_days: tuple[dt.date, ...]


def _calendar() -> _Calendar:
    return _read_calendar(calendar_file.version())


@lru_cache(maxsize=1)
def _read_calendar(version: tuple[tuple[int, int], ...]) -> _Calendar:
    """The calendar of one version of its files."""
    days: list[dt.date] = []
    closes: dict[dt.date, dt.datetime] = {}
    early: set[dt.date] = set()
    settlement: list[dt.date] = []
    fed: list[dt.date] = []
    for cells in calendar_file.calendar_rows():
        row = dict(zip(COLUMNS, cells, strict=True))
        day = dt.date.fromisoformat(row["calendar_date"])
        days.append(day)
        if row["is_nyse_session"] == "1":
            closes[day] = dt.datetime.fromisoformat(row["close_at_utc"])
        if row["early_close"] == "1":
            early.add(day)
        if row["is_settlement_day"] == "1":
            settlement.append(day)
        if row["is_fed_business_day"] == "1":
            fed.append(day)
    return _Calendar(
        first_day=days[0],
        last_day=days[-1],
        sessions=tuple(closes),
        closes_utc=closes,
        early_closes=frozenset(early),
        settlement_days=tuple(settlement),
        fed_business_days=tuple(fed),
    )


def _require_covered(day: dt.date) -> _Calendar:
    calendar = _calendar()
    if not calendar.first_day <= day <= calendar.last_day:
        raise NotASession(
            f"{day} lies outside the market calendar, which runs from {calendar.first_day} to "
            f"{calendar.last_day} (sessions from {calendar.sessions[0]} to {calendar.sessions[-1]})."
        )
    return calendar


def is_session(day: dt.date) -> bool:
    """True on a day with NYSE trading; raises NotASession for a date outside the calendar."""
    return day in _require_covered(day).closes_utc


def require_session(day: dt.date) -> dt.date:
    """Return `day` when it is an NYSE session.

    Raises:
        NotASession: with a message for the user.
    """
    calendar = _require_covered(day)
    if day in calendar.closes_utc:
        return day
    position = bisect.bisect_left(calendar.sessions, day)
    before = calendar.sessions[position - 1] if position else None
    after = calendar.sessions[position] if position < len(calendar.sessions) else None
    nearest = " and ".join(
        text
        for text in (
            f"the session before it is {before}" if before else "",
            f"the next one is {after}" if after else "",
        )
        if text
    )
    weekday = WEEKDAYS[day.weekday()]
    why = (
        f"is a {weekday}"
        if day.weekday() >= 5
        else f"is a {weekday} on which the NYSE was closed (a holiday or closure)"
    )
    raise NotASession(f"{day} {why}, not a session: {nearest}.")


def session_close_utc(day: dt.date) -> dt.datetime:
    """Close of trading, 16:00 New York or earlier on early-close days, as naive UTC."""
    require_session(day)
    return _calendar().closes_utc[day]


def is_early_close(day: dt.date) -> bool:
    """True when the session `day` ends before 16:00 New York."""
    require_session(day)
    return day in _calendar().early_closes


def cutoff_utc(session: dt.date) -> dt.datetime:
    """23:59:00 New York on the session's day as naive UTC: a run uses nothing that became available later."""
    require_session(session)
    local = dt.datetime.combine(session, CUTOFF_CLOCK_TIME, tzinfo=NEW_YORK)
    return local.astimezone(dt.UTC).replace(tzinfo=None)


def last_closed_session(now_utc: dt.datetime) -> dt.date:
    """The latest session whose close is not after `now_utc` (naive means UTC; an aware time is converted)."""
    if now_utc.tzinfo is not None:
        now_utc = now_utc.astimezone(dt.UTC).replace(tzinfo=None)
    calendar = _require_covered(now_utc.date())
    position = bisect.bisect_right(calendar.sessions, now_utc.date())
    for session in reversed(calendar.sessions[max(0, position - 2) : position]):
        if calendar.closes_utc[session] <= now_utc:
            return session
    raise NotASession(
        f"No session had closed by {now_utc} UTC: the calendar's first is {calendar.sessions[0]}."
    )


def sessions_between(first: dt.date, last: dt.date) -> list[dt.date]:
    """All sessions from `first` to `last`, both included; empty when `last` is before `first`."""
    return _between(_require_covered(first).sessions, first, _covered(last))


def settlement_days_between(first: dt.date, last: dt.date) -> list[dt.date]:
    """All days from `first` to `last` on which fed funds futures settled, sessions or not."""
    return _between(_require_covered(first).settlement_days, first, _covered(last))


def fed_business_days_between(first: dt.date, last: dt.date) -> list[dt.date]:
    """All Federal Reserve business days from `first` to `last`, both included."""
    return _between(_require_covered(first).fed_business_days, first, _covered(last))


def next_session(day: dt.date) -> dt.date:
    """The first session strictly after `day`, which may be any day of the calendar."""
    calendar = _require_covered(day)
    position = bisect.bisect_right(calendar.sessions, day)
    if position == len(calendar.sessions):
        raise NotASession(f"The market calendar ends on {calendar.last_day} and has no session after {day}.")
    return calendar.sessions[position]


def previous_session(day: dt.date) -> dt.date:
    """The last session strictly before `day`, which may be any day of the calendar."""
    calendar = _require_covered(day)
    position = bisect.bisect_left(calendar.sessions, day)
    if position == 0:
        raise NotASession(
            f"The market calendar starts on {calendar.first_day} and has no session before {day}."
        )
    return calendar.sessions[position - 1]


def _covered(day: dt.date) -> dt.date:
    _require_covered(day)
    return day


def _between(days: tuple[dt.date, ...], first: dt.date, last: dt.date) -> list[dt.date]:
    return list(days[bisect.bisect_left(days, first) : bisect.bisect_right(days, last)])


def first_and_last_day() -> tuple[dt.date, dt.date]:
    """The range of calendar days that the file covers."""
    calendar = _calendar()
    return calendar.first_day, calendar.last_day


def session_closes_utc() -> Mapping[dt.date, dt.datetime]:
    """The close of every session, as naive UTC."""
    return _calendar().closes_utc


def calendar_days(kind: str) -> Iterable[dt.date]:
    """Every day of one kind: `session`, `settlement` or `fed_business`."""
    calendar = _calendar()
    return {
        "session": calendar.sessions,
        "settlement": calendar.settlement_days,
        "fed_business": calendar.fed_business_days,
    }[kind]
