"""From a Vega-Lite specification to SVG, by vl-convert.

In: a specification. Out: SVG text for inlining into the page. Caveat: vl-convert carries a JavaScript engine
of some 100 MB, so it is imported when the first drawing is made.
"""

from __future__ import annotations

import json
import re

from markupsafe import Markup, escape

from brief.figures.base import INK, MUTED, PADDING, RULE, Spec

# A drawing fills its column up to this many times its size.
LARGEST = 1.45
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
CONFIG: Spec = {
    "aria": False,
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
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
        "domainColor": RULE,
        "ticks": True,
        "tickColor": RULE,
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
    "text": {"color": INK, "fontSize": 12},
    "line": {"strokeWidth": 1.6, "strokeJoin": "round"},
}


def draw(spec: Spec, name: str, *, simulated: bool) -> Markup:
    """Render one specification.

    Args:
        spec: The specification, without what all drawings share.
        name: Prefix of the ids in the SVG, which must differ within a page.
        simulated: Write SIMULATED across the drawing.

    Returns:
        SVG for inlining, scaled to its column.
    """
    import vl_convert

    full = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": None,
        "config": CONFIG,
        "padding": PADDING,
        **{key: value for key, value in spec.items() if key != "readout"},
    }
    svg = _slimmed(vl_convert.vegalite_to_svg(full, allowed_base_urls=[]), name)
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg)
    assert size is not None
    if simulated:
        svg = svg.replace("</svg>", _watermark(float(size[1]), float(size[2])) + "</svg>")
    svg = svg.replace("<svg ", f'<svg aria-hidden="true" focusable="false"{_readout(svg, spec)} ', 1)
    return Markup(svg.replace(size[0], f'style="max-width:{LARGEST * float(size[1]):.0f}px"', 1))


def _readout(svg: str, spec: Spec) -> str:
    """The attribute with what is read out at each place along the plot; none where nothing is."""
    if not spec.get("readout"):
        return ""
    at = re.search(r'transform="translate\(([\d.]+),([\d.]+)\)"', svg)
    assert at is not None
    read = {
        "left": float(at[1]),
        "top": float(at[2]),
        "width": round(spec["width"]),
        "height": spec["height"],
        "points": spec["readout"],
    }
    text = json.dumps(read, ensure_ascii=False, separators=(",", ":"))
    # In single quotes, because JSON is full of double ones.
    return " data-readout='" + str(escape(text)).replace("&#34;", '"') + "'"


def _slimmed(svg: str, name: str) -> str:
    """The SVG with ids of its own and without what the page does not need."""
    svg = re.sub(r'\b(id="|url\(#)(clip|gradient)_?(\w*)', rf"\g<1>{name}-\g<2>\g<3>", svg)
    # What a mark says is shown by the browser under the pointer, without a script.
    svg = re.sub(r'<path aria-label="([^"]*)"([^>]*)/>', r"<path\2><title>\1</title></path>", svg)
    svg = re.sub(r' (aria-[a-z]+|role)="[^"]*"', "", svg)
    # A tenth of a pixel is enough; three decimals would make the page half as large again.
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d)\d+", r"\1", path[0]), svg)
    return re.sub(r' class="(?!marks)[^"]*"| pointer-events="none"| opacity="1"', "", svg)


def _watermark(width: float, height: float) -> str:
    middle = f"{width / 2:.0f}", f"{height / 2:.0f}"
    return (
        f'<text class="watermark" x="{middle[0]}" y="{middle[1]}" text-anchor="middle" '
        f'transform="rotate(-18 {middle[0]} {middle[1]})">SIMULATED</text>'
    )
