"""The source `files` and its parser: formats, gaps, broken rows and refusals that name the field."""

from __future__ import annotations

import gzip
from datetime import date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.files import FilesPrices
from sources.protocol import NotServed, Parsed, SourceError, Unreadable
from sources.registry import parse_payload
from sources.tabular import delivery_month
from warehouse.payloads import Payload, Request

HEADER = "date,open,high,low,close,adj_close,volume,dividend,split\n"
GOOD = "2024-07-15,1,2,0.5,1.5,1.4,100,0.0,\n2024-07-16,1.5,2.5,1,2,1.9,200,0.1,\n"
DAY = date(2024, 7, 16)


def parse(content: bytes, dataset: str = "prices", item: str = "IWM", extension: str = "csv") -> Parsed:
    """Parse bytes as if a file of them had been fetched."""
    return parse_payload(
        Payload(Request(dataset, item, DAY, DAY), "files", content, extension, datetime(2026, 11, 20))
    )


def test_prices_are_typed_and_blank_is_unknown() -> None:
    parsed = parse((HEADER + GOOD).encode())
    assert parsed.rejected == []
    assert list(parsed.frame["symbol"]) == ["IWM", "IWM"]
    assert parsed.frame["close"].tolist() == [1.5, 2.0]
    assert parsed.frame["split"].isna().all()
    assert parsed.frame["dividend"].tolist() == [0.0, 0.1]
    assert pd.isna(parsed.frame["previous_adj_close"].iloc[0])
    assert parsed.frame["previous_adj_close"].iloc[1] == 1.4


def test_previous_adj_close_follows_dates_not_lines() -> None:
    lines = GOOD.splitlines(keepends=True)
    parsed = parse((HEADER + lines[1] + lines[0]).encode())
    by_date = parsed.frame.set_index("session_date")["previous_adj_close"]
    assert by_date[pd.Timestamp(DAY)] == 1.4
    assert pd.isna(by_date[pd.Timestamp("2024-07-15")])


@pytest.mark.parametrize("text", ["abc", "inf", "-inf", "1,5e", "N/A", "1e999", "#REF!"])
def test_text_that_is_no_finite_number_rejects_its_row_only(text: str) -> None:
    quoted = f'"{text}"'
    parsed = parse((HEADER + GOOD + f"2024-07-17,1,2,0.5,{quoted},1.4,100,0.0,\n").encode())
    assert len(parsed.frame) == 2
    [(rule, row)] = parsed.rejected
    assert rule == "close_is_a_finite_number"
    assert (row["symbol"], row["date"], row["close"]) == ("IWM", "2024-07-17", text)


@pytest.mark.parametrize("text", ["17.07.2024", "2024-13-01", "2024-02-30", "", "yesterday", "20240732"])
def test_a_date_that_is_none_rejects_its_row_only(text: str) -> None:
    parsed = parse((HEADER + GOOD + f"{text},1,2,0.5,1.5,1.4,100,0.0,\n").encode())
    assert len(parsed.frame) == 2
    assert [rule for rule, _ in parsed.rejected] == ["session_date_is_a_date"]


@pytest.mark.parametrize("line", ["2024-07-17,1,2\n", "2024-07-17,1,2,0.5,1.5,1.4,100,0.0,,9\n"])
def test_a_line_with_another_number_of_fields_is_rejected(line: str) -> None:
    parsed = parse((HEADER + GOOD + line).encode())
    assert len(parsed.frame) == 2
    [(rule, row)] = parsed.rejected
    assert rule == "row_has_as_many_fields_as_the_header"
    assert row["line"] == line.strip()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02\x03", "NUL"),
        ("date,open\n2024-07-16,ü\n".encode("latin-1"), "not UTF-8"),
        (HEADER.replace("close,", "Last,", 1).encode() + GOOD.encode(), "column close is missing"),
        (b"<!DOCTYPE html><html><body>Too many requests</body></html>", "is missing"),
        (HEADER.encode() + GOOD.replace(".", ",").encode(), "must be quoted"),
    ],
)
def test_a_payload_of_another_format_is_refused_with_the_field(content: bytes, said: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(content)
    assert said in str(caught.value)
    assert "prices/IWM" in str(caught.value)


def test_byte_order_mark_and_windows_line_ends_are_read() -> None:
    parsed = parse(b"\xef\xbb\xbf" + (HEADER + GOOD).replace("\n", "\r\n").encode())
    assert parsed.rejected == []
    assert len(parsed.frame) == 2


def test_gzip_and_parquet_hold_the_same(tmp_path: Path) -> None:
    plain = parse((HEADER + GOOD).encode()).frame
    zipped = parse(gzip.compress((HEADER + GOOD).encode()), extension="csv.gz").frame
    csv_path, parquet_path = tmp_path / "x.csv", tmp_path / "x.parquet"
    csv_path.write_text(HEADER + GOOD)
    duckdb.execute(f"copy (select * from read_csv('{csv_path}')) to '{parquet_path}' (format parquet)")
    columnar = parse(parquet_path.read_bytes(), extension="parquet").frame
    pd.testing.assert_frame_equal(plain, zipped)
    pd.testing.assert_frame_equal(plain, columnar)


def test_a_half_written_gzip_file_is_refused() -> None:
    with pytest.raises(Unreadable, match="half written"):
        parse(gzip.compress((HEADER + GOOD).encode())[:-20], extension="csv.gz")


def test_fred_blank_is_kept_and_means_no_observation() -> None:
    parsed = parse(b"observation_date,DGS2\n2024-07-03,4.71\n2024-07-04,\n2024-07-05,.\n", "fred", "DGS2")
    assert parsed.rejected == []
    assert parsed.frame["value"].isna().tolist() == [False, True, True]


def test_a_series_under_another_name_is_refused() -> None:
    with pytest.raises(Unreadable, match="column DGS2 is missing"):
        parse(b"observation_date,DGS10\n2024-07-03,4.71\n", "fred", "DGS2")


def test_files_are_found_by_symbol_and_refused_when_doubled(tmp_path: Path) -> None:
    (tmp_path / "prices").mkdir()
    source = FilesPrices(tmp_path)
    with pytest.raises(NotServed, match=r"expected prices/_RUT\.csv"):
        source.fetch(Request("prices", "^RUT", DAY, DAY))
    (tmp_path / "prices" / "_RUT.csv").write_text(HEADER + GOOD)
    assert source.parse(source.fetch(Request("prices", "^RUT", DAY, DAY))).frame[
        "symbol"
    ].unique().tolist() == ["^RUT"]
    assert source.last_session("^RUT") == DAY
    (tmp_path / "prices" / "_RUT.csv.gz").write_bytes(gzip.compress((HEADER + GOOD).encode()))
    with pytest.raises(SourceError, match="more than one file"):
        source.fetch(Request("prices", "^RUT", DAY, DAY))


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", ".hidden", "a\\b"])
def test_no_path_leaves_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError):
        FilesPrices(tmp_path).fetch(Request("prices", name, DAY, DAY))


@pytest.mark.parametrize(
    ("contract", "month"), [("ZQU24", "2024-09-01"), ("ZQF00", "2000-01-01"), ("ZQZ99", "1999-12-01")]
)
def test_delivery_month(contract: str, month: str) -> None:
    assert delivery_month(contract) == pd.Timestamp(month)


@pytest.mark.parametrize("contract", ["ZQA24", "ZQU2024", "ESU24", "", "ZQU2x"])
def test_what_is_no_contract_is_refused(contract: str) -> None:
    with pytest.raises(ValueError, match="not a fed funds futures contract"):
        delivery_month(contract)


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused_by_name(content: bytes) -> None:
    for extension in ("csv", "csv.gz"):
        try:
            parsed = parse(content, extension=extension)
        except Unreadable as error:
            assert "prices/IWM" in str(error)
        else:
            assert parsed.frame["close"].dropna().map(lambda value: abs(value) < float("inf")).all()


@pytest.mark.parametrize(
    ("dataset", "item", "text", "empty"),
    [
        ("prices", "IWM", HEADER, True),
        ("prices", "IWM", "Date,Open,High,Low,Close\n2024-07-16,,,,\n", True),
        ("prices", "IWM", HEADER + GOOD, False),
        ("fred", "DGS2", "observation_date,DGS2\n", True),
        ("fred", "DGS2", "observation_date,DGS2\n2024-07-15,\n2024-07-16,.\n", True),
        ("fred", "DGS2", "observation_date,DGS2\n2024-07-15,4.46\n2024-07-16,.\n", False),
    ],
)
def test_a_file_without_data_is_said(dataset: str, item: str, text: str, empty: bool) -> None:
    said = f"{dataset}/{item}: the file has no row with a value"
    assert (said in parse(text.encode(), dataset, item).doubts) == empty
