"""What a section is made of: tables, figures, sentences, and the page that they share.

In: a `Reader` on a publication and its session. Out: the blocks that the template lays out. Caveat: a table
that is missing or empty makes a part one line long (`attempt`); every other failure goes up and stops the
run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from brief import figures
from brief.cells import (
    Absent,
    Reader,
)

MAIN_PAIRS = (
    "IWM/SPY",
    "IWM/QQQ",
    "IWC/SPY",
    "IJH/SPY",
    "IWN/IWO",
    "RSP/SPY",
    "QQQ/SPY",
    "XLI/XLU",
    "KRE/SPY",
    "KRE/KBWB",
    "HYG/IEF",
)
EVENTS = {"cpi": "CPI", "jobs": "jobs", "fomc": "FOMC", "jackson_hole": "Jackson Hole"}


@dataclass
class Table:
    """A table as the template draws it; the first column names the row."""

    caption: Markup
    head: list[str]
    rows: list[list[Any]]
    note: Markup | str = ""
    folded: str = ""
    kind: str = ""
    more: Table | None = None


@dataclass
class Figure:
    """Drawings with a title that says what is seen, an alternative text, the source and the numbers as a
    table.
    """

    title: Markup
    alt: Markup
    drawings: list[Markup]
    source: str
    table: Table | None = None
    legend: Markup | str = ""
    statement: str = ""


@dataclass
class Section:
    """One part of the page."""

    id: str
    title: str
    lead: list[Markup] = field(default_factory=list)
    blocks: list[Any] = field(default_factory=list)
    notes: list[Markup] = field(default_factory=list)
    tables: tuple[str, ...] = ()


@dataclass
class Page:
    """What every section needs: the reader, the session, whether the market is made up."""

    reader: Reader
    session: dt.date
    simulated: bool

    def draw(self, spec: figures.Spec, name: str) -> Markup:
        """One specification as SVG."""
        return figures.draw(spec, name, simulated=self.simulated)


def attempt(section: Section, part: Callable[[Page, Section], None], page: Page) -> None:
    """Run one part; where its table is missing or empty, the section says so in one line."""
    try:
        part(page, section)
    except Absent as absent:
        section.notes.append(Markup("{}").format(str(absent)))


def group_names(reader: Reader) -> dict[str, str]:
    if "ref.groups" not in reader.tables:
        return {}
    return dict(reader.connection.execute("select group_id, name from ref.groups").fetchall())
