"""The plots: Vega-Lite specifications rendered to static SVG by vl-convert, without a browser, a script or
the network.

In: plain points. Out: SVG text whose colours are CSS variables of the page, so that one drawing serves
light, dark and print. The width is about 400 px on purpose: it is read at full size on a phone and laid out
in columns on a desk. Caveat: text is measured in a sans serif of the renderer, so labels keep a margin.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from typing import Any

from markupsafe import Markup

WIDTH = 310
# The renderer measures text in a narrower face than some readers have: room for what comes out longer.
PADDING = {"left": 4, "top": 4, "right": 26, "bottom": 4}
Spec = dict[str, Any]
# Without data of its own a rule is drawn once per point.
ONCE: dict[str, Any] = {"values": [{}]}
Points = list[dict[str, Any]]

FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
CONFIG: Spec = {
    "aria": False,
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "gridColor": "var(--grid)",
        "domain": False,
        "ticks": False,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelPadding": 6,
    },
    "axisX": {
        "grid": False,
        "domain": True,
        "domainColor": "var(--rule)",
        "ticks": True,
        "tickColor": "var(--rule)",
        "tickSize": 4,
    },
    "axisY": {
        "titleAngle": 0,
        "titleAlign": "left",
        "titleAnchor": "start",
        "titleX": -28,
        "titleY": -10,
        "tickCount": 5,
        "minExtent": 30,
    },
    "text": {"color": "var(--ink)", "fontSize": 12},
    "line": {"strokeWidth": 1.6, "strokeJoin": "round"},
}


def draw(spec: Spec, name: str, *, simulated: bool) -> Markup:
    """One specification as SVG for inlining: ids of its own, scaled to the column, marked when the market
    is made up.
    """
    import vl_convert

    full = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": None,
        "config": CONFIG,
        "padding": PADDING,
        **spec,
    }
    svg: str = vl_convert.vegalite_to_svg(full, allowed_base_urls=[])
    svg = re.sub(r'\b(id="|url\(#)(clip|gradient)_?(\w*)', rf"\g<1>{name}-\g<2>\g<3>", svg)
    svg = re.sub(r' (aria-[a-z]+|role)="[^"]*"', "", svg)
    # A tenth of a pixel is enough; three decimals would make the page half as large again.
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d)\d+", r"\1", path[0]), svg)
    svg = re.sub(r' class="(?!marks)[^"]*"| pointer-events="none"| opacity="1"', "", svg)
    found = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg)
    assert found is not None
    width, height = float(found[1]), float(found[2])
    if simulated:
        mark = (
            f'<text class="watermark" x="{width / 2:.0f}" y="{height / 2:.0f}" text-anchor="middle" '
            f'transform="rotate(-18 {width / 2:.0f} {height / 2:.0f})">SIMULATED</text>'
        )
        svg = svg.replace("</svg>", mark + "</svg>")
    return Markup(
        svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1).replace(
            found[0], f'style="max-width:{1.25 * width:.0f}px"', 1
        )
    )


def _time_axis(points: Points, field: str = "d") -> Spec:
    """Years, or months where the span is short, at most six of them; nothing outside the data."""
    days = [dt.date.fromisoformat(point[field]) for point in points]
    first, last = min(days), max(days)
    span = (last - first).days
    if span > 3 * 366:
        step = max(1, round(span / 365.25 / 5))
        step = next((nice for nice in (1, 2, 5, 10, 20) if nice >= step), step)
        ticks = [dt.date(year, 1, 1) for year in range(first.year + 1, last.year + 1) if year % step == 0]
        shown = "%Y"
    elif span > 75:
        months = [(year, month) for year in range(first.year, last.year + 1) for month in range(1, 13)]
        inside = [
            dt.date(year, month, 1) for year, month in months if first <= dt.date(year, month, 1) <= last
        ]
        step = max(1, -(-len(inside) // 5))
        ticks, shown = inside[::step], "months"
    else:
        step = max(1, -(-len(set(days)) // 5))
        ticks, shown = sorted(set(days))[::-1][::step][::-1], "%-d %b"
    axis: Spec = {
        "values": [str(tick) for tick in ticks],
        "format": shown,
        "labelOverlap": "greedy",
        "labelFlush": True,
    }
    if shown == "months":
        # The year with the first month of each year that has a mark.
        words = {
            str(tick): f"{tick:%b}" if index and ticks[index - 1].year == tick.year else f"{tick:%b %Y}"
            for index, tick in enumerate(ticks)
        }
        axis["labelExpr"] = f"({json.dumps(words)})[utcFormat(datum.value, '%Y-%m-%d')]"
        del axis["format"]
    return {
        "field": field,
        "type": "temporal",
        "title": None,
        "scale": {"type": "utc", "nice": False},
        "axis": axis,
    }


def spread_labels(values: list[float], gap: float) -> list[float]:
    """Positions near the values that keep a distance of `gap`; the order stays."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    placed = [values[index] for index in order]
    for _ in range(50):
        moved = False
        for low, high in zip(range(len(placed) - 1), range(1, len(placed)), strict=True):
            lack = gap - (placed[high] - placed[low])
            if lack > 1e-9:
                placed[low] -= lack / 2
                placed[high] += lack / 2
                moved = True
        if not moved:
            break
    result = [0.0] * len(values)
    for position, index in enumerate(order):
        result[index] = placed[position]
    return result


def lines(
    points: Points,
    series: list[tuple[str, str, str]],
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
    strip: tuple[Points, dict[str, str]] | None = None,
) -> Spec:
    """Lines over time.

    `series`: field, label at its end, colour. `band`: fields of an interval. `area`: a field filled to
    zero. `ticks`: a logarithmic scale with these marks. `strip`: spans (`d`, `until`, `regime`) drawn below
    in the colour of each regime.
    """
    fields = [field for field, _, _ in series] + list(band or ())
    values = [point[field] for point in points for field in fields if point.get(field) is not None]
    low, high = min(values), max(values)
    if zero or area or reference is not None:
        low, high = min(low, reference or 0.0), max(high, reference or 0.0)
    padding = 0.05 * (high - low) or 0.5
    domain = [low - (padding if low else 0), high + (padding if high else 0)]
    if ticks:
        domain = [low / 1.1, high * 1.1]
    y: Spec = {
        "type": "quantitative",
        "title": unit,
        "scale": {"domain": domain, "nice": False, "zero": False},
    }
    if digits:
        y["axis"] = {"format": digits}
    if ticks:
        y["scale"] = {"domain": domain, "nice": False, "type": "log"}
        y["axis"] = {"values": [tick for tick in ticks if domain[0] <= tick <= domain[1]], "format": ",~r"}
    x = _time_axis(points)
    layers: list[Spec] = []
    ends: list[Spec] = []
    if strip:
        depth = 0.07 * (domain[1] - domain[0])
        domain[0] -= 1.4 * depth
        kinds = list(strip[1])
        layers.append(
            {
                "data": {"values": strip[0]},
                "mark": {"type": "rect"},
                "encoding": {
                    "x": x,
                    "x2": {"field": "until"},
                    "y": {**y, "datum": domain[0]},
                    "y2": {"datum": domain[0] + depth},
                    "color": {
                        "field": "regime",
                        "type": "nominal",
                        "legend": None,
                        "scale": {"domain": kinds, "range": [strip[1][kind] for kind in kinds]},
                    },
                },
            }
        )
    if band:
        layers.append(
            {
                "mark": {"type": "area", "color": series[0][2], "opacity": 0.22, "line": False},
                "encoding": {"x": x, "y": {**y, "field": band[0]}, "y2": {"field": band[1]}},
            }
        )
    if area:
        layers.append(
            {
                "mark": {"type": "area", "color": series[0][2], "opacity": 0.25},
                "encoding": {"x": x, "y": {**y, "field": area}, "y2": {"datum": 0}},
            }
        )
    if not ticks and (reference is not None or low < 0 < high):
        layers.append(
            {
                "data": ONCE,
                "mark": {"type": "rule", "color": "var(--ink)"},
                "encoding": {"y": {"datum": reference or 0, **_only(y, "type")}},
            }
        )
    for field, words, colour in series:
        known = [point for point in points if point.get(field) is not None]
        if not known:
            continue
        mark: Spec = {"type": "line", "color": colour}
        if step:
            mark["interpolate"] = "step-after"
        # Its own points: a gap of another series must not break the line.
        layers.append(
            {"data": {"values": known}, "mark": mark, "encoding": {"x": x, "y": {**y, "field": field}}}
        )
        ends.append({"d": known[-1]["d"], "v": known[-1][field], "label": words, "colour": colour})
    last = max(end["d"] for end in ends)
    at_end = [end for end in ends if end["d"] == last]
    positions = [end["v"] for end in at_end]
    if len(at_end) > 1:
        positions = spread_labels(positions, 15 * (domain[1] - domain[0]) / height)
    for end, position in zip(at_end, positions, strict=True):
        end["at"] = position
    for end in ends:
        encoding: Spec = {"x": x, "y": {**y, "field": "v"}}
        layers.append(
            {
                "data": {"values": [{"d": end["d"], "v": end["v"]}]},
                "mark": {"type": "point", "filled": True, "size": 34, "color": end["colour"], "opacity": 1},
                "encoding": encoding,
            }
        )
        label: Spec = {
            "type": "text",
            "align": "left",
            "baseline": "middle",
            "dx": 7,
            "text": end["label"],
            "color": end["colour"],
            "fontWeight": 600,
        }
        halo: Spec = {**label, "stroke": "var(--paper)", "strokeWidth": 5, "color": "var(--paper)"}
        # A line that ends early has its words among the others: a halo keeps them readable.
        for mark in [label] if "at" in end else [halo, label]:
            layers.append(
                {
                    "data": {"values": [{"d": end["d"], "v": end.get("at", end["v"])}]},
                    "mark": mark,
                    "encoding": encoding,
                }
            )
    # Two drawings of one width, one above the other, stay aligned when their labels differ in length.
    longest = max(len(str(end["label"])) for end in ends)
    padding_ = {**PADDING, "right": PADDING["right"] + 6.6 * max(0, 8 - longest)} if width else PADDING
    return {
        "padding": padding_,
        "width": width or _room([str(end["label"]) for end in ends]),
        "height": height,
        "data": {"values": points},
        "layer": layers,
    }


def _room(labels: list[str]) -> float:
    """Width of the plot that leaves room for the labels at its right, so that drawings come out about
    equally wide.
    """
    return max(200.0, WIDTH + 36 - 7.2 * max(map(len, labels)))


def _only(entry: Spec, *keys: str) -> Spec:
    return {key: entry[key] for key in keys}


def bars(points: Points, *, unit: str, height: int = 150, labels: str | None = None) -> Spec:
    """Signed bars over trading days (`d`, `v`), with a word above those that have one under `labels`."""
    order = [point["d"] for point in points]
    shown = order[:: max(1, -(-len(order) // 5))]
    x: Spec = {
        "field": "d",
        "type": "ordinal",
        "sort": order,
        "title": None,
        "axis": {
            "values": shown,
            "labelAngle": 0,
            "labelExpr": "utcFormat(toDate(datum.value), '%-d %b')",
            "labelOverlap": "greedy",
            "domain": False,
            "ticks": False,
        },
        "scale": {"paddingInner": 0.2, "paddingOuter": 0.1},
    }
    values = [0.0, *(point["v"] for point in points if point["v"] is not None)]
    span = (max(values) - min(values)) or 1.0
    marked = [
        (place, point, str(point[labels]))
        for place, point in enumerate(points)
        if labels and point.get(labels)
    ]
    rows = _label_rows([(place * (WIDTH + 40) / len(points), 7.5 * len(words)) for place, _, words in marked])
    # Words stand in rows above all bars, with a line down to their day: beside a bar they would cover
    # its neighbour.
    row_height = 16 / height * 1.35 * span
    top = max(values) + 0.06 * span
    y: Spec = {
        "field": "v",
        "type": "quantitative",
        "title": unit,
        "scale": {
            "domain": [min(values) - 0.06 * span, top + row_height * (max(rows, default=-1) + 1)],
            "nice": False,
        },
    }
    layers: list[Spec] = [
        {
            "mark": {"type": "bar"},
            "encoding": {
                "x": x,
                "y": y,
                "color": {"condition": {"test": "datum.v < 0", "value": "var(--c1)"}, "value": "var(--c2)"},
            },
        },
        {"data": ONCE, "mark": {"type": "rule", "color": "var(--ink)"}, "encoding": {"y": {"datum": 0}}},
    ]
    for row, (_, point, words) in zip(rows, marked, strict=True):
        at = top + row_height * (row + 0.35)
        foot = max(0.0, point["v"] or 0.0)
        layers.append(
            {
                "data": {"values": [{"d": point["d"], "v": foot + 0.01 * span, "to": at - 0.3 * row_height}]},
                "mark": {"type": "rule", "color": "var(--muted)", "strokeDash": [2, 2]},
                "encoding": {"x": x, "y": y, "y2": {"field": "to"}},
            }
        )
        layers.append(
            {
                "data": {"values": [{"d": point["d"], "v": at}]},
                "mark": {
                    "type": "text",
                    "baseline": "middle",
                    "fontSize": 11,
                    "fontWeight": 600,
                    "text": words,
                },
                "encoding": {"x": x, "y": y},
            }
        )
    return {
        "width": WIDTH + 40,
        "height": height,
        "padding": {**PADDING, "right": 6},
        "data": {"values": points},
        "layer": layers,
    }


def _label_rows(places: list[tuple[float, float]]) -> list[int]:
    """The lowest row for each label (middle, width), from left to right, in which it touches none before."""
    ends: list[float] = []
    rows = []
    for middle, width in places:
        left = middle - width / 2
        row = next((row for row, end in enumerate(ends) if left > end + 4), len(ends))
        ends[row : row + 1] = [middle + width / 2]
        rows.append(row)
    return rows


def intervals(points: Points, *, unit: str) -> Spec:
    """A dot with its interval per line: `name`, `v`, `low`, `high`, in the order given."""
    order = [point["name"] for point in points]
    y: Spec = {
        "field": "name",
        "type": "nominal",
        "sort": order,
        "title": None,
        "axis": {"labelLimit": 190, "grid": False, "labelColor": "var(--ink)"},
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
    sure = {
        "condition": {"test": "datum.low <= 0 && datum.high >= 0", "value": "var(--muted)"},
        "value": "var(--c1)",
    }
    return {
        "width": WIDTH - 60,
        "height": {"step": 22},
        "padding": {**PADDING, "left": 34, "right": 6},
        "data": {"values": points},
        "layer": [
            {
                "data": ONCE,
                "mark": {"type": "rule", "color": "var(--ink)"},
                "encoding": {"x": {"datum": 0, **x}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.45},
                "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": sure},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {"y": y, "x": {**x, "field": "v"}, "color": sure},
            },
        ],
    }


def probability_stack(points: Points) -> Spec:
    """One bar per meeting (`meeting`), cut by outcome (`from`, `to` in per cent, `moves`, `range`,
    `share`), labelled where there is room.
    """
    order = list(dict.fromkeys(point["meeting"] for point in points))
    y: Spec = {
        "field": "meeting",
        "type": "ordinal",
        "sort": order,
        "title": None,
        "scale": {"paddingInner": 0.18, "paddingOuter": 0.05},
        "axis": {"grid": False, "labelColor": "var(--ink)"},
    }
    x: Spec = {
        "field": "from",
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [0, 100]},
        "axis": {
            "grid": False,
            "values": [0, 25, 50, 75, 100],
            "labelExpr": "datum.value + ' %'",
            "labelFlush": True,
        },
    }
    fills = {
        move: (
            f"var(--cut{min(-move, 4)})"
            if move < 0
            else f"var(--hike{min(move, 4)})"
            if move
            else "var(--hold)"
        )
        for move in range(-40, 41)
    }
    used = sorted({point["moves"] for point in points})
    colour: Spec = {
        "field": "moves",
        "type": "ordinal",
        "legend": None,
        "scale": {"domain": used, "range": [fills[move] for move in used]},
    }
    middle = [{**point, "middle": (point["from"] + point["to"]) / 2} for point in points]
    at: Spec = {**x, "field": "middle"}
    return {
        "width": WIDTH + 20,
        "height": {"step": 42},
        "padding": {**PADDING, "left": 12, "right": 6},
        "data": {"values": middle},
        "layer": [
            {
                "mark": {"type": "bar", "stroke": "var(--paper)", "strokeWidth": 1.5},
                "encoding": {"y": y, "x": x, "x2": {"field": "to"}, "color": colour},
            },
            {
                "transform": [{"filter": "datum.to - datum.from >= 21"}],
                "mark": {"type": "text", "dy": -7, "fontSize": 11},
                "encoding": {"y": y, "x": at, "text": {"field": "range"}},
            },
            {
                "transform": [{"filter": "datum.to - datum.from >= 21"}],
                "mark": {"type": "text", "dy": 8, "fontSize": 12, "fontWeight": 700},
                "encoding": {"y": y, "x": at, "text": {"field": "share"}},
            },
            {
                "transform": [{"filter": "datum.to - datum.from >= 9 && datum.to - datum.from < 21"}],
                "mark": {"type": "text", "fontSize": 11, "fontWeight": 700},
                "encoding": {"y": y, "x": at, "text": {"field": "share"}},
            },
        ],
    }


def quadrants(points: Points) -> Spec:
    """Trend against momentum around 100: one labelled point per pair (`name`, `trend`, `momentum`) with its
    tail (`order`, `last`).
    """
    reach = (
        max([1.0, *(abs(point[field] - 100) for point in points for field in ("trend", "momentum"))]) * 1.12
    )
    limits = [100 - reach, 100 + reach]
    x: Spec = {
        "field": "trend",
        "type": "quantitative",
        "title": "trend (100 = neutral) →",
        "scale": {"domain": limits, "nice": False, "zero": False},
        "axis": {"grid": False, "tickCount": 5},
    }
    y: Spec = {
        "field": "momentum",
        "type": "quantitative",
        "title": "↑ momentum",
        "scale": {"domain": limits, "nice": False, "zero": False},
        "axis": {"grid": False, "tickCount": 5},
    }
    size = WIDTH + 20
    heads = [point for point in points if point["last"]]
    corners = [
        {"trend": limits[edge], "momentum": limits[side], "text": word, "edge": edge}
        for word, edge, side in (
            ("improving", 0, 1),
            ("leading", 1, 1),
            ("lagging", 0, 0),
            ("weakening", 1, 0),
        )
    ]
    layers: list[Spec] = [
        {
            "data": ONCE,
            "mark": {"type": "rule", "color": "var(--rule)"},
            "encoding": {"x": {**_only(x, "type", "title", "scale", "axis"), "datum": 100}},
        },
        {
            "data": ONCE,
            "mark": {"type": "rule", "color": "var(--rule)"},
            "encoding": {"y": {**_only(y, "type", "title", "scale", "axis"), "datum": 100}},
        },
        *(
            {
                "data": {"values": [corner]},
                "mark": {
                    "type": "text",
                    "align": "right" if corner["edge"] else "left",
                    "dx": -6 if corner["edge"] else 6,
                    "dy": 14 if corner["momentum"] > 100 else -10,
                    "color": "var(--muted)",
                    "fontStyle": "italic",
                    "fontSize": 13,
                    "text": corner["text"],
                },
                "encoding": {"x": x, "y": y},
            }
            for corner in corners
        ),
        {
            "mark": {"type": "line", "strokeWidth": 1.2, "opacity": 0.55, "color": "var(--c1)"},
            "encoding": {"x": x, "y": y, "detail": {"field": "name"}, "order": {"field": "order"}},
        },
        {
            "data": {"values": heads},
            "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1, "color": "var(--c1)"},
            "encoding": {"x": x, "y": y},
        },
    ]
    for head, (dx, dy, align) in zip(heads, _place_labels(heads, limits, size), strict=True):
        if math.hypot(dx, dy) > 20:
            scale = (limits[1] - limits[0]) / size
            lead = {
                "trend": head["trend"],
                "momentum": head["momentum"],
                "to_trend": head["trend"] + dx * scale,
                "to_momentum": head["momentum"] - dy * scale,
            }
            layers.append(
                {
                    "data": {"values": [lead]},
                    "mark": {"type": "rule", "color": "var(--muted)", "strokeWidth": 0.8},
                    "encoding": {"x": x, "y": y, "x2": {"field": "to_trend"}, "y2": {"field": "to_momentum"}},
                }
            )
        layers.append(
            {
                "data": {"values": [head]},
                "mark": {
                    "type": "text",
                    "text": head["name"],
                    "dx": dx,
                    "dy": dy,
                    "align": align,
                    "baseline": "middle",
                    "fontSize": 12,
                    "fontWeight": 600,
                },
                "encoding": {"x": x, "y": y},
            }
        )
    return {
        "width": size,
        "height": size,
        "padding": {**PADDING, "right": 6},
        "data": {"values": points},
        "layer": layers,
    }


def _place_labels(heads: Points, limits: list[float], size: int) -> list[tuple[float, float, str]]:
    """For each point the first of several places that hits no other point and no label placed before."""
    scale = size / (limits[1] - limits[0])
    dots = [((head["trend"] - limits[0]) * scale, (limits[1] - head["momentum"]) * scale) for head in heads]
    taken: list[tuple[float, float, float, float]] = [(px - 5, py - 5, px + 5, py + 5) for px, py in dots]
    taken += [
        (0, 0, 75, 22),
        (size - 75, 0, size, 22),
        (0, size - 22, 75, size),
        (size - 80, size - 22, size, size),
    ]
    places: list[tuple[float, float, str]] = []
    for (px, py), head in zip(dots, heads, strict=True):
        width = 7.4 * len(head["name"])
        least = 1e9
        for distance in (9, 18, 30, 45, 62, 80):
            for angle in range(0, 360, 30):
                dx, dy = distance * math.cos(math.radians(angle)), -distance * math.sin(math.radians(angle))
                align = "left" if dx > 3 else "right" if dx < -3 else "center"
                left = px + dx - (0 if align == "left" else width if align == "right" else width / 2)
                box = (left, py + dy - 7, left + width, py + dy + 7)
                cost = (
                    sum(_overlap(box, other) for other in taken)
                    + 3 * _outside(box, size)
                    + distance / 3
                    + (angle % 180) / 90
                )
                if cost < least:
                    least, best, chosen = cost, (round(dx, 1), round(dy, 1), align), box
        taken.append(chosen)
        places.append(best)
    return places


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _outside(box: tuple[float, float, float, float], size: int) -> float:
    return sum(max(0.0, excess) for excess in (-box[0], -box[1], box[2] - size, box[3] - size)) * 10


def maturities(points: Points, order: list[str], dates: list[tuple[str, str]], *, unit: str) -> Spec:
    """Yield by maturity, one line per date (`name`, `maturity`, `v`), named at its right end."""
    x: Spec = {
        "field": "maturity",
        "type": "ordinal",
        "sort": order,
        "title": None,
        "axis": {"labelAngle": 0},
        "scale": {"padding": 0.1},
    }
    values = [point["v"] for point in points]
    padding = 0.08 * (max(values) - min(values)) or 0.2
    domain = [min(values) - padding, max(values) + padding]
    y: Spec = {
        "field": "v",
        "type": "quantitative",
        "title": unit,
        "scale": {"domain": domain, "zero": False, "nice": False},
    }
    layers: list[Spec] = []
    ends = []
    for name, colour in dates:
        own = [point for point in points if point["name"] == name]
        layers.append(
            {
                "data": {"values": own},
                "mark": {
                    "type": "line",
                    "color": colour,
                    "point": {"color": colour, "size": 30, "filled": True},
                },
                "encoding": {"x": x, "y": y},
            }
        )
        ends.append((own[-1], colour))
    positions = spread_labels([end["v"] for end, _ in ends], 15 * (domain[1] - domain[0]) / 190)
    for (end, colour), position in zip(ends, positions, strict=True):
        layers.append(
            {
                "data": {"values": [{"maturity": end["maturity"], "v": position}]},
                "mark": {
                    "type": "text",
                    "align": "left",
                    "dx": 9,
                    "text": end["name"],
                    "color": colour,
                    "fontWeight": 600,
                    "baseline": "middle",
                },
                "encoding": {"x": x, "y": y},
            }
        )
    return {"width": _room([name for name, _ in dates]), "height": 190, "layer": layers}
