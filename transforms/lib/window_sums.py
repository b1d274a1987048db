"""Sums over windows of consecutive rows, with or without exponential weights (arrays in, arrays out).

In: values (rows,) and the rows on which the windows start, or a grid (rows, columns), where a window ends on
every row. Out: one sum per window.

Method: sums of 2, 4, 8, ... rows from pairs of halves; a window is put together from the powers of two that
make up its length, longest first. So the order of additions is the same for every window, its result depends
on its own rows alone to the last bit, and a window costs as many additions as its length has binary digits.
Rounding grows with the number of levels, not of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
# Of older and newer rows, how many rows the newer ones are.
Join = Callable[[Floats, Floats, int], Floats]


@dataclass(frozen=True)
class WindowSums:
    """Sums over the windows of `window` rows that start on the rows `starts`.

    With `half_life` a window's newest row has the weight 1 and each `half_life` rows halve it.
    """

    starts: Integers
    window: int
    half_life: float | None = None

    def __call__(self, values: Floats) -> Floats:
        """One sum per window."""
        return _combined(values, self.starts, self.window, self.half_life, np.add)


def rolling_sums(grid: Floats, window: int) -> Floats:
    """The sum of the last `window` rows of each column (rows, columns); NaN unless all of them are there."""
    sums = np.full(grid.shape, np.nan)
    if len(grid) >= window:
        sums[window - 1 :] = _of_every_row(grid, window, lambda older, newer, _: older + newer)
    return sums


def largest_in_windows(
    values: Floats, starts: Integers, window: int, half_life: float | None = None
) -> Floats:
    """The largest of value · √weight in each window, for values of zero or more."""
    return _combined(values, starts, window, None if half_life is None else 2.0 * half_life, np.maximum)


def _combined(
    values: Floats, starts: Integers, window: int, half_life: float | None, combine: np.ufunc
) -> Floats:
    """The sum (or maximum) of the windows that start on `starts`."""

    def join(older: Floats, newer: Floats, rows: int) -> Floats:
        joined: Floats = combine(older if half_life is None else older * 2.0 ** (-rows / half_life), newer)
        return joined

    # Both ways make the same additions: for every row as a start, or for some windows alone.
    if starts.size * window > 2 * len(values):
        return _of_every_row(values, window, join).take(starts)
    return _of_windows(np.lib.stride_tricks.sliding_window_view(values, window)[starts], join)


def _of_every_row(values: Floats, window: int, join: Join) -> Floats:
    """By the row on which a window starts."""
    levels, size = {1: values}, 1
    while 2 * size <= window:
        level = levels[size]
        levels[2 * size] = join(level[:-size], level[size:], size)
        size *= 2
    count = len(values) - window + 1
    total, done = levels[size][:count], size
    while done < window:
        size //= 2
        if window & size:
            total = join(total, levels[size][done : done + count], size)
            done += size
    return total


def _of_windows(rows: Floats, join: Join) -> Floats:
    """Of each of some windows, (windows, rows)."""
    window = rows.shape[1]
    total, done = np.empty(0), 0
    while done < window:
        size = 1 << ((window - done).bit_length() - 1)
        level, rows_of_one = rows[:, done : done + size], 1
        while level.shape[1] > 1:
            level = join(level[:, ::2], level[:, 1::2], rows_of_one)
            rows_of_one *= 2
        total = join(total, level[:, 0], size) if done else level[:, 0]
        done += size
    return total
