"""The target ranges that are priced for one meeting: on a day beside earlier days, and through time.

In: one point per bar, or one per day and range. Out: the specification. Caveat: a range is labelled at the
right of the areas where its last share has room for the words.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from brief.figures.base import (
    BLUE,
    GREY,
    INK,
    PADDING,
    PAPER,
    WIDTH,
    Points,
    Spec,
    label_mark,
    layer,
    named_by,
    outcome_fill,
    room_for,
    share_axis,
)
from brief.figures.readout import over_time
from brief.figures.time_axis import time_axis

# The day, and the days before it: told apart by lightness alone, so that no colour has to be known apart.
LOOK_FILLS = (BLUE, GREY, "var(--rule)", "var(--hold)")
# The last share of a range in per cent that has room for a label beside it.
LABELLED_SHARE = 8
# The highest share of a range that has room for a label inside.
LABELLED_SHARE_INSIDE = 30
LABEL_HEIGHT = 15


def range_bars(points: Points, looks: list[str]) -> Spec:
    """A group of bars per target range, one bar per day looked at.

    Args:
        points: `range`, `look`, `share` in per cent and the words `shown`, in the order of the ranges.
        looks: The days looked at, the newest first.
    """
    ranges = list(dict.fromkeys(point["range"] for point in points))
    y: Spec = {
        "field": "range",
        "type": "ordinal",
        "sort": ranges,
        "title": None,
        "scale": {"paddingInner": 0.22, "paddingOuter": 0.1},
        "axis": {"grid": False, "labelColor": INK},
    }
    within = {"field": "look", "type": "ordinal", "sort": looks}
    x = share_axis("share", grid=True)
    colour: Spec = {
        "field": "look",
        "type": "ordinal",
        "legend": None,
        "scale": {"domain": looks, "range": list(LOOK_FILLS[: len(looks)])},
    }
    at = {"y": y, "yOffset": within, "x": x}
    words: Spec = {"type": "text", "align": "left", "baseline": "middle", "dx": 4, "fontSize": 11}
    return {
        "width": WIDTH - 30,
        "height": {"step": 15, "for": "offset"},
        "padding": {**PADDING, "left": 12, "right": 34},
        "data": {"values": [{**point, "said": f"{point['range']}: {point['shown']}"} for point in points]},
        "layer": [
            named_by("said", {"type": "bar", "stroke": GREY, "strokeWidth": 0.7}, {**at, "color": colour}),
            layer(words, {**at, "text": {"field": "shown"}}),
        ],
    }


def range_areas(points: Points, *, height: int = 150) -> Spec:
    """The target ranges of one meeting through time, one above the other to 100 per cent.

    Args:
        points: `d`, `range`, `moves` from the range in force on the last day, `from` and `to` in per cent,
            and `run`: a new number after days without a distribution, which leave a gap.
        height: Pixels.
    """
    x = time_axis(points)
    y: Spec = {
        "field": "from",
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [0, 100]},
        "axis": {"values": [0, 25, 50, 75, 100], "labelExpr": "datum.value + ' %'"},
    }
    moves = sorted({point["moves"] for point in points})
    colour: Spec = {
        "field": "moves",
        "type": "ordinal",
        "legend": None,
        "scale": {"domain": moves, "range": [outcome_fill(move) for move in moves]},
    }
    ends = _labelled_ends(points)
    width = room_for([point["range"] for point in ends] or [""])
    labels = [
        layer(label_mark(point["range"], fontSize=11, align="left", dx=7), {"x": x, "y": y}, [_middle(point)])
        for point in ends
    ]
    for point, align in _labelled_inside(points, ends, width, height):
        mark = label_mark(point["range"], fontSize=11, align=align)
        labels.append(layer(mark, {"x": x, "y": y}, [_middle(point)]))
    area = {"type": "area", "stroke": PAPER, "strokeWidth": 1}
    detail = [{"field": "run", "type": "ordinal"}]
    encoding = {"x": x, "y": y, "y2": {"field": "to"}, "color": colour, "detail": detail}
    return {
        "width": width,
        "height": height,
        "padding": PADDING,
        "data": {"values": points},
        "layer": [layer(area, encoding), *labels],
        "readout": over_time([(day, _read(list(held))) for day, held in groupby(points, _day)]),
    }


def _day(point: dict[str, Any]) -> str:
    return str(point["d"])


def _read(held: Points) -> str:
    """The ranges of a day with half a per cent or more, the highest on top as in the drawing."""
    shown = [point for point in held[::-1] if _share(point) >= 0.5]
    return "\n".join(f"{point['range']}: {_share(point):.0f} %" for point in shown)


def _labelled_ends(points: Points) -> Points:
    """The last point of each range that has room for a label beside it."""
    last = max(point["d"] for point in points)
    return [point for point in points if point["d"] == last and _share(point) >= LABELLED_SHARE]


def _labelled_inside(
    points: Points, ends: Points, width: float, height: int
) -> Iterator[tuple[dict[str, Any], str]]:
    """Where each other range was largest, and the alignment of its label, where it is free."""
    first = dt.date.fromisoformat(min(point["d"] for point in points))
    days = (dt.date.fromisoformat(max(point["d"] for point in points)) - first).days or 1
    named = {point["range"] for point in ends}
    tops = {
        name: max((point for point in points if point["range"] == name), key=_share)
        for name in dict.fromkeys(point["range"] for point in points)
        if name not in named
    }
    taken: list[tuple[float, float]] = []
    for point in sorted(tops.values(), key=_share, reverse=True):
        part = (dt.date.fromisoformat(point["d"]) - first).days / days
        reach = 6.4 * len(point["range"])
        align = (
            "left" if part * width < reach / 2 else "right" if (1 - part) * width < reach / 2 else "center"
        )
        middle = part * width + {"left": reach / 2, "right": -reach / 2, "center": 0}[align]
        at = middle, height * _middle(point)["from"] / 100
        free = all(abs(at[0] - x) > reach or abs(at[1] - y) > LABEL_HEIGHT for x, y in taken)
        if free and _share(point) >= LABELLED_SHARE_INSIDE:
            taken.append(at)
            yield point, align


def _share(point: dict[str, Any]) -> float:
    return float(point["to"] - point["from"])


def _middle(point: dict[str, Any]) -> dict[str, Any]:
    return {"d": point["d"], "from": (point["from"] + point["to"]) / 2}
