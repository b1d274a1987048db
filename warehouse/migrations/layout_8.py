"""7 → 8: kinds of input for statements that prices cannot judge, and the lists that they need; `ref.claims`
says whether a reading was fitted.
"""

from __future__ import annotations

import duckdb

from warehouse.migrations.step import Step
from warehouse.migrations.stored import create_tables, layout_tables, renew_reference

LAYOUT = 8


def change_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """The new raw tables, empty, and the reference tables anew."""
    new = sorted(set(layout_tables(LAYOUT)) - set(layout_tables(LAYOUT - 1)))
    create_tables(connection, LAYOUT, *(name for name in new if not name.startswith("ref.")))
    renew_reference(connection, LAYOUT)


STEP = Step(
    LAYOUT,
    "holdings of funds, positions in futures, income and margins of banks and portfolios by size have tables;"
    " claims say whether a reading was fitted",
    change_tables,
)
