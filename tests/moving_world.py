"""A folder of files in which every day brings every file a row: the usual day of the source `files`.

`MovingWorld` writes prices of any symbols (a random walk, made here for all sessions at once) and the FRED
series and futures of the simulated market, on request its prices as well. The same seed gives the same bytes;
a later day appends lines and changes none, but for prices of the simulated market after a dividend. No step,
split or dividend in it is one that the product doubts, so whatever a run says of it is the run's fault.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from market_calendar.sessions import next_session, sessions_between
from sources.simulated import simulated_market
from tests.small_market import SERIES, SYMBOLS
from warehouse.reference_data import reference_frame

HEADER = b"date,open,high,low,close,adj_close,volume,dividend,split\n"
DIVIDEND_SESSIONS = 63
# A file that changed less than a second ago may still be written; no test has to wait for that.
SETTLED_SECONDS = 60


@dataclass
class MovingWorld:
    """The folder, and the last session that is in it.

    Attributes:
        folder: with prices/, fred/ and futures/ once `write` was called.
        start: first day of every file.
        end: last session that was written.
        symbols: with a file of prices.
        series: with a file of observations, from the simulated market.
        seed: of the prices.
        from_market: whether prices of the project's symbols are those of the simulated market, which move
            together as cross checks expect; a dividend restates a file's `adj_close` in it.
    """

    folder: Path
    start: date
    end: date
    symbols: Sequence[str] = SYMBOLS
    series: Sequence[str] = SERIES
    seed: int = 16
    from_market: bool = False

    def write(self) -> MovingWorld:
        """Write every file up to `end`."""
        for name in ("prices", "fred", "futures"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._append(None)
        return self

    def advance(self, sessions: int = 1) -> date:
        """Append the lines of the next sessions to every file that goes on; the new last session."""
        before = self.end
        for _ in range(sessions):
            self.end = next_session(self.end)
        self._append(before)
        return self.end

    def _append(self, before: date | None) -> None:
        market, after = simulated_market(), before or self.start - timedelta(days=1)
        known = set(reference_frame("instruments")["symbol"]) if self.from_market else set()
        for symbol in self.symbols:
            name = f"prices/{symbol.replace('^', '_')}"
            if symbol in known:
                self._add(name, b"", market.prices_csv(symbol, self.start, self.end))
            else:
                self._add(name, HEADER, prices_csv(symbol, self.start, self.end, after, self.seed))
        for series in self.series:
            self._add(f"fred/{series}", b"", market.fred_csv(series, self.start, self.end))
        for contract in market.contracts(self.start, self.end):
            self._add(f"futures/{contract}", b"", market.futures_csv(contract, self.start, self.end))

    def _add(self, name: str, header: bytes, content: bytes) -> None:
        """Add lines to a file; without a header the content is that of the whole file."""
        path = self.folder / f"{name}.csv"
        held = path.read_bytes() if path.exists() else b""
        if header:
            content = (held or header) + content
        if content != held:
            path.write_bytes(content)
        settled = time.time() - SETTLED_SECONDS
        os.utime(path, (settled, settled))


def prices_csv(symbol: str, start: date, end: date, after: date, seed: int) -> bytes:
    """Lines of a symbol's bars behind a day; a later end changes none of them.

    Args:
        symbol: any name.
        start: first day of the symbol.
        end: last day.
        after: the day behind which lines are wanted.
        seed: of the random walk.
    """
    columns = price_columns(symbol, np.array(sessions_between(start, end), dtype="datetime64[D]"), seed)
    new = columns["date"] > np.datetime64(after)
    table = pa.table({name: values[new] for name, values in columns.items()})
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink, csv.WriteOptions(include_header=False))
    return bytes(sink.getvalue().to_pybytes())


def price_columns(symbol: str, days: NDArray[np.datetime64], seed: int) -> dict[str, NDArray[Any]]:
    """The columns of a symbol's file of prices; later days change none of the earlier."""
    draws = np.random.default_rng((seed, zlib.crc32(symbol.encode()))).standard_normal((len(days), 4))
    close, opened, high, low = _bars(np.clip(draws, -3.0, 3.0))
    dividend = np.where(np.arange(len(days)) % DIVIDEND_SESSIONS == DIVIDEND_SESSIONS - 1, 0.25, 0.0)
    growth = np.ones(len(days))
    growth[1:] = (close[1:] + dividend[1:]) / close[:-1]
    return {
        "date": days,
        "open": opened,
        "high": high,
        "low": low,
        "close": close,
        "adj_close": np.round(10.0 * np.cumprod(growth), 6),
        "volume": (1e6 * (2.0 + np.abs(draws[:, 3]))).astype(np.int64),
        "dividend": dividend,
        "split": np.zeros(len(days)),
    }


def _bars(draws: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Close, open, high and low in cents; moves of one per cent, high and low around open and close."""
    close = np.round(100.0 * np.exp(np.cumsum(0.01 * draws[:, 0])), 2)
    before = np.concatenate([[100.0], close[:-1]])
    opened = np.round(before * np.exp(0.003 * draws[:, 1]), 2)
    spread = 1.0 + 0.004 * np.abs(draws[:, 2])
    high = np.round(np.maximum(opened, close) * spread, 2)
    low = np.round(np.minimum(opened, close) / spread, 2)
    return close, opened, high, low
