"""Closes as a grid of NYSE sessions x symbols, so that k rows back is k sessions back for every symbol.

In: staging.equity_prices and ref.calendar. Out: one row per session from the first to the last session with
any price, NaN where a symbol has no close. Caveat: the grid starts with the earliest price of the chosen
symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from transforms.lib.history import FloatArray, IntArray

DateArray = NDArray[np.datetime64]


@dataclass(frozen=True)
class SessionGrid:
    """Sessions (rows) and closes by symbol (columns)."""

    session_dates: DateArray
    session_numbers: IntArray
    symbols: dict[str, int]
    closes: FloatArray

    def close(self, symbol: str) -> FloatArray:
        """The closes of one symbol; all NaN for a symbol without prices."""
        column = self.symbols.get(symbol)
        return self.closes[:, column] if column is not None else np.full(len(self.closes), np.nan)

    def first_row(self, day: date | None) -> int:
        """The row of the first session from a day on; 0 where every day is asked for."""
        return int(np.searchsorted(self.session_dates, np.datetime64(day, "s"))) if day else 0

    def ratios(self, bases: Sequence[str], quotes: Sequence[str]) -> FloatArray:
        """base / quote, one column per pair; NaN unless both have a close."""
        shape = (len(self.closes), len(bases))
        out = np.full(shape, np.nan)
        for column, (base, quote) in enumerate(zip(bases, quotes, strict=True)):
            out[:, column] = self.close(base) / self.close(quote)
        return out


def load_session_grid(con: duckdb.DuckDBPyConnection, symbols: Sequence[str]) -> SessionGrid:
    """The closes of the symbols named."""
    chosen = sorted(set(symbols))
    rows = con.execute(
        """
        select symbol, session_number, close
        from staging.equity_prices
        where list_contains(?::varchar[], symbol)
        """,
        [chosen],
    ).fetchnumpy()
    number = np.asarray(rows["session_number"], dtype=np.int64)
    first, last = (int(number.min()), int(number.max())) if len(number) else (1, 0)
    calendar = con.execute(
        """
        select calendar_date, session_number from ref.calendar
        where session_number between ? and ? order by session_number
        """,
        [first, last],
    ).fetchnumpy()
    names, column = np.unique(np.asarray(rows["symbol"], dtype=str), return_inverse=True)
    closes = np.full((last - first + 1, len(names)), np.nan)
    closes[number - first, column] = np.asarray(rows["close"], dtype=np.float64)
    return SessionGrid(
        session_dates=np.asarray(calendar["calendar_date"], dtype="datetime64[s]"),
        session_numbers=np.asarray(calendar["session_number"], dtype=np.int64),
        symbols={str(name): place for place, name in enumerate(names)},
        closes=closes,
    )


def float_column(column: Any) -> FloatArray:
    """A column of DuckDB's `fetchnumpy` as floats, NaN where it is NULL."""
    return np.asarray(np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan), dtype=np.float64)
