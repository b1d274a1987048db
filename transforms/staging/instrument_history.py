"""Statistics of each instrument that SQL could do only with quadratic work or unordered sums.

In: staging.equity_prices and staging.instrument_returns (both symbol, session_date). Out: one row per price
row. Formulas and sources: transforms/lib/history.py. Everything is computed on a grid of NYSE sessions, so
"20 sessions" means 20 consecutive sessions with a close, and NULL where one is missing.

Caveat: the total return index runs over a missing session (the return after the gap spans it), nothing else.
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.lib.history import (
    NO_INDEX,
    FloatArray,
    change_pct,
    compute_expanding_statistics,
    distance_from_mean_pct,
    rolling_sd,
    rolling_z,
    total_return_index,
    wilder_rsi,
)

SESSIONS_PER_YEAR = 252


PRICES = """
    select
        prices.symbol, prices.session_date, prices.session_number, prices.close, prices.total_return_pct,
        returns.return_1d_pct, returns.return_5d_pct, returns.return_6d_pct
    from staging.equity_prices as prices
    inner join staging.instrument_returns as returns using (symbol, session_date)
    order by prices.symbol, prices.session_date
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per symbol and session with a price, in that order."""
    rows = con.execute(PRICES).df()
    symbols, column = np.unique(rows["symbol"].to_numpy(dtype=str), return_inverse=True)
    number = rows["session_number"].to_numpy(dtype=np.int64)
    row = number - number.min() if len(number) else number
    shape = (int(row.max()) + 1 if len(row) else 0, len(symbols))

    def grid(name: str) -> FloatArray:
        out = np.full(shape, np.nan)
        out[row, column] = rows[name].to_numpy(dtype=np.float64)
        return out

    close = grid("close")
    total_return = total_return_index(close, grid("total_return_pct"))
    dates = np.full(shape[0], np.datetime64("NaT", "s"))
    dates[row] = rows["session_date"].to_numpy().astype("datetime64[s]")
    answers: dict[str, NDArray[Any]] = {
        "total_return_index": total_return,
        "total_return_252d_pct": change_pct(total_return, 252),
        **_place_in_history(grid("return_5d_pct"), grid("return_6d_pct"), dates),
        "rsi_14": wilder_rsi(close),
        "price_z_20d": rolling_z(close, 20),
        "distance_from_50d_pct": distance_from_mean_pct(close, 50),
        "distance_from_200d_pct": distance_from_mean_pct(close, 200),
        "volatility_21d_pct": rolling_sd(grid("return_1d_pct"), 21) * np.sqrt(SESSIONS_PER_YEAR),
    }
    return pd.DataFrame(
        {
            "symbol": rows["symbol"],
            "session_date": rows["session_date"],
            **{name: answer[row, column] for name, answer in answers.items()},
        }
    )


def _place_in_history(
    returns_5d: FloatArray, returns_6d: FloatArray, dates: NDArray[np.datetime64]
) -> dict[str, NDArray[Any]]:
    """z and percentile of returns, and when the 5-session return was last exceeded; sessions x symbols."""
    shape = returns_5d.shape
    last_exceeded = np.full(shape, np.datetime64("NaT", "s"))
    history: dict[str, NDArray[Any]] = {}
    for window, returns in (("5d", returns_5d), ("6d", returns_6d)):
        z, percentile = np.full(shape, np.nan), np.full(shape, np.nan)
        for series in range(shape[1]):
            statistics = compute_expanding_statistics(returns[:, series])
            z[:, series], percentile[:, series] = statistics.z, statistics.percentile
            if window == "5d":
                index = statistics.last_exceeded_index
                last_exceeded[index != NO_INDEX, series] = dates[index[index != NO_INDEX]]
        history[f"return_{window}_z"], history[f"return_{window}_percentile"] = z, percentile
    history["return_5d_last_exceeded_date"] = last_exceeded
    return history
