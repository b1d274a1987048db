"""Keys as data: what the catalog says of them is true of the published rows; an orphan stops the run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import yaml

import warehouse.catalog as catalog_module
from expectations.gate import check_references, check_table
from tests.model_fixture import create, empty_warehouse, fill_reference
from tests.shared_homes import HomeAfter
from tests.small_market import published
from warehouse.catalog import CatalogError, load_catalog


@pytest.fixture(scope="module")
def connection(home_after: HomeAfter) -> Iterator[duckdb.DuckDBPyConnection]:
    with published(home_after("2024-07-16")) as opened:
        yield opened


def test_every_key_holds_in_the_published_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """From the table alone, as an analyst would, without the catalog."""
    keys = connection.execute("from ops.table_keys").fetchall()
    assert {key_type for _, key_type, *_ in keys} == {"primary", "foreign"}
    for table, key_type, columns, other, others in keys:
        if key_type == "primary":
            wrong = f"select 1 from {table} group by {columns} having count(*) > 1"
            empty = " or ".join(f"{name} is null" for name in columns.split(", "))
            nulls = f"select 1 from {table} where {empty}"
            assert connection.execute(nulls).fetchall() == [], table
        else:
            present = f"select {columns} from {table} where {columns} is not null"
            wrong = f"{present} except select {others} from {other}"
        assert connection.execute(wrong).fetchall() == [], (table, columns)


def test_every_published_table_with_a_grain_has_its_key(connection: duckdb.DuckDBPyConnection) -> None:
    rows = connection.execute(
        "select table_name, columns from ops.table_keys where key_type = 'primary'"
    ).fetchall()
    wanted = {
        table.full_name: ", ".join(table.grain)
        for table in load_catalog().tables.values()
        if table.schema in ("marts", "ref", "ops") and table.grain
    }
    assert dict(rows) == wanted


def test_columns_lead_where_they_should() -> None:
    catalog = load_catalog()
    foreign = {column.name: column.references for column in catalog["marts.event_responses"].foreign_keys}
    assert foreign["pair_id"] == "ref.pairs.pair_id"
    assert foreign["session_date"] == "marts.calendar.calendar_date"
    assert catalog.columns["meeting_date"].references == "ref.fomc_meetings.decision_date"
    # By way of ref.fomc_meetings.
    assert catalog.columns["meeting_date"].joins_calendar
    assert not catalog.columns["symbol"].joins_calendar
    # A table's own key is no foreign key.
    assert "pair_id" not in {column.name for column in catalog["ref.pairs"].foreign_keys}


def test_every_mart_says_what_joins_to_the_calendar(connection: duckdb.DuckDBPyConnection) -> None:
    comments = dict(
        connection.execute(
            "select table_name, comment from duckdb_tables() where schema_name = 'marts'"
        ).fetchall()
    )
    for name, comment in comments.items():
        if name != "calendar":
            assert (
                "Joins to marts.calendar.calendar_date by " in comment
                or "No column joins to marts.calendar" in comment
            )
    assert "Joins to marts.calendar.calendar_date by session_date." in comments["yield_curve_daily"]
    assert "by as_of_date, meeting_date." in comments["fomc_probabilities"]
    assert "No column joins to marts.calendar" in comments["what_followed"]


def test_a_daily_mart_joins_to_the_calendar_by_its_day() -> None:
    for table in load_catalog().in_schema("marts"):
        if table.day:
            assert load_catalog().columns[table.day].joins_calendar, table.full_name


def test_an_orphan_is_critical_and_named(home_after: HomeAfter, tmp_path: Path) -> None:
    table = load_catalog()["marts.group_score_daily"]
    with published(home_after("2024-07-16")) as source:
        [(file,)] = source.execute("select path from duckdb_databases() where path is not null").fetchall()
    copy = tmp_path / "copy.duckdb"
    shutil.copyfile(file, copy)
    copy.chmod(0o644)
    with duckdb.connect(str(copy)) as connection:
        assert not any(
            "_is_in_" in result["rule"] and not result["passed"]
            for result in check_table(connection, table).results
        )
        connection.execute("update marts.group_score_daily set group_id = 'nobody' where rowid = 0")
        failed = {
            result["rule"]: result
            for result in check_table(connection, table).results
            if not result["passed"]
        }
        assert set(failed) == {"group_id_is_in_ref_groups"}
        found = failed["group_id_is_in_ref_groups"]
        assert found["severity"] == "critical"
        assert found["failed_rows"] == 1
        assert "orphan=nobody" in (found["sample"] or "")


def test_reference_tables_are_checked_too() -> None:
    table = load_catalog()["ref.pairs"]
    with empty_warehouse() as connection:
        fill_reference(connection)
        assert [result["passed"] for result in check_references(connection, table)] == [True, True]
        connection.execute("update ref.pairs set quote_symbol = 'NONE' where pair_id = 'IWM/SPY'")
        assert [result["rule"] for result in check_references(connection, table) if not result["passed"]] == [
            "quote_symbol_is_in_ref_instruments"
        ]


@pytest.mark.parametrize(
    ("references", "message"),
    [
        ("ref.nothing.symbol", "is not the key of a table"),
        ("ref.instruments.name", "is not the key of a table"),
        ("ref.calendar.calendar_date", "is of another type"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(
    references: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "catalog"
    shutil.copytree(catalog_module.HERE, folder)
    monkeypatch.setattr(catalog_module, "HERE", folder)
    path = folder / "columns" / "reference.yml"
    content = yaml.safe_load(path.read_text())
    content["pair_id"]["references"] = references
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(CatalogError, match=message):
        load_catalog.__wrapped__()


def test_the_key_tables_columns_are_filled_for_an_empty_publication() -> None:
    from warehouse.publication import fill_table_keys

    with empty_warehouse() as connection:
        connection.execute("create schema ops")
        for name in ("ops.table_keys", "marts.group_score_daily"):
            create(connection, name)
        fill_table_keys(connection, load_catalog())
        fill_table_keys(connection, load_catalog())
        rows = connection.execute(
            "from ops.table_keys where table_name = 'marts.group_score_daily' order by all"
        ).fetchall()
    assert rows == [
        ("marts.group_score_daily", "foreign", "group_id", "ref.groups", "group_id"),
        ("marts.group_score_daily", "foreign", "session_date", "marts.calendar", "calendar_date"),
        ("marts.group_score_daily", "primary", "group_id, session_date", None, None),
    ]
