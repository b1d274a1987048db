"""What the page's script reads out at the day under the pointer.

In: days in ISO form, each with its words. Out: places along the axis from 0 to 1 with the words. Caveat: a
long history is thinned, so that the day read out is the nearest of those kept; the drawing has them all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from brief.cells import plain_day

KEPT_DAYS = 260
Readout = list[tuple[float, str]]


def over_time(days: Sequence[tuple[str, str]]) -> Readout:
    """Places by date, as on an axis from the first day to the last.

    Args:
        days: Day and words, in the order of time.
    """
    if not days:
        return []
    first, last = (dt.date.fromisoformat(days[end][0]) for end in (0, -1))
    span = (last - first).days or 1
    return [
        (round((dt.date.fromisoformat(day) - first).days / span, 4), f"{_day(day)}\n{words}")
        for day, words in _thinned(days)
    ]


def in_steps(days: Sequence[tuple[str, str]]) -> Readout:
    """Places in equal steps, as of bars."""
    return [
        (round((at + 0.5) / len(days), 4), f"{_day(day)}\n{words}") for at, (day, words) in enumerate(days)
    ]


def _thinned(days: Sequence[tuple[str, str]]) -> list[Any]:
    step = -(-len(days) // KEPT_DAYS)
    return list(days[::-1][::step][::-1])


def _day(day: str) -> str:
    return plain_day(dt.date.fromisoformat(day))
