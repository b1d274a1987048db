"""The days of the market calendar: `calendar.csv` as generated, with the closures that were announced since.

In: `warehouse/reference/calendar.csv` (written by `market_calendar.refresh`) and
`warehouse/reference/unscheduled_closures.csv`, one row per day that an operator adds by hand: `closed`
(with whether the futures settled), `early_close` (with its New York time) or `open`. Out: the rows of the
calendar with sessions renumbered; `sessions` and `ref.calendar` both come from here. Caveat: a row that
contradicts the generated calendar is refused by file and line, one that only repeats it is fine. `open`
changes nothing: it records that a session without a bar at any source took place (`pipeline.presence`). Only
the standard library is imported.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

REFERENCE = Path(__file__).resolve().parent.parent / "warehouse" / "reference"
CALENDAR_CSV = REFERENCE / "calendar.csv"
CLOSURES_CSV = REFERENCE / "unscheduled_closures.csv"
# The horizon of the calendar; all other code imports it from here.
FIRST_DAY, LAST_DAY = dt.date(1990, 1, 1), dt.date(2028, 12, 31)
NEW_YORK = ZoneInfo("America/New_York")
COLUMNS = (
    "calendar_date",
    "is_nyse_session",
    "session_number",
    "is_settlement_day",
    "is_fed_business_day",
    "early_close",
    "close_at_utc",
)
CLOSURE_COLUMNS = ("calendar_date", "kind", "close_time", "is_settlement_day", "reason", "source_url")
KINDS = ("closed", "early_close", "open")
OPENING, CLOSING = dt.time(9, 30), dt.time(16, 0)


class CalendarError(ValueError):
    """The market calendar cannot answer, or a row of it is wrong; the message is one sentence for the
    user.
    """


@dataclass(frozen=True)
class Closure:
    """One row of unscheduled_closures.csv; `close_time` belongs to early_close, `is_settlement_day` to
    closed.
    """

    line: int
    day: dt.date
    kind: str
    close_time: dt.time | None = None
    is_settlement_day: bool | None = None

    def refused(self, why: str) -> CalendarError:
        """The error that names this row."""
        return _refused(self.line, f"{self.day} {why}")

    @property
    def close_at_utc(self) -> str:
        """The early close as in calendar.csv."""
        assert self.close_time is not None
        local = dt.datetime.combine(self.day, self.close_time, tzinfo=NEW_YORK)
        return local.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M")


def version() -> tuple[tuple[int, int], ...]:
    """A value that changes when one of the two files does: a scheduler runs for months and must notice an
    added row.
    """
    return tuple((found.st_mtime_ns, found.st_size) for found in (CALENDAR_CSV.stat(), CLOSURES_CSV.stat()))


def calendar_rows(*, announced: bool = True) -> list[list[str]]:
    """Every day of the calendar as text in the order of COLUMNS, the announced closures applied (or as
    generated).
    """
    with CALENDAR_CSV.open(newline="", encoding="utf-8") as handle:
        header, *rows = csv.reader(handle)
    if tuple(header) != COLUMNS:
        raise CalendarError(f"reference/{CALENDAR_CSV.name}: the header must read {','.join(COLUMNS)}.")
    return with_closures(rows, read_closures()) if announced else rows


def read_closures() -> list[Closure]:
    """The rows of unscheduled_closures.csv; a row that cannot be read is refused by line."""
    with CLOSURES_CSV.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.reader(handle)
        if tuple(next(reader, ())) != CLOSURE_COLUMNS:
            raise _refused(1, f"the header must read {','.join(CLOSURE_COLUMNS)}")
        closures = [_closure(reader.line_num, row) for row in reader if row]
    seen: set[dt.date] = set()
    for closure in closures:
        if closure.day in seen:
            raise closure.refused("is listed twice")
        seen.add(closure.day)
    return closures


def with_closures(rows: list[list[str]], closures: list[Closure]) -> list[list[str]]:
    """The rows of calendar.csv with the closures applied; sessions after a closure are renumbered."""
    if not closures:
        return rows
    rows = [list(row) for row in rows]
    by_day = {row[0]: row for row in rows}
    for closure in closures:
        row = by_day.get(closure.day.isoformat())
        if row is None:
            raise closure.refused(f"lies outside {CALENDAR_CSV.name}, from {rows[0][0]} to {rows[-1][0]}")
        _apply(closure, row)
    for number, row in enumerate((row for row in rows if row[1] == "1"), start=1):
        row[2] = str(number)
    return rows


def _apply(closure: Closure, row: list[str]) -> None:
    is_session, settles, is_early, close_at_utc = row[1] == "1", row[3] == "1", row[5] == "1", row[6]
    if closure.kind == "closed":
        if not is_session and settles != closure.is_settlement_day:
            raise closure.refused(
                f"has is_settlement_day = {_text(closure.is_settlement_day)}, but {CALENDAR_CSV.name}, which"
                f" knows the closure, has {_text(settles)}"
            )
        row[1:4], row[5:] = ["0", "", str(int(bool(closure.is_settlement_day)))], ["0", ""]
        return
    if not is_session:
        raise closure.refused(f"is {closure.kind}, but {CALENDAR_CSV.name} has no session on that day")
    if closure.kind == "early_close":
        if is_early and close_at_utc != closure.close_at_utc:
            raise closure.refused(
                f"closes early at {closure.close_at_utc} UTC, but {CALENDAR_CSV.name} has {close_at_utc} UTC"
            )
        row[5:] = ["1", closure.close_at_utc]


def _closure(line: int, row: list[str]) -> Closure:
    if len(row) != len(CLOSURE_COLUMNS):
        raise _refused(
            line, f"{len(row)} fields, expected {len(CLOSURE_COLUMNS)} ({','.join(CLOSURE_COLUMNS)})"
        )
    cells = dict(zip(CLOSURE_COLUMNS, (cell.strip() for cell in row), strict=True))
    problem = next(_problems(cells), None)
    if problem:
        raise _refused(line, problem)
    return Closure(
        line=line,
        day=dt.date.fromisoformat(cells["calendar_date"]),
        kind=cells["kind"],
        close_time=_clock(cells["close_time"]),
        is_settlement_day=cells["is_settlement_day"] == "true" if cells["kind"] == "closed" else None,
    )


def _problems(cells: dict[str, str]) -> Iterator[str]:
    """What is wrong with one row, field by field."""
    text, kind = cells["calendar_date"], cells["kind"]
    try:
        day = dt.datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        yield f"calendar_date = {text!r} is not a date such as 2025-01-09"
        return
    if day.isoformat() != text:
        yield f"calendar_date = {text!r} is not a date such as 2025-01-09"
    if kind not in KINDS:
        yield f"kind = {kind!r} is not one of {', '.join(KINDS)}"
    if day.weekday() >= 5:
        yield f"{text} is a {day:%A}, on which there is no session anyway"
    clock = _clock(cells["close_time"])
    if kind == "early_close" and not (clock and OPENING < clock < CLOSING):
        yield (
            f"close_time = {cells['close_time']!r} is not a New York time between 09:30 and 16:00,"
            " such as 13:00"
        )
    if kind != "early_close" and cells["close_time"]:
        yield f"close_time belongs to early_close, leave it empty for {kind}"
    if kind == "closed" and cells["is_settlement_day"] not in ("true", "false"):
        yield (
            f"is_settlement_day = {cells['is_settlement_day']!r} is neither true (the futures settled) nor"
            " false"
        )
    if kind != "closed" and cells["is_settlement_day"]:
        yield f"is_settlement_day belongs to closed, leave it empty for {kind}"
    for name in ("reason", "source_url"):
        if not cells[name]:
            yield f"{name} is empty"


def _clock(text: str) -> dt.time | None:
    try:
        return dt.datetime.strptime(text, "%H:%M").time()
    except ValueError:
        return None


def _text(flag: bool | None) -> str:
    return str(bool(flag)).lower()


def _refused(line: int, text: str) -> CalendarError:
    return CalendarError(f"reference/{CLOSURES_CSV.name} line {line}: {text}.")
