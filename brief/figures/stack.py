"""The outcomes that are priced for coming meetings.

In: one point per meeting and outcome. Out: the specification. Caveat: an outcome is labelled where its part
of the bar has room for the words.
"""

from __future__ import annotations

from typing import Any

from brief.figures.base import (
    INK,
    PADDING,
    PAPER,
    WIDTH,
    Points,
    Spec,
    layer,
    named_by,
    outcome_fill,
    share_axis,
)

# Parts of the bar in per cent with room for the range above the share, and for the share alone.
BOTH = "datum.to - datum.from >= 21"
SHARE_ONLY = "datum.to - datum.from >= 9 && datum.to - datum.from < 21"


def probability_stack(points: Points) -> Spec:
    """One bar per meeting, cut by outcome.

    Args:
        points: `meeting`, `from` and `to` in per cent, `moves` (quarter points up or down), and the words
            `range` and `share`.
    """
    x, y = share_axis("from", grid=False), _y(points)
    at = {**x, "field": "middle"}
    moves = sorted({point["moves"] for point in points})
    colour: Spec = {
        "field": "moves",
        "type": "ordinal",
        "legend": None,
        "scale": {"domain": moves, "range": [outcome_fill(move) for move in moves]},
    }

    def words(field: str, where: str, **how: int) -> Spec:
        mark = {"type": "text", **how}
        return {
            "transform": [{"filter": where}],
            **layer(mark, {"y": y, "x": at, "text": {"field": field}}),
        }

    return {
        "width": WIDTH + 20,
        "height": {"step": 42},
        "padding": {**PADDING, "left": 12, "right": 6},
        "data": {"values": [{**point, **_marked(point)} for point in points]},
        "layer": [
            named_by(
                "said",
                {"type": "bar", "stroke": PAPER, "strokeWidth": 1.5},
                {"y": y, "x": x, "x2": {"field": "to"}, "color": colour},
            ),
            words("range", BOTH, dy=-7, fontSize=11),
            words("share", BOTH, dy=8, fontSize=12, fontWeight=700),
            words("share", SHARE_ONLY, fontSize=11, fontWeight=700),
        ],
    }


def _marked(point: dict[str, Any]) -> dict[str, Any]:
    """Where the words of a part stand, and what it says under the pointer."""
    said = f"{point['meeting']}: {point['range']}, {point['share']}"
    return {"middle": (point["from"] + point["to"]) / 2, "said": said}


def _y(points: Points) -> Spec:
    return {
        "field": "meeting",
        "type": "ordinal",
        "sort": list(dict.fromkeys(point["meeting"] for point in points)),
        "title": None,
        "scale": {"paddingInner": 0.18, "paddingOuter": 0.05},
        "axis": {"grid": False, "labelColor": INK},
    }
