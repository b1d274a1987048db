"""Loading reference data: rows that break the catalog are refused by file, line and column; loading twice
changes nothing.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from warehouse import reference_data
from warehouse.catalog import load_catalog
from warehouse.reference_data import ReferenceDataError, load_reference, reference_frame


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the reference data that a test may break."""
    target = tmp_path / "reference"
    shutil.copytree(reference_data.FOLDER, target)
    monkeypatch.setattr(reference_data, "FOLDER", target)
    return target


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("fomc_meetings", "2024-07-31,", "2024-07-32,", "reference/fomc_meetings.csv line"),
        (
            "fomc_meetings",
            ",5.25,5.5,5.25,5.5,",
            ",5.25,5.5,5.25,about 5.5,",
            "upper_after = 'about 5.5' is not of type double",
        ),
        ("pairs", "pair_id,", "pair,", "the header must read pair_id,base_symbol,quote_symbol,theme,"),
        ("instruments", "\nSPY,", "\nIWM,", "duplicate symbol"),
        (
            "instruments",
            ",large,blend,,true,",
            ",large,blend,,yes,",
            "required = 'yes' is not of type boolean",
        ),
        ("group_members", "\nregional,CFG", "\n,CFG", "group_id is empty"),
        (
            "group_members",
            "regional,CFG,2014-09-24,",
            "regional,CFG,2014-09-31,",
            "line 2: member_from = '2014-09-31' is not of type date",
        ),
        (
            "pairs",
            "^GSPC,small_vs_large,false,",
            "^GSPC,small_vs_large,perhaps,",
            "line 2: chosen_after_the_fact = 'perhaps' is not of type boolean",
        ),
        (
            "pairs",
            "^GSPC,small_vs_large,false,",
            "^GSPC,small_vs_large,,",
            "line 2: chosen_after_the_fact is empty",
        ),
        (
            "fomc_schedules",
            "2027,2025-09-05",
            "2027,2025-09",
            "line 35: announced_on = '2025-09' is not of type date",
        ),
        ("fomc_schedules", "2027,2025-09-05", "2027,2025-09-05 14:00:00", "14:00:00' is not of type date"),
        (
            "fomc_schedules",
            "2027,2025-09-05",
            "2027.5,2025-09-05",
            "schedule_year = '2027.5' is not of type integer",
        ),
        (
            "fomc_schedules",
            "\n2027,2025-09-05,",
            "\n2027,2025-09-05,x,",
            "Expected 5 fields in line 35, saw 6",
        ),
        ("fomc_meetings", "\n2028-01-26,2028", "\n2027-12-08,2028", "line 283: duplicate decision_date"),
    ],
)
def test_a_row_that_breaks_the_catalog_is_named(
    folder: Path, file: str, old: str, new: str, said: str
) -> None:
    path = folder / f"{file}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ReferenceDataError) as caught:
        reference_frame.__wrapped__(file)
    assert said in str(caught.value)
    assert f"reference/{file}.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"schedule_year,announced_on\n2027,\xe4", "not UTF-8"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(folder: Path, content: bytes | None, said: str) -> None:
    path = folder / "fomc_schedules.csv"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReferenceDataError, match=f"reference/fomc_schedules.csv: {said}"):
        reference_frame.__wrapped__("fomc_schedules")


@pytest.fixture
def database() -> duckdb.DuckDBPyConnection:
    """Empty ref tables."""
    connection = duckdb.connect()
    connection.execute("create schema ref")
    for table in load_catalog().in_schema("ref"):
        connection.execute(table.ddl())
    return connection


def test_loading_twice_changes_nothing(database: duckdb.DuckDBPyConnection) -> None:
    tables = {table.full_name for table in load_catalog().in_schema("ref")}
    assert set(load_reference(database)) == tables
    assert load_reference(database) == []


def test_decisions_are_events_but_a_cancelled_meeting_is_none(database: duckdb.DuckDBPyConnection) -> None:
    load_reference(database)
    found = database.execute(
        "select event_date, status from ref.events where event_type = 'fomc' and event_date between"
        " '2020-03-01' and '2020-03-31' order by 1"
    ).fetchall()
    assert [(str(day), status) for day, status in found] == [
        ("2020-03-03", "actual"),
        ("2020-03-15", "actual"),
    ]


def test_price_basis_is_that_of_the_provider(database: duckdb.DuckDBPyConnection) -> None:
    query = "select price_basis, count(*) from ref.instruments group by all order by 1"
    load_reference(database)
    [(basis, symbols)] = database.execute(query).fetchall()
    assert basis == "split_adjusted"
    assert load_reference(database, frozenset({"JPM", "BAC", "NOT_A_SYMBOL"})) == ["ref.instruments"]
    assert database.execute(query).fetchall() == [("fully_adjusted", 2), ("split_adjusted", symbols - 2)]
    assert load_reference(database) == ["ref.instruments"]
    assert database.execute(query).fetchall() == [("split_adjusted", symbols)]
