"""The seven days after the session: releases of CPI and jobs, FOMC decisions with what is priced for them.

In: the page. Out: a list by day, or one line where nothing is due. Caveats: prices are those of the newest
settlement day, which is named, and none are shown when that is too old; a release that was moved stands on
the day on which it came out.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from brief.blocks import EVENTS, Page, Section
from brief.cells import Cell, Row
from brief.next_meeting import IN_QUESTION_PROB
from expectations.ages import FED_FUTURES

DAYS_AHEAD = 7
RELEASES = {"cpi": "CPI", "jobs": "jobs report"}


@dataclass(frozen=True)
class Release:
    """A release with the month that it is about."""

    name: str
    row: Row

    @property
    def day(self) -> dt.date:
        """When it comes out."""
        day: dt.date = self.row["event_date"].value
        return day


@dataclass(frozen=True)
class Decision:
    """A decision with the outcomes that are in question, or why they are not known."""

    cell: Cell
    as_of: Cell | None = None
    outcomes: tuple[Row, ...] = ()
    row: Row | None = None
    why: str = ""

    @property
    def day(self) -> dt.date:
        """When it is announced."""
        day: dt.date = self.cell.value
        return day


def ahead(page: Page, section: Section) -> None:
    """What is due in the days after the session, by day."""
    until = page.session + dt.timedelta(days=DAYS_AHEAD)
    section.title = f"The seven days to {page.short_day(until)}"
    page.reader.require("ref.events", "ref.fomc_meetings")
    days = {"session": page.session, "until": until}
    releases = [
        Release(RELEASES[row["event_type"].value], row) for row in page.reader.query("ahead/releases", **days)
    ]
    decisions = [
        _decision(page, row["decision_date"]) for row in page.reader.query("ahead/decisions", **days)
    ]
    due: list[Release | Decision] = [*releases, *decisions]
    ended = [
        (EVENTS[one["event_type"]], one["last_date"])
        for one in page.reader.points("ahead/list_ends")
        if one["last_date"] <= until
    ]
    if due:
        section.full("due", sorted(due, key=lambda one: one.day))
    else:
        section.lead("nothing", page.session, until)
    for name, last in ended:
        section.note("list_ended", name, last)


def _decision(page: Page, decided: Cell) -> Decision:
    """What the newest settlement day that is not too old prices for a meeting."""
    age = page.age(FED_FUTURES)
    if age is None:
        return Decision(decided, why="no fed funds futures have been loaded")
    if age.too_old:
        return Decision(decided, why=age.sentence.partition(";")[0])
    newest = page.reader.scalar("fed/latest_settlement", session=page.session)
    asked = {"as_of": newest.value, "meeting": decided.value}
    rows = page.reader.query("ahead/meeting", **asked) if newest.known else []
    outcomes = page.reader.query("ahead/outcomes", **asked, in_question=IN_QUESTION_PROB) if rows else []
    if not rows:
        return Decision(decided, why="the futures of the newest day do not price it")
    return Decision(decided, newest, tuple(outcomes), rows[0])
