"""The warehouse as the next run would find it, to plan with and without touching it.

In: the home, as it is. Out: a database in memory: `raw` and `ops` are views on the home's file, opened
read-only, `ref` is loaded from today's reference files. A home that has no warehouse yet is an empty one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from datasets.registry import fully_adjusted_symbols
from warehouse.catalog import literal, load_catalog
from warehouse.database import cannot_open
from warehouse.reference_data import load_reference
from warehouse.schema import PIPELINE_SCHEMAS
from warehouse.settings import Settings


@contextmanager
def planning_database(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open it.

    Raises:
        WarehouseBusy: another process writes to the home's file.
    """
    connection = duckdb.connect(":memory:")
    try:
        held = _attach(connection, settings)
        for schema in PIPELINE_SCHEMAS:
            connection.execute(f"create schema {schema}")
            for table in load_catalog().in_schema(schema):
                if schema != "ref" and table.full_name in held:
                    connection.execute(
                        f"create view {table.full_name} as select * from held.{table.full_name}"
                    )
                else:
                    connection.execute(table.ddl())
        load_reference(connection, fully_adjusted_symbols(settings))
        yield connection
    finally:
        connection.close()


def _attach(connection: duckdb.DuckDBPyConnection, settings: Settings) -> set[str]:
    """The home's file as `held`; its tables."""
    if not settings.warehouse.exists():
        return set()
    try:
        connection.execute(f"attach {literal(str(settings.warehouse))} as held (read_only)")
    except duckdb.IOException as error:
        raise cannot_open(settings, error) from None
    rows = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'held'"
    ).fetchall()
    return {row[0] for row in rows}
