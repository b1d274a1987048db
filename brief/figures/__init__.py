"""The plots: Vega-Lite specifications, rendered to static SVG without a browser, a script or the network.

In: plain points. Out: SVG text whose colours are CSS variables of the page, so that one drawing serves
light, dark and print. One module per kind of drawing; `base` has what they share, `labels` finds the place of
words, `readout` what is read out under the pointer. The width is about 400 px on purpose: it is read at full
size on a phone and laid out in columns on a desk; long histories have a second, `broad` drawing for a desk.
Caveat: text is measured in a sans serif of the renderer, so labels keep a margin.
"""

from __future__ import annotations

from brief.figures.bars import bars
from brief.figures.base import BLUE, GREY, ORANGE, Points, Spec, broad
from brief.figures.intervals import intervals
from brief.figures.labels import spread_labels
from brief.figures.lines import lines
from brief.figures.maturities import Yield, maturities
from brief.figures.quadrants import Position, quadrants
from brief.figures.ranges import range_areas, range_bars
from brief.figures.render import draw
from brief.figures.stack import probability_stack

__all__ = [
    "BLUE",
    "GREY",
    "ORANGE",
    "Points",
    "Position",
    "Spec",
    "Yield",
    "bars",
    "broad",
    "draw",
    "intervals",
    "lines",
    "maturities",
    "probability_stack",
    "quadrants",
    "range_areas",
    "range_bars",
    "spread_labels",
]
