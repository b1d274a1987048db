"""2 → 3: what the warehouse holds twice is compared.

New are the second sources' rates, the list of cross checks with its exceptions and their results, and the
plausible range of each series; `ops.freshness` says who served the newest day.
"""

from __future__ import annotations

import duckdb

from warehouse.migrations.step import Step
from warehouse.migrations.stored import create_tables, renew_reference

LAYOUT = 3


def change_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Two tables, one column, and the reference tables anew."""
    create_tables(connection, LAYOUT, "raw.second_source_rates", "ops.cross_checks")
    connection.execute("alter table ops.freshness add column if not exists source varchar")
    renew_reference(connection, LAYOUT)


STEP = Step(
    LAYOUT,
    "tables of second sources and cross checks are added; ops.freshness says who served the newest day",
    change_tables,
)
