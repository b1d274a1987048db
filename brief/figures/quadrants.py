"""Trend against momentum.

In: the positions of the pairs over the last bars. Out: the specification. Caveat: both axes have the same
reach around 100, so that the four quadrants are equally large.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from brief.figures.base import (
    BLUE,
    GREY,
    MUTED,
    ONCE,
    ORANGE,
    PADDING,
    PAPER,
    RULE,
    WIDTH,
    Spec,
    dot_mark,
    label_mark,
    layer,
    named_by,
    without_field,
)
from brief.figures.labels import Place, place_labels

SIZE = WIDTH + 20
# Name of each quadrant: whether it is right, whether it is above.
QUADRANTS = {
    "improving": (False, True),
    "leading": (True, True),
    "lagging": (False, False),
    "weakening": (True, False),
}


@dataclass(frozen=True)
class Position:
    """Where a pair stood at the end of a bar, which `day` names; its bars are numbered in `order`."""

    name: str
    trend: float
    momentum: float
    order: int
    last: bool
    day: str = ""

    @property
    def point(self) -> dict[str, Any]:
        """The position as a row of data, with its words under the pointer."""
        said = f"{self.name}, {self.day}: trend {self.trend:.2f}, momentum {self.momentum:.2f}"
        return {**asdict(self), "said": said}

    @property
    def quadrant(self) -> str:
        """The name of the quadrant."""
        here = (self.trend >= 100, self.momentum >= 100)
        return next(name for name, place in QUADRANTS.items() if place == here)


def quadrants(positions: list[Position]) -> Spec:
    """Trend against momentum around 100: one labelled dot per pair, with its way over the bars before."""
    farthest = max(abs(value - 100) for at in positions for value in (at.trend, at.momentum))
    reach = max(1.0, farthest) * 1.12
    limits = [100 - reach, 100 + reach]
    x = _axis("trend", "trend (100 = neutral) →", limits)
    y = _axis("momentum", "↑ momentum", limits)
    at = {"x": x, "y": y}
    heads = [position for position in positions if position.last]
    rule = {"type": "rule", "color": RULE}
    names = [head.name for head in heads]
    colour: Spec = {
        "field": "name",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": names, "range": [_colour(order) for order in range(len(names))]},
    }
    way = {"type": "line", "strokeWidth": 1.2, "opacity": 0.5, "strokeJoin": "round"}
    tail = [position.point for position in positions if not position.last]
    layers = [
        layer(rule, {"x": {**without_field(x), "datum": 100}}, ONCE),
        layer(rule, {"y": {**without_field(y), "datum": 100}}, ONCE),
        *_corners(at, limits),
        layer(way, {**at, "color": colour, "order": {"field": "order"}}),
        named_by("said", {**dot_mark(10), "opacity": 0.6}, {**at, "color": colour}, tail),
        named_by("said", dot_mark(60), {**at, "color": colour}, [head.point for head in heads]),
    ]
    scale = SIZE / (limits[1] - limits[0])
    dots = [((head.trend - limits[0]) * scale, (limits[1] - head.momentum) * scale) for head in heads]
    for order, (head, place) in enumerate(zip(heads, place_labels(dots, names, SIZE), strict=True)):
        layers += _label(head, place, at, (limits[1] - limits[0]) / SIZE, _colour(order))
    return {
        "width": SIZE,
        "height": SIZE,
        "padding": {**PADDING, "right": 6},
        "data": {"values": [position.point for position in positions]},
        "layer": layers,
    }


def _axis(field: str, title: str, limits: list[float]) -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"domain": limits, "nice": False, "zero": False},
        "axis": {"grid": False, "tickCount": 5},
    }


def _corners(at: Spec, limits: list[float]) -> list[Spec]:
    """The names of the quadrants."""
    return [
        layer(
            {
                "type": "text",
                "align": "right" if right else "left",
                "dx": -6 if right else 6,
                "dy": 14 if above else -10,
                "color": MUTED,
                "fontStyle": "italic",
                "fontSize": 13,
                "text": name,
            },
            at,
            [{"trend": limits[right], "momentum": limits[above]}],
        )
        for name, (right, above) in QUADRANTS.items()
    ]


def _colour(order: int) -> str:
    """Neighbours in the list differ; the label beside a dot says which pair it is."""
    return (BLUE, ORANGE, GREY)[order % 3]


def _label(head: Position, place: Place, at: Spec, scale: float, colour: str) -> list[Spec]:
    """The name of a pair, with a line to its dot where it stands far off; `scale` is in units per pixel."""
    dx, dy, align = place
    layers = []
    if math.hypot(dx, dy) > 20:
        end = {"to_trend": head.trend + dx * scale, "to_momentum": head.momentum - dy * scale}
        line = {"type": "rule", "color": MUTED, "strokeWidth": 0.8}
        encoding = {**at, "x2": {"field": "to_trend"}, "y2": {"field": "to_momentum"}}
        layers.append(layer(line, encoding, [{"trend": head.trend, "momentum": head.momentum, **end}]))
    mark = label_mark(head.name, dx=dx, dy=dy, align=align, fontSize=12, color=colour)
    # The halo keeps the words readable among the ways of others.
    halo = {**mark, "stroke": PAPER, "strokeWidth": 4, "color": PAPER}
    layers += [layer(one, at, [asdict(head)]) for one in (halo, mark)]
    return layers
