"""Relative rotation of a ratio: its trend, the momentum of that trend, and the quadrant of the two.

In: a grid sessions x pairs of ratios base / quote (oldest first), NaN = no value; for weekly bars also the
week of each session. Out: grids of the same shape. trend = 100 + z14(ratio); momentum = 100 + z14(rate of
change of the trend over one bar, in %); z14 = (x − mean) / sample standard deviation over the last 14 bars.
Quadrants: leading (trend ≥ 100, momentum ≥ 100), weakening (≥, <), lagging (<, <), improving (<, ≥).

An open analogue, under names of our own, of charts that are other people's marks; the numbers will differ
from theirs. Every z looks at its own 14 bars only, so nothing depends on the rest of the sample.

Caveat: one missing daily bar leaves 14 to 28 sessions without an answer. A weekly bar is the last ratio of
its week and counts once the last NYSE session of that week has closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transforms.lib.history import FloatArray, IntArray, change_pct, rolling_z

PERIODS = 14
CENTRE = 100.0


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
    known = np.isfinite(rotation.trend) & np.isfinite(rotation.momentum)
    names = np.array(["lagging", "improving", "weakening", "leading", None], dtype=object)
    place = 2 * (rotation.trend >= CENTRE).astype(np.int64) + (rotation.momentum >= CENTRE)
    return names[np.where(known, place, 4)]


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
