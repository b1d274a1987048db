"""`make refresh-calendars`: the reference data that others announce, from its sources.

In: FRED's dates of the CPI and jobs releases and its target range (a key is needed), exchange_calendars.
Out: `events.csv`, `fomc_meetings.csv` and `calendar.csv` of `warehouse/reference/`, and on the screen every
row that changed and everything that was not taken. All is fetched and checked before the first file is
written; where a source does not answer, nothing is. Caveat: the FOMC's schedule has no source with an
interface: its dates are added by hand, the outcomes are filled in here. A maintenance command: look at what
it prints, then commit.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd

from expectations.reference_dates import check_events, check_meetings
from market_calendar.calendar_file import REFERENCE, CalendarError
from market_calendar.horizons import good_fridays, horizon_failures, horizon_warnings
from market_calendar.refresh import calendar_text, read_settlement_exceptions
from market_calendar.release_dates import RELEASES, Row, merge_releases, open_since
from sources.fred import FredSource
from sources.fred_releases import fetch_release_dates
from sources.protocol import SourceError
from warehouse.catalog import load_catalog
from warehouse.durable import replace_durably
from warehouse.payloads import Request
from warehouse.reference_data import ReferenceDataError, reference_frame, typed_reference
from warehouse.settings import SettingsError, environment

RANGE_SERIES = ("DFEDTARL", "DFEDTARU", "DFF")
# Listed outcomes of the last year are compared with the series as well.
LOOK_BACK_DAYS = 400
OUTCOMES = ("lower_before", "upper_before", "lower_after", "upper_after")
SHOWN_LINES = 60


@dataclass
class Found:
    """What the files should hold, and what a person has to look at."""

    texts: dict[str, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    not_taken: list[str] = field(default_factory=list)


def main() -> int:
    """Refresh; 0 done, 1 a source or a check failed and nothing was written, 2 wrong settings."""
    try:
        return refresh(environment(), datetime.now(UTC), REFERENCE)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2


def refresh(environ: Mapping[str, str], now: datetime, folder: Path) -> int:
    """Fetch, check, write and report.

    Args:
        environ: the settings; the key of FRED is among them.
        now: the present moment, with a time zone.
        folder: of the CSV files.
    """
    found = Found()
    try:
        source = FredSource(environ)
        _releases(source, folder, now.date(), found)
        _outcomes(source, folder, now, found)
        found.texts["calendar.csv"] = calendar_text()
        _check(found)
    except (SourceError, ReferenceDataError, CalendarError) as error:
        print(f"Nothing was written. {error}", file=sys.stderr)
        return 1
    _write(folder, found)
    for sentence in found.not_taken:
        print(f"not taken: {sentence}")
    for sentence in (*horizon_failures(now.date(), folder), *horizon_warnings(now.date(), folder)):
        print(f"still ends: {sentence}")
    return 0


def _releases(source: FredSource, folder: Path, today: date, found: Found) -> None:
    """events.csv with the dates of every release."""
    rows = read_rows(folder / "events.csv")
    columns = list(rows[0])
    for release in RELEASES:
        since = open_since(rows, release, today)
        served = fetch_release_dates(source, release.release_id, since)
        merge = merge_releases(rows, release, served, today)
        rows = merge.rows
        found.changes += merge.changes
        found.not_taken += merge.not_taken
    found.texts["events.csv"] = as_text(columns, rows)
    exceptions = read_settlement_exceptions(folder / "extra_settlement_days.csv")
    jobs = {date.fromisoformat(row["event_date"]) for row in rows if row["event_type"] == "jobs"}
    for day in sorted(jobs & set(good_fridays(folder)) - set(exceptions)):
        found.not_taken.append(
            f"extra_settlement_days.csv has no row for {day}, a Good Friday with the jobs report: add one"
            " that says whether the futures settle"
        )


def _outcomes(source: FredSource, folder: Path, now: datetime, found: Found) -> None:
    """fomc_meetings.csv with the outcomes that the target range shows."""
    rows = read_rows(folder / "fomc_meetings.csv")
    columns = list(rows[0])
    open_rows = [row for row in rows if row["cancelled"] != "true" and not row["upper_after"]]
    first = min([now.date() - timedelta(days=LOOK_BACK_DAYS), *(_decided(row) for row in open_rows)])
    observations = [
        source.parse(source.fetch(Request("fred", series, first - timedelta(days=10), now.date()))).frame
        for series in RANGE_SERIES
    ]
    decisions = compute_decisions(rows, pd.concat(observations), now)
    for row in rows:
        known = decisions.loc[row["decision_date"]]
        if isinstance(known["conflict"], str):
            found.not_taken.append(f"fomc_meetings.csv, {row['decision_date']}: {known['conflict']}")
        elif row in open_rows and pd.notna(known["outcome_source"]) and pd.isna(known["outcome_reason"]):
            row |= {name: f"{known[name]:g}" for name in OUTCOMES}
            found.changes.append(
                f"decision of {row['decision_date']}: {known['lower_before']:g} to"
                f" {known['upper_before']:g} % before, {known['lower_after']:g} to"
                f" {known['upper_after']:g} % after"
            )
    found.texts["fomc_meetings.csv"] = as_text(columns, rows)


def compute_decisions(rows: list[Row], observations: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """What `staging.fomc_decisions` makes of the listed decisions and the series, by decision_date."""
    catalog = load_catalog()
    table, model = catalog["ref.fomc_meetings"], catalog["staging.fomc_decisions"].model
    assert model is not None
    meetings = typed_reference(table, "fomc_meetings.csv", pd.DataFrame(rows, dtype="str"))
    with duckdb.connect() as connection:
        connection.execute("create schema ref; create schema staging")
        connection.register("meeting_rows", meetings)
        connection.register("observation_rows", observations)
        names = ", ".join(f"{column.name}::{column.type} as {column.name}" for column in table.columns)
        connection.execute(f"create table ref.fomc_meetings as select {names} from meeting_rows")
        connection.execute(
            "create table staging.fred_observations as select series_id, observation_date::date as"
            " observation_date, value::double as value from observation_rows where value is not null"
        )
        connection.execute(
            "set variable cutoff_utc = ?::timestamp", [now.astimezone(UTC).replace(tzinfo=None)]
        )
        connection.execute("set variable session_date = ?::date", [now.date()])
        frame = connection.execute(model.read_text(encoding="utf-8")).df()
    return frame.set_index(frame["decision_date"].dt.strftime("%Y-%m-%d"))


def _check(found: Found) -> None:
    """Types, empty cells, keys and dates of every file, before one is written."""
    frames = {}
    for name, text in found.texts.items():
        frame = pd.read_csv(io.StringIO(text), dtype="str", keep_default_na=False)
        frames[name] = typed_reference(load_catalog()[f"ref.{name.removesuffix('.csv')}"], name, frame)
    problems = [
        *check_meetings(frames["fomc_meetings.csv"]),
        *check_events(frames["events.csv"], reference_frame("fred_series")),
    ]
    if problems:
        raise ReferenceDataError(
            "; ".join(f"{file}.csv line {line}: {text}" for file, line, text in problems)
        )


def _write(folder: Path, found: Found) -> None:
    """Write what differs; print each line that goes and that comes."""
    for sentence in found.changes:
        print(sentence)
    for name, text in found.texts.items():
        path = folder / name
        before = path.read_text(encoding="utf-8")
        if before == text:
            print(f"{name}: unchanged")
            continue
        old, new = before.splitlines(), text.splitlines()
        gone, come = sorted(set(old) - set(new)), sorted(set(new) - set(old))
        for mark, lines in (("-", gone), ("+", come)):
            for line in lines[:SHOWN_LINES]:
                print(f"{mark} {line}")
            if len(lines) > SHOWN_LINES:
                print(f"{mark} and {len(lines) - SHOWN_LINES} more")
        replace_durably(path, text)
        print(f"{name}: {len(come)} rows written, {len(gone)} replaced or gone, {len(new) - 1} in all")


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV file as text."""
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def as_text(columns: list[str], rows: list[Row]) -> str:
    """The rows as CSV, in the form in which the files are kept."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _decided(row: Row) -> date:
    return date.fromisoformat(row["decision_date"])


if __name__ == "__main__":
    sys.exit(main())
