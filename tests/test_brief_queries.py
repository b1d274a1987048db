"""The query files of the brief: their form, the addresses of values, values bound and never formatted."""

from __future__ import annotations

import ast
import datetime as dt
import re
from pathlib import Path

import duckdb
import pytest

from brief import statements
from brief.cells import Absent
from brief.reader import Reader
from brief.statements import QUERIES, StatementError, sql_literal, statement
from warehouse.catalog import load_catalog
from warehouse.settings import REPOSITORY

NAMES = sorted(str(path.relative_to(QUERIES).with_suffix("")) for path in QUERIES.rglob("*.sql"))
BRIEF = REPOSITORY / "brief"
# What the reader may format into SQL: identifiers that were looked up in the catalog, and quoted.
IDENTIFIERS = {"_identifier", "quoted"}


@pytest.fixture
def marts() -> duckdb.DuckDBPyConnection:
    """Every table of the catalog that the page may read, empty."""
    connection = duckdb.connect()
    catalog = load_catalog()
    for schema in ("marts", "ops", "ref"):
        connection.execute(f"create schema {schema}")
        for table in catalog.in_schema(schema):
            connection.execute(table.ddl().replace(" not null", ""))
    return connection


@pytest.mark.parametrize("name", NAMES)
def test_every_query_reads_tables_of_the_catalog_and_parses(
    name: str, marts: duckdb.DuckDBPyConnection
) -> None:
    read = statement(name)
    assert read.sql == read.sql.lower() or re.search(r"'[^']*[A-Z]", read.sql), "lower case but for texts"
    assert read.tables
    assert set(read.tables) <= set(load_catalog().tables)
    [parsed] = marts.extract_statements(read.sql)
    assert parsed.type == duckdb.StatementType.SELECT


def test_every_query_is_used_and_every_name_exists() -> None:
    """A file that nothing names is dead; a name without a file is found when its section is drawn."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in BRIEF.glob("*.py"))
    assert [name for name in NAMES if f'"{name}"' not in code] == []


def test_what_a_second_source_supplies_is_found(marts: duckdb.DuckDBPyConnection) -> None:
    rows = [("fred", "DGS2", "fred"), ("fred", "VIXCLS", "fred"), ("par_yields", "curve", "treasury")]
    insert = (
        "insert into ops.freshness (dataset, input, source, last_date) values (?, ?, ?, date '2024-07-15')"
    )
    marts.executemany(insert, [*rows, ("prices", "SPY", None)])
    query = statement("stale/stand_ins").sql
    assert marts.execute(query).fetchall() == []
    marts.execute("update ops.freshness set source = 'treasury' where input = 'DGS2'")
    assert marts.execute(query).fetchall() == [("fred", "DGS2", dt.date(2024, 7, 15), "treasury")]


def executions(path: Path) -> list[ast.expr]:
    """The statements that a module gives to DuckDB."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("execute", "executemany", "sql", "query")
        and node.args
        and not (isinstance(node.args[0], ast.Constant) and (QUERIES / f"{node.args[0].value}.sql").exists())
    ]


def test_no_module_but_the_reader_runs_sql_and_it_formats_identifiers_only() -> None:
    found = {path.name: executions(path) for path in sorted(BRIEF.rglob("*.py"))}
    assert {name for name, statements_ in found.items() if statements_} == {"reader.py"}
    formatted = [
        part.value
        for text in found["reader.py"]
        for part in ast.walk(text)
        if isinstance(part, ast.FormattedValue)
    ]
    assert formatted
    assert all(
        isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in IDENTIFIERS
        for value in formatted
    )


def test_the_address_of_a_value_gives_the_value_again(marts: duckdb.DuckDBPyConnection) -> None:
    marts.execute(
        "insert into marts.policy_surprises (meeting_date, decided_change_bp, contract) values"
        " (date '2024-07-31', -25, 'it''s'), (date '2024-09-18', -50, 'B')"
    )
    [row] = Reader(marts).query("fed/surprises", as_of=dt.date(2024, 8, 1))
    assert row["contract"].value == "it's"
    assert (
        row["contract"].sql == "select contract from marts.policy_surprises where meeting_date = '2024-07-31'"
    )
    for cell in row.values():
        assert marts.execute(cell.sql).fetchall() == [(cell.value,)]


def test_a_value_stays_a_value(marts: duckdb.DuckDBPyConnection) -> None:
    marts.execute("insert into marts.policy_surprises (meeting_date) values (date '2024-07-31')")
    assert Reader(marts).query("fed/surprises", as_of="1999-01-01' or true --") == []


def test_a_parameter_without_a_value_and_one_too_many_are_errors(marts: duckdb.DuckDBPyConnection) -> None:
    reader = Reader(marts)
    with pytest.raises(duckdb.InvalidInputException, match="as_of"):
        reader.points("fed/surprises")
    with pytest.raises(duckdb.InvalidInputException, match="session"):
        reader.points("fed/surprises", as_of=dt.date(2024, 8, 1), session=dt.date(2024, 8, 1))


def test_a_missing_table_is_named(marts: duckdb.DuckDBPyConnection) -> None:
    marts.execute("drop table marts.policy_surprises")
    with pytest.raises(Absent, match=r"marts\.policy_surprises is not in this publication"):
        Reader(marts).query("fed/surprises", as_of=dt.date(2024, 8, 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("select a from marts.x", "a comment that says what a row is"),
        ("-- Rows.\nselect a -- why\nfrom marts.x", "comments stand above"),
        ("-- Rows.\nselect a from marts.x; select 1", "no semicolon"),
        ("-- Rows.\nselect a from marts.x inner join marts.y using (a)", "without join"),
        ("-- Rows.\nselect a, count(*) as n from marts.x group by a", "without join or group"),
        ("-- Rows.\nselect a from (select 1 as a)", "one table"),
    ],
)
def test_a_query_against_the_rules_is_refused(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made.sql").write_text(text)
    monkeypatch.setattr(statements, "QUERIES", tmp_path)
    statement.cache_clear()
    with pytest.raises(StatementError, match=said):
        assert statement("made").source
    statement.cache_clear()


def test_expressions_are_found_behind_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made.sql").write_text(
        "-- Rows.\nselect\n    session_date,\n    round(value / $scale, 2) as shown,\n"
        "    coalesce(a, 'x, from y') as b,\n    extract(year from session_date) as since\n"
        "from marts.x where (session_date, a) in (select (max(session_date), a) from marts.x group by a)"
    )
    monkeypatch.setattr(statements, "QUERIES", tmp_path)
    source = statement("made").source
    statement.cache_clear()
    assert source.table == "marts.x"
    assert source.expressions == (
        ("session_date", "session_date"),
        ("shown", "round(value / $scale, 2)"),
        ("b", "coalesce(a, 'x, from y')"),
        ("since", "extract(year from session_date)"),
    )
    assert (
        statements.fill("value / $scale = $name", {"scale": 1000, "name": "it's"}) == "value / 1000 = 'it''s'"
    )


@pytest.mark.parametrize(
    "value", [None, True, 3, -0.1, 1e-300, "it's", dt.date(2024, 7, 16), ["a", "b'c"], (1, 2)]
)
def test_literals_are_the_value(value: object) -> None:
    found = duckdb.connect().execute(f"select {sql_literal(value)}").fetchone()
    assert found is not None
    same = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, dt.date) else value
    assert (float(found[0]) if isinstance(value, float) else found[0]) == same
