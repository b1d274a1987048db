"""Expected days that an answer lacks, as the load reports them.

In: the payloads of one load, their rows and the rows that were rejected. Out: per input the days on which it
should have a row and has none, neither in the answer nor in raw. Caveat: days before the first and after the
last row of an answer are not among them; those are not listed yet, or late (`ops.freshness`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import duckdb
import pandas as pd

from datasets.base import Dataset
from sources.plain_text import Days
from warehouse.landing import Landed


def unserved_days(
    connection: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    landed: list[Landed],
    rows: pd.DataFrame,
    days: Mapping[str, Days],
    rejected: list[dict[str, Any]],
) -> list[tuple[str, list[date]]]:
    """Inputs with the days that they lack; a rejected row has been named by its own rule.

    Args:
        connection: the pipeline's database.
        dataset: the kind of input.
        landed: the payloads.
        rows: the rows of those that were read whole.
        days: the ascending days of the others, by input.
        rejected: the rows that were rejected.
    """
    served = {str(name): set(days.dt.date) for name, days in rows.groupby(dataset.key)[dataset.day]}
    served |= {
        name: set(found.tolist()) for name, found in days.items() if not _is_complete(dataset, name, found)
    }
    landed = [item for item in landed if item.input in served or item.input not in days]
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


def _is_complete(dataset: Dataset, name: str, days: Days) -> bool:
    """Whether the days are those that are expected from the first to the last one."""
    served: list[date] = days.tolist()
    return dataset.expected_days(name, served[0], served[-1]) == served
