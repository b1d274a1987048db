"""3 → 4: `ref.fomc_meetings` says when a meeting was announced and listed, `ref.fomc_schedules` when a year's
schedule was.
"""

from __future__ import annotations

import duckdb

from warehouse.migrations.step import Step
from warehouse.migrations.stored import renew_reference

LAYOUT = 4


def change_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """The reference tables anew."""
    renew_reference(connection, LAYOUT)


STEP = Step(LAYOUT, "FOMC meetings say when they were announced and listed", change_tables)
