"""What shares did after the first cut and the first hike of each cycle, over one month to one year.

In: staging.equity_prices, ref.instruments (benchmarks), ref.calendar, and the events of
transforms/lib/event_sessions.py (ref.fomc_meetings, staging.fomc_decisions), of which event_responses has the
first six sessions. Out: one row per turn, symbol and horizon of 21, 63, 126 or 252 sessions whose last one
has closed.

The window starts at the close before the announcement's session, which is its first. turn_return_pct is the
price return over it; deepest_drawdown_pct the lowest close of the window against the highest close of the
window before it, the starting close included. market_return_pct is that of the benchmark (SPY for funds,
^GSPC for indices), over_market_pp the difference. Over the turns of the type to date (turns): their means
with 90 % intervals by Student's t across turns, from three turns on; below that the rows themselves are all
there is.

Caveat: a dozen turns since 1994 are a list, not a sample. The interval takes them as independent draws of one
process, and windows of a year after turns a year apart overlap. Dividends are left out.
"""

from __future__ import annotations

from itertools import product

import duckdb
import numpy as np
import pandas as pd

from transforms.lib.event_sessions import EVENTS
from transforms.lib.history import FloatArray
from transforms.lib.session_grid import load_session_grid

SYMBOLS = ("SPY", "^GSPC", "QQQ", "IWM", "^RUT", "IJH", "MDY", "IJR", "KRE")
HORIZONS_SESSIONS = (21, 63, 126, 252)
LEAST_TURNS = 3
CONFIDENCE = 0.90
COLUMNS = {
    "event_type": "object",
    "event_date": "datetime64[s]",
    "symbol": "object",
    "horizon_sessions": "int32",
    "session_date": "datetime64[s]",
    "window_end_date": "datetime64[s]",
    "turn_return_pct": "float64",
    "deepest_drawdown_pct": "float64",
    "market_return_pct": "float64",
    "over_market_pp": "float64",
    "turns": "int32",
    "mean_turn_return_pct": "float64",
    "mean_turn_return_low_pct": "float64",
    "mean_turn_return_high_pct": "float64",
    "over_market_turns": "int32",
    "mean_over_market_pp": "float64",
    "mean_over_market_low_pp": "float64",
    "mean_over_market_high_pp": "float64",
}

BENCHMARKS = """
    select symbol, benchmark_symbol from ref.instruments
    where list_contains(?::varchar[], symbol) order by symbol
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per event_type, event_date, symbol and horizon_sessions, in that order."""
    markets = dict(con.execute(BENCHMARKS, [list(SYMBOLS)]).fetchall())
    grid = load_session_grid(con, [*markets, *filter(None, markets.values())])
    first = int(grid.session_numbers[0]) if len(grid.session_numbers) else 1
    turns = [row for row in con.execute(EVENTS).fetchall() if row[0] in ("first_cut", "first_hike")]
    rows = []
    for kind, symbol, horizon in product(("first_cut", "first_hike"), sorted(markets), HORIZONS_SESSIONS):
        returns, spreads = [], []
        for _, date, number in (turn for turn in turns if turn[0] == kind):
            start, end = number - first - 1, number - first + horizon - 1
            if start < 0 or end >= len(grid.closes):
                continue
            closes = grid.close(symbol)[start : end + 1]
            own = _change(closes)
            if not np.isfinite(own):
                continue
            market = _change(grid.close(markets[symbol] or "")[start : end + 1])
            returns.append(own)
            spreads.append(own - market)
            known = np.array([spread for spread in spreads if np.isfinite(spread)])
            rows.append(
                (
                    *(kind, date, symbol, horizon),
                    *(grid.session_dates[start + 1], grid.session_dates[end]),
                    *(own, deepest_drawdown(closes), market, own - market),
                    *(len(returns), *mean_with_interval(np.array(returns))),
                    *(len(known), *mean_with_interval(known)),
                )
            )
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    return frame.sort_values(["event_type", "event_date", "symbol", "horizon_sessions"], ignore_index=True)


def _change(closes: FloatArray) -> float:
    """From the first close to the last, in %; NaN where one is missing."""
    return float(100.0 * (closes[-1] / closes[0] - 1.0))


def deepest_drawdown(closes: FloatArray) -> float:
    """The lowest close against the highest one before it, in % (0 where it never fell); missing closes are
    left out.
    """
    known = closes[np.isfinite(closes)]
    return float(np.min(100.0 * (known / np.maximum.accumulate(known) - 1.0)))


def mean_with_interval(values: FloatArray) -> tuple[float, float, float]:
    """Mean and the limits of its interval by Student's t; NaN below the least number of values."""
    from scipy.stats import t as students_t  # 0.1 s to import, which DAG parsing must not pay

    count = len(values)
    if count < LEAST_TURNS:
        return np.nan, np.nan, np.nan
    mean = float(np.mean(values))
    half = float(students_t.ppf(0.5 + CONFIDENCE / 2, count - 1) * np.std(values, ddof=1) / np.sqrt(count))
    return mean, mean - half, mean + half
