"""Point-and-figure charts of prices or ratios: columns of X and O, and the last double-top or double-bottom
signal.

In: a grid sessions x series of positive values (oldest first, one row per NYSE session), NaN = no value,
and the box size as a fraction (0.065 = 6.5 %). Out: grids of the same shape with the column (X or O) and
the last signal (buy or sell) as they stood at the end of each session. Closes only, three-box reversal,
logarithmic boxes.

Box of a value = floor(ln(100 · value) / ln(1 + box) + shift), shift 0 unless said. A column of X grows to
each higher box and turns into O when a box three or more below its top is reached; O is the mirror. The first
column is set by the first three-box move. Buy: a column of X rises above the top of the column of X before it
(double top); sell: a column of O falls below the bottom of the column of O before it (double bottom). A
signal stands until the opposite one. The method is public and old (V. de Villiers, The Point and Figure
Method, 1933); nothing here copies anybody's scores.

Caveat: such a chart has no time axis, so a session without a value leaves it as it was; and the boxes are
anchored at 0.01, so a later split of one member (which restates its closes) can move a value across an edge.
Where the edges lie is arbitrary, and half a box to the side is another chart: whoever counts signals should
average over `ANCHORS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transforms.lib.history import FloatArray

SignArray = NDArray[np.int8]

LONG_BOX = 0.065
NEAR_BOX = 0.0325
REVERSAL_BOXES = 3
# Shifts of the grid in boxes: no edge is more right than another.
ANCHORS = (0.0, 0.25, 0.5, 0.75)


@dataclass(frozen=True)
class PointAndFigure:
    """State at the end of each session; +1 = X or buy, -1 = O or sell, 0 = none yet."""

    column: SignArray
    signal: SignArray


def box_numbers(values: FloatArray, box: float, shift: float = 0.0) -> FloatArray:
    """floor(ln(100 · value) / ln(1 + box) + shift); NaN where the value is missing or not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        numbers = np.floor(np.log(100.0 * values) / np.log1p(box) + shift)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def point_and_figure(values: FloatArray, box: float, shift: float = 0.0) -> PointAndFigure:
    """Charts of all series. Only a session that reaches another box can change a chart, which few do.

    Args:
        values: sessions x series.
        box: size of a box as a fraction.
        shift: of the grid of boxes, in boxes.
    """
    boxes = box_numbers(values, box, shift)
    columns, signals = np.zeros(values.shape, dtype=np.int8), np.zeros(values.shape, dtype=np.int8)
    for series in range(values.shape[1]):
        rows = np.flatnonzero(np.isfinite(boxes[:, series]))
        reached = boxes[rows, series]
        other = np.append(True, reached[1:] != reached[:-1])[: len(rows)]
        lasting = np.diff(np.append(rows[other], len(values)))
        states = np.array(_states(reached[other].tolist()), dtype=np.int8).reshape(-1, 2)
        begin = len(values) - int(lasting.sum())
        columns[begin:, series] = np.repeat(states[:, 0], lasting)
        signals[begin:, series] = np.repeat(states[:, 1], lasting)
    return PointAndFigure(columns, signals)


def _states(boxes: list[float]) -> list[tuple[int, int]]:
    """Column and signal after each of the boxes, which follow each other without a repetition."""
    column, signal = 0, 0
    # high and low of the current column; before the first column, of everything so far
    high, low = -np.inf, np.inf
    # top of the last finished column of X, bottom of the last finished column of O
    last_top, last_bottom = np.inf, -np.inf
    states = []
    for now in boxes:
        if column != 1 and now >= low + REVERSAL_BOXES:
            last_bottom = low if column == -1 else last_bottom
            column, high, low = 1, now, now
        elif column != -1 and now <= high - REVERSAL_BOXES:
            last_top = high if column == 1 else last_top
            column, high, low = -1, now, now
        else:
            high, low = max(high, now), min(low, now)
        if column == 1 and high > last_top:
            signal = 1
        elif column == -1 and low < last_bottom:
            signal = -1
        states.append((column, signal))
    return states


def named(states: SignArray, positive: str, negative: str) -> NDArray[np.object_]:
    """The states as texts, None for 0."""
    return np.array([None, positive, negative], dtype=object)[states]
