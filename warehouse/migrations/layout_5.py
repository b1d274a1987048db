"""4 → 5: the pipeline's database says itself which layout it has (`ops.migrations`).

Before, only `home.json` said it, so nothing told a database that a kill had left between two layouts, or one
of another home (ROTATION_WAREHOUSE).
"""

from __future__ import annotations

import duckdb

from warehouse.migrations.step import Step
from warehouse.migrations.stored import create_tables, renew_reference

LAYOUT = 5


def change_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """One table. Reference tables that were made while layout 4 was being written are levelled."""
    create_tables(connection, LAYOUT, "ops.migrations")
    renew_reference(connection, LAYOUT)


STEP = Step(LAYOUT, "the database says its layout itself (ops.migrations)", change_tables)
