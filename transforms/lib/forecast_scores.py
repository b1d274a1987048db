"""How good forecasts of meetings have been so far: means over the meetings up to each one, with intervals.

In: arrays whose first axis is the scheduled meetings in order, NaN where a meeting has no score. Out: for
each meeting the statistics over it and those before, so that no figure changes when later meetings come.
Formulas: circular block bootstrap (Politis and Romano 1992, in Exploring the Limits of Bootstrap, 263-270),
percentile interval; partition of the Brier score (Murphy 1973, Journal of Applied Meteorology 12, 595-600).

Blocks of eight meetings, about a year: errors at 180 days overlap over four meetings, and cycles last
longer than that, so that an interval of single meetings would be far too narrow.

Sums that a bootstrap takes are of whole numbers (values in units of RESOLUTION), which are exact in any
order: a matrix product may add in another one on another machine or beside other columns. The draws of a
meeting depend on SEED and on the number of meetings alone.
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.lib.fomc import BoolArray, DateArray, FloatArray, IntArray

BLOCK_MEETINGS: Final = 8
DRAWS: Final = 1000
DRAWS_AT_ONCE: Final = 10
SEED: Final = 20_130_612
# Ends of the 90 % intervals.
TAILS: Final = (0.05, 0.95)
# Five blocks; with fewer an interval says more of the blocks than of the meetings.
MIN_MEETINGS_OF_INTERVAL: Final = 40
RESOLUTION: Final = 1e-6
# Edges of the bins of a probability; each holds its lower end, the last one its upper end too.
BIN_EDGES: Final = (0.0, 0.05, 0.25, 0.50, 0.75, 0.95, 1.0)


def compute_draws(meetings: int) -> FloatArray:
    """(DRAWS, meetings): how often each of that many meetings is in each draw of circular blocks.

    `meetings` is at least BLOCK_MEETINGS.
    """
    return _drawn(meetings).astype(np.float64)


@functools.cache
def _drawn(meetings: int) -> NDArray[np.uint8]:
    """The same as small numbers, kept: two marts draw as often, and a rebuild after an extension again. Of
    all meetings since 1994 they are 33 MB.
    """
    blocks = -(-meetings // BLOCK_MEETINGS)
    rng = np.random.default_rng([SEED, meetings])
    starts = rng.integers(0, meetings, size=(DRAWS, blocks))
    ends = starts + BLOCK_MEETINGS
    # the last block is cut, so that a draw has as many meetings as there are
    ends[:, -1] -= blocks * BLOCK_MEETINGS - meetings
    # on a line first: blocks that run over the last meeting go on at the first one
    width = meetings + BLOCK_MEETINGS
    row = np.arange(DRAWS)[:, None] * width
    begun, ended = (
        np.bincount((row + at).ravel(), minlength=DRAWS * width + 1)[:-1] for at in (starts, ends)
    )
    lying = np.cumsum((begun - ended).reshape(DRAWS, width), axis=1)
    lying[:, :BLOCK_MEETINGS] += lying[:, meetings:]
    drawn = lying[:, :meetings].astype(np.uint8)
    drawn.setflags(write=False)
    return drawn


def spread(
    meeting: DateArray, series: IntArray, values: FloatArray
) -> tuple[DateArray, IntArray, FloatArray]:
    """Values by meeting and series as a matrix, so that all series are drawn together.

    Returns:
        The meetings in order, the place of each given value among them, the matrix (meetings, series), 0
        where a series has no value.
    """
    meetings, place = np.unique(meeting, return_inverse=True)
    matrix = np.zeros((meetings.size, int(series.max(initial=-1)) + 1))
    matrix[place, series] = values
    return meetings, place, matrix


def compute_mean_intervals(
    totals: FloatArray, counts: FloatArray, asked: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper end of the 90 % interval of sum(totals)/sum(counts) over the meetings up to each one.

    Args:
        totals: (meetings, columns), 0 where a meeting has none; rounded to RESOLUTION.
        counts: likewise, whole numbers: what a meeting adds to the denominator.
        asked: likewise: where an interval is wanted.

    Returns:
        Two arrays (meetings, columns): NaN where none is asked for.
    """
    low, high = np.full(totals.shape, np.nan), np.full(totals.shape, np.nan)
    units = np.round(totals / RESOLUTION)
    for place in np.flatnonzero(asked.any(axis=1)):
        columns = np.flatnonzero(asked[place])
        values = np.concatenate([units[: place + 1, columns], counts[: place + 1, columns]], axis=1)
        # in pieces that one core multiplies: two cores that wait for each other cost more than they save
        drawn = compute_draws(int(place) + 1).reshape(-1, DRAWS_AT_ONCE, int(place) + 1)
        sums = (drawn @ values).reshape(DRAWS, values.shape[1])
        sizes = sums[:, columns.size :]
        means = RESOLUTION * sums[:, : columns.size] / np.where(sizes > 0, sizes, np.nan)
        low[place, columns], high[place, columns] = _tails(means)
    return low, high


def _tails(means: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Quantiles TAILS of each column, over the draws that have a value (linear between ranks)."""
    ordered = np.sort(means.T, axis=1)  # NaN last
    ends = [_quantile_of_sorted(ordered, np.isfinite(means).sum(axis=0), tail) for tail in TAILS]
    return ends[0], ends[1]


def compute_quantiles(values: FloatArray, share: float) -> FloatArray:
    """Quantile of the values (meetings) up to each one, NaN values left out; linear between ranks."""
    upto = np.tril(np.ones((values.size, values.size), dtype=bool))
    ordered = np.sort(np.where(upto, values[None, :], np.nan), axis=1)
    return _quantile_of_sorted(ordered, np.cumsum(np.isfinite(values)), share)


def _quantile_of_sorted(ordered: FloatArray, sizes: IntArray, share: float) -> FloatArray:
    """Quantile of the first `sizes` values of each row."""
    rows = np.arange(sizes.size)
    place = share * np.maximum(sizes - 1, 0)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(sizes - 1, 0))
    lower, upper = ordered[rows, below], ordered[rows, above]
    quantile: FloatArray = np.where(sizes > 0, lower + (upper - lower) * (place - below), np.nan)
    return quantile


def compute_running_mean(values: FloatArray) -> FloatArray:
    """Mean of the values up to each one along the first axis, NaN left out; NaN while there is none.

    Added one after the other, so that no bit depends on later values.
    """
    there = np.isfinite(values)
    sizes = np.cumsum(there, axis=0)
    means: FloatArray = np.cumsum(np.where(there, values, 0.0), axis=0) / np.where(sizes > 0, sizes, np.nan)
    return means


def compute_bins(prob: FloatArray) -> IntArray:
    """Number of the bin of each probability, from 0.

    A probability that is an edge but for the dust of floats is that edge.
    """
    places: IntArray = np.searchsorted(np.array(BIN_EDGES[1:-1]), np.round(prob, 9), side="right")
    return places


def compute_partition(
    prob: FloatArray, happened: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Reliability, resolution, uncertainty and what lies within the bins, over the meetings up to each one.

    Their sum, resolution subtracted, is the mean over meetings of sum((prob - happened)^2).

    Args:
        prob: (meetings, events): probabilities of events that exclude each other; NaN without a score.
        happened: likewise, 0 or 1.
    """
    meetings, events = prob.shape
    there: BoolArray = np.asarray(np.isfinite(prob).all(axis=1))
    bins = len(BIN_EDGES) - 1
    member = np.zeros((meetings, events, bins))
    member[
        np.arange(meetings)[:, None],
        np.arange(events)[None, :],
        compute_bins(np.where(there[:, None], prob, 0.0)),
    ] = there[:, None]
    known = np.where(there[:, None], prob, 0.0)[:, :, None]
    came = np.where(there[:, None], happened, 0.0)[:, :, None]
    sizes = np.cumsum(member, axis=0)
    forecast = np.cumsum(member * known, axis=0) / np.where(sizes > 0, sizes, np.nan)
    observed = np.cumsum(member * came, axis=0) / np.where(sizes > 0, sizes, np.nan)
    total = np.cumsum(there).astype(np.float64)
    total = np.where(total > 0, total, np.nan)
    base = np.cumsum(came[:, :, 0], axis=0) / total[:, None]
    weight = sizes / total[:, None, None]
    reliability = _summed(weight * (forecast - observed) ** 2)
    resolution = _summed(weight * (observed - base[:, :, None]) ** 2)
    uncertainty: FloatArray = _in_order(base * (1.0 - base))
    score = np.cumsum(_in_order((known[:, :, 0] - came[:, :, 0]) ** 2)) / total
    return reliability, resolution, uncertainty, score - (reliability - resolution + uncertainty)


def _summed(parts: FloatArray) -> FloatArray:
    """Sum over events and bins; an empty bin adds nothing, and NaN where there is no meeting yet."""
    empty = np.isnan(parts).all(axis=(1, 2))
    total: FloatArray = _in_order(np.where(np.isnan(parts), 0.0, parts).reshape(parts.shape[0], -1))
    return np.where(empty, np.nan, total)


def _in_order(parts: FloatArray) -> FloatArray:
    """Sum over the second axis, one after the other."""
    total = np.zeros(parts.shape[0])
    for column in range(parts.shape[1]):
        total = total + parts[:, column]
    return total
