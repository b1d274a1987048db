"""marts.instrument_daily as somebody would write it by hand with pandas and one numba loop over the bars.

In: `bars.parquet`, by symbol and day. Out: `numba.parquet`. Caveat: k rows back, where the models go k
sessions back; no doubt about a price. Ranks come from a Fenwick tree, the last day on which a return was
exceeded from a stack.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import numba
import numpy as np
import pandas as pd
import pyarrow.parquet  # noqa: F401
from numpy.typing import NDArray

WINDOWS = (1, 5, 6, 21, 63, 126, 252)
NUMBERS = (
    *(f"return_{rows}d_pct" for rows in WINDOWS),
    *("return_wtd_pct", "return_mtd_pct", "return_1m_pct", "return_ytd_pct", "momentum_12_1_pct"),
    *("total_return_index", "total_return_252d_pct"),
    *("return_5d_z", "return_5d_percentile", "return_6d_z", "return_6d_percentile"),
    *("up_streak_sessions", "over_1pct_streak_sessions", "rsi_14", "price_z_20d"),
    *("distance_from_50d_pct", "distance_from_200d_pct", "volatility_21d_pct"),
    *("drawdown_close_pct", "drawdown_intraday_pct", "record_close"),
)
DATES = ("return_5d_last_exceeded_date", "record_close_date", "history_start_date")
MINIMUM_HISTORY = 252
Floats, Integers = NDArray[np.float64], NDArray[np.int64]


@numba.njit
def moments(values: Floats, end: int, rows: int) -> tuple[float, float]:
    """Mean and sample deviation of the last rows up to and including `end`."""
    total = 0.0
    for row in range(end - rows + 1, end + 1):
        total += values[row] - values[end]
    offset = total / rows
    squares = 0.0
    for row in range(end - rows + 1, end + 1):
        squares += (values[row] - values[end] - offset) ** 2
    return values[end] + offset, np.sqrt(squares / (rows - 1))


@numba.njit
def place_in_history(
    values: Floats, first: int, z: Floats, percentile: Floats, last_exceeded: Integers
) -> None:
    """z, percentile and the row of the last value at least as high, of the values from `first` on."""
    size = len(values) - first
    order = np.argsort(values[first:], kind="mergesort")
    rank = np.empty(size, np.int64)
    for place in range(size):
        tied = place > 0 and values[first + order[place]] == values[first + order[place - 1]]
        rank[order[place]] = rank[order[place - 1]] if tied else place + 1
    tree, stack = np.zeros(size + 1, np.int64), np.empty(size, np.int64)
    depth, sums, squares = 0, 0.0, 0.0
    for number in range(size):
        place = rank[number]
        while place <= size:
            tree[place] += 1
            place += place & -place
        shifted = values[first + number] - values[first]
        sums += shifted
        squares += shifted * shifted
        while depth and values[first + stack[depth - 1]] < values[first + number]:
            depth -= 1
        exceeded = stack[depth - 1] if depth else -1
        stack[depth] = number
        depth += 1
        if number + 1 < MINIMUM_HISTORY:
            continue
        at_most, place = 0, rank[number]
        while place > 0:
            at_most += tree[place]
            place -= place & -place
        mean = sums / (number + 1)
        deviation = np.sqrt((squares - (number + 1) * mean * mean) / number)
        z[first + number] = (shifted - mean) / deviation
        percentile[first + number] = 100.0 * at_most / (number + 1)
        if exceeded >= 0:
            last_exceeded[first + number] = first + exceeded


@numba.njit
def of_symbol(
    close: Floats, high: Floats, dividend: Floats, starts: Integers, out: Floats, dates: Integers
) -> None:
    """Every figure of one symbol.

    Args:
        close: of each row; likewise high and dividend.
        starts: the rows from which the returns of week, month, a month and year count, -1 before the first.
        out: figures x rows, for the answers, NaN.
        dates: rows that the dates are those of, 3 x rows, -1.
    """
    rows = len(close)
    gain, loss, up, over = 0.0, 0.0, 0, 0
    sum_50, sum_200 = 0.0, 0.0
    index, record, record_high, record_row = 100.0, close[0], high[0], 0
    for row in range(rows):
        for place, back in enumerate((1, 5, 6, 21, 63, 126, 252)):
            if row >= back:
                out[place, row] = 100.0 * (close[row] / close[row - back] - 1.0)
        for place in range(4):
            if starts[place, row] >= 0:
                out[7 + place, row] = 100.0 * (close[row] / close[starts[place, row]] - 1.0)
        if row >= 252:
            out[11, row] = 100.0 * (close[row - 21] / close[row - 252] - 1.0)
        if row:
            index *= (close[row] + dividend[row]) / close[row - 1]
        out[12, row] = index
        if row >= 252:
            out[13, row] = 100.0 * (index / out[12, row - 252] - 1.0)
        if row:
            move = close[row] - close[row - 1]
            rise, fall = max(move, 0.0), max(-move, 0.0)
            if row <= 14:
                gain, loss = gain + rise / 14.0, loss + fall / 14.0
            else:
                gain, loss = (13.0 * gain + rise) / 14.0, (13.0 * loss + fall) / 14.0
            if row >= 14 and gain + loss > 0.0:
                out[20, row] = 100.0 * gain / (gain + loss)
            up = up + 1 if out[0, row] > 0.0 else 0
            over = over + 1 if out[0, row] * 1e9 >= 1e9 + 0.5 else 0
            out[18, row], out[19, row] = up, over
        if row >= 19:
            mean, deviation = moments(close, row, 20)
            if deviation > 0.0:
                out[21, row] = (close[row] - mean) / deviation
        sum_50 += close[row] - (close[row - 50] if row >= 50 else 0.0)
        sum_200 += close[row] - (close[row - 200] if row >= 200 else 0.0)
        if row >= 49:
            out[22, row] = 100.0 * (close[row] / (sum_50 / 50.0) - 1.0)
        if row >= 199:
            out[23, row] = 100.0 * (close[row] / (sum_200 / 200.0) - 1.0)
        if row >= 21:
            out[24, row] = moments(out[0], row, 21)[1] * np.sqrt(252.0)
        if close[row] > record:
            record, record_row = close[row], row
        record_high = max(record_high, high[row])
        out[25, row] = 100.0 * (close[row] / record - 1.0)
        out[26, row] = 100.0 * (close[row] / record_high - 1.0)
        out[27, row] = record
        dates[1, row], dates[2, row] = record_row, 0
    if rows > 6:
        nowhere = np.empty(rows, np.int64)
        place_in_history(out[1], 5, out[14], out[15], dates[0])
        place_in_history(out[2], 6, out[16], out[17], nowhere)


@numba.njit
def of_all(
    begins: Integers, close: Floats, high: Floats, dividend: Floats, starts: Integers
) -> tuple[Floats, Integers]:
    """The figures of all symbols, whose rows begin and end at `begins`."""
    out, dates = np.full((28, len(close)), np.nan), np.full((3, len(close)), -1)
    for symbol in range(len(begins) - 1):
        rows = slice(begins[symbol], begins[symbol + 1])
        of_symbol(close[rows], high[rows], dividend[rows], starts[:, rows], out[:, rows], dates[:, rows])
    return out, dates


def prepare() -> None:
    """Compile."""
    assert len(NUMBERS) == 28 and inspect.isfunction(of_all.py_func)
    few = np.arange(1.0, 20.0)
    of_all(np.array([0, 19]), few, few, few, np.full((4, 19), -1))


def run(folder: Path) -> None:
    """Read, compute, write."""
    bars = pd.read_parquet(folder / "bars.parquet")
    compute(bars).to_parquet(folder / "numba.parquet", compression="zstd")


def compute(bars: pd.DataFrame) -> pd.DataFrame:
    """The whole table."""
    days = bars["session_date"].to_numpy().astype("datetime64[D]")
    changes = np.flatnonzero(bars["symbol"].to_numpy()[1:] != bars["symbol"].to_numpy()[:-1]) + 1
    begins = np.concatenate([[0], changes, [len(bars)]])
    numbers = [np.array(bars[name], dtype=np.float64) for name in ("close", "high", "dividend")]
    out, dates = of_all(begins, *numbers, period_starts(days, begins))
    rows_of = np.repeat(begins[:-1], np.diff(begins))
    columns = {"symbol": bars["symbol"], "session_date": bars["session_date"], "close": bars["close"]}
    for name, row in zip(DATES, dates, strict=True):
        found = days[np.maximum(row, 0) + rows_of]
        columns[name] = np.where(row >= 0, found, np.datetime64("NaT")).astype("datetime64[s]")
    return pd.DataFrame({**columns, **dict(zip(NUMBERS, out, strict=True))}, copy=False)


def period_starts(days: NDArray[np.datetime64], begins: Integers) -> Integers:
    """By period the row within its symbol that each row's return starts from; -1 before the first."""
    unique, place = np.unique(days, return_inverse=True)
    month = unique.astype("datetime64[M]")
    day_of_month = (unique - month).astype(np.int64)
    before = (month - 1).astype("datetime64[D]")
    longest = (month.astype("datetime64[D]") - before).astype(np.int64) - 1
    weekday = (unique.astype(np.int64) + 3) % 7
    froms = (
        unique - weekday - 1,
        month.astype("datetime64[D]") - 1,
        before + np.minimum(day_of_month, longest),
        unique.astype("datetime64[Y]").astype("datetime64[D]") - 1,
    )
    starts = np.stack([np.searchsorted(unique, day, side="right") - 1 for day in froms])[:, place]
    first = np.repeat(place[begins[:-1]], np.diff(begins))
    return np.ascontiguousarray(np.where(starts >= first, starts - first, -1))
