"""Expected days that an answer lacks, as the load reports them.

In: the payloads of one load, their rows and the rows that were rejected. Out: per input the days on which it
should have a row and has none, neither in the answer nor in raw. Caveat: days before the first and after the
last row of an answer are not among them; those are not listed yet, or late (`ops.freshness`).
"""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb
import pandas as pd

from datasets.base import Dataset
from warehouse.landing import Landed


def unserved_days(
    connection: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    landed: list[Landed],
    rows: pd.DataFrame,
    rejected: list[dict[str, Any]],
) -> list[tuple[str, list[date]]]:
    """Inputs with the days that they lack; a rejected row has been named by its own rule."""
    served = {str(name): set(days.dt.date) for name, days in rows.groupby(dataset.key)[dataset.day]}
    named = {(row.get(dataset.key), row.get("date")) for row in rejected}
    found = []
    for item in landed:
        missing = dataset.missing_days(item.input, served.get(item.input, set()), item.start, item.end)
        missing = [day for day in missing if (item.input, str(day)) not in named]
        if missing:
            day, table, key = dataset.day, dataset.table, dataset.key
            held = connection.execute(
                f"select {day} from {table} where {key} = ? and {day} = any(?)", [item.input, missing]
            ).fetchall()
            missing = sorted(set(missing) - {found_day for (found_day,) in held})
        if missing:
            found.append((item.input, missing))
    return found
