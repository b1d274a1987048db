"""The days of the CPI and jobs reports: what a source lists, merged into the rows of `events.csv`.

In: the rows of `events.csv`, the dates that FRED lists for a release, today. Out: the rows as they should be,
each change in words, and what was not taken. A date is taken as the release of the month before it, when it
is a Federal Reserve business day within the days of the month on which that release usually comes, and the
only such date of its month. Caveat: FRED also lists days without a report (revised seasonal factors), and a
report that a shutdown has delayed comes outside its usual days: both are named, and a person decides. A row
of the past is never deleted.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from market_calendar.calendar_file import LAST_DAY, NEW_YORK
from market_calendar.sessions import fed_business_days_between

Row = dict[str, str]
RELEASED_AT = dt.time(8, 30)


@dataclass(frozen=True)
class Release:
    """A monthly report: its number at FRED, and the days of the month on which it usually comes."""

    event_type: str
    release_id: int
    first_day: int
    last_day: int

    @property
    def source_url(self) -> str:
        """Where its dates can be looked at."""
        return f"https://fred.stlouisfed.org/releases/calendar?rid={self.release_id}"


# Since 2000 nearly every report came within these days; the others were delayed by a shutdown.
RELEASES = (Release("cpi", 10, 10, 24), Release("jobs", 50, 1, 11))


@dataclass
class Merge:
    """The rows of events.csv after a merge, what changed, and what a person has to look at."""

    rows: list[Row]
    changes: list[str] = field(default_factory=list)
    not_taken: list[str] = field(default_factory=list)


def merge_releases(rows: list[Row], release: Release, served: Iterable[dt.date], today: dt.date) -> Merge:
    """Merge the dates of one release.

    Args:
        rows: of events.csv, all kinds.
        release: the report.
        served: the dates that the source lists, of the past too.
        today: a listed day before it has taken place.
    """
    dates = sorted(set(served))
    others = [row for row in rows if row["event_type"] != release.event_type]
    own = {
        dt.date.fromisoformat(row["reference_month"]): dict(row)
        for row in rows
        if row["event_type"] == release.event_type
    }
    merge = Merge([])
    candidates = _candidates(release, dates, own, open_since(rows, release, today), merge)
    _confirm_or_move(release, own, dates, candidates, today, merge)
    _add(release, own, candidates, today, merge)
    merge.rows = sorted([*others, *own.values()], key=lambda row: (row["event_date"], row["event_type"]))
    return merge


def open_since(rows: list[Row], release: Release, today: dt.date) -> dt.date:
    """The first day that is not settled yet: of the first report that is only scheduled, or of the last one
    that is listed; today at the latest.
    """
    own = [row for row in rows if row["event_type"] == release.event_type]
    scheduled = [_date(row) for row in own if row["status"] == "scheduled"]
    return min([today, *scheduled[:1], *(_date(row) for row in own[-1:])])


def _candidates(
    release: Release, dates: list[dt.date], own: dict[dt.date, Row], since: dt.date, merge: Merge
) -> dict[dt.date, dt.date]:
    """Unlisted dates by the month that they report on; one that cannot be a report is not taken."""
    listed = {_date(row) for row in own.values()}
    found: dict[dt.date, list[dt.date]] = defaultdict(list)
    for day in dates:
        if day in listed or day < since:
            continue
        why = _implausible(release, day)
        if why:
            merge.not_taken.append(f"{release.event_type} {day}: {why}")
        else:
            found[_month_before(day)].append(day)
    for month, days in found.items():
        if len(days) > 1:
            merge.not_taken.append(
                f"{release.event_type} {' and '.join(map(str, days))}: more than one date for {month:%Y-%m}"
            )
    return {month: days[0] for month, days in found.items() if len(days) == 1}


def _confirm_or_move(
    release: Release,
    own: dict[dt.date, Row],
    dates: list[dt.date],
    candidates: dict[dt.date, dt.date],
    today: dt.date,
    merge: Merge,
) -> None:
    """What was only scheduled has taken place, or was moved, or is no longer listed."""
    served = set(dates)
    for month, row in sorted(own.items()):
        day, moved_to = _date(row), candidates.pop(month, None)
        is_open = row["status"] == "scheduled" and bool(dates) and day <= dates[-1]
        still_there = not is_open or day in served
        if still_there and moved_to:
            merge.not_taken.append(
                f"{release.event_type} {moved_to}: the release for {month:%Y-%m} is listed on {day}"
            )
        elif moved_to:
            own[month] = _row(release, moved_to, month, today)
            merge.changes.append(f"{release.event_type} for {month:%Y-%m}: moved from {day} to {moved_to}")
        elif not still_there:
            merge.not_taken.append(
                f"{release.event_type} {day} (for {month:%Y-%m}) is no longer listed; the row is kept"
            )
        elif row["status"] == "scheduled" and day < today and day in served:
            own[month] = row | {"status": "actual"}
            merge.changes.append(f"{release.event_type} {day} has taken place")


def _add(
    release: Release,
    own: dict[dt.date, Row],
    candidates: dict[dt.date, dt.date],
    today: dt.date,
    merge: Merge,
) -> None:
    """New months after the last one, without a gap: a missing month is not to be guessed away."""
    expected = _month_after(max(own)) if own else min(candidates, default=dt.date.max)
    for month, day in sorted(candidates.items()):
        if month != expected:
            merge.not_taken.append(
                f"{release.event_type} {day} (for {month:%Y-%m}): there is no date for {expected:%Y-%m}"
                " before it"
            )
            continue
        own[month] = _row(release, day, month, today)
        merge.changes.append(f"{release.event_type} {day} (for {month:%Y-%m}) is new")
        expected = _month_after(month)


def _implausible(release: Release, day: dt.date) -> str | None:
    if day > LAST_DAY:
        return f"lies behind the end of the market calendar, {LAST_DAY}"
    if not fed_business_days_between(day, day):
        return f"a {day:%A} on which the government publishes nothing"
    if not release.first_day <= day.day <= release.last_day:
        return f"the report comes on day {release.first_day} to {release.last_day} of a month"
    return None


def _row(release: Release, day: dt.date, month: dt.date, today: dt.date) -> Row:
    released = dt.datetime.combine(day, RELEASED_AT, tzinfo=NEW_YORK).astimezone(dt.UTC)
    return {
        "event_type": release.event_type,
        "event_date": day.isoformat(),
        "released_at_utc": f"{released:%Y-%m-%d %H:%M:%S}",
        "reference_month": month.isoformat(),
        "source_url": release.source_url,
        "status": "actual" if day < today else "scheduled",
        "time_assumed": "true",
    }


def _date(row: Row) -> dt.date:
    return dt.date.fromisoformat(row["event_date"])


def _month_before(day: dt.date) -> dt.date:
    return (day.replace(day=1) - dt.timedelta(days=1)).replace(day=1)


def _month_after(month: dt.date) -> dt.date:
    return (month.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
