"""Generates `warehouse/reference/calendar.csv` anew, for `make refresh-calendars`.

In: exchange_calendars' XNYS (sessions and closes), `extra_settlement_days.csv` (where the futures'
settlement days differ from the NYSE's sessions), the settlement days of `unscheduled_closures.csv` and the
Federal Reserve Banks' holiday rule. Out: one row per day from FIRST_DAY to LAST_DAY, the columns of
`ref.calendar`; flags are 1 and 0 to keep the file small, and an empty field is NULL. Source:
https://github.com/gerrymanoim/exchange_calendars and https://www.frbservices.org/about/holiday-schedules.
Caveat: rows of `unscheduled_closures.csv` are not written into the file: they are applied whenever it is
read, and may stay when exchange_calendars knows them too. `session_number` counts from the first session of
1990, so the first day may never be moved.

The pipeline reads the CSV and never imports exchange_calendars.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path

from market_calendar.calendar_file import (
    COLUMNS,
    FIRST_DAY,
    LAST_DAY,
    REFERENCE,
    read_closures,
)

# A law of June 2021, when the 19th was a Saturday: the Reserve Banks first closed for Juneteenth in 2022.
FIRST_JUNETEENTH = 2022


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> dt.date:
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def _last_monday_of_may(year: int) -> dt.date:
    last = dt.date(year, 5, 31)
    return last - dt.timedelta(days=last.weekday())


def compute_fed_holidays(year: int) -> set[dt.date]:
    """Weekdays without Federal Reserve business: a Sunday holiday moves to Monday, a Saturday one is lost."""
    fixed = [dt.date(year, 1, 1), dt.date(year, 7, 4), dt.date(year, 11, 11), dt.date(year, 12, 25)]
    if year >= FIRST_JUNETEENTH:
        fixed.append(dt.date(year, 6, 19))
    observed = {day + dt.timedelta(days=1) if day.weekday() == 6 else day for day in fixed}
    observed |= {
        _nth_weekday(year, 1, 0, 3),
        _nth_weekday(year, 2, 0, 3),
        _last_monday_of_may(year),
        _nth_weekday(year, 9, 0, 1),
        _nth_weekday(year, 10, 0, 2),
        _nth_weekday(year, 11, 3, 4),
    }
    return {day for day in observed if day.weekday() < 5}


def read_settlement_exceptions(path: Path = REFERENCE / "extra_settlement_days.csv") -> dict[dt.date, bool]:
    """Days whose settlement status is not that of the NYSE, each with its reason in the file."""
    with path.open(newline="", encoding="utf-8") as handle:
        return {
            dt.date.fromisoformat(row["calendar_date"]): row["is_settlement_day"] == "true"
            for row in csv.DictReader(handle)
        }


def compute_calendar(first: dt.date = FIRST_DAY, last: dt.date = LAST_DAY) -> list[tuple[str, ...]]:
    """The rows of calendar.csv as text."""
    import exchange_calendars  # type: ignore[import-untyped, unused-ignore]

    nyse = exchange_calendars.get_calendar("XNYS", start=first.isoformat(), end=last.isoformat())
    closes = {
        session.date(): close.tz_convert("UTC").to_pydatetime().replace(tzinfo=None)
        for session, close in nyse.closes.items()
    }
    early = {session.date() for session in nyse.early_closes}
    exceptions = read_settlement_exceptions()
    # A closure that was added by hand and is known here by now: its entry on the futures is kept.
    exceptions |= {
        closure.day: bool(closure.is_settlement_day)
        for closure in read_closures()
        if closure.kind == "closed" and closure.day not in closes and closure.day not in exceptions
    }
    holidays = {day for year in range(first.year, last.year + 1) for day in compute_fed_holidays(year)}
    rows: list[tuple[str, ...]] = []
    number = 0
    for offset in range((last - first).days + 1):
        day = first + dt.timedelta(days=offset)
        session = day in closes
        number += session
        rows.append(
            (
                day.isoformat(),
                str(int(session)),
                str(number) if session else "",
                str(int(exceptions.get(day, session))),
                str(int(day.weekday() < 5 and day not in holidays)),
                str(int(day in early)),
                closes[day].strftime("%Y-%m-%d %H:%M") if session else "",
            )
        )
    return rows


def calendar_text() -> str:
    """The content of calendar.csv, generated anew."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(compute_calendar())
    return out.getvalue()
