"""The target ranges that are priced for one meeting: on a day beside earlier days, and through time.

In: one point per bar, or one per day and range. Out: the specification. Caveat: a range is labelled at the
right of the areas where its last share has room for the words.
"""

from __future__ import annotations

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
    outcome_fill,
    room_for,
)
from brief.figures.time_axis import time_axis

# The day, and the days before it: told apart by lightness alone, so that no colour has to be known apart.
LOOK_FILLS = (BLUE, GREY, "var(--rule)", "var(--hold)")
# The last share of a range in per cent that has room for a label beside it.
LABELLED_SHARE = 8


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
    x: Spec = {
        "field": "share",
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [0, 100]},
        "axis": {"grid": True, "values": [0, 25, 50, 75, 100], "labelExpr": "datum.value + ' %'", "labelFlush": True},
    }
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
        "data": {"values": points},
        "layer": [
            layer({"type": "bar", "stroke": GREY, "strokeWidth": 0.7}, {**at, "color": colour}),
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
    last = max(point["d"] for point in points)
    ends = [point for point in points if point["d"] == last and point["to"] - point["from"] >= LABELLED_SHARE]
    labels = [layer(
        label_mark(end["range"], align="left", dx=7, fontSize=11),
        {"x": x, "y": y},
        [{"d": last, "from": (end["from"] + end["to"]) / 2}],
    ) for end in ends]
    area = {"type": "area", "stroke": PAPER, "strokeWidth": 1}
    detail = [{"field": "run", "type": "ordinal"}]
    encoding = {"x": x, "y": y, "y2": {"field": "to"}, "color": colour, "detail": detail}
    return {
        "width": room_for([end["range"] for end in ends] or [""]),
        "height": height,
        "padding": PADDING,
        "data": {"values": points},
        "layer": [layer(area, encoding), *labels],
    }
