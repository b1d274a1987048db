"""What of an instrument's day depends on its days before: rolling and expanding statistics, records, streaks.

In: staging.equity_prices (symbol, session_date), ref.calendar. Out: one row per price row. Formulas and
sources: transforms/lib/history.py. Everything is computed on a grid of NYSE sessions, so "20 sessions" means
20 consecutive sessions with a close, and NULL where one is missing.

Where a publication is extended, what runs on from day to day (the total return index, Wilder's averages,
records, streaks) continues from the symbol's last row before; a rank looks at every return so far, which is
one pass over the closes.

Caveat: the total return index runs over a missing session (the return after the gap spans it), nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.increment import PREVIOUS_ROWS, first_day
from transforms.lib.history import (
    NO_INDEX,
    FloatArray,
    IntArray,
    WilderAverages,
    change_pct,
    compute_expanding_statistics,
    distance_from_mean_pct,
    rolling_sd,
    rolling_z,
    total_return_index,
    wilder_averages,
)
from transforms.lib.price_rows import PriceRows, load_price_rows
from transforms.lib.session_grid import DateArray, float_column

SESSIONS_PER_YEAR = 252
# The longest window, and 252 sessions in days whatever the holidays.
LOOK_BACK_SESSIONS, LOOK_BACK_DAYS = 252, 400
DATES = ("return_5d_last_exceeded_date", "record_close_date", "history_start_date")
NO_DAY = np.iinfo(np.int64).min
LAST_ROWS = f"""
    select
        symbol, session_date, total_return_index, rsi_14_average_gain, rsi_14_average_loss,
        up_streak_sessions, over_1pct_streak_sessions, record_close, record_high, record_close_date,
        history_start_date
    from {PREVIOUS_ROWS}
    inner join (select symbol, max(session_date) as session_date from {PREVIOUS_ROWS} group by symbol)
        using (symbol, session_date)
"""


@dataclass(frozen=True)
class Carried:
    """Where each symbol stands before the first row asked for; one value per symbol, as on its last row.

    Attributes:
        index: the total return index; infinite for a symbol without a row.
        averages: Wilder's, one row; NaN unless the last row is that of the session before.
        up: sessions of the streak, 0 without one.
        over_1pct: likewise.
        record_close: NaN without a row.
        record_high: infinite behind a missing high.
        record_day: days since 1970, NO_DAY without a row.
        start_day: likewise.
        index_grid: the total return index of the sessions before, sessions x symbols, as far as it is needed.
    """

    index: FloatArray
    averages: WilderAverages
    up: FloatArray
    over_1pct: FloatArray
    record_close: FloatArray
    record_high: FloatArray
    record_day: IntArray
    start_day: IntArray
    index_grid: FloatArray

    def of(self, symbols: slice) -> Carried:
        """The part of some symbols."""
        return Carried(
            self.index[symbols],
            WilderAverages(self.averages.gain[:, symbols], self.averages.loss[:, symbols]),
            self.up[symbols],
            self.over_1pct[symbols],
            self.record_close[symbols],
            self.record_high[symbols],
            self.record_day[symbols],
            self.start_day[symbols],
            self.index_grid[:, symbols],
        )


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per symbol and session with a price, in that order."""
    since = first_day(con)
    prices = load_price_rows(con, ["close"])
    latest = load_price_rows(con, ["high", "total_return_pct"], since=since)
    first = 0 if since is None else int(np.searchsorted(prices.dates, np.datetime64(since, "s")))
    asked = np.flatnonzero(prices.session >= first)
    carried = _nothing_carried(len(prices.names)) if since is None else _carried(con, prices, first, since)
    answers: dict[str, NDArray[Any]] = {}
    for block in prices.blocks():
        place = slice(*np.searchsorted(asked, [block.rows.start, block.rows.stop]))
        within = asked[place] - block.rows.start
        cells = block.session[within] - first, block.column[within]
        closes = block.grid(prices.columns["close"])
        highs, returns = (
            _grid_of_cells(latest.columns[name][place], cells, (len(closes) - first, closes.shape[1]))
            for name in ("high", "total_return_pct")
        )
        part = carried.of(block.symbols)
        for name, grid in _block_answers(closes, highs, returns, prices.dates, part, first):
            answers.setdefault(name, np.empty(len(asked), dtype=grid.dtype))[place] = grid[cells]
    return pd.DataFrame({**prices.keys(asked), **answers})


def _grid_of_cells(
    values: FloatArray, cells: tuple[IntArray, IntArray], shape: tuple[int, int]
) -> FloatArray:
    out = np.full(shape, np.nan)
    out[cells] = values
    return out


def _block_answers(
    closes: FloatArray,
    highs: FloatArray,
    returns_pct: FloatArray,
    dates: DateArray,
    carried: Carried,
    first: int,
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Every column on a grid of the sessions asked for x symbols, one after the other.

    Args:
        closes: all sessions x symbols.
        highs: the sessions asked for x symbols.
        returns_pct: likewise, the total return of each row.
        dates: of all sessions.
        carried: where the symbols stood before.
        first: the row of the first session asked for.
    """
    recent = closes[max(first - LOOK_BACK_SESSIONS, 0) :]
    skipped = len(recent) - len(highs)
    returns_1d = change_pct(recent, 1)
    index = total_return_index(recent[skipped:], returns_pct, carried.index)
    yield "total_return_index", index
    yield "total_return_252d_pct", change_pct(np.vstack([carried.index_grid, index]), 252)[-len(index) :]
    yield from _place_in_history(closes, dates, first)
    yield "up_streak_sessions", _streak(returns_1d[skipped:], returns_1d[skipped:] > 0, carried.up)
    # Of the return rounded to nine decimals, because 101 / 100 - 1 is a hair more than 0.01 in floats and
    # exactly 1 % is not over 1 %.
    over = returns_1d[skipped:] * 1e9 >= 1e9 + 0.5
    yield "over_1pct_streak_sessions", _streak(returns_1d[skipped:], over, carried.over_1pct)
    averages = wilder_averages(recent, first=skipped, before=carried.averages)
    yield "rsi_14", averages.rsi()[skipped:]
    yield "price_z_20d", rolling_z(recent, 20)[skipped:]
    yield "distance_from_50d_pct", distance_from_mean_pct(recent, 50)[skipped:]
    yield "distance_from_200d_pct", distance_from_mean_pct(recent, 200)[skipped:]
    yield from _records(recent[skipped:], highs, dates[first:], carried)
    yield "volatility_21d_pct", (rolling_sd(returns_1d, 21) * np.sqrt(SESSIONS_PER_YEAR))[skipped:]
    yield "rsi_14_average_gain", averages.gain[skipped:]
    yield "rsi_14_average_loss", averages.loss[skipped:]


def _place_in_history(closes: FloatArray, dates: DateArray, first: int) -> Iterator[tuple[str, NDArray[Any]]]:
    """z and percentile of returns, and when the 5-session return was last exceeded; sessions x symbols."""
    shape = (len(closes) - first, closes.shape[1])
    last_exceeded = np.full(shape, np.datetime64("NaT", "s"))
    for window in (5, 6):
        # A series after the other, each in one piece of memory.
        returns = np.ascontiguousarray(change_pct(closes, window).T)
        z, percentile = np.full(shape, np.nan), np.full(shape, np.nan)
        for series in range(shape[1]):
            statistics = compute_expanding_statistics(returns[series], first=first, last_indices=window == 5)
            z[:, series], percentile[:, series] = statistics.z[first:], statistics.percentile[first:]
            if window == 5:
                index = statistics.last_exceeded_index[first:]
                last_exceeded[index != NO_INDEX, series] = dates[index[index != NO_INDEX]]
        yield f"return_{window}d_z", z
        yield f"return_{window}d_percentile", percentile
    yield "return_5d_last_exceeded_date", last_exceeded


def _streak(returns_1d: FloatArray, goes_on: NDArray[np.bool_], before: FloatArray) -> FloatArray:
    """Sessions since the last one that broke the streak; a session without a one-day return breaks it too."""
    row = np.arange(len(returns_1d), dtype=np.float64)[:, np.newaxis]
    broken = np.vstack([-1.0 - before, np.where(goes_on, -np.inf, row)])
    length = row - np.maximum.accumulate(broken, axis=0)[1:]
    return np.where(np.isfinite(returns_1d), length, np.nan)


def _records(
    closes: FloatArray, highs: FloatArray, dates: DateArray, carried: Carried
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Records to date and the distance from them: exact in any order, so a maximum that runs on is enough."""
    has_close = np.isfinite(closes)
    record = np.fmax.accumulate(np.vstack([carried.record_close, closes]), axis=0)
    # Behind a missing high nobody knows the highest one: it is infinite from there on.
    known_high = np.where(has_close & np.isnan(highs), np.inf, highs)
    record_high = np.fmax.accumulate(np.vstack([carried.record_high, known_high]), axis=0)[1:]
    record_high = np.where(has_close & np.isfinite(record_high), record_high, np.nan)
    # To equal the record later is no new record.
    new = has_close & ~(closes <= record[:-1])
    day = dates.astype("datetime64[D]").astype(np.int64)[:, np.newaxis]
    record_day = np.maximum.accumulate(np.vstack([carried.record_day, np.where(new, day, NO_DAY)]), axis=0)[
        1:
    ]
    begins = has_close & (np.isnan(record[:-1]))
    start_day = np.maximum.accumulate(np.vstack([carried.start_day, np.where(begins, day, NO_DAY)]), axis=0)[
        1:
    ]
    yield "drawdown_close_pct", 100.0 * (closes / record[1:] - 1.0)
    yield "drawdown_intraday_pct", 100.0 * (closes / record_high - 1.0)
    yield "record_close", np.where(has_close, record[1:], np.nan)
    yield "record_close_date", _dates(record_day)
    yield "history_start_date", _dates(start_day)
    yield "record_high", record_high


def _dates(days: IntArray) -> NDArray[np.datetime64]:
    known = days != NO_DAY
    return np.where(known, np.where(known, days, 0).astype("datetime64[D]"), np.datetime64("NaT")).astype(
        "datetime64[s]"
    )


def _nothing_carried(symbols: int) -> Carried:
    unknown = np.full(symbols, np.nan)
    no_day = np.full(symbols, NO_DAY)
    return Carried(
        index=np.full(symbols, np.inf),
        averages=WilderAverages(unknown[np.newaxis], unknown[np.newaxis]),
        up=np.zeros(symbols),
        over_1pct=np.zeros(symbols),
        record_close=unknown,
        record_high=unknown,
        record_day=no_day,
        start_day=no_day,
        index_grid=np.empty((0, symbols)),
    )


def _carried(con: duckdb.DuckDBPyConnection, prices: PriceRows, first: int, since: date) -> Carried:
    """The last row of each symbol before the first day asked for."""
    rows = con.execute(LAST_ROWS).fetchnumpy()
    place = np.searchsorted(prices.names, np.asarray(rows["symbol"], dtype=object))
    symbols = len(prices.names)

    def last(name: str, missing: float) -> FloatArray:
        out = np.full(symbols, missing)
        out[place] = float_column(rows[name])
        return out

    def last_day(name: str) -> IntArray:
        out = np.full(symbols, NO_DAY)
        out[place] = np.asarray(rows[name]).astype("datetime64[D]").astype(np.int64)
        return out

    at_once = np.zeros(symbols, dtype=bool)
    if first > 0:
        at_once[place] = np.asarray(rows["session_date"]).astype("datetime64[s]") == prices.dates[first - 1]
    gain, loss = last("rsi_14_average_gain", np.nan), last("rsi_14_average_loss", np.nan)
    record_high = last("record_high", np.nan)
    record_close = last("record_close", np.nan)
    return Carried(
        index=last("total_return_index", np.inf),
        averages=WilderAverages(
            np.where(at_once, gain, np.nan)[np.newaxis], np.where(at_once, loss, np.nan)[np.newaxis]
        ),
        up=np.nan_to_num(last("up_streak_sessions", 0.0)),
        over_1pct=np.nan_to_num(last("over_1pct_streak_sessions", 0.0)),
        record_close=record_close,
        record_high=np.where(np.isfinite(record_close) & np.isnan(record_high), np.inf, record_high),
        record_day=last_day("record_close_date"),
        start_day=last_day("history_start_date"),
        index_grid=_previous_index(con, prices, first, since),
    )


def _previous_index(con: duckdb.DuckDBPyConnection, prices: PriceRows, first: int, since: date) -> FloatArray:
    """The total return index of the last sessions before, sessions x symbols."""
    rows = con.execute(
        f"""
        select previous.symbol, calendar.session_number, previous.total_return_index
        from {PREVIOUS_ROWS} as previous
        inner join ref.calendar as calendar on previous.session_date = calendar.calendar_date
        where previous.session_date >= ?::date - {LOOK_BACK_DAYS}
        """,
        [since],
    ).fetchnumpy()
    begin = max(first - LOOK_BACK_SESSIONS, 0)
    session = np.asarray(rows["session_number"], dtype=np.int64) - prices.first_number - begin
    symbol = np.searchsorted(prices.names, np.asarray(rows["symbol"], dtype=object))
    out = np.full((first - begin, len(prices.names)), np.nan)
    inside = session >= 0
    out[session[inside], symbol[inside]] = float_column(rows["total_return_index"])[inside]
    return out
