"""Sums over windows of consecutive rows, with or without exponential weights (arrays in, arrays out).

In: values (rows,) and the rows on which the windows start. Out: one sum per window.

Method: sums of 2, 4, 8, ... rows from pairs of halves; a window is put together from the powers of two that
make up its length, longest first. So the order of additions is the same for every window, its result depends
on its own rows alone to the last bit, and a window costs as many additions as its length has binary digits.
Rounding grows with the number of levels, not of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


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
        return _combined(values, self.window, self.half_life, np.add).take(self.starts)


def largest_in_windows(
    values: Floats, starts: Integers, window: int, half_life: float | None = None
) -> Floats:
    """The largest of value · √weight in each window, for values of zero or more."""
    return _combined(values, window, None if half_life is None else 2.0 * half_life, np.maximum).take(starts)


def _combined(values: Floats, window: int, half_life: float | None, combine: np.ufunc) -> Floats:
    """The sum (or maximum) of every window of `values`, by the row on which it starts."""

    def join(older: Floats, newer: Floats, rows: int) -> Floats:
        joined: Floats = combine(older if half_life is None else older * 2.0 ** (-rows / half_life), newer)
        return joined

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
