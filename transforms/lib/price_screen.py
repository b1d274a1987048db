"""Which symbols have a row in which anything could be found, told for all symbols at once.

In: the bars of all symbols as columns, sorted by symbol and day, as staging.price_findings uses them. Out:
the codes of the symbols that transforms/lib/price_steps.py and transforms/lib/dividend_basis.py have to look
at, one by one. Of the others it is certain that they find nothing: every limit here is the one there, or a
wider one where theirs takes the usual moves of a symbol, which only the few rows within the wide limit need.

Caveat: only this direction holds. A symbol that is named may turn out to be in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.lib.dividend_basis import DividendColumns, differing_rows, rounding_errors
from transforms.lib.price_steps import (
    DISPLACED_ROWS,
    LARGEST_FALL,
    LARGEST_RISE,
    LEAST_SESSIONS,
    LONGEST_GAP,
    LONGEST_SEGMENT,
    MARKET_STANDS_STILL,
    SMALL_SPLITS,
    SPLIT_FACTORS,
    TAKEN_BACK,
    UNKNOWN_MOVE,
    USUAL_SESSIONS,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# A logarithm or a product may round otherwise there: so much wider is every limit.
SLACK = 1e-9
# No small split falls by less: it opens lower by ln(6/5) less a quarter of the fall, and by 1.3 of it at
# the most.
LEAST_SPLIT_FALL = 0.1
LEAST_ISLAND, LEAST_STEP = 0.05, 0.08
# Rows of a block: its columns stay in the processor's cache.
BLOCK_ROWS = 65_536
# The median of fewer symbols is no market.
LEAST_SYMBOLS = 5


@dataclass(frozen=True)
class Bars:
    """Columns of equal length, sorted by symbol and day.

    Attributes:
        symbol: a code that rises with the rows.
        day: of the session.
        payload: a code of the payload that served the row.
        fully_adjusted: the symbol's close contains the dividends.
        never_split: the symbol is an index that cannot split.
    """

    symbol: IntArray
    day: NDArray[np.datetime64]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    adj_close: FloatArray
    previous_adj_close: FloatArray
    dividend: FloatArray
    split: FloatArray
    payload: NDArray[np.uint64]
    fully_adjusted: BoolArray
    never_split: BoolArray

    def __len__(self) -> int:
        return len(self.symbol)

    def rows(self, first: int, last: int) -> Bars:
        """The rows from `first` up to before `last`."""
        return Bars(*(getattr(self, entry.name)[first:last] for entry in fields(self)))


def symbols_to_look_at(bars: Bars) -> tuple[IntArray, dict[np.datetime64, float]]:
    """The codes of the symbols that may have findings, and what the market did on the days that matter.

    Returns:
        The codes, rising; and by day the median move of all symbols as a logarithm, for every day on which a
        symbol fell so far that it may have split, and enough symbols have a move.
    """
    suspects: list[IntArray] = []
    falls: list[IntArray] = []
    for first, last in _blocks(bars.symbol):
        block = bars.rows(first, last)
        rows, fallen = _suspect_rows(block)
        suspects.append(block.symbol[rows])
        falls.append(first + fallen)
    fallen = np.concatenate([*falls, np.empty(0, dtype=np.int64)])
    market = _market_moves(bars, np.unique(bars.day[fallen]))
    suspects.append(bars.symbol[_small_splits(bars, fallen, market)])
    return np.unique(np.concatenate(suspects)), market


def _blocks(symbol: IntArray) -> Iterator[tuple[int, int]]:
    """Places of whole symbols, together some `BLOCK_ROWS` rows."""
    starts = np.append(np.flatnonzero(_firsts(symbol)), len(symbol))
    first = 0
    for end in map(int, starts[1:]):
        if end - first >= BLOCK_ROWS or end == len(symbol):
            yield first, end
            first = end


def _firsts(symbol: IntArray) -> BoolArray:
    """Whether a row is the first one of its symbol."""
    first = np.ones(len(symbol), dtype=bool)
    first[1:] = symbol[1:] != symbol[:-1]
    return first


def _suspect_rows(bars: Bars) -> tuple[IntArray, IntArray]:
    """Rows in which something may be found, and rows that fell as at a small split at least."""
    first = _firsts(bars.symbol)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = bars.close / _before(bars.close, first)
    near_island = _may_be_islands(bars, first)
    far = (ratio > np.exp(LEAST_STEP - SLACK)) | (ratio < np.exp(-LEAST_STEP + SLACK))
    stepped = np.flatnonzero(far | near_island)
    # Of the rest of the block nothing but the sizes of the moves around these rows is needed.
    suspect = np.concatenate(
        [
            _outlying(bars, first, stepped, near_island[stepped]),
            _unsettled_splits(bars, first),
            np.flatnonzero(_differing(bars, first)),
        ]
    )
    return suspect, np.flatnonzero(ratio < np.exp(-LEAST_SPLIT_FALL))


def _before(values: FloatArray, first: BoolArray) -> FloatArray:
    """The value of the symbol's row before; NaN on its first."""
    before = np.full(len(values), np.nan)
    before[1:] = values[:-1]
    before[first] = np.nan
    return before


def _may_be_islands(bars: Bars, first: BoolArray) -> BoolArray:
    """Bars whose whole range lies above, or below, the ranges of both neighbours."""
    high = np.fmax(np.fmax(bars.open, bars.high), np.fmax(bars.low, bars.close))
    low = np.fmin(np.fmin(bars.open, bars.high), np.fmin(bars.low, bars.close))
    found = np.zeros(len(bars), dtype=bool)
    beyond = np.exp(LEAST_ISLAND - SLACK)
    found[1:-1] = (low[1:-1] > beyond * np.maximum(high[:-2], high[2:])) | (
        beyond * high[1:-1] < np.minimum(low[:-2], low[2:])
    )
    found[first] = False
    found[:-1] &= ~first[1:]
    return found


def _outlying(bars: Bars, first: BoolArray, rows: IntArray, near_island: BoolArray) -> IntArray:
    """Which of the rows are steps like a split, steps that are taken back or that no market makes, and bars
    that stand alone.
    """
    usual = _usual_moves(bars, first, rows, ahead=True)
    step = _log_moves(bars, first, rows, skip_gaps=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.log(bars.open[rows] / bars.close[rows - 1])
        known = np.isfinite(gap)
        far = np.abs(step) > np.where(
            known, np.maximum(LEAST_STEP, 15 * usual), np.maximum(0.15, 20 * usual)
        ) * (1 - SLACK)
        overnight = ~known | (gap / step > 0.6 - SLACK)
    beyond = (step > LARGEST_RISE - SLACK) | (step < LARGEST_FALL + SLACK)
    nearest = np.min(np.abs(np.abs(step)[:, np.newaxis] - np.log(SPLIT_FACTORS)), axis=1)
    like_split = nearest < np.maximum(0.02, 2 * usual) + SLACK
    far &= overnight
    far[far] &= like_split[far] | _taken_back(bars.symbol, rows[far], step[far], usual[far])
    following = np.minimum(rows + 1, len(bars) - 1)
    back = _log_moves(bars, first, following, skip_gaps=True)
    returned = np.abs(step + back) < 0.35 * np.minimum(np.abs(step), np.abs(back)) + SLACK
    alone = near_island & returned & (np.abs(step) > 5 * usual * (1 - SLACK))
    found: IntArray = rows[far | beyond | alone]
    return found


def _taken_back(symbol: IntArray, rows: IntArray, step: FloatArray, usual: FloatArray) -> BoolArray:
    """Which of the steps a later one of the symbol takes back."""
    found = np.zeros(len(rows), dtype=bool)
    for away in range(1, len(rows)):
        near = rows[away:] - rows[:-away] <= LONGEST_SEGMENT
        if not near.any():
            break
        left = np.abs(step[away:] + step[:-away])
        allowed = np.maximum(0.03, 2 * np.maximum(usual[away:], usual[:-away]))
        allowed = np.maximum(allowed, TAKEN_BACK * np.minimum(np.abs(step[away:]), np.abs(step[:-away])))
        found[:-away] |= near & (symbol[rows[away:]] == symbol[rows[:-away]]) & (left < allowed + SLACK)
    return found


def _unsettled_splits(bars: Bars, first: BoolArray) -> IntArray:
    """Rows of split events whose step is not that of a restated history, or with such a step nearby."""
    rows = np.flatnonzero((bars.split > 0) & (bars.split != 1) & ~first)
    size = np.log(bars.split[rows])
    step = _log_moves(bars, first, rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        adjusted = np.log(bars.adj_close[rows] / bars.previous_adj_close[rows]) - step
    shown = np.abs(adjusted - size) < 0.02 + 0.1 * np.abs(size) + SLACK
    restated = (np.abs(step) < np.abs(step + size) - SLACK) & (np.abs(step) < 0.15)
    beside = np.zeros(len(rows), dtype=bool)
    for away in range(-DISPLACED_ROWS, DISPLACED_ROWS + 1):
        other = np.clip(rows + away, 0, len(bars) - 1)
        move = _log_moves(bars, first, other)
        # The move is eight times the usual one, and misses the split's by three times the usual one.
        allowed = np.maximum(0.05, 3 / 8 * np.abs(move)) + SLACK
        beside |= (
            (bars.symbol[other] == bars.symbol[rows])
            & (np.abs(move) > 0.15 - SLACK)
            & (np.abs(move + size) < allowed)
        )
    return rows[shown | ~restated | beside]


def _differing(bars: Bars, first: BoolArray) -> BoolArray:
    """Rows on which close, adj_close and dividend do not say the same."""
    same_payload = np.zeros(len(bars), dtype=bool)
    same_payload[1:] = bars.payload[1:] == bars.payload[:-1]
    adjusted_before = np.where(same_payload & ~first, _before(bars.adj_close, first), bars.previous_adj_close)
    starts = np.flatnonzero(first)
    lengths = np.diff(np.append(starts, len(bars)))
    return differing_rows(
        DividendColumns(
            close=bars.close,
            close_before=_before(bars.close, first),
            adjusted=bars.adj_close,
            adjusted_before=adjusted_before,
            dividend=np.where(bars.fully_adjusted, np.nan, bars.dividend),
            close_rounding=np.repeat(rounding_errors(bars.close, starts), lengths),
            adjusted_rounding=np.repeat(rounding_errors(bars.adj_close, starts), lengths),
        )
    )


def _small_splits(bars: Bars, rows: IntArray, market: dict[np.datetime64, float]) -> IntArray:
    """Which of the rows that fell look like a small split on a day on which the market stood still."""
    rows = rows[~bars.never_split[rows]]
    first = _firsts(bars.symbol)
    fall = -_log_moves(bars, first, rows)
    usual = _usual_moves(bars, first, rows, ahead=False)
    with np.errstate(divide="ignore", invalid="ignore"):
        opening = -np.log(bars.open[rows] / bars.close[rows - 1])
    of_market = np.array([market.get(day, np.nan) for day in bars.day[rows]], dtype=np.float64)
    from_split = np.min(np.abs(opening[:, np.newaxis] - np.log(SMALL_SPLITS)), axis=1)
    near = from_split < np.maximum(0.015, 2 * usual) + SLACK
    quiet = np.abs(opening - fall) < 0.3 * fall + SLACK
    alone = (np.abs(of_market) < MARKET_STANDS_STILL * fall + SLACK) & (fall > 8 * usual - SLACK)
    found: IntArray = rows[near & quiet & alone]
    return found


def _market_moves(bars: Bars, days: NDArray[np.datetime64]) -> dict[np.datetime64, float]:
    """The median move of all symbols on each of the days, as a logarithm, where there are enough."""
    rows = np.flatnonzero(np.isin(bars.day, days) & ~_firsts(bars.symbol))
    moves = pd.Series(np.log(bars.close[rows]) - np.log(bars.close[rows - 1]))
    by_day = moves.groupby(bars.day[rows])
    median = by_day.median()[by_day.count() >= LEAST_SYMBOLS]
    return dict(zip(median.index.to_numpy(), median.to_numpy(dtype=np.float64), strict=True))


def _log_moves(bars: Bars, first: BoolArray, rows: IntArray, *, skip_gaps: bool = False) -> FloatArray:
    """The step of close to each of the rows, as a logarithm; 0 on a first row."""
    # The row before the first one of all is the last one, which is not used.
    moves = np.log(bars.close[rows]) - np.log(bars.close[rows - 1])
    nothing = first[rows]
    if skip_gaps:
        nothing = nothing | (bars.day[rows] - bars.day[rows - 1] > LONGEST_GAP)
    return np.where(nothing, 0.0, moves)


def _usual_moves(bars: Bars, first: BoolArray, rows: IntArray, *, ahead: bool) -> FloatArray:
    """Median size of the moves around each of the rows, or before it only, within its symbol."""
    half = USUAL_SESSIONS // 2
    places = np.arange(-half, half + 1) if ahead else np.arange(-USUAL_SESSIONS, 0)
    around = rows[:, np.newaxis] + places
    inside = np.clip(around, 0, max(len(bars) - 1, 0))
    known = (around == inside) & (bars.symbol[inside] == bars.symbol[rows][:, np.newaxis])
    moves = _log_moves(bars, first, inside.ravel(), skip_gaps=ahead).reshape(inside.shape)
    sizes = pd.DataFrame(np.where(known, np.abs(moves), np.nan).T)
    return (
        sizes.median().where(sizes.count() >= LEAST_SESSIONS).fillna(UNKNOWN_MOVE).to_numpy(dtype=np.float64)
    )
