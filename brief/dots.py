"""The market against the FOMC's median dots, per year's end.

In: the page and a settlement day. Out: a table of that day with the date of the projections. Caveat: the
market's figure is an expected value, a dot the median of what participants hold appropriate; the gap is no
error of either.
"""

from __future__ import annotations

from brief.blocks import Page, Section
from brief.cells import Absent
from brief.settlement import Settlement


def dots(page: Page, section: Section, settled: Settlement) -> None:
    """The newest projections known at the settlement beside the path."""
    page.reader.require("marts.market_versus_dots")
    rows = page.reader.query("fed/dots", as_of=settled.as_of)
    if not rows:
        raise Absent(f"marts.market_versus_dots has no projections on {settled.as_of}.")
    section.block("dots", rows)
