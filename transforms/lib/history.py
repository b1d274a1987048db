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
NO_INDEX = -1
_BLOCK = 256  # only speed depends on it


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
    values: FloatArray, minimum_history: int = MINIMUM_HISTORY
) -> ExpandingStatistics:
    """All history statistics of one series. Rows without a finite value are not part of the history."""
    valid = np.isfinite(values)
    rows = np.flatnonzero(valid)
    dense = values[rows]
    observations = np.cumsum(valid).astype(np.int64)
    ranked = valid & (observations >= minimum_history)
    answered = np.arange(len(dense)) + 1 >= minimum_history
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

    at_most = count_at_most_to_date(dense)
    so_far = np.arange(1, len(dense) + 1)
    first_index = np.where(observations > 0, rows[0] if len(rows) else NO_INDEX, NO_INDEX).astype(np.int64)
    return ExpandingStatistics(
        ranked=ranked,
        observations=observations,
        first_index=first_index,
        z=scatter(expanding_z(dense)),
        percentile=scatter(100.0 * at_most / so_far),
        rank=scatter((so_far - at_most + 1).astype(np.float64)),
        last_exceeded_index=scatter_index(last_index_at_least(dense)),
        last_undercut_index=scatter_index(last_index_at_least(-dense)),
    )


def expanding_z(values: FloatArray) -> FloatArray:
    """(x - mean) / sample sd of the values so far; NaN for the first and where the history is constant.

    Sums of x and x² are taken about the first value: a constant history has exactly no variance, and since
    that value is in the sample itself, the subtraction can cost no more than a factor of n in precision,
    however far off it lies.
    """
    if not len(values):
        return np.empty(0)
    shifted = values - values[0]
    n = np.arange(1, len(values) + 1, dtype=np.float64)
    mean = np.cumsum(shifted) / n
    sum_of_squares = np.cumsum(shifted * shifted) - n * mean * mean
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.sqrt(sum_of_squares / (n - 1))
        z = (shifted - mean) / deviation
    return np.where(np.isfinite(z), z, np.nan)


def count_at_most_to_date(values: FloatArray) -> IntArray:
    """For each value (no NaN) how many of the values up to and including it are <= it. Exact.

    Block by block: binary search in the sorted values of the blocks before, plus all pairs within the block.
    """
    counts = np.empty(len(values), dtype=np.int64)
    before = np.empty(0)
    upto = np.tri(_BLOCK, dtype=bool)  # row i may see columns <= i
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        size = len(block)
        within = (block[np.newaxis, :] <= block[:, np.newaxis]) & upto[:size, :size]
        earlier = np.searchsorted(before, block, side="right")
        counts[start : start + size] = earlier + np.count_nonzero(within, axis=1)
        before = np.sort(np.concatenate([before, block]), kind="stable")
    return counts


def last_index_at_least(values: FloatArray) -> IntArray:
    """For each value (no NaN) the index of the latest EARLIER value >= it; -1 where there is none. n log n.

    Maxima over runs of 1, 2, 4 ... values let every row walk back at once, longest run first: a run whose
    maximum is smaller than the row's value is skipped whole. (The mirror, latest earlier value <= x, is the
    same on -values.)
    """
    n = len(values)
    maxima = [
        values
    ]  # maxima[level][i] = max of the 2^level values ending at i; defined for i >= 2^level - 1
    while 2 ** len(maxima) < n:
        span = 2 ** (len(maxima) - 1)
        longer = maxima[-1].copy()
        np.maximum(maxima[-1][span:], maxima[-1][:-span], out=longer[span:])
        maxima.append(longer)
    candidate = np.arange(n, dtype=np.int64) - 1  # everything between the candidate and the row is smaller
    for level in range(len(maxima) - 1, -1, -1):
        run = 2**level
        whole_run = candidate >= run - 1
        skip = whole_run & (maxima[level][np.maximum(candidate, 0)] < values)
        candidate -= run * skip
    return candidate


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


def wilder_rsi(closes: FloatArray, periods: int = 14) -> FloatArray:
    """Wilder's relative strength index, 0..100, of each column: 100 · gain / (gain + loss) of the averages.

    The first averages are the means of the first `periods` one-session changes, then average += (change −
    average) / periods. A missing session makes its change unknown, so the averages restart after it. NaN
    while they form, and where neither gain nor loss has occurred.
    """
    rsi = np.full_like(closes, np.nan)
    changes = closes - lagged(closes, 1)
    known = np.isfinite(changes)
    gains = np.where(known, np.maximum(changes, 0.0), 0.0)
    losses = np.where(known, np.maximum(-changes, 0.0), 0.0)
    series = closes.shape[1]
    run, gain, loss = np.zeros(series, dtype=np.int64), np.zeros(series), np.zeros(series)
    with np.errstate(divide="ignore", invalid="ignore"):
        for row in range(len(closes)):  # a recursion in time: vectorised across the columns
            run = np.where(known[row], run + 1, 0)
            forming = run <= periods  # a plain sum of the changes until there are `periods` of them
            gain = np.where(run == 0, 0.0, np.where(forming, gain, gain * (periods - 1)) + gains[row])
            loss = np.where(run == 0, 0.0, np.where(forming, loss, loss * (periods - 1)) + losses[row])
            formed = run >= periods
            gain, loss = np.where(formed, gain / periods, gain), np.where(formed, loss / periods, loss)
            rsi[row] = np.where(formed, 100.0 * (gain / (gain + loss)), np.nan)
    return rsi


def total_return_index(closes: FloatArray, row_returns_pct: FloatArray, start: float = 100.0) -> FloatArray:
    """Growth of `start` from each column's first close. Returns are per row: one after a gap spans the gap.

    A row with a close but without a return (other than the first) leaves the index unknown from there on.
    """
    has_close = np.isfinite(closes)
    first = has_close & (np.cumsum(has_close, axis=0) == 1)
    factors = np.where(has_close & ~first, 1.0 + row_returns_pct / 100.0, 1.0)
    return np.where(has_close, start * np.cumprod(factors, axis=0), np.nan)
