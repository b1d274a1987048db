"""How many of the spreads watched are extreme or at a record on a session, out of how many, and how common
such a day is.

In: marts.rotation_pair_daily (every pair and window is a cell). Out: one row per session with any spread.
With hundreds of cells a day some are always far out: a record somewhere is no news, an unusual number of them
is. Cells move together (pairs share members, windows share days), so their number has fat tails of its own:
hence its percentile, of the share of the cells that could answer, since pairs begin one by one. It counts the
session itself.

Caveat: the first sessions with an answer have few cells; percentiles are NULL with fewer than 252 sessions to
compare with.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from transforms.increment import first_day
from transforms.lib.history import MINIMUM_HISTORY, FloatArray, IntArray, count_at_most_to_date

CELLS = """
    select
        session_date,
        count(spread_z)::integer as cells_answered,
        (count(*) filter (where abs(spread_z) >= 3))::integer as cells_extreme,
        count(spread_rank)::integer as cells_ranked,
        (count(*) filter (where is_record_high or is_record_low))::integer as cells_record
    from marts.rotation_pair_daily
    group by session_date
    order by session_date
"""
COLUMNS = [
    "session_date",
    "cells_answered",
    "cells_extreme",
    "cells_extreme_percentile",
    "sessions_with_extreme_pct",
    "cells_ranked",
    "cells_record",
    "cells_record_percentile",
    "sessions_with_record_pct",
    "compared_sessions",
]


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per session_date."""
    cells = con.execute(CELLS).df()
    answered, ranked = (cells[name].to_numpy(dtype=np.int64) for name in ("cells_answered", "cells_ranked"))
    extreme, record = (cells[name].to_numpy(dtype=np.int64) for name in ("cells_extreme", "cells_record"))
    compared = np.flatnonzero((answered > 0) & (ranked > 0))
    so_far = np.arange(1, len(compared) + 1)

    def placed(values: FloatArray) -> FloatArray:
        out = np.full(len(cells), np.nan)
        out[compared] = np.where(so_far >= MINIMUM_HISTORY, 100.0 * values / so_far, np.nan)
        return out

    def at_or_below(count: IntArray, of: IntArray) -> FloatArray:
        # Shares of whole numbers below a million are equal as floats only where they are equal.
        return placed(count_at_most_to_date(count[compared] / of[compared]).astype(np.float64))

    def with_any(count: IntArray) -> FloatArray:
        return placed(np.cumsum(count[compared] > 0).astype(np.float64))

    compared_sessions = np.zeros(len(cells), dtype=np.int32)
    compared_sessions[compared] = so_far
    frame = cells.assign(
        cells_extreme_percentile=at_or_below(extreme, answered),
        sessions_with_extreme_pct=with_any(extreme),
        cells_record_percentile=at_or_below(record, ranked),
        sessions_with_record_pct=with_any(record),
        compared_sessions=compared_sessions,
    )[COLUMNS]
    since = first_day(con)
    return frame if since is None else frame[frame["session_date"] >= pd.Timestamp(since)]
