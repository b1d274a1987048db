"""The yield curve on several dates.

In: one yield per date and maturity. Out: the specification. Caveat: maturities are evenly spaced.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from brief.figures.base import Spec, label_mark, layer, room_for
from brief.figures.labels import spread_labels

HEIGHT = 190


@dataclass(frozen=True)
class Yield:
    """The yield of one maturity on one date."""

    name: str
    maturity: str
    v: float


def maturities(yields: list[Yield], order: list[str], dates: list[tuple[str, str]], *, unit: str) -> Spec:
    """Yield by maturity, one line per date, named at its right end.

    Args:
        yields: The points of all lines, by maturity within each date.
        order: The maturities from left to right.
        dates: Name and colour of each line.
        unit: Title of the axis.
    """
    values = [point.v for point in yields]
    padding = 0.08 * (max(values) - min(values)) or 0.2
    domain = [min(values) - padding, max(values) + padding]
    x: Spec = {
        "field": "maturity",
        "type": "ordinal",
        "sort": order,
        "title": None,
        "axis": {"labelAngle": 0},
        "scale": {"padding": 0.1},
    }
    y: Spec = {
        "field": "v",
        "type": "quantitative",
        "title": unit,
        "scale": {"domain": domain, "zero": False, "nice": False},
    }
    at = {"x": x, "y": y}
    own = {name: [point for point in yields if point.name == name] for name, _ in dates}
    layers = [layer(_line(colour), at, [asdict(point) for point in own[name]]) for name, colour in dates]
    ends = [own[name][-1] for name, _ in dates]
    positions = spread_labels([end.v for end in ends], 15 * (domain[1] - domain[0]) / HEIGHT)
    for (name, colour), end, position in zip(dates, ends, positions, strict=True):
        mark = label_mark(name, align="left", dx=9, color=colour)
        layers.append(layer(mark, at, [{"maturity": end.maturity, "v": position}]))
    return {"width": room_for([name for name, _ in dates]), "height": HEIGHT, "layer": layers}


def _line(colour: str) -> Spec:
    return {"type": "line", "color": colour, "point": {"color": colour, "size": 30, "filled": True}}
