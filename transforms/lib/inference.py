"""Intervals, quantiles and corrections for many tests, from scipy's special functions alone.

In: arrays. Out: arrays of their shape. The packages that have the same functions (`scipy.stats`,
statsmodels, `arch`) take a second or more to import, in every run; the tests compare each function here with
theirs, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transforms.lib.history import FloatArray, IntArray


def students_t_quantile(probability: float, freedom: ArrayLike) -> FloatArray:
    """Quantile of Student's t at `probability` (0..1), with the degrees of freedom `freedom`."""
    from scipy.special import stdtrit  # 0.2 s to import, which DAG parsing must not pay

    quantile: FloatArray = stdtrit(freedom, probability)
    return quantile


def wilson_limits(
    hits: FloatArray, trials: NDArray[np.number], confidence: float
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper limit of a share (0..1), after Wilson 1927, two-sided.

    Args:
        hits: whole or, as a share times the trials, not.
        trials: at least 1.
        confidence: 0..1.
    """
    from scipy.special import ndtri

    quantile = -ndtri((1 - confidence) / 2)
    square = quantile**2
    share = hits / trials
    scale = 1 + square / trials
    centre = (share + square / (2 * trials)) / scale
    half = quantile * np.sqrt(share * (1.0 - share) / trials + square / (4.0 * trials**2)) / scale
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def yekutieli_q(p_values: FloatArray) -> FloatArray:
    """The smallest false discovery rate at which each test is among the rejected ones, whatever depends on
    what (Benjamini & Yekutieli 2001).
    """
    order = np.argsort(p_values)
    number = np.arange(1, len(order) + 1)
    raw = p_values[order] / (number / float(len(order)) / np.sum(1.0 / number))
    q_values = np.empty(len(order))
    q_values[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return q_values


def stationary_counts(
    random: np.random.Generator, size: int, block: int, draws: int, at_once: int
) -> Iterator[FloatArray]:
    """How often each of `size` rows is in each draw of the stationary bootstrap: arrays (size, at_once).

    Politis & Romano 1994: blocks of geometric length, `block` rows on average, that begin anywhere and run in
    a circle. Random numbers are taken as `arch.bootstrap.StationaryBootstrap` takes them; of its rows only
    the beginnings of blocks are looked at.

    Args:
        random: gives the numbers of all draws, one draw after the other.
        size: rows of the history.
        block: mean length of a block.
        draws: in all, a multiple of `at_once`.
        at_once: draws of one array.
    """
    probability = 1.0 / block
    for _ in range(draws // at_once):
        steps = np.empty((at_once, size))
        for line in steps:
            first_rows: IntArray = random.integers(size, size=size)
            new = random.random(size) <= probability
            new[0] = True
            begins = np.flatnonzero(new)
            starts = first_rows[begins]
            ends = starts + np.diff(begins, append=size)
            over = ends >= size  # blocks that go on at the first row
            ends[over] -= size
            np.subtract(np.bincount(starts, minlength=size), np.bincount(ends, minlength=size), out=line)
            line[0] += np.count_nonzero(over)
        yield np.ascontiguousarray(np.cumsum(steps, axis=1).T)
