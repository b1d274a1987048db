"""Whether the hand-kept dates of FOMC decisions and of releases can be what they say.

In: `fomc_meetings.csv`, `fomc_schedules.csv` and `events.csv` as frames. Out: file, line and what is wrong.
A row is compared with itself (a decision is announced on its day and takes effect on the next business day,
a release is dated by its time) and with its neighbours (eight meetings a year, one release a month, the
range before a decision is the one after the decision before). The bounds hold for every row since 1994.
Caveat: a row all of whose dates are a day off agrees with itself; a decision that moved the target is then
named by the cross check `target_range_changes_on_decisions`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import pandas as pd

from market_calendar.release_rules import parse_rule
from market_calendar.sessions import NEW_YORK, fed_business_days_between, first_and_last_day

Problem = tuple[str, int, str]
"""File, line, and what is wrong."""
Row = dict[Hashable, Any]
"""A row of a frame."""
# Scheduled meetings lie 34 to 58 days apart since 1994.
MEETING_DAYS = (21, 70)
# The schedule of a year has been announced 94 to 537 days before its first meeting (2000, assumed; 2026).
ANNOUNCED_DAYS = (60, 800)
# A monthly report comes 1 to 51 days after the end of its month (51: the shutdown of 2025).
LATEST_REPORT_DAYS = 75
# A shutdown has cost one report (October 2025), which came with the next.
LARGEST_STEP_MONTHS = 2
MONTHLY = ("cpi", "jobs")
RANGE_WIDTHS = (0.0, 0.25)


def check_meetings(meetings: pd.DataFrame) -> Iterator[Problem]:
    """Wrong rows of `fomc_meetings.csv`."""
    scheduled_before, range_before = None, None
    rows = meetings.assign(_line=range(2, len(meetings) + 2)).sort_values("decision_date")
    for row in rows.to_dict("records"):
        day = row["decision_date"]
        texts = [*_wrong_days(row), *_wrong_ranges(row, range_before)]
        if row["scheduled"]:
            if scheduled_before is not None and not _within((day - scheduled_before).days, MEETING_DAYS):
                texts.append(
                    f"{(day - scheduled_before).days} days after the scheduled meeting before,"
                    f" {scheduled_before:%Y-%m-%d}; there are eight a year"
                )
            scheduled_before = day
        if not row["cancelled"] and pd.notna(row["upper_after"]):
            range_before = (row["lower_after"], row["upper_after"])
        for text in texts:
            yield "fomc_meetings", int(row["_line"]), f"decision of {day:%Y-%m-%d}: {text}"


def check_schedules(schedules: pd.DataFrame, meetings: pd.DataFrame) -> Iterator[Problem]:
    """Wrong rows of `fomc_schedules.csv`: an announcement comes before the year's first meeting, and in
    order.
    """
    ahead = meetings[meetings["scheduled"].astype(bool)]
    first_meeting = ahead.groupby(ahead["decision_date"].dt.year)["decision_date"].min()
    before = None
    rows = schedules.assign(_line=range(2, len(schedules) + 2)).sort_values("schedule_year")
    for row in rows.to_dict("records"):
        year, day = row["schedule_year"], row["announced_on"]
        first = first_meeting.get(year)
        text = None
        if first is not None and not _within((first - day).days, ANNOUNCED_DAYS):
            text = (
                f"announced {(first - day).days} days before the first meeting of the year, {first:%Y-%m-%d};"
                f" {ANNOUNCED_DAYS[0]} to {ANNOUNCED_DAYS[1]} are possible"
            )
        elif before is not None and day < before:
            text = f"announced before the schedule of the year before, {before:%Y-%m-%d}"
        if text:
            yield "fomc_schedules", int(row["_line"]), f"schedule of {year}, {day:%Y-%m-%d}: {text}"
        before = day


def _wrong_days(row: Row) -> Iterator[str]:
    day = row["decision_date"]
    if pd.notna(row["announced_at_utc"]) and _new_york_day(row["announced_at_utc"]) != day:
        yield f"announced_at_utc {row['announced_at_utc']} is another day in New York"
    following = _next_business_day(day)
    if following is not None and row["effective_date"] != following:
        yield (
            f"effective_date {row['effective_date']:%Y-%m-%d} is not the next business day,"
            f" {following:%Y-%m-%d}"
        )
    if row["known_from_date"] > day:
        yield f"known_from_date {row['known_from_date']:%Y-%m-%d} lies after it"


def _wrong_ranges(row: Row, before: tuple[float, float] | None) -> Iterator[str]:
    for lower, upper in (("lower_before", "upper_before"), ("lower_after", "upper_after")):
        width = row[upper] - row[lower]
        if pd.notna(width) and round(width, 4) not in RANGE_WIDTHS:
            yield f"{lower} {row[lower]:g} to {upper} {row[upper]:g} is no target range"
    stated = (row["lower_before"], row["upper_before"])
    if before is not None and pd.notna(stated[1]) and stated != before:
        yield (
            f"the range before it, {stated[0]:g} to {stated[1]:g}, is not the one after the decision before,"
            f" {before[0]:g} to {before[1]:g}"
        )


# Derived from fomc_meetings, so that no decision is written down twice.
DERIVED_EVENTS = ("fomc", "first_cut", "first_hike")


def check_events(events: pd.DataFrame, series: pd.DataFrame) -> Iterator[Problem]:
    """Wrong rows of `events.csv`, and kinds of releases that a series needs and the list has not."""
    rows = events.assign(_line=range(2, len(events) + 2)).sort_values(["event_type", "event_date"])
    for kind, own in rows.groupby("event_type"):
        month_before = None
        for row in own.to_dict("records"):
            for text in [*_wrong_event(row), *_wrong_month(row, month_before)]:
                yield "events", int(row["_line"]), f"{kind} of {row['event_date']:%Y-%m-%d}: {text}"
            month_before = row["reference_month"]
    listed = set(events["event_type"])
    for line, (name, rule) in enumerate(zip(series["series_id"], series["release_rule"], strict=True), 2):
        needed = parse_rule(str(rule)).event_type
        if needed is not None and needed not in listed:
            yield "fred_series", line, f"{name} is released as {needed!r}, of which events.csv has no row"


def _wrong_event(row: Row) -> Iterator[str]:
    day = row["event_date"]
    if row["event_type"] in DERIVED_EVENTS:
        yield "decisions are listed in fomc_meetings.csv; leave this row out"
    if pd.notna(row["released_at_utc"]) and _new_york_day(row["released_at_utc"]) != day:
        yield f"released_at_utc {row['released_at_utc']} is another day in New York"
    if row["event_type"] in MONTHLY and _is_covered(day) and not _is_business_day(day):
        yield f"a {day:%A} on which the government publishes nothing"


def _wrong_month(row: Row, before: pd.Timestamp | None) -> Iterator[str]:
    if row["event_type"] not in MONTHLY:
        return
    month, day = row["reference_month"], row["event_date"]
    late = (day - (month + pd.offsets.MonthEnd(0))).days
    if not 0 < late <= LATEST_REPORT_DAYS:
        yield f"the report on {month:%Y-%m} cannot come on that day"
    if before is not None:
        step = 12 * (month.year - before.year) + month.month - before.month
        if not 0 < step <= LARGEST_STEP_MONTHS:
            yield f"it reports on {month:%Y-%m}, and the release before on {before:%Y-%m}"


def _within(value: int, bounds: tuple[int, int]) -> bool:
    return bounds[0] <= value <= bounds[1]


def _new_york_day(moment: pd.Timestamp) -> pd.Timestamp:
    return moment.tz_localize("UTC").tz_convert(NEW_YORK).tz_localize(None).normalize()


def _is_covered(day: pd.Timestamp) -> bool:
    first, last = first_and_last_day()
    return first <= day.date() <= last


def _is_business_day(day: pd.Timestamp) -> bool:
    return bool(fed_business_days_between(day.date(), day.date()))


def _next_business_day(day: pd.Timestamp) -> pd.Timestamp | None:
    """None outside the market calendar."""
    found = None
    if _is_covered(day) and _is_covered(day + pd.Timedelta(days=7)):
        days = fed_business_days_between(*((day + pd.Timedelta(days=n)).date() for n in (1, 7)))
        found = pd.Timestamp(days[0])
    return found
