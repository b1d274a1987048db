"""Spread of every pair over every window, with its place in its own history to date.

In: staging.equity_prices (symbol, session_date) and ref.pairs (pair_id). Out: one row per pair, window and
session on which both members have a close, from the first spread of that pair and window on. Formulas:
spread_pp = 100·(r_k(base) − r_k(quote)); ratio_return_pct = 100·((base/quote)_t / (base/quote)_{t−k} − 1);
the rest in transforms/lib/history.py. Where a publication is extended, the spreads are computed from all
closes, which is one pass, and their place in history for the new sessions only.

Caveat: a session whose counterpart k sessions back is missing keeps its row with a NULL spread and is not
part of the history; the history is as long as the warehouse's own, so "a record" means since
history_start_date.
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.increment import first_day
from transforms.lib.history import NO_INDEX, FloatArray, IntArray, change_pct, compute_expanding_statistics

DateArray = NDArray[np.datetime64]
Columns = dict[str, NDArray[Any]]

WINDOWS_SESSIONS = (1, 5, 6, 10, 21, 63, 126, 252, 2520)
NO_DATE = np.datetime64("NaT", "s")


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per pair_id, window_sessions and session_date, in that order."""
    prices = con.execute("""
        select symbol, session_date, session_number, close
        from staging.equity_prices
        order by symbol, session_date
        """).df()
    since = first_day(con)
    pairs = con.execute(
        "select pair_id, base_symbol, quote_symbol from ref.pairs order by pair_id"
    ).fetchall()

    number = prices["session_number"].to_numpy(dtype=np.int64)
    row = number - number.min() if len(number) else number
    sessions = int(row.max()) + 1 if len(row) else 0
    dates = np.full(sessions, NO_DATE)
    dates[row] = prices["session_date"].to_numpy().astype("datetime64[s]")
    price = prices["close"].to_numpy(dtype=np.float64)
    closes: dict[str, FloatArray] = {}
    for symbol, positions in prices.groupby("symbol").indices.items():
        series = np.full(sessions, np.nan)
        series[row[positions]] = price[positions]
        closes[str(symbol)] = series

    first = int(row[dates[row] >= np.datetime64(since, "s")].min(initial=sessions)) if since else 0
    parts: list[Columns] = []
    for code, (_, base, quote) in enumerate(pairs):
        if base in closes and quote in closes:
            parts += [
                {"pair": np.full(len(part["rows"]), code), **part}
                for part in (
                    compute_pair_window(closes[base], closes[quote], window, first)
                    for window in WINDOWS_SESSIONS
                )
            ]
    return _frame(parts, [pair_id for pair_id, _, _ in pairs], dates)


def compute_pair_window(base: FloatArray, quote: FloatArray, window: int, first: int = 0) -> Columns:
    """The mart's columns for one pair and window; `rows` and `*_row` are places in the session grid.

    Args:
        base: closes by session.
        quote: likewise.
        window: in sessions.
        first: rows before this one are not answered.
    """
    spread = change_pct(base, window) - change_pct(quote, window)
    statistics = compute_expanding_statistics(spread, first=first)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_return = change_pct(base / quote, window)
    answered = (statistics.observations > 0) & np.isfinite(base) & np.isfinite(quote)
    rows = first + np.flatnonzero(answered[first:])
    columns = {
        "spread_pp": spread,
        "ratio_return_pct": ratio_return,
        "spread_z": statistics.z,
        "spread_percentile": statistics.percentile,
        "spread_rank": statistics.rank,
        "history_sessions": statistics.observations,
        "history_start_row": statistics.first_index,
        "last_exceeded_row": statistics.last_exceeded_index,
        "last_undercut_row": statistics.last_undercut_index,
        "ranked": statistics.ranked,
    }
    return {
        "rows": rows,
        "window_sessions": np.full(len(rows), window, dtype=np.int32),
        **{name: values[rows] for name, values in columns.items()},
    }


def _frame(parts: list[Columns], pair_ids: list[str], dates: DateArray) -> pd.DataFrame:
    if not parts:
        parts = [{"pair": np.empty(0, dtype=np.int64), **compute_pair_window(np.empty(0), np.empty(0), 1)}]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    ranked = whole["ranked"]
    pair: IntArray = whole["pair"]
    dates_and_none: DateArray = np.append(dates, NO_DATE)

    def date_of(index: IntArray) -> DateArray:
        return dates_and_none[index]  # index -1 reaches the appended "no date"

    def flag(index: IntArray) -> pd.arrays.BooleanArray:
        return pd.arrays.BooleanArray(index == NO_INDEX, mask=~ranked)

    rank = np.where(ranked, whole["spread_rank"], 0).astype(np.int32)
    return pd.DataFrame(
        {
            "pair_id": pd.Categorical.from_codes(pair, categories=pd.Index(pair_ids, dtype=object)),
            "window_sessions": whole["window_sessions"],
            "session_date": dates[whole["rows"]],
            "spread_pp": whole["spread_pp"],
            "ratio_return_pct": whole["ratio_return_pct"],
            "spread_z": whole["spread_z"],
            "spread_percentile": whole["spread_percentile"],
            "spread_rank": pd.arrays.IntegerArray(rank, mask=~ranked),
            "history_sessions": whole["history_sessions"].astype(np.int32),
            "history_start_date": date_of(whole["history_start_row"]),
            "last_exceeded_date": date_of(whole["last_exceeded_row"]),
            "is_record_high": flag(whole["last_exceeded_row"]),
            "last_undercut_date": date_of(whole["last_undercut_row"]),
            "is_record_low": flag(whole["last_undercut_row"]),
        }
    )
