"""5 → 6: `ref.group_members` says from when to when a symbol is a member, `ref.pairs` whether a pair was
chosen after what it shows had been seen.
"""

from __future__ import annotations

import duckdb

from warehouse.migrations.step import Step
from warehouse.migrations.stored import renew_reference

LAYOUT = 6


def change_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """The reference tables anew."""
    renew_reference(connection, LAYOUT)


STEP = Step(LAYOUT, "members of groups have dates, pairs say when they were chosen and why", change_tables)
