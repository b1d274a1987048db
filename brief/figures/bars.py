"""Signed bars over trading days.

In: one point per day. Out: the specification. Caveat: days are evenly spaced; a weekend leaves no gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from brief.cells import plain_number
from brief.figures.base import BLUE, INK, MUTED, ONCE, ORANGE, PADDING, WIDTH, Points, Spec, label_mark, layer
from brief.figures.labels import label_rows
from brief.figures.readout import in_steps

BARS_WIDTH = WIDTH + 40


@dataclass(frozen=True)
class _Word:
    """A word above the bars: its point, its text, its row counted from below."""

    point: dict[str, Any]
    text: str
    row: int


def bars(points: Points, *, unit: str, height: int = 150, labels: str | None = None) -> Spec:
    """Signed bars over trading days, some of them with a word above.

    Args:
        points: `d`, `v`, and what `labels` names.
        unit: Title of the axis.
        height: Pixels.
        labels: The field with the word of a day, where there is one.
    """
    values = [0.0, *(point["v"] for point in points if point["v"] is not None)]
    span = (max(values) - min(values)) or 1.0
    words = _words(points, labels) if labels else []
    # Words stand in rows above all bars, with a line down to their day: beside a bar they would cover
    # its neighbour.
    row_height = 16 / height * 1.35 * span
    top = max(values) + 0.06 * span
    rows = max((word.row for word in words), default=-1) + 1
    x = _days([point["d"] for point in points])
    y: Spec = {
        "field": "v",
        "type": "quantitative",
        "title": unit,
        "scale": {"domain": [min(values) - 0.06 * span, top + row_height * rows], "nice": False},
    }
    colour: Spec = {"condition": {"test": "datum.v < 0", "value": BLUE}, "value": ORANGE}
    layers = [
        layer({"type": "bar"}, {"x": x, "y": y, "color": colour}),
        layer({"type": "rule", "color": INK}, {"y": {"datum": 0}}, ONCE),
    ]
    for word in words:
        day, at = word.point["d"], top + row_height * (word.row + 0.35)
        foot = max(0.0, word.point["v"] or 0.0) + 0.01 * span
        line = [{"d": day, "v": foot, "to": at - 0.3 * row_height}]
        dashed = {"type": "rule", "color": MUTED, "strokeDash": [2, 2]}
        layers.append(layer(dashed, {"x": x, "y": y, "y2": {"field": "to"}}, line))
        layers.append(layer(label_mark(word.text, fontSize=11), {"x": x, "y": y}, [{"d": day, "v": at}]))
    return {
        "width": BARS_WIDTH,
        "height": height,
        "padding": {**PADDING, "right": 6},
        "data": {"values": points},
        "layer": layers,
        "readout": in_steps([(point["d"], _read(point, labels)) for point in points]),
    }


def _read(point: dict[str, Any], field: str | None) -> str:
    words = "not known" if point["v"] is None else plain_number(point["v"], 1, signed=True)
    return f"{words}, {point[field]}" if field and point.get(field) else words


def _words(points: Points, field: str) -> list[_Word]:
    marked = [(index, point, str(point[field])) for index, point in enumerate(points) if point.get(field)]
    rows = label_rows([(index * BARS_WIDTH / len(points), 7.5 * len(text)) for index, _, text in marked])
    return [_Word(point, text, row) for row, (_, point, text) in zip(rows, marked, strict=True)]


def _days(order: list[str]) -> Spec:
    return {
        "field": "d",
        "type": "ordinal",
        "sort": order,
        "title": None,
        "axis": {
            "values": order[:: max(1, -(-len(order) // 5))],
            "labelAngle": 0,
            "labelExpr": "utcFormat(toDate(datum.value), '%-d %b')",
            "labelOverlap": "greedy",
            "domain": False,
            "ticks": False,
        },
        "scale": {"paddingInner": 0.2, "paddingOuter": 0.1},
    }
