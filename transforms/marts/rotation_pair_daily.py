"""Spread of every pair over every window, with its place in its own history to date.

In: staging.equity_prices (symbol, session_date), ref.pairs (pair_id) and ref.instruments (benchmark of the
base). Out: one row per pair, window and session on which both members have a close, from the first spread of
that pair and window on. Formulas:

* spread_pp = 100·(r_k(base) − r_k(quote)); ratio_return_pct = 100·((base/quote)_t / (base/quote)_{t−k} − 1).
* spread_vol_scaled = spread_pp / (s·√k), for windows of up to 63 sessions, where s is the fading standard
  deviation (half-life 21) of the pair's one-session spread max(k, 5) sessions before, so that the move is not
  part of its own scale. A window of a quarter is the longest that such a scale can serve: what it says of the
  volatility has faded to an eighth of its weight by then.
* spread_beta_adjusted_pp = spread_pp − b·r_k(market), b the slope of the one-session spread on the market's
  return over the 252 sessions up to the window's first close, so that no day of the window is in it; the
  market is the benchmark of the base (SPY, ^GSPC for indices, AGG for bond funds), else the quote.
* The place in history: transforms/lib/history.py. z and percentile need 20 windows side by side.

Where a publication is extended, the spreads are computed from all closes, which is one pass, and their place
in history for the new sessions only.

Caveat: a session whose counterpart k sessions back is missing keeps its row with a NULL spread and is not
part of the history; the history is as long as the warehouse's own, so "a record" means since
history_start_date. A raw percentile measures the volatility of its time as much as the move: 1.6 % of the
5-session spreads of IWM and SPY in 2013 lie beyond the 5th and 95th, 33.6 % of those in 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.increment import first_day
from transforms.lib.co_movement import fading_deviation, rolling_beta
from transforms.lib.history import (
    NO_INDEX,
    FloatArray,
    IntArray,
    change_pct,
    compute_expanding_statistics,
    lagged,
    least_history,
)

DateArray = NDArray[np.datetime64]
Columns = dict[str, NDArray[Any]]

WINDOWS_SESSIONS = (1, 5, 6, 10, 21, 63, 126, 252, 2520)
# The fading deviation is a forecast for some weeks: longer windows are not scaled by it.
LONGEST_SCALED_WINDOW = 63
LEAST_LAG_SESSIONS = 5
NO_DATE = np.datetime64("NaT", "s")


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per pair_id, window_sessions and session_date, in that order."""
    prices = con.execute("""
        select symbol, session_date, session_number, close
        from staging.equity_prices
        order by symbol, session_date
        """).df()
    since = first_day(con)
    pairs = con.execute("""
        select pairs.pair_id, pairs.base_symbol, pairs.quote_symbol,
            coalesce(base.benchmark_symbol, pairs.quote_symbol) as market_symbol
        from ref.pairs as pairs left join ref.instruments as base on pairs.base_symbol = base.symbol
        order by pairs.pair_id
        """).fetchall()

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
    held = [code for code, (_, base, quote, _) in enumerate(pairs) if base in closes and quote in closes]
    unknown = np.full(sessions, np.nan)
    bases, quotes, markets = (
        np.column_stack([unknown, *(closes.get(pairs[code][place], unknown) for code in held)])[:, 1:]
        for place in (1, 2, 3)
    )
    daily_spreads = change_pct(bases, 1) - change_pct(quotes, 1)
    deviations = fading_deviation(daily_spreads)
    betas = rolling_beta(daily_spreads, change_pct(markets, 1))
    parts: list[Columns] = []
    for place, code in enumerate(held):
        pair = Pair(*(grid[:, place] for grid in (bases, quotes, markets, deviations, betas)))
        parts += [
            {"pair": np.full(len(part["rows"]), code), **part}
            for part in (compute_pair_window(pair, window, first) for window in WINDOWS_SESSIONS)
        ]
    return _frame(parts, [pair_id for pair_id, *_ in pairs], dates)


@dataclass(frozen=True)
class Pair:
    """What is known of a pair by session."""

    base: FloatArray  # closes
    quote: FloatArray
    market: FloatArray
    deviation: FloatArray  # fading, of the one-session spread, pp
    beta: FloatArray  # of the one-session spread on the market


NO_PAIR = Pair(*(np.empty(0) for _ in range(5)))


def compute_pair_window(pair: Pair, window: int, first: int = 0) -> Columns:
    """The mart's columns for one pair and window; `rows` and `*_row` are places in the session grid.

    Args:
        pair: its series by session.
        window: in sessions.
        first: rows before this one are not answered.
    """
    spread = change_pct(pair.base, window) - change_pct(pair.quote, window)
    statistics = compute_expanding_statistics(spread, first=first)
    scaled = scaled_by_volatility(spread, pair.deviation, window)
    scaled_statistics = compute_expanding_statistics(scaled, first=first, last_indices=False)
    enough = statistics.observations >= least_history(window)
    enough_scaled = scaled_statistics.observations >= least_history(window)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_return = change_pct(pair.base / pair.quote, window)
    answered = (statistics.observations > 0) & np.isfinite(pair.base) & np.isfinite(pair.quote)
    rows = first + np.flatnonzero(answered[first:])
    columns = {
        "spread_pp": spread,
        "ratio_return_pct": ratio_return,
        "spread_beta_adjusted_pp": spread - lagged(pair.beta, window) * change_pct(pair.market, window),
        "spread_z": np.where(enough, statistics.z, np.nan),
        "spread_percentile": np.where(enough, statistics.percentile, np.nan),
        "spread_rank": statistics.rank,
        "history_sessions": statistics.observations,
        "n_effective": statistics.observations / window,
        "spread_vol_scaled": scaled,
        "spread_vol_scaled_percentile": np.where(enough_scaled, scaled_statistics.percentile, np.nan),
        "spread_vol_scaled_rank": scaled_statistics.rank,
        "vol_scaled_history_sessions": scaled_statistics.observations,
        "history_start_row": statistics.first_index,
        "last_exceeded_row": statistics.last_exceeded_index,
        "last_undercut_row": statistics.last_undercut_index,
        "ranked": statistics.ranked,
        "scaled_ranked": scaled_statistics.ranked,
    }
    return {
        "rows": rows,
        "window_sessions": np.full(len(rows), window, dtype=np.int32),
        **{name: values[rows] for name, values in columns.items()},
    }


def scaled_by_volatility(spread: FloatArray, deviation: FloatArray, window: int) -> FloatArray:
    """The spread over the deviation that was known before its window, times √window; NaN for long windows and
    where nothing had moved.

    Args:
        spread: over the window, by session, pp.
        deviation: of the one-session spread to each session, pp.
        window: in sessions.
    """
    if window > LONGEST_SCALED_WINDOW:
        return np.full(len(spread), np.nan)
    scale = lagged(deviation, max(window, LEAST_LAG_SESSIONS)) * np.sqrt(window)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(scale > 0, spread / scale, np.nan)


def _frame(parts: list[Columns], pair_ids: list[str], dates: DateArray) -> pd.DataFrame:
    if not parts:
        parts = [{"pair": np.empty(0, dtype=np.int64), **compute_pair_window(NO_PAIR, 1)}]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    ranked = whole["ranked"]
    pair: IntArray = whole["pair"]
    dates_and_none: DateArray = np.append(dates, NO_DATE)

    def date_of(index: IntArray) -> DateArray:
        return dates_and_none[index]  # index -1 reaches the appended "no date"

    def flag(index: IntArray) -> pd.arrays.BooleanArray:
        return pd.arrays.BooleanArray(index == NO_INDEX, mask=~ranked)

    def whole_number(name: str, known: NDArray[np.bool_]) -> pd.arrays.IntegerArray:
        return pd.arrays.IntegerArray(np.where(known, whole[name], 0).astype(np.int32), mask=~known)

    return pd.DataFrame(
        {
            "pair_id": pd.Categorical.from_codes(pair, categories=pd.Index(pair_ids, dtype=object)),
            "window_sessions": whole["window_sessions"],
            "session_date": dates[whole["rows"]],
            "spread_pp": whole["spread_pp"],
            "ratio_return_pct": whole["ratio_return_pct"],
            "spread_beta_adjusted_pp": whole["spread_beta_adjusted_pp"],
            "spread_z": whole["spread_z"],
            "spread_percentile": whole["spread_percentile"],
            "spread_rank": whole_number("spread_rank", ranked),
            "history_sessions": whole["history_sessions"].astype(np.int32),
            "n_effective": whole["n_effective"],
            "spread_vol_scaled": whole["spread_vol_scaled"],
            "spread_vol_scaled_percentile": whole["spread_vol_scaled_percentile"],
            "spread_vol_scaled_rank": whole_number("spread_vol_scaled_rank", whole["scaled_ranked"]),
            "vol_scaled_history_sessions": whole["vol_scaled_history_sessions"].astype(np.int32),
            "history_start_date": date_of(whole["history_start_row"]),
            "last_exceeded_date": date_of(whole["last_exceeded_row"]),
            "is_record_high": flag(whole["last_exceeded_row"]),
            "last_undercut_date": date_of(whole["last_undercut_row"]),
            "is_record_low": flag(whole["last_undercut_row"]),
        }
    )
