"""What all drawings share: types, sizes, colours and the pieces of a Vega-Lite specification.

In and out: parts of specifications, https://vega.github.io/vega-lite/docs/. Caveat: colours are CSS variables
of the page (`templates/style.css`), which the renderer passes on unread.
"""

from __future__ import annotations

from typing import Any

# A part of a Vega-Lite specification, which is JSON.
Spec = dict[str, Any]
# Rows of data; each drawing says which fields it reads.
Points = list[dict[str, Any]]

WIDTH = 310
# The plot of a drawing that takes the width of the page on a desk.
BROAD_WIDTH = 1120
# The renderer measures text in a narrower face than some readers have: room for what comes out longer.
PADDING = {"left": 4, "top": 4, "right": 26, "bottom": 4}

INK = "var(--ink)"
PAPER = "var(--paper)"
MUTED = "var(--muted)"
RULE = "var(--rule)"
BLUE = "var(--c1)"
ORANGE = "var(--c2)"
GREY = "var(--c3)"

# Without data of its own a rule is drawn once per point.
ONCE: Points = [{}]


def layer(mark: Spec, encoding: Spec, values: Points | None = None) -> Spec:
    """One layer of a drawing.

    Args:
        mark: What is drawn.
        encoding: Which field is which channel.
        values: The layer's own data; without it the layer shows the data of the whole drawing.
    """
    own: Spec = {} if values is None else {"data": {"values": values}}
    return {**own, "mark": mark, "encoding": encoding}


def label_mark(words: str, **how: Any) -> Spec:
    """A bold text, centred on its height."""
    return {"type": "text", "text": words, "baseline": "middle", "fontWeight": 600, **how}


def dot_mark(size: int, **how: Any) -> Spec:
    """A filled dot."""
    return {"type": "point", "filled": True, "size": size, "opacity": 1, **how}


def named_by(field: str, mark: Spec, encoding: Spec, values: Points | None = None) -> Spec:
    """A layer whose marks show the words of a field under the pointer."""
    return layer({**mark, "aria": True}, {**encoding, "description": {"field": field}}, values)


def broad(spec: Spec) -> Spec:
    """The same drawing for the width of a desk."""
    return {**spec, "width": BROAD_WIDTH, "height": round(1.4 * spec["height"])}


def outcome_fill(moves: int) -> str:
    """The colour of an outcome by its quarter points up or down; from the fourth on the shade stays."""
    if not moves:
        return "var(--hold)"
    return f"var(--{'cut' if moves < 0 else 'hike'}{min(abs(moves), 4)})"


def without_field(channel: Spec) -> Spec:
    """A channel of an axis without its field, to be given a fixed `datum`."""
    return {key: value for key, value in channel.items() if key != "field"}


def room_for(labels: list[str]) -> float:
    """The width of a plot that leaves room for its labels.

    Args:
        labels: The texts at the right of the plot.

    Returns:
        Pixels; the longer the labels the fewer, so that drawings come out about equally wide.
    """
    return max(200.0, WIDTH + 36 - 7.2 * max(map(len, labels)))


def share_axis(field: str, *, grid: bool) -> Spec:
    """A horizontal axis from 0 to 100 per cent."""
    return {
        "field": field,
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [0, 100]},
        "axis": {
            "grid": grid,
            "values": [0, 25, 50, 75, 100],
            "labelExpr": "datum.value + ' %'",
            "labelFlush": True,
        },
    }
