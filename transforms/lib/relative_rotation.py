"""Relative rotation of a ratio: its trend, the momentum of that trend, and the quadrant of the two.

In: a grid sessions x pairs of ratios base / quote (oldest first), NaN = no value; for weekly bars also the
week of each session. Out: grids of the same shape. trend = 100 + z14(ratio); momentum = 100 + z14(rate of
change of the trend over one bar, in %); z14 = (x − mean) / sample standard deviation over the last 14 bars.
Quadrants: leading (trend ≥ 100, momentum ≥ 100), weakening (≥, <), lagging (<, <), improving (<, ≥).

An open analogue, under names of our own, of charts that are other people's marks; the numbers will differ
from theirs. Every z looks at its own 14 bars only, so nothing depends on the rest of the sample.

Caveat: the quadrant of a random walk changes as often as that of a market: a spell of one quadrant lasts 1.8
bars on average (RANDOM_WALK_SPELL) and 56 % of the spells last a single bar, because momentum is a z of
changes. A quadrant is therefore no news by itself. `Spells.confirmed` follows it only after three bars in a
row in another one, with which a random walk stays for 12 bars on average (RANDOM_WALK_CONFIRMED_SPELL), half
of its spells for 9 or fewer. Two bars would leave 5, four 29 and five 70, by when what is confirmed has
little to do with the present quadrant. These are figures of 100 simulated walks of 6,000 bars; the test
simulates them again (tests/test_rotation_placebo.py).

One missing daily bar leaves 14 to 28 sessions without an answer. A weekly bar is the last ratio of its week
and counts once the last NYSE session of that week has closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transforms.lib.history import FloatArray, IntArray, change_pct, rolling_z

PERIODS = 14
CENTRE = 100.0
QUADRANTS = ("lagging", "improving", "weakening", "leading", None)
NO_QUADRANT = 4
# Bars in a row in another quadrant before it is confirmed.
CONFIRMING_BARS = 3
# Mean spells of a random walk, in bars: what a market's are to be compared with.
RANDOM_WALK_SPELL = 1.8
RANDOM_WALK_CONFIRMED_SPELL = 12.2


@dataclass(frozen=True)
class RelativeRotation:
    """Trend and momentum around 100, NaN while they form."""

    trend: FloatArray
    momentum: FloatArray


def relative_rotation(ratios: FloatArray, periods: int = PERIODS) -> RelativeRotation:
    """Trend and momentum of each column of ratios, bar by bar."""
    trend = CENTRE + rolling_z(ratios, periods)
    return RelativeRotation(trend, CENTRE + rolling_z(change_pct(trend, 1), periods))


def quadrant(rotation: RelativeRotation) -> NDArray[np.object_]:
    """Name of the quadrant; None while trend or momentum is missing."""
    return quadrant_names(quadrant_codes(rotation))


def quadrant_codes(rotation: RelativeRotation) -> NDArray[np.int8]:
    """Place of the quadrant in `QUADRANTS`, the last one while trend or momentum is missing."""
    known = np.isfinite(rotation.trend) & np.isfinite(rotation.momentum)
    place = 2 * (rotation.trend >= CENTRE).astype(np.int8) + (rotation.momentum >= CENTRE)
    return np.where(known, place, NO_QUADRANT).astype(np.int8)


def quadrant_names(codes: NDArray[np.int8]) -> NDArray[np.object_]:
    """The names of codes, None for none."""
    return np.array(QUADRANTS, dtype=object)[codes]


@dataclass(frozen=True)
class Spells:
    """How long a quadrant has lasted, and the one that has been confirmed; of the shape of the quadrants."""

    bars: IntArray  # in the present quadrant without a break, this bar included; 0 where it is missing
    confirmed: NDArray[np.int8]  # a code; none before the first, and where the quadrant is missing


def spells(codes: NDArray[np.int8], confirming_bars: int = CONFIRMING_BARS) -> Spells:
    """Spells of each column of quadrants, bar by bar.

    The confirmed quadrant changes on the bar that is the `confirming_bars`-th in a row in another one, and
    stays until then. After a missing quadrant everything starts anew.
    """
    place = np.arange(len(codes))[:, np.newaxis]
    known = codes != NO_QUADRANT
    changed = np.ones(codes.shape, dtype=bool)
    changed[1:] = codes[1:] != codes[:-1]
    bars = np.where(known, place - np.maximum.accumulate(np.where(changed, place, 0), axis=0) + 1, 0)
    # the latest bar on which a spell reached its length, unless a gap came after it
    reached = np.maximum.accumulate(np.where(bars == confirming_bars, place, -1), axis=0)
    gap = np.maximum.accumulate(np.where(known, -1, place), axis=0)
    held = np.take_along_axis(codes, np.maximum(reached, 0), axis=0)
    return Spells(bars, np.where(reached > gap, held, NO_QUADRANT).astype(np.int8))


def weekly_bars(ratios: FloatArray, week: IntArray) -> FloatArray:
    """The last ratio of each week, one row per week 0..max; NaN for a week without any.

    `week` never falls.
    """
    bars = np.full((int(week.max()) + 1 if len(week) else 0, ratios.shape[1]), np.nan)
    for row in range(len(ratios)):  # later sessions overwrite earlier ones of their week
        bars[week[row]] = np.where(np.isfinite(ratios[row]), ratios[row], bars[week[row]])
    return bars


def last_completed_week(week: IntArray, is_last_session: NDArray[np.bool_]) -> IntArray:
    """For each session the latest week that is complete at its close: its own on the week's last session,
    else the one before.
    """
    return np.where(is_last_session, week, week - 1)
