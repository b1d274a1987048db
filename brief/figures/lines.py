"""Lines over time.

In: one point per date with a field per line. Out: the specification. Caveat: a line without a single value is
left out; there must be at least one value in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from brief.cells import MINUS
from brief.figures.base import INK, ONCE, PADDING, PAPER, Points, Spec, dot_mark, label_mark, layer, room_for
from brief.figures.labels import spread_labels
from brief.figures.readout import over_time
from brief.figures.time_axis import time_axis

# Field, label at its end, colour.
Series = tuple[str, str, str]
# Spans (`d`, `until`, `regime`) and the colour of each regime.
Strip = tuple[Points, dict[str, str]]

# Least distance between labels at the right, in pixels.
LABEL_GAP = 15
# Height of a strip as a share of the reach of the values.
STRIP_DEPTH = 0.07


@dataclass(frozen=True)
class _Axes:
    """The two channels that all layers share, and the reach of y."""

    x: Spec
    y: Spec
    domain: list[float]

    def at(self, field: str) -> Spec:
        """The place of a field's values."""
        return {"x": self.x, "y": {**self.y, "field": field}}


@dataclass(frozen=True)
class _End:
    """The last value of a line, with the label there."""

    day: str
    value: float
    label: str
    colour: str


def lines(
    points: Points,
    series: list[Series],
    *,
    unit: str,
    height: int = 170,
    zero: bool = False,
    step: bool = False,
    reference: float | None = None,
    band: tuple[str, str] | None = None,
    area: str | None = None,
    digits: str = "",
    width: float | None = None,
    ticks: list[float] | None = None,
    strip: Strip | None = None,
) -> Spec:
    """Lines over time, each with its label at its end.

    Args:
        points: `d` and the fields named below.
        series: The lines.
        unit: Title of the axis.
        height: Pixels.
        zero: Whether the axis reaches to zero.
        step: Whether a value holds until the next.
        reference: A value at which a horizontal line is drawn.
        band: The fields of an interval, in the colour of the first line.
        area: A field that is filled to zero, in the colour of the first line.
        digits: Format of the values at the axis.
        width: Pixels of the plot, for drawings that are aligned one above the other.
        ticks: The marks of a logarithmic scale.
        strip: Spans to be drawn below the lines.
    """
    base = (reference or 0.0) if zero or area or reference is not None else None
    low, high = _extremes(points, [field for field, _, _ in series] + list(band or ()), base)
    axes = _axes(points, _domain(low, high, logarithmic=bool(ticks)), unit, digits, ticks, strip)
    layers = [_strip(axes, strip)] if strip else []
    layers += _areas(axes, series[0][2], band, area, points if step else None)
    if not ticks and (reference is not None or low < 0 < high):
        layers.append(_horizontal(axes, reference or 0))
    ends = []
    for field, label, colour in series:
        # Its own points: a gap of another series must not break the line.
        if known := [point for point in points if point.get(field) is not None]:
            layers.append(layer(_mark(colour, step=step), axes.at(field), known))
            ends.append(_End(known[-1]["d"], known[-1][field], label, colour))
    layers += _labels(axes, ends, height)
    size = {**_width([end.label for end in ends], width), "height": height}
    read = over_time([(point["d"], words) for point in points if (words := _words(point, series, band))])
    return {**size, "data": {"values": points}, "layer": layers, "readout": read}


def _words(point: dict[str, Any], series: list[Series], band: tuple[str, str] | None) -> str:
    """The values of a day, each after the name that its label has before the last comma."""
    words = []
    for field, label, _ in series:
        if point.get(field) is not None:
            name = label.rpartition(",")[0]
            words.append(f"{name}: {point[field]:,.2f}" if name else f"{point[field]:,.2f}")
    if words and band and point.get(band[0]) is not None:
        words.append(f"{point[band[0]]:,.2f} to {point[band[1]]:,.2f}")
    return "\n".join(words).replace("-", MINUS)


def _extremes(points: Points, fields: list[str], base: float | None) -> tuple[float, float]:
    """The least and the greatest value, and `base` among them."""
    values = [point[field] for point in points for field in fields if point.get(field) is not None]
    if base is not None:
        values.append(base)
    return min(values), max(values)


def _domain(low: float, high: float, *, logarithmic: bool) -> list[float]:
    """The reach of the axis: some room around the values, but none beyond zero."""
    if logarithmic:
        return [low / 1.1, high * 1.1]
    padding = 0.05 * (high - low) or 0.5
    return [low - (padding if low else 0), high + (padding if high else 0)]


def _axes(
    points: Points,
    domain: list[float],
    unit: str,
    digits: str,
    ticks: list[float] | None,
    strip: Strip | None,
) -> _Axes:
    y: Spec = {"type": "quantitative", "title": unit}
    if ticks:
        y["axis"] = {"values": [tick for tick in ticks if domain[0] <= tick <= domain[1]], "format": ",~r"}
        y["scale"] = {"domain": domain, "nice": False, "type": "log"}
        return _Axes(time_axis(points), y, domain)
    if digits:
        y["axis"] = {"format": digits}
    if strip:
        domain = [domain[0] - 1.4 * STRIP_DEPTH * (domain[1] - domain[0]), domain[1]]
    y["scale"] = {"domain": domain, "nice": False, "zero": False}
    return _Axes(time_axis(points), y, domain)


def _strip(axes: _Axes, strip: Strip) -> Spec:
    """Spans at the bottom of the drawing, in the colour of their regime."""
    spans, colours = strip
    low, high = axes.domain
    regimes: Spec = {
        "field": "regime",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": list(colours), "range": list(colours.values())},
    }
    top = low + STRIP_DEPTH * (high - low) / (1 + 1.4 * STRIP_DEPTH)
    encoding = {
        "x": axes.x,
        "x2": {"field": "until"},
        "y": {**axes.y, "datum": low},
        "y2": {"datum": top},
        "color": regimes,
    }
    return layer({"type": "rect"}, encoding, spans)


def _areas(
    axes: _Axes, colour: str, band: tuple[str, str] | None, area: str | None, steps: Points | None
) -> list[Spec]:
    """The filled parts; `steps`: the points of lines whose values hold until the next."""
    layers = []
    if band:
        mark = {"type": "area", "color": colour, "opacity": 0.22, "line": False}
        at = {**axes.at(band[0]), "y2": {"field": band[1]}}
        if steps is None:
            layers.append(layer(mark, at))
        else:
            # its own points, as for the lines
            known = [point for point in steps if point.get(band[0]) is not None]
            layers.append(layer({**mark, "interpolate": "step-after"}, at, known))
    if area:
        mark = {"type": "area", "color": colour, "opacity": 0.25}
        layers.append(layer(mark, {**axes.at(area), "y2": {"datum": 0}}))
    return layers


def _horizontal(axes: _Axes, value: float) -> Spec:
    return layer({"type": "rule", "color": INK}, {"y": {"datum": value, "type": axes.y["type"]}}, ONCE)


def _mark(colour: str, *, step: bool) -> Spec:
    return {"type": "line", "color": colour, **({"interpolate": "step-after"} if step else {})}


def _labels(axes: _Axes, ends: list[_End], height: int) -> list[Spec]:
    """A dot and a label at the end of each line; labels at the right edge are moved apart."""
    last = max(end.day for end in ends)
    at_edge = [end for end in ends if end.day == last]
    gap = LABEL_GAP * (axes.domain[1] - axes.domain[0]) / height
    positions = iter(spread_labels([end.value for end in at_edge], gap))
    at = axes.at("v")
    layers = []
    for end in ends:
        layers.append(layer(dot_mark(34, color=end.colour), at, [{"d": end.day, "v": end.value}]))
        words = label_mark(end.label, align="left", dx=7, color=end.colour)
        if end.day == last:
            layers.append(layer(words, at, [{"d": end.day, "v": next(positions)}]))
        else:
            # A line that ends early has its words among the others: a halo keeps them readable.
            halo = {**words, "stroke": PAPER, "strokeWidth": 5, "color": PAPER}
            layers += [layer(mark, at, [{"d": end.day, "v": end.value}]) for mark in (halo, words)]
    return layers


def _width(labels: list[str], width: float | None) -> Spec:
    """Width and padding; two drawings of one width, one above the other, stay aligned when their labels
    differ in length.
    """
    if width is None:
        return {"padding": PADDING, "width": room_for(labels)}
    longest = max(map(len, labels))
    return {"padding": {**PADDING, "right": PADDING["right"] + 6.6 * max(0, 8 - longest)}, "width": width}
