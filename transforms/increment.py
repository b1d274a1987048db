"""What a model is asked for when a publication is extended instead of built anew.

In: a connection on which the runner has set the variable `since`. Out: for a model in Python, the first day
that it is asked for; a model in SQL reads `getvariable('since')` itself. A model may answer with earlier rows
as well: the runner keeps those from `since` on. What it must not do is answer differently: its rows are the
same bits as those of a build of everything.
"""

from __future__ import annotations

from datetime import date

import duckdb

# A view on the rows of the table itself that are kept, all of them before `since`; there only where `since`
# is set. It is how a model continues an expanding state (a running maximum, a smoothed average).
PREVIOUS_ROWS = "previous_rows"


def first_day(connection: duckdb.DuckDBPyConnection) -> date | None:
    """The first day that the model is asked for; None: every day."""
    row = connection.execute("select getvariable('since')").fetchone()
    day: date | None = row[0] if row else None
    return day
