"""Statistics of a series within its own history to date: z, percentile, rank, "widest since", RSI, rolling z.

In: one series (1-D, oldest first) or a grid sessions x series (2-D, one row per NYSE session, oldest first);
NaN = no value. Out: arrays of the same shape, NaN (or index -1) where there is no answer. Nothing looks
ahead: the answers up to row t are the same bits whether or not later rows are appended, because every step is
either an exact integer count or a fixed sequence of IEEE additions (no pairwise or blocked summation whose
order depends on the length).

Formulas: z = (x - mean) / sample sd; percentile = share of the history <= x (including x itself); rank 1 =
largest; RSI after J. Welles Wilder, New Concepts in Technical Trading Systems (1978).

Caveat: the statistics compare floats exactly; two values count as tied only when all their bits agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MINIMUM_HISTORY = 252  # one trading year: below it every history statistic is NULL
# Windows that overlap share most of their days: 2,520 sessions hold ten windows of 252. Below so many windows
# side by side the spread of a history says little of how unusual a value is.
INDEPENDENT_WINDOWS = 20
NO_INDEX = -1
_FEW_ROWS = 24  # only speed depends on it


@dataclass(frozen=True)
class ExpandingStatistics:
    """Where each value of a series stands in the history that ends on its own row; arrays of its length.

    `observations` counts the values so far and `first_index` names the row of the first one, on every row.
    The others answer only where the row has a value and at least the minimum history: NaN, else index -1
    (`last_*_index` is -1 for a record too: tell them apart by `ranked`).
    """

    ranked: NDArray[np.bool_]  # the row has a value and enough history
    observations: IntArray
    first_index: IntArray
    z: FloatArray
    percentile: FloatArray
    rank: FloatArray
    last_exceeded_index: IntArray  # latest earlier row with a value >= this one
    last_undercut_index: IntArray  # latest earlier row with a value <= this one


def compute_expanding_statistics(
    values: FloatArray,
    minimum_history: int = MINIMUM_HISTORY,
    *,
    first: int = 0,
    last_indices: bool = True,
) -> ExpandingStatistics:
    """All history statistics of one series. Rows without a finite value are not part of the history.

    Args:
        values: the series from its beginning.
        minimum_history: with fewer values there is no answer.
        first: rows before this one are not answered.
        last_indices: whether `last_exceeded_index` and `last_undercut_index` are wanted; else they are -1.
    """
    valid = np.isfinite(values)
    rows = np.flatnonzero(valid)
    dense = values[rows]
    observations = np.cumsum(valid).astype(np.int64)
    ranked = valid & (observations >= minimum_history)
    ranked[:first] = False
    begin = int(np.searchsorted(rows, first))
    answered = (np.arange(len(dense)) + 1 >= minimum_history) & (np.arange(len(dense)) >= begin)
    ranked_rows = rows[answered]

    def scatter(answers: FloatArray) -> FloatArray:
        out = np.full(len(values), np.nan)
        out[ranked_rows] = answers[answered]
        return out

    def scatter_index(dense_index: IntArray) -> IntArray:
        out = np.full(len(values), NO_INDEX, dtype=np.int64)
        chosen = dense_index[answered]
        if len(rows):
            out[ranked_rows] = np.where(chosen == NO_INDEX, NO_INDEX, rows[chosen])
        return out

    at_most = count_at_most_to_date(dense, begin)
    no_index = np.full(len(dense), NO_INDEX, dtype=np.int64)
    so_far = np.arange(1, len(dense) + 1)
    first_index = np.where(observations > 0, rows[0] if len(rows) else NO_INDEX, NO_INDEX).astype(np.int64)
    return ExpandingStatistics(
        ranked=ranked,
        observations=observations,
        first_index=first_index,
        z=scatter(expanding_z(dense, begin)),
        percentile=scatter(100.0 * at_most / so_far),
        rank=scatter((so_far - at_most + 1).astype(np.float64)),
        last_exceeded_index=scatter_index(last_index_at_least(dense, begin) if last_indices else no_index),
        last_undercut_index=scatter_index(last_index_at_least(-dense, begin) if last_indices else no_index),
    )


def least_history(window: int, minimum: int = MINIMUM_HISTORY) -> int:
    """The observations from which a z or a percentile of overlapping windows is answered.

    Args:
        window: in sessions, or in months where the observations are.
        minimum: the least, however short the window is.
    """
    return max(minimum, INDEPENDENT_WINDOWS * window)


def expanding_z(values: FloatArray, first: int = 0) -> FloatArray:
    """(x - mean) / sample sd of the values so far; NaN for the first and where the history is constant, and
    before `first`.

    Sums of x and x² are taken about the first value: a constant history has exactly no variance, and since
    that value is in the sample itself, the subtraction can cost no more than a factor of n in precision,
    however far off it lies.
    """
    if not len(values):
        return np.empty(0)
    shifted = values - values[0]
    sums, squares = np.cumsum(shifted)[first:], np.cumsum(shifted * shifted)[first:]
    n = np.arange(first + 1, len(values) + 1, dtype=np.float64)
    mean = sums / n
    sum_of_squares = squares - n * mean * mean
    z = np.full(len(values), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.sqrt(sum_of_squares / (n - 1))
        z[first:] = (shifted[first:] - mean) / deviation
    return np.where(np.isfinite(z), z, np.nan)


def count_at_most_to_date(values: FloatArray, first: int = 0) -> IntArray:
    """For each value (no NaN) how many of the values up to and including it are <= it; 0 before `first`.

    Exact. A few rows are counted one by one. Many: rows are put in order of their values, equal ones as they
    came, and rows and order are cut into blocks. A table of blocks counts the rows of earlier blocks in lower
    blocks of the order; what shares one of the two blocks is compared pair by pair.
    """
    n = len(values)
    counts = np.zeros(n, dtype=np.int64)
    if n - first <= _FEW_ROWS:
        for row in range(first, n):
            counts[row] = np.count_nonzero(values[: row + 1] <= values[row])
        return counts
    size = min(max(int(np.sqrt(n)) // 2, 8), 255)  # only speed depends on it; counts within a block are bytes
    blocks = -(-n // size)
    filled = np.full(2 * blocks * size, n, dtype=np.int32).reshape(2, -1)  # with rows that come last
    order, place = filled
    order[:n] = np.argsort(values, kind="stable")
    place[order[:n]] = np.arange(n, dtype=np.int32)
    row_block, place_block = np.arange(n) // size, place[:n] // size
    cells = np.bincount(row_block * blocks + place_block, minlength=blocks * blocks).reshape(blocks, blocks)
    table = np.zeros((blocks + 1, blocks + 1), dtype=np.int64)
    table[1:, 1:] = cells.cumsum(axis=0).cumsum(axis=1)
    counts = table[row_block, place_block]
    counts += 1 + _smaller_before_in_block(place, size)[:n]
    counts[order[:n]] += _smaller_before_in_block(order // size, size)[:n]
    counts[:first] = 0
    return counts


def _smaller_before_in_block(values: NDArray[np.int32], size: int) -> NDArray[np.uint8]:
    """For each value how many of those before it in its block are smaller."""
    across = np.ascontiguousarray(values.reshape(-1, size).T)
    smaller = np.zeros(across.shape, dtype=np.uint8)
    for place in range(size - 1):
        smaller[place + 1 :] += across[place] < across[place + 1 :]
    return smaller.T.ravel()


def last_index_at_least(values: FloatArray, first: int = 0) -> IntArray:
    """For each value (no NaN) the index of the latest EARLIER value >= it; -1 where there is none, and before
    `first`. n log n.

    A few rows are looked up one by one. Many: maxima over runs of 1, 2, 4 ... values let every row walk back
    at once, longest run first: a run whose maximum is smaller than the row's value is skipped whole. (The
    mirror, latest earlier value <= x, is the same on -values.)
    """
    n = len(values)
    if n - first <= _FEW_ROWS:
        last = np.full(n, NO_INDEX, dtype=np.int64)
        for row in range(first, n):
            reached = values[row - 1 :: -1][:row] >= values[row]
            last[row] = row - 1 - np.argmax(reached) if reached.any() else NO_INDEX
        return last
    # maxima[level][i] = max of the 2^level values ending at i; defined for i >= 2^level - 1
    maxima = [values]
    while 2 ** len(maxima) < n:
        span = 2 ** (len(maxima) - 1)
        longer = maxima[-1].copy()
        np.maximum(maxima[-1][span:], maxima[-1][:-span], out=longer[span:])
        maxima.append(longer)
    asked = values[first:]
    candidate = np.arange(first, n, dtype=np.int64) - 1  # all between the candidate and the row is smaller
    for level in range(len(maxima) - 1, -1, -1):
        run = 2**level
        whole_run = candidate >= run - 1
        skip = whole_run & (maxima[level][np.maximum(candidate, 0)] < asked)
        candidate -= run * skip
    return np.concatenate([np.full(min(first, n), NO_INDEX, dtype=np.int64), candidate])


def lagged(grid: FloatArray, sessions: int) -> FloatArray:
    """The grid as it stood `sessions` rows (= NYSE sessions) earlier; NaN before the start."""
    out = np.full_like(grid, np.nan)
    out[sessions:] = grid[: max(len(grid) - sessions, 0)]
    return out


def change_pct(grid: FloatArray, sessions: int) -> FloatArray:
    """100 · (x_t / x_{t-k} − 1) on a grid of sessions; NaN unless both values are there."""
    with np.errstate(divide="ignore", invalid="ignore"):
        change = 100.0 * (grid / lagged(grid, sessions) - 1.0)
    return np.where(np.isfinite(change), change, np.nan)


def _mean_offset(grid: FloatArray, sessions: int) -> FloatArray:
    """Mean of the last n rows less the newest: exactly 0 where all are equal, NaN unless all are there."""
    offset = np.zeros_like(grid)
    for back in range(1, sessions):
        offset[back:] += grid[:-back] - grid[back:]
    offset /= sessions
    offset[: sessions - 1] = np.nan
    return offset


def rolling_mean(grid: FloatArray, sessions: int) -> FloatArray:
    """Mean of the last n rows of each column; NaN unless all n values are there."""
    return grid + _mean_offset(grid, sessions)


def rolling_sd(grid: FloatArray, sessions: int) -> FloatArray:
    """Sample standard deviation of the last n rows of each column (two passes); NaN unless all are there."""
    offset = _mean_offset(grid, sessions)
    squares = offset * offset
    for back in range(1, sessions):
        squares[back:] += (grid[:-back] - grid[back:] - offset[back:]) ** 2
    return np.sqrt(squares / (sessions - 1))


def rolling_z(grid: FloatArray, sessions: int) -> FloatArray:
    """(x − mean) / sample sd over the last n rows; NaN unless all are there and they vary."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = -_mean_offset(grid, sessions) / rolling_sd(grid, sessions)
    return np.where(np.isfinite(z), z, np.nan)


def distance_from_mean_pct(grid: FloatArray, sessions: int) -> FloatArray:
    """100 · (x / mean of the last n rows − 1); NaN unless all n values are there."""
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = 100.0 * (grid / rolling_mean(grid, sessions) - 1.0)
    return np.where(np.isfinite(distance), distance, np.nan)


@dataclass(frozen=True)
class WilderAverages:
    """Wilder's averages of the gains and the losses, per row and column; NaN while they form."""

    gain: FloatArray
    loss: FloatArray

    def rsi(self) -> FloatArray:
        """The relative strength index, 0..100; NaN where neither gain nor loss has occurred."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return 100.0 * (self.gain / (self.gain + self.loss))


def wilder_averages(
    closes: FloatArray, periods: int = 14, *, first: int = 0, before: WilderAverages | None = None
) -> WilderAverages:
    """Averages of the one-session gains and losses of each column, after Wilder.

    The first averages are the means of the first `periods` one-session changes, then average += (change −
    average) / periods. A missing session makes its change unknown, so the averages restart after it.

    Args:
        closes: sessions x series.
        periods: of the average.
        first: rows before this one are not answered; it may be lower than `periods` + 1 only at the
            beginning of the history.
        before: the averages at the row before `first`, one row; NaN where they are not formed yet.
    """
    begin = max(first - periods - 1, 0)
    changes = (closes - lagged(closes, 1))[begin:]
    known = np.isfinite(changes)
    row = np.arange(len(changes))[:, np.newaxis]
    unknown = np.where(known, -1, row)
    state = np.zeros((2, closes.shape[1]))
    run = row - np.maximum.accumulate(unknown, axis=0) if len(row) else unknown  # known changes in a row
    # One step for all: average · factor + change, over divisor. While the averages form, it is a plain sum.
    factor = np.where(run == 0, 0.0, np.where(run <= periods, 1.0, periods - 1.0))
    divisor = np.where(run >= periods, float(periods), 1.0)
    moves = np.where(known, [np.maximum(changes, 0.0), np.maximum(-changes, 0.0)], 0.0)
    averages = np.empty_like(moves)
    for step in range(len(changes)):  # a recursion in time: vectorised across the columns
        if step == first - begin and before is not None:
            state = np.where(np.isfinite(before.gain[0]), [before.gain[0], before.loss[0]], state)
        state = averages[:, step] = (state * factor[step] + moves[:, step]) / divisor[step]
    averages[:, (run < periods) | (row < first - begin)] = np.nan
    out = np.full((2, *closes.shape), np.nan)
    out[:, begin:] = averages
    return WilderAverages(out[0], out[1])


def wilder_rsi(closes: FloatArray, periods: int = 14) -> FloatArray:
    """Wilder's relative strength index, 0..100, of each column: 100 · gain / (gain + loss) of the averages;
    NaN while they form, and where neither gain nor loss has occurred.
    """
    return wilder_averages(closes, periods).rsi()


def total_return_index(
    closes: FloatArray, row_returns_pct: FloatArray, before: FloatArray | None = None, start: float = 100.0
) -> FloatArray:
    """Growth of `start` from each column's first close. Returns are per row: one after a gap spans the gap.

    A row with a close but without a return (other than the first) leaves the index unknown from there on.

    Args:
        closes: sessions x series.
        row_returns_pct: likewise, the return of each close.
        before: the index of each column at its last close before the first row: NaN where it is not known,
            infinite where there was no close yet; by default there was none.
        start: the index at the first close.
    """
    has_close = np.isfinite(closes)
    begins = np.full(closes.shape[1], np.inf) if before is None else before
    first = has_close & (np.cumsum(has_close, axis=0) == 1) & np.isinf(begins)
    factors = np.where(has_close & ~first, 1.0 + row_returns_pct / 100.0, 1.0)
    level = np.cumprod(np.vstack([np.where(np.isinf(begins), start, begins), factors]), axis=0)[1:]
    return np.where(has_close, level, np.nan)
