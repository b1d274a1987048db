"""Every SQL model on raw tables through views, as an extension of a publication shows them (ADR 0014).

DuckDB plans a window on a view otherwise than one on a table, and has failed on one of them: the run then
built everything anew every day, with a warning and no failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import duckdb
import pytest

from transforms.runner import create_table, insert_rows, set_variables
from warehouse.catalog import Table, load_catalog

CATALOG = load_catalog()
MODELS = [
    table
    for table in CATALOG.models()
    if table.model is not None
    and table.model.suffix == ".sql"
    and any(item.startswith("raw.") for item in table.inputs)
]
# Rows that differ: with none, or all alike, DuckDB plans another way.
ROWS = 3_000
SAMPLE = {
    "VARCHAR": "('text ' || number)",
    "DATE": "(date '2020-01-01' + (number % 900)::integer)",
    "TIMESTAMP": "(timestamp '2020-01-01 12:00' + number * interval 1 hour)",
    "DOUBLE": "number",
    "BIGINT": "number",
    "INTEGER": "number",
    "BOOLEAN": "(number % 2 = 0)",
}


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """The catalogs of an extension with empty tables behind the views."""
    with duckdb.connect() as opened:
        for name in ("pipeline_file", "publication", "pipeline", "extension"):
            opened.execute(f"attach ':memory:' as {name}")
            for schema in ("raw", "ref", "staging", "marts"):
                opened.execute(f"create schema {name}.{schema}")
        yield opened


@pytest.mark.parametrize("table", MODELS, ids=lambda table: table.full_name)
def test_a_model_is_planned_on_views(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    for name in table.inputs:
        place = "pipeline_file" if name.startswith("raw.") else "publication"
        shown = "pipeline" if name.startswith("raw.") else "extension"
        connection.execute(f"use {place}")
        connection.execute(CATALOG[name].ddl(catalog=place))
        if name.startswith("raw."):
            columns = ", ".join(f"{SAMPLE[column.type]}::{column.type}" for column in CATALOG[name].columns)
            connection.execute(f"insert into {name} select {columns} from range({ROWS}) as rows(number)")
        connection.execute(f"create view {shown}.{name} as from {place}.{name} as given where true")
    connection.execute("use extension")
    create_table(connection, table, f"extension.{table.full_name}")
    day = datetime(2024, 7, 16, 22, 0)
    set_variables(connection, session=day.date(), cutoff_utc=day, data_source="live")
    insert_rows(connection, table, f"extension.{table.full_name}")
