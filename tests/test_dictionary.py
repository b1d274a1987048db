"""The generated dictionary: up to date, complete, and with queries that run and answer on a published small
market.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cli import dictionary
from tests.shared_homes import HomeAfter
from warehouse.catalog import load_catalog
from warehouse.publication import current_generation

MARTS = [table.name for table in load_catalog().in_schema("marts")]
# What the small market cannot hold: published losses need quarters that banks reported, claims name indices
# it lacks, and it has no projections of the FOMC.
MAY_BE_EMPTY = {
    "bank_securities_mark",
    "bank_reported_losses",
    "size_style_rank_daily",
    "fomc_projections",
    "market_versus_dots",
}


@pytest.fixture(scope="module")
def connection(home_after: HomeAfter) -> Any:
    """A publication, opened as docs/connect.md advises."""
    current = current_generation(home_after("2024-07-16"))
    assert current is not None
    config = {"enable_external_access": "false", "lock_configuration": "true"}
    with duckdb.connect(str(current / "warehouse.duckdb"), read_only=True, config=config) as opened:
        yield opened


def test_the_page_is_up_to_date() -> None:
    text = dictionary.dictionary_page(load_catalog())
    assert dictionary.PAGE.read_text(encoding="utf-8") == text, "run `python -m cli.dictionary`"


def test_the_page_names_every_table_and_column() -> None:
    text = dictionary.PAGE.read_text(encoding="utf-8")
    for table in load_catalog().tables.values():
        section = text.split(f"### {table.full_name}\n")[1].split("\n### ")[0]
        for column in table.columns:
            assert re.search(rf"^\| \**`{column.name}`\** \| {column.type} \|", section, re.MULTILINE)
        for item in table.inputs:
            assert f'["{item}"] --> ' in section


def test_the_published_comments_say_the_same(connection: Any) -> None:
    tables = connection.execute(
        "select schema_name || '.' || table_name, comment from duckdb_tables()"
    ).fetchall()
    columns = connection.execute(
        "select schema_name || '.' || table_name, column_name, comment from duckdb_columns() where"
        " schema_name in ('marts', 'staging', 'ref', 'ops') and not internal"
    ).fetchall()
    catalog = load_catalog()
    assert {name for name, _ in tables} >= {f"marts.{name}" for name in MARTS}
    for name, comment in tables:
        assert catalog[name].description in comment
        assert f"Source: {catalog[name].source}" in comment
    for name, column, comment in columns:
        if name in catalog.tables:
            entry = catalog.columns[column]
            assert comment == f"{entry.description} Unit: {entry.unit}."


def test_out_of_date_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    page = dictionary.REPOSITORY / "docs" / "data-dictionary.md"
    assert dictionary.main(["--check"]) == 0
    monkeypatch.setattr(dictionary, "PAGE", page.with_name("absent-data-dictionary.md"))
    assert dictionary.main(["--check"]) == 1
    assert "out of date" in capsys.readouterr().err


@pytest.mark.parametrize("mart", MARTS)
def test_every_mart_has_at_least_three_queries_that_answer(mart: str, connection: Any) -> None:
    found = dictionary.example_queries(dictionary.QUERIES / f"{mart}.sql")
    assert len(found) >= 3
    assert len({question for question, _ in found}) == len(found)
    page = dictionary.PAGE.read_text(encoding="utf-8")
    held = connection.execute(f"select count(*) from marts.{mart}").fetchone()[0]
    assert held or mart in MAY_BE_EMPTY
    for question, statement in found:
        assert re.search(rf"\b(marts|latest)\.{mart}\b", statement)
        assert statement in page
        rows = connection.execute(statement).fetchall()
        if held:
            assert rows, f"{mart}: {question}"
        assert connection.execute(statement).fetchall() == rows


def test_no_query_without_its_mart() -> None:
    assert {path.stem for path in dictionary.QUERIES.glob("*.sql")} == set(MARTS)


def test_a_query_without_a_question_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sql"
    path.write_text("select 1;\n")
    with pytest.raises(ValueError, match="must begin with a comment"):
        dictionary.example_queries(path)
