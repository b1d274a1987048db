"""Every list of the reference data that can run out says so before it does."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from alerts.checks import PublicationState, check_horizons
from market_calendar.calendar_file import REFERENCE
from market_calendar.horizons import (
    WARNING_DAYS,
    good_fridays,
    horizon_failures,
    horizon_warnings,
    horizons,
)
from market_calendar.release_rules import available_at_utc, is_beyond_calendar

Edit = Callable[[list[dict[str, str]]], list[dict[str, str]]]
LISTS = {
    "Trading calendar": "calendar",
    "FOMC decisions": "fomc_meetings",
    "Release dates of cpi": "events",
    "Release dates of jobs": "events",
    "Jackson Hole": "events",
    "Extra settlement days": "extra_settlement_days",
    "Banks' securities": "bank_securities_weights",
}


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the reference data that a test may edit."""
    return Path(shutil.copytree(REFERENCE, tmp_path / "reference"))


def edit(folder: Path, name: str, change: Edit) -> None:
    """Rewrite one CSV file."""
    path = folder / f"{name}.csv"
    with path.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        columns, rows = list(reader.fieldnames or ()), list(reader)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(change(rows))


def until(last: str, column: str, kind: str | None = None) -> Edit:
    """Keep what is dated up to a day, of one kind or of all."""
    return lambda rows: [
        row for row in rows if row[column] <= last or (kind is not None and row["event_type"] != kind)
    ]


@pytest.mark.parametrize("name", LISTS)
def test_every_list_warns_sixty_days_before_its_end_and_fails_after_it(name: str) -> None:
    [entry] = [entry for entry in horizons() if entry.name.startswith(name)]
    far, first = entry.end - dt.timedelta(days=WARNING_DAYS + 1), entry.end - dt.timedelta(days=WARNING_DAYS)
    assert entry.sentence(far) is None
    said = [text for text in horizon_warnings(first) if text.startswith(name)]
    assert len(said) == 1 and f"ends on {entry.end}, 60 days after {first}" in said[0]
    assert not [text for text in horizon_failures(entry.end) if text.startswith(name)]
    after = entry.end + dt.timedelta(days=1)
    [failure] = [text for text in horizon_failures(after) if text.startswith(name)]
    assert f"ended on {entry.end}, 1 day before {after}" in failure
    assert f"{LISTS[name]}.csv" in failure and "To extend it, " in failure


def test_a_list_that_ends_today_is_still_a_warning(folder: Path) -> None:
    edit(folder, "events", until("2026-06-10", "event_date", "cpi"))
    today = day("2026-06-10")
    [said] = [text for text in horizon_warnings(today, folder) if "of cpi" in text]
    assert "ends on 2026-06-10, the same day." in said and "CPIAUCSL, CPILFESL" in said
    assert horizon_failures(today, folder) == []


def test_a_list_that_ended_a_year_ago_says_for_how_long(folder: Path) -> None:
    edit(folder, "fomc_meetings", until("2023-07-26", "decision_date"))
    [said] = horizon_failures(day("2024-07-25"), folder)
    assert said.startswith(
        "FOMC decisions (fomc_meetings.csv): the list ended on 2023-07-26, 365 days before"
    )


def test_a_cancelled_meeting_does_not_lengthen_the_list(folder: Path) -> None:
    edit(folder, "fomc_meetings", until("2020-03-18", "decision_date"))
    [entry] = [entry for entry in horizons(folder) if entry.name.startswith("FOMC")]
    assert entry.end == day("2020-03-15")


def test_whether_futures_settle_on_a_good_friday_is_known_as_far_as_the_jobs_dates_are(folder: Path) -> None:
    assert {day("2023-04-07"), day("2026-04-03"), day("2027-03-26")} <= set(good_fridays())
    edit(folder, "events", until("2022-12-02", "event_date"))
    edit(folder, "extra_settlement_days", until("2022-12-31", "calendar_date"))
    [entry] = [entry for entry in horizons(folder) if entry.name.startswith("Extra")]
    assert (entry.last, entry.end) == (day("2021-04-02"), day("2023-04-06"))
    assert "Good Friday 2023-04-07 depends on the date of the jobs report" in str(entry.sentence(entry.end))


def test_an_input_that_ends_is_announced_and_missed_only_when_it_is_required(folder: Path) -> None:
    def ends(rows: list[dict[str, str]]) -> list[dict[str, str]]:
        return [row | {"active_to": "2025-06-30"} if row["symbol"] in ("KRE", "IWC") else row for row in rows]

    edit(folder, "instruments", ends)
    before = "\n".join(horizon_warnings(day("2025-06-02"), folder))
    assert "KRE (instruments.csv): the list ends on 2025-06-30" in before and "IWC (" in before
    [failure] = horizon_failures(day("2025-07-01"), folder)
    assert failure.startswith("KRE (instruments.csv)")


@pytest.mark.parametrize("session", ["2003-01-02", "2013-10-15", "2024-07-24", "2025-09-24"])
def test_nothing_ends_near_the_sessions_of_the_past(session: str) -> None:
    assert horizon_warnings(day(session)) == [] and horizon_failures(day(session)) == []


def test_status_warns_and_then_fails() -> None:
    [entry] = [entry for entry in horizons() if entry.name.startswith("Release dates of jobs")]
    soon, late = PublicationState(), PublicationState()
    check_horizons(soon, entry.end)
    check_horizons(late, entry.end + dt.timedelta(days=30))
    assert any("of jobs" in text for text in soon.warnings)
    assert not any("of jobs" in text for text in soon.problems)
    assert any("of jobs" in text for text in late.problems)
    # Nobody can serve the real dates to a simulated market; it is told and goes on.
    simulated = PublicationState()
    check_horizons(simulated, entry.end + dt.timedelta(days=30), simulated=True)
    assert simulated.problems == []
    assert set(late.problems) <= set(simulated.warnings)


def test_no_release_is_promised_behind_the_end_of_the_list() -> None:
    rule = "calendar:cpi|days:20@08:30"
    [last] = [entry.last for entry in horizons() if entry.name.startswith("Release dates of cpi")]
    listed = pd.Timestamp(last).to_period("M").to_timestamp() - pd.DateOffset(months=1)
    months = pd.Series([listed, listed + pd.DateOffset(months=1)])
    assert is_beyond_calendar(rule, months).tolist() == [False, True]
    # The assumption stays where rows need a time; a series without a release calendar has no such end.
    assert available_at_utc(rule, "monthly", months).notna().all()
    assert not is_beyond_calendar("days:20@08:30", months).any()
