"""The tables of every layout that a home has had, as they were: `layouts/<number>.yml`.

In: one file per layout, written once by `python -m cli.layout` and never changed once a release has it.
Out: the tables, and what the steps need to make them. The steps take their tables from here and not from
the catalog, which says what is wanted today.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import yaml

from warehouse.schema import PIPELINE_SCHEMAS, SchemaColumn, Tables, present_tables

FOLDER = Path(__file__).resolve().parent / "layouts"
NOT_NULL = " not null"


@cache
def layout_description(layout: int) -> dict[str, Any]:
    """The file of a layout: `tables`, and from layout 4 on `documents`."""
    content: dict[str, Any] = yaml.safe_load((FOLDER / f"{layout}.yml").read_text(encoding="utf-8"))
    return content


@cache
def layout_tables(layout: int) -> Tables:
    """The tables of a layout."""
    return {
        name: tuple(_column(text) for text in columns.split(", "))
        for name, columns in layout_description(layout)["tables"].items()
    }


def _column(text: str) -> SchemaColumn:
    name, _, kind = text.removesuffix(NOT_NULL).partition(" ")
    return SchemaColumn(name, kind, text.endswith(NOT_NULL))


def create_tables(connection: duckdb.DuckDBPyConnection, layout: int, *names: str) -> None:
    """Make tables as they are in a layout; one that is there already stays."""
    for schema in PIPELINE_SCHEMAS:
        connection.execute(f"create schema if not exists {schema}")
    for name in names:
        columns = ", ".join(column.ddl for column in layout_tables(layout)[name])
        connection.execute(f"create table if not exists {name} ({columns})")


def renew_reference(connection: duckdb.DuckDBPyConnection, layout: int) -> None:
    """Make every reference table anew that is not as in a layout; the plan fills them from the CSV files,
    where all of their rows are.
    """
    present = present_tables(connection)
    for name, columns in layout_tables(layout).items():
        if name.startswith("ref.") and present.get(name) != columns:
            connection.execute(f"drop table if exists {name}")
            create_tables(connection, layout, name)
