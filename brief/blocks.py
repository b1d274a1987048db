"""What a section is made of: tables, figures, sentences, and the page that they share.

In: a `Reader` on a publication and its session. Out: the blocks that the template lays out. Caveat: a table
that is missing or empty makes a part one line long (`attempt`); every other failure goes up and stops the
run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from markupsafe import Markup

from brief import figures
from brief.cells import Absent, plain_day
from brief.reader import Reader
from brief.rendering import one_line, render
from expectations.ages import Age, Family
from market_calendar.sessions import first_and_last_day, sessions_between

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
# What was as extreme within a quarter is no news: "the widest since" looks further back.
SINCE_SESSIONS = 63
EVENTS = {"cpi": "CPI", "jobs": "jobs", "fomc": "FOMC", "jackson_hole": "Jackson Hole"}


@dataclass
class Section:
    """One part of the page. Its texts, tables and figures are macros of `templates/sections/<id>.html`; each
    of the methods calls one of them with a view and keeps what comes out.
    """

    id: str
    title: str
    page: Page
    leads: list[Markup] = field(default_factory=list)
    lists: list[Markup] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    notes: list[Markup] = field(default_factory=list)

    def lead(self, macro: str, *view: object) -> None:
        """A sentence at the top of the section."""
        self.leads.append(Markup(one_line(self._render(macro, view))))

    def full(self, macro: str, *view: object) -> None:
        """A list across the full width, above the columns."""
        self.lists.append(self._render(macro, view))

    def block(self, macro: str, *view: object, wide: bool = False) -> None:
        """A table or a figure in the columns; `wide`: across all of them."""
        self.blocks.append(Block(self._render(macro, view), wide))

    def note(self, macro: str, *view: object) -> None:
        """A sentence in small print at the end of the section."""
        self.notes.append(Markup(one_line(self._render(macro, view))))

    def history(self, age: Age, sentence: str | None = None) -> None:
        """Head the section by the day of its answers, which are too old for the session, and say why."""
        self.title = f"{self.title}: history, {plain_day(age.last)}"
        self.leads.append(
            Markup("<strong>{} Nothing below describes {}.</strong>").format(
                sentence or age.sentence, plain_day(age.session)
            )
        )

    def markup(self) -> str:
        """All that the section shows, as one text."""
        parts = [*self.leads, *self.lists, *map(str, self.blocks), *self.notes]
        return "\n".join(str(part) for part in parts)

    def _render(self, macro: str, view: tuple[object, ...]) -> Markup:
        template = f"sections/{self.id}.html"
        return render(template, macro, *view, simulated=self.page.simulated)


@dataclass(frozen=True)
class Block:
    """A table or a figure as markup."""

    html: Markup
    wide: bool = False

    def __str__(self) -> str:
        return str(self.html)


@dataclass(frozen=True)
class Publication:
    """The publication that the page belongs to."""

    generation: int
    session_date: dt.date
    data_source: str
    published_at_utc: dt.datetime
    code_version: str | None
    run_id: str | None


@dataclass(frozen=True)
class Links:
    """Addresses of other pages, as the page's links name them; None: there is no such page, and no link."""

    previous: str | None = None
    next: str | None = None
    index: str | None = None
    validation: str | None = "validation.html"
    brief: str = "brief.html"


@dataclass
class Page:
    """What every section needs: the reader, the session, whether the market is made up, where other pages
    are.
    """

    reader: Reader
    session: dt.date
    simulated: bool
    links: Links = field(default_factory=Links)

    @cached_property
    def publication(self) -> Publication:
        """The last publication that the database records."""
        return self.reader.records(Publication, "page/publication")[0]

    def age(self, family: Family) -> Age | None:
        """The age of a family of answers at the session; None where there is no answer."""
        return self.reader.age(family, self.session)

    def short_day(self, day: dt.date) -> str:
        """A day of a label: with its year where that is not the session's."""
        return plain_day(day, year=day.year != self.session.year)

    def draw(self, spec: figures.Spec, name: str) -> Markup:
        """One specification as SVG."""
        return figures.draw(spec, name, simulated=self.simulated)

    def draw_broad(self, spec: figures.Spec, name: str) -> Markup:
        """One specification as two SVGs, for a phone and for the width of a desk; the page shows one."""
        narrow = {key: value for key, value in spec.items() if key != "readout"}
        return Markup('<div class="narrow">{}</div><div class="broad">{}</div>').format(
            self.draw(narrow, name), self.draw(figures.broad(spec), f"{name}-broad")
        )


def since_floor(session: dt.date) -> dt.date:
    """The last day that "since" may name: a quarter before the session."""
    first, _ = first_and_last_day()
    held = sessions_between(max(first, session - dt.timedelta(days=2 * SINCE_SESSIONS)), session)
    return held[max(0, len(held) - SINCE_SESSIONS - 1)]


def attempt(section: Section, part: Callable[[Page, Section], None], page: Page) -> None:
    """Run one part; where its table is missing or empty, the section says so in one line."""
    try:
        part(page, section)
    except Absent as absent:
        section.notes.append(Markup("{}").format(str(absent)))


def group_names(reader: Reader) -> dict[str, str]:
    """Names of the groups; none where reference data is not in the publication."""
    if "ref.groups" not in reader.tables:
        return {}
    return {row["group_id"]: row["name"] for row in reader.points("shared/group_names")}
