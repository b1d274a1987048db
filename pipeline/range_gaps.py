"""The sessions of a range for which a required input has no row once everything is loaded.

In: the pipeline's database after the load, and the range. Out: sentences for people. A run for one session
is judged by that session (`pipeline.presence`); one that loads years at once must say which of them it did
not get. Caveat: of rates, which come a day or more after their session, the last days of the range are not
looked at; `ops.freshness` tells whether they are late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import duckdb

from datasets.base import Dataset
from market_calendar.sessions import sessions_between
from pipeline.presence import SHOWN, listed

COME_LATER = timedelta(days=7)


def range_gaps(
    connection: duckdb.DuckDBPyConnection, datasets: Iterable[Dataset], first: date, last: date
) -> list[str]:
    """One sentence for each required input that lacks a session of a range, both ends included."""
    sessions = sessions_between(first, last)
    found = []
    for dataset in datasets:
        due = last if dataset.proves_sessions else last - COME_LATER
        held = _held(connection, dataset, first, last)
        for name in sorted(dataset.required(connection, first)):
            expected = set(dataset.expected_days(name, first, due)) - held.get(name, set())
            missing = [day for day in sessions if day in expected]
            if missing:
                found.append(_sentence(f"{dataset.name}/{name}", missing, len(sessions)))
    return found


def _held(
    connection: duckdb.DuckDBPyConnection, dataset: Dataset, first: date, last: date
) -> dict[str, set[date]]:
    """Per input the days of the range on which raw has a row."""
    rows = connection.execute(
        f"select {dataset.key}::varchar, list(distinct {dataset.day}) from {dataset.table}"
        f" where {dataset.day} between ? and ? group by 1",
        [first, last],
    ).fetchall()
    return {name: set(days) for name, days in rows}


def _sentence(name: str, missing: Sequence[date], sessions: int) -> str:
    between = f" from {missing[0]} to {missing[-1]}" if len(missing) > SHOWN else ""
    return (
        f"The required {name} has no row for {len(missing):,} of the {sessions:,} sessions of the range"
        f"{between}: {listed([str(day) for day in missing])}."
    )
