"""The premium of small over large shares since 1926, over windows of 1, 12 and 120 months, with its place in
its history.

In: staging.size_portfolios (monthly returns in per cent). Out: one row per pair of portfolios, weighting,
window and month in which the window ends, where every month of the window has both returns. Returns are
compounded; the premium is their difference in points, and beside it the ratio of their growth. Rank, "since"
and the rank among stretches are facts of the history to date and are answered from 60 windows on; z and
percentile only with twenty windows side by side (`transforms.lib.history`), which for 120 months there never
are.

A stretch: from the window with the smallest premium on, each one that shares no month with those taken
before. A row's rank among stretches counts those among the windows that end before its own begins; the
windows around its own are the same stretch.

Caveats: portfolios of all US shares with the NYSE's size limits, dividends included; neither the Russell 2000
nor the S&P 500 (`marts.size_premium_overlap` says how far they go together). The publisher makes the history
anew with each update, so an old row is that of the newest file.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.lib.history import (
    NO_INDEX,
    FloatArray,
    IntArray,
    compute_expanding_statistics,
    lagged,
    least_history,
)

PAIRS = (("lo_10", "hi_10"), ("lo_20", "hi_20"), ("lo_30", "hi_30"))
WEIGHTINGS = ("equal", "value")
WINDOWS = (1, 12, 120)
# Five years of months, as for other monthly series.
MINIMUM_HISTORY_MONTHS = 60


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per size_pair, weighting, window_months and month_end, in that order."""
    parts = []
    for small, large in PAIRS:
        for weighting in WEIGHTINGS:
            months = con.execute(
                """
                select
                    small.month_end,
                    small.portfolio_return_pct as small_pct,
                    large.portfolio_return_pct as large_pct,
                    greatest(small.available_at_utc, large.available_at_utc) as available_at_utc
                from staging.size_portfolios as small
                inner join staging.size_portfolios as large
                    on small.weighting = large.weighting and small.month_end = large.month_end
                where small.weighting = ? and small.portfolio = ? and large.portfolio = ?
                order by small.month_end
                """,
                [weighting, small, large],
            ).df()
            grid = on_every_month(months)
            parts += [
                windows_of(grid, length).assign(size_pair=f"{small}/{large}", weighting=weighting)
                for length in WINDOWS
            ]
    rows = pd.concat(parts, ignore_index=True)
    return rows[["size_pair", "weighting", *rows.columns[:-2]]]


def windows_of(grid: pd.DataFrame, length: int) -> pd.DataFrame:
    """The windows of one length, oldest first.

    Args:
        grid: month_end, small_pct, large_pct and available_at_utc of every month, oldest first.
        length: in months.
    """
    small, large = (grown(grid[name].to_numpy(), length) for name in ("small_pct", "large_pct"))
    premium = 100.0 * (small - large)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 100.0 * (small / large - 1.0)
    history = compute_expanding_statistics(premium, MINIMUM_HISTORY_MONTHS)
    below = compute_expanding_statistics(-premium, MINIMUM_HISTORY_MONTHS)
    judged = compute_expanding_statistics(
        premium, least_history(length, MINIMUM_HISTORY_MONTHS), last_indices=False
    )
    rows = np.flatnonzero(np.isfinite(premium))
    ends = grid["month_end"].to_numpy()
    return pd.DataFrame(
        {
            "window_months": np.full(len(rows), length, dtype=np.int32),
            "month_end": ends[rows],
            "small_return_pct": (100.0 * (small - 1.0))[rows],
            "large_return_pct": (100.0 * (large - 1.0))[rows],
            "premium_pp": premium[rows],
            "premium_ratio_return_pct": np.where(np.isfinite(ratio), ratio, np.nan)[rows],
            "premium_rank": history.rank[rows],
            "premium_rank_from_below": below.rank[rows],
            "premium_stretch_rank": np.where(history.ranked, stretch_ranks(-premium, length), np.nan)[rows],
            "premium_stretch_rank_from_below": np.where(
                history.ranked, stretch_ranks(premium, length), np.nan
            )[rows],
            "last_exceeded_month_end": _ends_at(ends, history.last_exceeded_index[rows]),
            "last_undercut_month_end": _ends_at(ends, history.last_undercut_index[rows]),
            "premium_z": judged.z[rows],
            "premium_percentile": judged.percentile[rows],
            "windows_so_far": history.observations[rows],
            "n_nonoverlapping": side_by_side(np.isfinite(premium), length)[rows],
            "first_window_month_end": _ends_at(ends, history.first_index[rows]),
            "available_at_utc": grid["available_at_utc"].to_numpy()[rows],
        }
    )


def on_every_month(months: pd.DataFrame) -> pd.DataFrame:
    """The months with those between that have no return, so that k rows back is k months back."""
    if months.empty:
        return months
    ends = pd.to_datetime(months["month_end"])
    every = pd.date_range(ends.iloc[0], ends.iloc[-1], freq="ME", unit="us")
    return (
        months.assign(month_end=ends)
        .set_index("month_end")
        .reindex(every)
        .rename_axis("month_end")
        .reset_index()
    )


def grown(returns_pct: FloatArray, length: int) -> FloatArray:
    """What 1 has grown to over the last months; NaN unless all returns are there. One order of factors."""
    factors = 1.0 + np.asarray(returns_pct, dtype=np.float64) / 100.0
    growth = np.ones(len(factors))
    for back in range(length - 1, -1, -1):
        growth = growth * lagged(factors, back)
    return growth


def stretch_ranks(values: FloatArray, length: int) -> FloatArray:
    """1 + how many windows that share no month, with each other or with the row's own, had a smaller value
    before the row's began, the smallest taken first; NaN without a value.

    Args:
        values: by the month in which the window ends, NaN where there is none.
        length: of the windows in months.
    """
    count = len(values)
    taken = np.zeros(count, dtype=np.int64)
    # By row, for each later one: whether it shares a month with one that the later one counts already.
    shared = np.zeros((count, count), dtype=np.bool_)
    for place in np.argsort(values, kind="stable")[: int(np.isfinite(values).sum())].tolist():
        later = slice(place + length, count)
        counts = (values[later] > values[place]) & ~shared[place, later]
        taken[later] += counts
        shared[max(place - length + 1, 0) : place + length, later] |= counts
    return np.where(np.isfinite(values), 1.0 + taken, np.nan)


def side_by_side(there: NDArray[np.bool_], length: int) -> IntArray:
    """How many windows to date share no month: the first, then the first that begins once it has ended."""
    counts = np.zeros(len(there), dtype=np.int64)
    number, next_end = 0, 0
    for place, is_there in enumerate(there.tolist()):
        if is_there and place >= next_end:
            number, next_end = number + 1, place + length
        counts[place] = number
    return counts


def _ends_at(ends: NDArray[np.datetime64], index: IntArray) -> NDArray[np.datetime64]:
    """The month ends at these places, NaT where there is none."""
    if not len(ends):
        return np.empty(0, dtype="datetime64[us]")
    return np.where(index == NO_INDEX, np.datetime64("NaT"), ends[np.maximum(index, 0)])
