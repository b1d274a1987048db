"""How far each list that people keep by hand reaches: its last day, and what to do about it.

In: the CSV files of `warehouse/reference/`. Out: one `Horizon` per list, in a fixed order. A list is good up
to its `end`; from WARNING_DAYS before it says so, and after it whatever depends on it is guessed or missing:
the audit of a run and `make status` warn first, and status fails after the end. Caveat: only lists that run
out are here. What is history (reported losses of banks, claims) or has no end (pairs, groups) is not.
Only the standard library is imported: the DAG files and `make status` read it.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from market_calendar import calendar_file
from market_calendar.calendar_file import REFERENCE, calendar_rows

WARNING_DAYS = 60
REFRESH = "run `make refresh-calendars`"
# The symposium is in the last third of August, a year and some days after the one before at most.
JACKSON_HOLE_REACH_DAYS = 379
# The largest share, of mortgage-backed securities, moved by 0.7 points a quarter at most: by 4 of 50 in six.
WEIGHTS_REACH_DAYS = 548
Row = dict[str, str]


@dataclass(frozen=True)
class Horizon:
    """One list: its last entry, the last day it is good for, and what its end means."""

    name: str
    last: dt.date
    end: dt.date
    consequence: str
    remedy: str

    @property
    def warns_from(self) -> dt.date:
        """The first day on which the end is announced."""
        return self.end - dt.timedelta(days=WARNING_DAYS)

    def has_ended(self, day: dt.date) -> bool:
        """True after the last day that the list is good for."""
        return day > self.end

    def sentence(self, day: dt.date) -> str | None:
        """What to tell on `day`; None while the end is far."""
        if day < self.warns_from:
            return None
        days = abs((self.end - day).days)
        if self.has_ended(day):
            when = f"ended on {self.end}, {days} {_days(days)} before {day}"
        else:
            when = f"ends on {self.end}, " + (f"{days} {_days(days)} after {day}" if days else "the same day")
        entry = "" if self.last == self.end else f" (last entry {self.last})"
        return f"{self.name}: the list {when}{entry}. {self.consequence} To extend it, {self.remedy}."


def horizons(folder: Path = REFERENCE) -> list[Horizon]:
    """Every list that can run out, in the order in which they are shown.

    Args:
        folder: of the CSV files; of another folder than the project's, calendar.csv is read as it is.
    """
    return [entry for find in LISTS for entry in find(folder)]


def horizon_warnings(day: dt.date, folder: Path = REFERENCE) -> list[str]:
    """The sentences of the lists that end within WARNING_DAYS of `day` but not before it."""
    return [text for entry in horizons(folder) if not entry.has_ended(day) and (text := entry.sentence(day))]


def horizon_failures(day: dt.date, folder: Path = REFERENCE) -> list[str]:
    """The sentences of the lists that ended before `day`."""
    return [text for entry in horizons(folder) if entry.has_ended(day) and (text := entry.sentence(day))]


def _calendar(folder: Path) -> Iterator[Horizon]:
    last = _calendar_days(folder)[-1][0]
    yield Horizon(
        "Trading calendar (calendar.csv)",
        last,
        last,
        "Nothing is scheduled after it.",
        f"raise LAST_DAY in market_calendar/{Path(calendar_file.__file__).name} and {REFRESH}",
    )


def _decisions(folder: Path) -> Iterator[Horizon]:
    held = [row for row in _rows(folder, "fomc_meetings") if row["cancelled"] != "true"]
    if not held:
        return  # a run refuses a list without a row
    last = max(dt.date.fromisoformat(row["decision_date"]) for row in held)
    yield Horizon(
        "FOMC decisions (fomc_meetings.csv)",
        last,
        last,
        "After it no decision is known, and the probabilities end.",
        "add the meetings that the Federal Reserve announces (federalreserve.gov, FOMC calendars) and the day"
        " of the announcement to fomc_schedules.csv",
    )


def _events(folder: Path) -> Iterator[Horizon]:
    dates: dict[str, dt.date] = {}
    for row in _rows(folder, "events"):
        day = dt.date.fromisoformat(row["event_date"])
        dates[row["event_type"]] = max(day, dates.get(row["event_type"], day))
    for kind, last in sorted(dates.items()):
        if kind == "jackson_hole":
            yield Horizon(
                "Jackson Hole speeches (events.csv)",
                last,
                last + dt.timedelta(days=JACKSON_HOLE_REACH_DAYS),
                "The next one is missing among the events.",
                "add the next speech (federalreserve.gov, speeches)",
            )
            continue
        series = [
            row["series_id"]
            for row in _rows(folder, "fred_series")
            if row["release_rule"].startswith(f"calendar:{kind}|")
        ]
        depends = f", and the days of {', '.join(series)} are assumed, not known" if series else ""
        yield Horizon(
            f"Release dates of {kind} (events.csv)",
            last,
            last,
            f"Later releases are missing among the events{depends}.",
            f"{REFRESH}, or add the dates of the Bureau of Labor Statistics' schedule",
        )


def _settlement_exceptions(folder: Path) -> Iterator[Horizon]:
    """Fed funds futures settle on a Good Friday when the jobs report comes out on it; that is known as far as
    the report's dates are.
    """
    jobs = max(
        (
            dt.date.fromisoformat(row["event_date"])
            for row in _rows(folder, "events")
            if row["event_type"] == "jobs"
        ),
        default=None,
    )
    listed = [dt.date.fromisoformat(row["calendar_date"]) for row in _rows(folder, "extra_settlement_days")]
    if jobs is None:
        return
    last = max(listed, default=jobs)
    unknown = [day for day in good_fridays(folder) if day > max(jobs, last)]
    if unknown:
        yield Horizon(
            "Extra settlement days (extra_settlement_days.csv)",
            last,
            unknown[0] - dt.timedelta(days=1),
            f"Whether the futures settle on Good Friday {unknown[0]} depends on the date of the jobs report.",
            f"{REFRESH}, and where the jobs report comes out on that day, add a row",
        )


def _bank_weights(folder: Path) -> Iterator[Horizon]:
    rows = _rows(folder, "bank_securities_weights")
    if not rows:
        return
    last = max(dt.date.fromisoformat(row["weights_as_of_date"]) for row in rows)
    yield Horizon(
        "Banks' securities by kind (bank_securities_weights.csv)",
        last,
        last + dt.timedelta(days=WEIGHTS_REACH_DAYS),
        "The mark of banks' securities uses weights that are too old.",
        "add a quarter from the Federal Reserve's H.8 release, table 3",
    )


def _ended_inputs(folder: Path) -> Iterator[Horizon]:
    """An input with `active_to`. Once it has ended, only a required one is still missed: an optional one has
    gone as was foreseen.
    """
    for table, key in (("instruments", "symbol"), ("fred_series", "series_id")):
        for row in _rows(folder, table):
            if not row["active_to"]:
                continue
            end = dt.date.fromisoformat(row["active_to"])
            yield _EndingInput(
                f"{row[key]} ({table}.csv)",
                end,
                end,
                "It is not fetched after that.",
                f"name its successor in {table}.csv and in the groups and pairs that use it",
                required=row["required"] == "true",
            )


@dataclass(frozen=True)
class _EndingInput(Horizon):
    required: bool = False

    def sentence(self, day: dt.date) -> str | None:
        return None if self.has_ended(day) and not self.required else super().sentence(day)


LISTS: tuple[Callable[[Path], Iterable[Horizon]], ...] = (
    _calendar,
    _decisions,
    _events,
    _settlement_exceptions,
    _bank_weights,
    _ended_inputs,
)


def good_fridays(folder: Path = REFERENCE) -> list[dt.date]:
    """The Fridays of March and April without a session: Good Friday is the only holiday of the NYSE there."""
    return [
        day
        for day, is_session in _calendar_days(folder)
        if day.month in (3, 4) and day.weekday() == 4 and not is_session
    ]


def _calendar_days(folder: Path) -> list[tuple[dt.date, bool]]:
    if folder == REFERENCE:
        rows = calendar_rows()
    else:
        with (folder / "calendar.csv").open(newline="", encoding="utf-8") as handle:
            rows = list(csv.reader(handle))[1:]
    return [(dt.date.fromisoformat(row[0]), row[1] == "1") for row in rows]


def _rows(folder: Path, name: str) -> list[Row]:
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def _days(number: int) -> str:
    return "day" if number == 1 else "days"
