"""The episodes behind marts.what_followed: each time a pair's spread entered a bucket, and what followed.

In: marts.rotation_pair_daily, marts.forward_spread_daily, ref.pairs, ref.calendar. Out: one row per pair,
window of the reading, bucket, horizon and session on which an episode began, once its outcome has ended
(transforms/lib/signals.py). Caveat: buckets are nested, so a reading at or above the 99th percentile begins
an episode of both; an episode that began on an earlier day can hide the extreme day of its own stretch.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from transforms.lib import signals

COLUMNS = [
    "pair_id",
    "window_sessions",
    "percentile_bucket",
    "horizon_sessions",
    "session_date",
    "end_date",
    "forward_spread_pp",
]


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per episode."""
    dates = signals.session_dates(con)
    cells = signals.cells()
    windows = np.array([window for window, _ in cells], dtype=np.int32)
    buckets = np.array([signals.BUCKETS.index(bucket) for _, bucket in cells])
    parts = []
    for own in signals.load_signals(con):
        row, cell = np.nonzero(own.episodes())
        parts.append(
            pd.DataFrame(
                {
                    "pair_id": np.full(len(row), own.pair_id, dtype=object),
                    "window_sessions": windows[cell],
                    "percentile_bucket": buckets[cell],
                    "horizon_sessions": np.full(len(row), own.horizon, dtype=np.int32),
                    "session_date": dates[own.session[row]],
                    "end_date": dates[own.session[row] + 1 + own.horizon],
                    "forward_spread_pp": own.outcome_pp[row],
                }
            )
        )
    if not parts:
        return pd.DataFrame(columns=pd.Index(COLUMNS))
    whole = pd.concat(parts, ignore_index=True)
    names = pd.Index(list(signals.BUCKETS), dtype=object)
    return whole.assign(
        percentile_bucket=pd.Categorical.from_codes(whole["percentile_bucket"].to_numpy(), categories=names)
    )
