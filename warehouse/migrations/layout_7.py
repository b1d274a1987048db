"""6 → 7: `ops.table_keys` and `ops.lineage`: keys of the published tables, and what they are made from."""

from __future__ import annotations

import duckdb

from warehouse.migrations.step import Step
from warehouse.migrations.stored import create_tables

LAYOUT = 7


def change_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """The new tables, empty: a publication fills its own copies from the catalog."""
    create_tables(connection, LAYOUT, "ops.table_keys", "ops.lineage")


STEP = Step(
    LAYOUT,
    "keys of the published tables stand in ops.table_keys, what they are made from in ops.lineage",
    change_tables,
)
