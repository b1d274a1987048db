"""From a Vega-Lite specification to SVG, by vl-convert.

In: a specification. Out: SVG text for inlining into the page. Caveat: vl-convert carries a JavaScript engine
of some 100 MB, so it is imported when the first drawing is made.
"""

from __future__ import annotations

import re

from markupsafe import Markup

from brief.figures.base import INK, MUTED, PADDING, RULE, Spec

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
        **spec,
    }
    svg = _slimmed(vl_convert.vegalite_to_svg(full, allowed_base_urls=[]), name)
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg)
    assert size is not None
    if simulated:
        svg = svg.replace("</svg>", _watermark(float(size[1]), float(size[2])) + "</svg>")
    svg = svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
    return Markup(svg.replace(size[0], f'style="max-width:{1.25 * float(size[1]):.0f}px"', 1))


def _slimmed(svg: str, name: str) -> str:
    """The SVG with ids of its own and without what the page does not need."""
    svg = re.sub(r'\b(id="|url\(#)(clip|gradient)_?(\w*)', rf"\g<1>{name}-\g<2>\g<3>", svg)
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
