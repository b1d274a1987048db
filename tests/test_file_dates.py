"""Dates and numbers of files in the spellings that programs write: the day as stamped, one reading or a
refusal that names the column.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from sources.protocol import Parsed, Unreadable
from sources.registry import parse_payload
from warehouse.payloads import Payload, Request

DAY = date(2024, 7, 16)
# A day in winter and one in summer: the offset of one zone is another in each.
DAYS = ["2024-01-16", "2024-07-16"]


def parse(content: bytes, extension: str = "csv", dataset: str = "futures", item: str = "ZQU24") -> Parsed:
    """Parse bytes as if a file of them had been fetched."""
    request = Request(dataset, item, DAY, DAY)
    return parse_payload(Payload(request, "files", content, extension, datetime(2026, 11, 20)))


def days_of(parsed: Parsed) -> list[str]:
    """The days that were read."""
    column = "settlement_date" if "settlement_date" in parsed.frame else "session_date"
    return [str(stamp.date()) for stamp in parsed.frame[column]]


def csv(*dates: str, separator: str = ",") -> bytes:
    """A file of settlements."""
    lines = [f'"{text}"{separator}94.67' for text in dates]
    return "\n".join([f"date{separator}settle", *lines, ""]).encode()


def parquet(folder: Path, dates: str, kind: str) -> bytes:
    """A Parquet file whose dates are SQL values of a type."""
    path = folder / "x.parquet"
    duckdb.execute(
        f"copy (select unnest([{dates}])::{kind} as date, unnest([94.67, 94.68]) as settle)"
        f" to '{path}' (format parquet)"
    )
    return path.read_bytes()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York", "America/Chicago", "Asia/Tokyo", "-05:00"])
def test_a_frame_of_midnights_holds_its_days(tmp_path: Path, zone: str | None, unit: str) -> None:
    """As pandas writes them, in any unit, in any zone: the day that stands in the frame."""
    stamps = pd.to_datetime(pd.Series(DAYS)).dt.tz_localize(zone).astype(_dtype(zone, unit))
    frame = pd.DataFrame({"date": stamps, "settle": [94.67, 94.68]})
    frame.to_parquet(tmp_path / "x.parquet")
    assert days_of(parse((tmp_path / "x.parquet").read_bytes(), "parquet")) == DAYS


def _dtype(zone: str | None, unit: str) -> str:
    return f"datetime64[{unit}, {zone}]" if zone else f"datetime64[{unit}]"


@pytest.mark.parametrize(
    ("dates", "kind"),
    [
        ("'2024-01-16', '2024-07-16'", "date"),
        ("'2024-01-16', '2024-07-16'", "varchar"),
        ("20240116, 20240716", "integer"),
        ("20240116, 20240716", "double"),
        ("'2024-01-16 05:00:00+00', '2024-07-16 04:00:00+00'", "timestamptz"),
        ("'2024-01-16 06:00:00+00', '2024-07-16 05:00:00+00'", "timestamptz"),
        ("'2024-01-16T00:00:00-05:00', '2024-07-16T00:00:00-04:00'", "varchar"),
    ],
)
def test_a_column_of_days_of_any_type_holds_its_days(tmp_path: Path, dates: str, kind: str) -> None:
    assert days_of(parse(parquet(tmp_path, dates, kind), "parquet")) == DAYS


@pytest.mark.parametrize(
    ("dates", "kind", "said"),
    [
        ("'2024-01-16 20:00:00+00', '2024-07-16 20:00:00+00'", "timestamptz", "not midnight in one zone"),
        ("'2024-01-16 00:00:00+00', '2024-07-16 04:00:00+00'", "timestamptz", "not midnight in one zone"),
        ("'2024-01-16 05:00:00+00', '2024-07-16 05:00:00.5+00'", "timestamptz", "not midnight in one zone"),
        ("'2024-01-15 15:00:00+00', '2024-07-15 15:00:00+00'", "timestamptz", "not midnight in one zone"),
        ("'2024-01-16 16:00', '2024-07-16 16:00'", "timestamp", "time of day and no time zone"),
        ("1705363200, 1721088000", "bigint", "no row has a date"),
    ],
)
def test_moments_that_are_no_days_are_refused(tmp_path: Path, dates: str, kind: str, said: str) -> None:
    with pytest.raises(Unreadable, match=f"futures/ZQU24: column date: .*{said}"):
        parse(parquet(tmp_path, dates, kind), "parquet")


def test_a_frame_that_is_not_at_midnight_in_its_own_zone_is_refused(tmp_path: Path) -> None:
    """Midnight in UTC, held in New York: the frame shows the evening before."""
    stamps = pd.to_datetime(pd.Series(DAYS)).dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    pd.DataFrame({"date": stamps, "settle": [94.67, 94.68]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(Unreadable, match="not midnight in America/New_York"):
        parse((tmp_path / "x.parquet").read_bytes(), "parquet")


@pytest.mark.parametrize("zone", ["America/New_York", "America/Chicago"])
def test_a_frame_of_midnights_that_was_converted_to_utc_holds_its_days(tmp_path: Path, zone: str) -> None:
    stamps = pd.to_datetime(pd.Series(DAYS)).dt.tz_localize(zone).dt.tz_convert("UTC")
    pd.DataFrame({"date": stamps, "settle": [94.67, 94.68]}).to_parquet(tmp_path / "x.parquet")
    assert days_of(parse((tmp_path / "x.parquet").read_bytes(), "parquet")) == DAYS


@pytest.mark.parametrize(
    "dates",
    [
        ("2024-01-16T00:00:00-05:00", "2024-07-16T00:00:00-04:00"),
        ("2024-01-16 00:00:00+00:00", "2024-07-16 00:00:00+00:00"),
        ("2024-01-16T00:00:00.000Z", "2024-07-16T00:00:00.000Z"),
        ("2024-01-16T05:00:00Z", "2024-07-16T04:00:00Z"),
        ("2024-01-16 00:00:00+09:00", "2024-07-16 00:00:00+09:00"),
        ("2024-01-16 00:00:00", "2024-07-16T00:00"),
        ("20240116", "20240716"),
        ("2024/01/16", "2024/7/16"),
        ("1/16/2024", "07/16/2024"),
        ("16.01.2024", "16.07.2024"),
        ("16-1-2024", "16-07-2024"),
        ("16 Jan 2024", "16-JUL-2024"),
        ("Jan 16, 2024", "July 16, 2024"),
    ],
)
def test_texts_of_one_reading_are_read(dates: tuple[str, str]) -> None:
    parsed = parse(csv(*dates))
    assert days_of(parsed) == DAYS and parsed.rejected == []


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        (("2024-07-15T16:00:00-04:00", "2024-07-16T16:00:00-04:00"), "not midnight in one zone"),
        (("2024-07-15T20:00:00-04:00", "2024-07-16T20:00:00-04:00"), "not midnight in one zone"),
        (("2024-07-15T20:00:00Z", "2024-07-16T20:00:00Z"), "not midnight in one zone"),
        (("2024-07-15T00:00:00-04:00", "2024-07-16T00:00:00+00:00"), "not midnight in one zone"),
        (("2024-07-15 16:00:00", "2024-07-16 16:00:00"), "time of day and no time zone"),
        (("07/08/2024", "07/09/2024"), "day before month or month before day"),
        (("07.08.2024", "08.08.2024"), "day before month or month before day"),
        (("07/16/2024", "16/07/2024"), "two orders"),
        (("07/15/24", "07/16/24"), "years of two digits"),
        (("yesterday", "today"), "no row has a date"),
    ],
)
def test_texts_of_two_readings_are_refused_by_name(dates: tuple[str, str], said: str) -> None:
    with pytest.raises(Unreadable, match=f"futures/ZQU24: column date: .*{said}"):
        parse(csv(*dates))


def test_the_month_names_of_no_other_language_are_guessed() -> None:
    parsed = parse(csv("16 Jul 2024", "17 Jul 2024", "18 Mai 2024"))
    assert days_of(parsed) == ["2024-07-16", "2024-07-17"]
    assert [rule for rule, _ in parsed.rejected] == ["settlement_date_is_a_date"]


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        ("date;settle\n2024-07-15;94,675\n2024-07-16;94,68\n", [94.675, 94.68]),
        ("\ufeffDate;Settle\r\n2024-07-15;94.675\r\n2024-07-16;94.68", [94.675, 94.68]),
        ("sep=;\nDate;Settle\n2024-07-15;94.67\n;\n", [94.67]),
        ("date\tsettle\n2024-07-15\t94.675\n", [94.675]),
        ('date,settle\n2024-07-15,"94,675"\n2024-07-16,"94,6"\n', [94.675, 94.6]),
        ("date,settle,note\n2024-07-15,94.675,\n,,\n", [94.675]),
        ("SETTLE,DATE\n94.675,2024-07-15\n", [94.675]),
        ("date,settle\n2024-07-15,94.675\n2024-07-16,NaN\n2024-07-17,.\n2024-07-18,null\n", [94.675]),
    ],
)
def test_what_spreadsheets_and_programs_save_is_read(lines: str, values: list[float]) -> None:
    parsed = parse(lines.encode())
    assert parsed.frame["settle"].dropna().tolist() == values and parsed.rejected == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("date;settle\n2024-07-15;94,675\n2024-07-16;94,680\n", "two ways .'94,675'"),
        ("date;settle\n2024-07-15;94.675\n2024-07-16;94.680\n", "two ways .'94.675'"),
        ('date,settle\n2024-07-15,"94,675"\n', "two ways"),
        ('date,settle\n2024-07-15,"94,67"\n2024-07-16,94.68\n', "written in two ways"),
        ("date,settle\n2024-07-15,94,675\n", "no line has as many fields"),
        ("date,Date,settle\n2024-07-15,2024-07-16,94.675\n", "date is duplicated"),
    ],
)
def test_numbers_of_two_readings_are_refused_by_name(lines: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said) as caught:
        parse(lines.encode())
    assert "futures/ZQU24" in str(caught.value)


def test_thousands_are_told_by_the_decimals_of_the_same_file() -> None:
    lines = (
        "date;open;high;low;close;adj_close;volume;dividend;split\n"
        "2024-07-15;1.224,5;1.230;1.220,25;1.224,75;1.220,1;1.234.567;;\n"
    )
    english = lines.translate(str.maketrans(",.", ".,"))
    for content in (lines, english, '"' + english.strip().replace(";", '","').replace("\n", '"\n"') + '"\n'):
        row = parse(content.encode(), dataset="prices", item="IWM").frame.iloc[0]
        assert (row["open"], row["high"], row["close"], row["volume"]) == (1224.5, 1230, 1224.75, 1234567)


def test_a_not_a_number_of_a_frame_costs_only_its_cell(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    duckdb.execute(
        "copy (select date '2024-07-16' as date, 1.5 as open, 2 as high, 1 as low, 1.75 as close,"
        f" 1.7 as adj_close, 'nan'::double as volume, 0 as dividend, null as split) to '{path}'"
        " (format parquet)"
    )
    parsed = parse(path.read_bytes(), "parquet", "prices", "IWM")
    assert parsed.rejected == [] and parsed.frame["close"].tolist() == [1.75]
    assert parsed.frame["volume"].isna().all()


def test_the_older_header_of_freds_download_is_read() -> None:
    parsed = parse(b"DATE,DGS2\n2024-07-15,4.46\n", dataset="fred", item="DGS2")
    assert parsed.frame["value"].tolist() == [4.46]
