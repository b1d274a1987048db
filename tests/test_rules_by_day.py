"""Handwritten rules that look at new days alone find what they find on all days, whatever table changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from expectations.rules import Query, handwritten
from expectations.sql_rules import READ, SqlChecks
from tests.small_market import published, run_day, small_settings, write_small_market
from warehouse.catalog import Table, load_catalog

RULES = [
    (table, query)
    for table in load_catalog().models()
    for query in handwritten(table)["queries"]
    if query.get("by_day")
]
OF_SEVERAL = [(table, query) for table, query in RULES if query["by_day"] is not True]
NAMES = [query["name"] for _, query in OF_SEVERAL]


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables that these rules read, of a publication, in memory; each test undoes what it changes."""
    folder = tmp_path_factory.mktemp("by_day")
    settings = small_settings(write_small_market(folder / "market"), folder / "home")
    run_day(settings, "2024-07-15")
    with published(settings) as source:
        [(path,)] = source.execute(
            "select path from duckdb_databases() where database_name = current_database()"
        ).fetchall()
    connection = duckdb.connect()
    connection.execute(f"attach '{Path(path)}' as source (read_only)")
    for schema in ("staging", "marts"):
        connection.execute(f"create schema {schema}")
    for name in sorted({name for _, query in OF_SEVERAL for name in READ.findall(query["sql"])}):
        connection.execute(f"create table {name} as from source.{name}")
    yield connection
    connection.close()


def day_of(name: str) -> str:
    grows = load_catalog()[name].increment
    assert grows is not None
    return grows.day


def failed(connection: duckdb.DuckDBPyConnection, table: Table, query: Query, **limits: object) -> int:
    result = SqlChecks(connection, table, **limits).check_query(query)  # type: ignore[arg-type]
    assert "raised" not in (result["sample"] or "")
    return result["failed_rows"]


def test_such_rules_say_what_they_need() -> None:
    assert len(OF_SEVERAL) >= 8 and len(RULES) - len(OF_SEVERAL) >= 12
    for table, query in RULES:
        by_day, read = query["by_day"], set(READ.findall(query["sql"]))
        # What changes otherwise than by days of models would not be noticed.
        assert "ref." not in query["sql"] and "getvariable" not in query["sql"] and "raw." not in query["sql"]
        if by_day is True:
            assert read == {table.full_name}, query["name"]
        else:
            assert set(by_day) <= read, query["name"]
        assert table.increment is not None and table.increment.day in table.grain


@pytest.mark.parametrize("when", ["newest", "old"])
@pytest.mark.parametrize(("table", "query"), OF_SEVERAL, ids=NAMES)
def test_a_change_is_found_in_whichever_table_it_is(
    marts: duckdb.DuckDBPyConnection, table: Table, query: Query, when: str
) -> None:
    assert failed(marts, table, query) == 0
    found = 0
    for name in sorted(set(READ.findall(query["sql"]))):
        day = day_of(name)
        [(newest,)] = marts.execute(f"select max({day}) from {name}").fetchall()
        changed = newest if when == "newest" else newest - dt.timedelta(days=40)
        for change in changes_of(name, f"{day} = (select max({day}) from {name} where {day} <= '{changed}')"):
            marts.execute("begin")
            marts.execute(change)
            whole = failed(marts, table, query)
            known = {name: changed - dt.timedelta(days=7)}
            assert failed(marts, table, query, new="false", changed_from=known) == whole, change
            assert failed(marts, table, query, new="false", changed_from={name: None}) == whole
            assert failed(marts, table, query, new="true", changed_from={}) == whole
            assert failed(marts, table, query, new="false", changed_from={}) == 0, "nothing is new"
            found += whole
            marts.execute("rollback")
    assert found, "no change broke the rule"


def changes_of(name: str, where: str) -> Iterator[str]:
    """Rows of a day are missing, there twice as large, or without what they say."""
    yield f"delete from {name} where {where}"
    table = load_catalog()[name]
    for column in table.columns:
        if column.type == "DOUBLE" and column.name not in table.grain:
            yield f"update {name} set {column.name} = {column.name} * 2 + 1 where {where}"
