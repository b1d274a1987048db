"""Hand-kept dates that cannot be right are refused with their line, whatever hand slipped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from expectations.reference_checks import check_reference_rows
from expectations.reference_dates import check_events, check_meetings, check_schedules
from market_calendar.calendar_file import REFERENCE
from market_calendar.horizons import horizons
from warehouse.catalog import load_catalog
from warehouse.reference_data import ReferenceDataError, reference_frame, typed_reference

Change = Callable[[pd.DataFrame, int], None]
SEPTEMBER = "2024-09-18"
DAY = pd.Timedelta(days=1)


def moved(*columns: str, days: int = 1) -> Change:
    """These columns of the row some days later."""

    def change(frame: pd.DataFrame, row: int) -> None:
        for column in columns:
            frame.loc[row, column] += days * DAY

    return change


def with_value(column: str, value: float) -> Change:
    """Another value in one cell."""

    def change(frame: pd.DataFrame, row: int) -> None:
        frame.loc[row, column] = value

    return change


def gone(frame: pd.DataFrame, row: int) -> None:
    """The row is missing."""
    frame.drop(index=row, inplace=True)


def meetings(change: Change, day: str = SEPTEMBER) -> list[str]:
    frame = reference_frame("fomc_meetings").copy()
    change(frame, int(frame.index[frame["decision_date"] == day][0]))
    return [text for _, _, text in check_meetings(frame.reset_index(drop=True))]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (moved("decision_date"), "is another day in New York"),
        (moved("decision_date", days=-1), "is not the next business day"),
        (moved("announced_at_utc"), "is another day in New York"),
        (moved("effective_date"), "effective_date 2024-09-20 is not the next business day, 2024-09-19"),
        (moved("effective_date", days=-1), "effective_date 2024-09-18 is not the next business day"),
        (moved("known_from_date", days=900), "lies after it"),
        (moved("decision_date", "announced_at_utc", "effective_date", days=31), "there are eight a year"),
        (gone, "99 days after the scheduled meeting before, 2024-07-31"),
        (with_value("upper_after", 5.25), "is no target range"),
        (with_value("upper_before", 5.75), "is no target range"),
        (with_value("upper_before", 5.25), "is not the one after the decision before, 5.25 to 5.5"),
    ],
)
def test_a_wrong_decision_is_named(change: Change, said: str) -> None:
    assert any(said in text for text in meetings(change)), meetings(change)


def test_a_range_that_the_decision_before_did_not_leave_is_named() -> None:
    def change(frame: pd.DataFrame, row: int) -> None:
        frame.loc[row, ["lower_after", "upper_after"]] -= 0.25

    [said] = meetings(change)
    assert said.startswith("decision of 2024-11-07: the range before it, 4.75 to 5, is not the one after")


def events(change: Change, kind: str = "cpi", day: str = "2024-07-11") -> list[str]:
    frame = reference_frame("events").copy()
    found = frame.index[(frame["event_type"] == kind) & (frame["event_date"] == day)]
    change(frame, int(found[0]))
    frame = frame.reset_index(drop=True)
    return [text for _, _, text in check_events(frame, reference_frame("fred_series"))]


def a_month(later: int) -> Change:
    """The row reports on another month."""

    def change(frame: pd.DataFrame, row: int) -> None:
        frame.loc[row, "reference_month"] += pd.DateOffset(months=later)

    return change


def called(kind: str) -> Change:
    """The row is said to be of another kind."""

    def change(frame: pd.DataFrame, row: int) -> None:
        frame.loc[row, "event_type"] = kind

    return change


def two_gone(frame: pd.DataFrame, row: int) -> None:
    """The row and the one of its kind behind it are missing."""
    kind = frame["event_type"] == frame.loc[row, "event_type"]
    frame.drop(index=frame.index[kind & (frame.index >= row)][:2], inplace=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (moved("event_date"), "is another day in New York"),
        (moved("released_at_utc", days=-1), "is another day in New York"),
        (moved("event_date", "released_at_utc", days=2), "a Saturday on which the government"),
        (a_month(1), "the report on 2024-07 cannot come on that day"),
        (a_month(-1), "it reports on 2024-05, and the release before on 2024-05"),
        (a_month(-3), "the report on 2024-03 cannot come on that day"),
        (two_gone, "it reports on 2024-08, and the release before on 2024-05"),
        (called("first_cut"), "decisions are listed in fomc_meetings.csv"),
    ],
)
def test_a_wrong_release_is_named(change: Change, said: str) -> None:
    assert any(said in text for text in events(change)), events(change)


def test_a_kind_of_release_that_a_series_needs_is_not_forgotten() -> None:
    frame = reference_frame("events")
    frame = frame[frame["event_type"] != "cpi"]
    said = [text for _, _, text in check_events(frame, reference_frame("fred_series"))]
    assert "CPIAUCSL is released as 'cpi', of which events.csv has no row" in said


@pytest.mark.parametrize(
    ("year", "day", "said"),
    [
        (2025, "2025-02-09", "announced -11 days before the first meeting of the year, 2025-01-29"),
        (2025, "2014-08-09", "announced 3826 days before"),
        (2026, "2024-08-08", "announced before the schedule of the year before, 2024-08-09"),
        (2010, "2008-06-02", "announced before the schedule of the year before, 2008-06-03"),
    ],
)
def test_a_wrong_announcement_of_a_schedule_is_named(year: int, day: str, said: str) -> None:
    frame = reference_frame("fomc_schedules").copy()
    frame.loc[frame["schedule_year"] == year, "announced_on"] = pd.Timestamp(day)
    problems = list(check_schedules(frame, reference_frame("fomc_meetings")))
    assert any(file == "fomc_schedules" and said in text for file, _, text in problems), problems
    assert not list(check_schedules(reference_frame("fomc_schedules"), reference_frame("fomc_meetings")))


def test_a_meeting_that_no_announcement_names_is_refused() -> None:
    table = load_catalog()["ref.fomc_meetings"]
    path = REFERENCE / "fomc_meetings.csv"
    rows = pd.read_csv(path, dtype="str", keep_default_na=False)
    # Behind the first meeting of the year after the last schedule, which that names.
    year = int(reference_frame("fomc_schedules")["schedule_year"].max()) + 1
    later = rows.tail(1).assign(
        decision_date=f"{year}-03-15",
        announced_at_utc=f"{year}-03-15 18:00:00",
        effective_date=f"{year}-03-16",
    )
    first = rows.tail(1).assign(
        decision_date=f"{year}-01-26",
        announced_at_utc=f"{year}-01-26 19:00:00",
        effective_date=f"{year}-01-27",
    )
    rows = rows[rows["decision_date"] < f"{year}-01-01"]
    rows = pd.concat([rows, first], ignore_index=True)
    typed_reference(table, path.name, rows)
    with pytest.raises(ReferenceDataError, match=f"no announcement names the meeting of {year}-03-15"):
        typed_reference(table, path.name, pd.concat([rows, later], ignore_index=True))


def test_a_wrong_date_stops_the_run_with_its_line() -> None:
    def frames(name: str) -> pd.DataFrame:
        frame = reference_frame(name).copy()
        if name == "fomc_meetings":
            frame.loc[0, "effective_date"] += DAY
        return frame

    with pytest.raises(ReferenceDataError, match=r"reference/fomc_meetings.csv line 2: decision of 1994"):
        check_reference_rows(frames)
    check_reference_rows()


@pytest.mark.parametrize("empty", ["fomc_meetings", "fomc_schedules", "events", "bank_securities_weights"])
def test_a_list_without_a_row_is_refused_and_does_not_stop_the_status(empty: str, tmp_path: Path) -> None:
    def frames(name: str) -> pd.DataFrame:
        frame = reference_frame(name)
        return frame.head(0) if name == empty else frame

    with pytest.raises(ReferenceDataError, match=f"reference/{empty}.csv line 1: the list has no row"):
        check_reference_rows(frames)
    shutil.copytree(REFERENCE, tmp_path / "reference")
    path = tmp_path / "reference" / f"{empty}.csv"
    path.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    assert not any(empty in entry.name for entry in horizons(tmp_path / "reference"))
