"""`make refresh-calendars` against a server that speaks FRED's protocol, on a copy of the reference data."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from cli import refresh_calendars
from cli.refresh_calendars import read_rows, refresh
from market_calendar.calendar_file import REFERENCE
from market_calendar.release_dates import RELEASES, Row, merge_releases
from tests.faults.server import Fault, Server

KEY = "0123456789abcdef0123456789abcdef"
NOW = dt.datetime(2026, 11, 29, 12, 0, tzinfo=dt.UTC)
TODAY = NOW.date()
CPI, JOBS = RELEASES
# The months up to November 2026 as events.csv has them, and made-up dates from then on.
LISTED = {
    release.release_id: [
        row["event_date"]
        for row in read_rows(REFERENCE / "events.csv")
        if row["event_type"] == release.event_type
    ]
    for release in RELEASES
}


@dataclass
class Ranges:
    """A stand-in for a market: the target range by day, and the funds rate inside it."""

    as_of: dt.date = TODAY
    steps: dict[str, float] = field(default_factory=lambda: {"2025-01-01": 4.5})

    def frame(self, dataset: str, series_id: str) -> pd.DataFrame | None:
        """One series of FRED."""
        above = {"DFEDTARU": 0.0, "DFEDTARL": -0.25, "DFF": -0.12}.get(series_id)
        if dataset != "fred" or above is None:
            return None
        days = pd.date_range("2025-01-01", self.as_of, freq="D")
        steps = pd.Series({pd.Timestamp(day): value for day, value in self.steps.items()})
        upper = steps.reindex(days).ffill()
        return pd.DataFrame({"date": days, "value": (upper + above).to_numpy()})


# As ref.fomc_meetings has them up to July 2026; then a cut that is not listed.
STEPS = {
    "2025-01-01": 4.5,
    "2025-09-18": 4.25,
    "2025-10-30": 4.0,
    "2025-12-11": 3.75,
    "2026-10-29": 3.5,
}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(Ranges(steps=dict(STEPS)), key=KEY) as running:  # type: ignore[arg-type]
        running.fred.releases = {number: list(dates) for number, dates in LISTED.items()}
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the reference data, with the outcomes of autumn 2026 and the dates of 2027 unknown."""
    copy = Path(shutil.copytree(REFERENCE, tmp_path / "reference"))
    change(copy, "events", lambda row: row if row["event_date"] < "2027-01-01" else None)
    change(
        copy,
        "fomc_meetings",
        lambda row: (
            row | dict.fromkeys(refresh_calendars.OUTCOMES, "")
            if row["decision_date"] > "2026-08-01"
            else row
        ),
    )
    # The calendar has a test of its own and takes seconds.
    monkeypatch.setattr(refresh_calendars, "calendar_text", (copy / "calendar.csv").read_text)
    return copy


def change(folder: Path, name: str, edit) -> None:  # type: ignore[no-untyped-def]
    rows = read_rows(folder / f"{name}.csv")
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in map(edit, rows) if row is not None)


def settings(server: Server) -> dict[str, str]:
    return {"FRED_API_KEY": KEY, "ROTATION_FRED_URL": server.url}


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}


def test_dates_and_outcomes_come_from_fred_and_a_second_time_nothing_changes(
    server: Server, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.fred.releases[10] += ["2027-01-13", "2027-02-12", "2027-03-10"]
    server.fred.releases[50] += ["2027-01-08", "2027-02-05"]
    before = contents(folder)
    assert refresh(settings(server), NOW, folder) == 0
    rows = {(row["event_type"], row["event_date"]): row for row in read_rows(folder / "events.csv")}
    assert rows["cpi", "2027-03-10"] == {
        "event_type": "cpi",
        "event_date": "2027-03-10",
        "released_at_utc": "2027-03-10 13:30:00",
        "reference_month": "2027-02-01",
        "source_url": "https://fred.stlouisfed.org/releases/calendar?rid=10",
        "status": "scheduled",
        "time_assumed": "true",
    }
    assert rows["jobs", "2026-11-06"]["status"] == "actual"
    decisions = {row["decision_date"]: row for row in read_rows(folder / "fomc_meetings.csv")}
    outcomes = {day: [decisions[day][name] for name in refresh_calendars.OUTCOMES] for day in decisions}
    assert outcomes["2026-09-16"] == ["3.5", "3.75", "3.5", "3.75"]
    assert outcomes["2026-10-28"] == ["3.5", "3.75", "3.25", "3.5"]
    assert outcomes["2026-12-09"] == [""] * 4
    said = capsys.readouterr().out
    assert "cpi 2027-01-13 (for 2026-12) is new" in said
    assert "decision of 2026-10-28: 3.5 to 3.75 % before, 3.25 to 3.5 % after" in said
    assert "not taken" not in said
    # Ten weeks are left for the jobs report, and more for the CPI: nothing to tell.
    assert "still ends" not in said
    after = contents(folder)
    assert {name for name in after if after[name] != before[name]} == {"events.csv", "fomc_meetings.csv"}
    # No row of the past has gone; only the status of what has taken place differs.
    kept = {line.rsplit(",", 2)[0] for line in after["events.csv"].splitlines()}
    assert {line.rsplit(",", 2)[0] for line in before["events.csv"].splitlines()} <= kept
    assert refresh(settings(server), NOW, folder) == 0
    assert contents(folder) == after
    assert "events.csv: unchanged" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["release/dates", "series/observations"])
def test_with_fred_down_nothing_is_written(
    server: Server,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    part: str,
) -> None:
    monkeypatch.setattr("sources.transport.time.sleep", lambda seconds: None)
    server.fred.releases[10] += ["2027-01-13"]
    server.fault = Fault(on=part, status=503)
    before = contents(folder)
    assert refresh(settings(server), NOW, folder) == 1
    error = capsys.readouterr().err
    assert error.startswith("Nothing was written. FRED: ") and "503" in error
    assert KEY not in error
    assert contents(folder) == before


def test_a_wrong_answer_or_a_missing_key_is_said(
    server: Server, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(folder)
    server.fault = Fault(
        on="release/dates", body=lambda body: body.replace(b"</release_date>", b"x</release_date>", 1)
    )
    assert refresh(settings(server), NOW, folder) == 1
    assert "is no date" in capsys.readouterr().err
    server.fault = Fault(
        on="release/dates", body=lambda body: body.replace(b'release_id="10"', b'release_id="101"', 1)
    )
    assert refresh(settings(server), NOW, folder) == 1
    assert "is not a date of this release" in capsys.readouterr().err
    server.fault = None
    assert refresh({"ROTATION_FRED_URL": server.url}, NOW, folder) == 1
    assert "set FRED_API_KEY" in capsys.readouterr().err
    assert contents(folder) == before


def test_a_row_that_the_series_contradicts_is_named_and_left(
    server: Server, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # An unscheduled cut that is not listed.
    server.feed.steps |= {"2026-11-16": 3.25}  # type: ignore[attr-defined]
    assert refresh(settings(server), NOW, folder) == 0
    said = capsys.readouterr().out
    assert (
        "not taken: fomc_meetings.csv, 2026-10-28: FRED's target range changes on 2026-11-16 from 3.25-3.50"
        " to 3.00-3.25 %, where no decision takes effect" in said
    )
    decisions = {row["decision_date"]: row for row in read_rows(folder / "fomc_meetings.csv")}
    assert decisions["2026-10-28"]["upper_after"] == ""
    assert decisions["2026-09-16"]["upper_after"] == "3.75"


def test_a_list_that_ended_a_year_ago_is_caught_up(server: Server, folder: Path) -> None:
    whole = contents(folder)["events.csv"]
    change(folder, "events", lambda row: row if row["event_date"] < "2025-12-31" else None)
    assert refresh(settings(server), NOW, folder) == 0
    dates = [
        row["event_date"] for row in read_rows(folder / "events.csv") if row["event_type"] != "jackson_hole"
    ]
    wanted = [line.split(",")[1] for line in whole.splitlines()[1:] if not line.startswith("jackson_hole")]
    assert dates == wanted


# ---- one release


def listed(*days: str, status: str = "scheduled") -> list[Row]:
    """Rows of the CPI, each for the month before its day."""
    rows = []
    for day in days:
        month = (dt.date.fromisoformat(day).replace(day=1) - dt.timedelta(days=1)).replace(day=1)
        rows.append(
            {
                "event_type": "cpi",
                "event_date": day,
                "reference_month": str(month),
                "status": status,
                "released_at_utc": f"{day} 13:30:00",
                "source_url": "https://example.org",
                "time_assumed": "false",
            }
        )
    return rows


def merged(rows: list[Row], *served: str, today: str = "2026-11-29") -> tuple[list[str], list[str]]:
    dates = [dt.date.fromisoformat(day) for day in served]
    merge = merge_releases(rows, CPI, dates, dt.date.fromisoformat(today))
    return [row["event_date"] for row in merge.rows], merge.not_taken


@pytest.mark.parametrize(
    ("served", "days", "not_taken"),
    [
        (["2026-12-10", "2027-01-13"], ["2026-12-10", "2027-01-13"], None),
        # a holiday, a Saturday, the wrong days of a month, behind the calendar
        (
            ["2026-12-10", "2027-01-18"],
            ["2026-12-10"],
            "2027-01-18: a Monday on which the government publishes",
        ),
        (["2026-12-10", "2027-01-16"], ["2026-12-10"], "2027-01-16: a Saturday"),
        (
            ["2026-12-10", "2027-01-27"],
            ["2026-12-10"],
            "2027-01-27: the report comes on day 10 to 24 of a month",
        ),
        (
            ["2026-12-10", "2029-01-11"],
            ["2026-12-10"],
            "2029-01-11: lies behind the end of the market calendar",
        ),
        # two for one month; a second one for a month that is listed; a gap
        (["2026-12-10", "2027-01-13", "2027-01-14"], ["2026-12-10"], "more than one date for 2026-12"),
        (
            ["2026-12-10", "2026-12-15"],
            ["2026-12-10"],
            "2026-12-15: the release for 2026-11 is listed on 2026-12-10",
        ),
        (["2026-12-10", "2027-02-11"], ["2026-12-10"], "there is no date for 2026-12 before it"),
        # moved; withdrawn without a new date; a source that ends before what is known
        (["2026-12-11", "2027-01-13"], ["2026-12-11", "2027-01-13"], None),
        (
            ["2027-01-13"],
            ["2026-12-10", "2027-01-13"],
            "2026-12-10 (for 2026-11) is no longer listed; the row is kept",
        ),
        (["2026-11-10"], ["2026-12-10"], None),
    ],
)
def test_what_is_taken_and_what_is_not(served: list[str], days: list[str], not_taken: str | None) -> None:
    got, refused = merged(listed("2026-12-10"), *served)
    assert got == days
    assert (not_taken is None and not refused) or (not_taken is not None and not_taken in refused[0])


def test_a_row_of_the_past_stays_whatever_is_served() -> None:
    rows = listed("2026-10-14", "2026-11-10", status="actual")
    got, refused = merged(rows, "2026-10-15", "2027-03-10")
    assert got == ["2026-10-14", "2026-11-10"]
    assert refused == ["cpi 2027-03-10 (for 2027-02): there is no date for 2026-11 before it"]
