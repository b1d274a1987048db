"""Estimates with their intervals.

In: one point per line. Out: the specification. Caveat: an interval that contains zero is drawn in grey.
"""

from __future__ import annotations

from typing import Any

from brief.cells import plain_number
from brief.figures.base import BLUE, INK, MUTED, ONCE, PADDING, WIDTH, Points, Spec, dot_mark, layer, named_by


def intervals(points: Points, *, unit: str) -> Spec:
    """A dot with its interval per line.

    Args:
        points: `name`, `v`, `low`, `high`, in the order of the lines.
        unit: Title of the axis.
    """
    y: Spec = {
        "field": "name",
        "type": "nominal",
        "sort": [point["name"] for point in points],
        "title": None,
        "axis": {"labelLimit": 190, "grid": False, "labelColor": INK},
    }
    x: Spec = {
        "type": "quantitative",
        "title": unit,
        "axis": {
            "grid": True,
            "tickCount": 4,
            "labelOverlap": "greedy",
            "labelSeparation": 8,
            "labelExpr": "datum.value == 0 ? '0' : format(datum.value, '+~g')",
            "titleAnchor": "end",
        },
    }
    sure = {"condition": {"test": "datum.low <= 0 && datum.high >= 0", "value": MUTED}, "value": BLUE}
    span = {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": sure}
    return {
        "width": WIDTH - 60,
        "height": {"step": 22},
        "padding": {**PADDING, "left": 34, "right": 6},
        "data": {"values": [{**point, "said": _said(point)} for point in points]},
        "layer": [
            layer({"type": "rule", "color": INK}, {"x": {"datum": 0, **x}}, ONCE),
            layer({"type": "rule", "strokeWidth": 3, "opacity": 0.45}, span),
            named_by("said", dot_mark(60), {"y": y, "x": {**x, "field": "v"}, "color": sure}),
        ],
    }


def _said(point: dict[str, Any]) -> str:
    low, value, high = (plain_number(point[name], signed=True) for name in ("low", "v", "high"))
    return f"{point['name']}: {value} ({low} to {high})"
