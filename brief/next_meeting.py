"""One meeting as FedWatch shows it: its target ranges on a day beside earlier days, and through time.

In: the page and a settlement day. Out: two figures of the next meeting with their tables. Caveat: a day
without a table of the meeting has no bars and leaves a gap in the areas; nothing older stands in for it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from markupsafe import Markup

from brief import figures
from brief.blocks import Page, Section, attempt
from brief.cells import Cell, Row, plain_number, plain_range
from brief.reasons import reason_words
from brief.settlement import Settlement

# A range that was never likelier is not drawn as bars.
IN_QUESTION_PROB = 0.005
# Longer than any closure of the exchange: settlement days are missing in between.
GAP_DAYS = 6


@dataclass(frozen=True)
class Look:
    """A day looked at: how far back in words, the field of its shares, its colour in the legend."""

    name: str
    field: str
    key: str
    day: Cell
    reason: str | None = None


@dataclass(frozen=True)
class Ranges:
    """The figure of one meeting on a day beside earlier days; `without`: the days that have no bars."""

    first: Row
    looks: list[Look]
    without: list[Look]
    rows: list[Row]
    drawings: list[Markup]
    statement: str

    @property
    def likeliest(self) -> Row:
        """The range with the highest probability."""
        return max(self.rows, key=lambda row: row["share"].value)

    @property
    def flagged(self) -> list[Look]:
        """Days with bars that are to be read with care."""
        return [look for look in self.looks if look.reason]


@dataclass(frozen=True)
class RangePoint:
    """One target range on one day."""

    as_of_date: dt.date
    target_lower_pct: float
    target_upper_pct: float
    prob: float
    degraded: bool


@dataclass(frozen=True)
class History:
    """The figure of one meeting through time, with its last days."""

    first: Row
    points: list[RangePoint]
    gaps: int
    rows: list[Row]
    drawings: list[Markup]
    statement: str

    @property
    def begin(self) -> dt.date:
        """The first day drawn."""
        return self.points[0].as_of_date

    @property
    def days(self) -> int:
        """How many days are drawn."""
        return len({one.as_of_date for one in self.points})

    @property
    def degraded(self) -> int:
        """How many of them rest on another contract than CME's way would take."""
        return len({one.as_of_date for one in self.points if one.degraded})


def next_meeting(page: Page, section: Section, settled: Settlement) -> None:
    """Both figures of the next meeting; nothing where no meeting is priced."""
    if settled.solved:
        attempt(section, partial(_ranges, settled=settled), page)
        attempt(section, partial(_history, settled=settled), page)


def _looks(first: Row) -> list[Look]:
    """The day and the three before it, as the meeting's row names them."""
    looks = [Look("", "share", "c1", first["as_of_date"])]
    for span, name, key in (
        ("1d", "a settlement day before", "c3"),
        ("1w", "a week before", "rule"),
        ("1m", "a month before", "hold"),
    ):
        reason = first[f"change_{span}_reason"].value
        words = reason_words(reason, first["missing_contract"].value) if reason else None
        looks.append(Look(name, f"share_{span}", key, first[f"compared_date_{span}"], words))
    return looks


def _ranges(page: Page, section: Section, settled: Settlement) -> None:
    first = settled.first
    values = {
        "as_of": settled.as_of,
        "meeting": first["meeting_date"].value,
        "in_question": IN_QUESTION_PROB,
    }
    rows = page.reader.query("fed/look_back", **values)
    if not rows:
        return
    looks = _looks(first)
    shown = [look for look in looks if rows[0][look.field].known]
    points: figures.Points = [
        {
            "range": plain_range(row["target_lower_pct"].value, row["target_upper_pct"].value),
            "look": look.field,
            "share": round(row[look.field].value, 3),
            "shown": f"{plain_number(row[look.field].value, 0)} %",
        }
        for row in rows
        for look in shown
    ]
    drawing = page.draw(figures.range_bars(points, [look.field for look in shown]), "ranges")
    without = [look for look in looks if look not in shown]
    statement = page.reader.statement("fed/look_back", **values)
    section.block("ranges", Ranges(first, shown, without, rows, [drawing], statement))


def _history(page: Page, section: Section, settled: Settlement) -> None:
    first = settled.first
    values = {"as_of": settled.as_of, "meeting": first["meeting_date"].value}
    found = page.reader.records(RangePoint, "fed/range_history", **values)
    rows = page.reader.query("fed/meeting_history", **values)
    points = _stacked(found, first["target_upper_pct"].value)
    if not rows or len({point["d"] for point in points}) < 2:
        return
    drawing = page.draw_broad(figures.range_areas(points), "history")
    statement = page.reader.statement("fed/range_history", **values)
    section.block("history", History(first, found, points[-1]["run"], rows, [drawing], statement), wide=True)


def _stacked(found: list[RangePoint], upper_in_force: float) -> figures.Points:
    """Every range on every day, one above the other; a range without a probability has no height."""
    drawn = {one.target_lower_pct for one in found if one.prob >= IN_QUESTION_PROB}
    ranges = sorted({(one.target_lower_pct, one.target_upper_pct) for one in found})
    points: figures.Points = []
    before: dt.date | None = None
    run = 0
    for day, outcomes in groupby(found, key=lambda one: one.as_of_date):
        shares = {one.target_lower_pct: 100 * one.prob for one in outcomes}
        run += before is not None and (day - before).days > GAP_DAYS
        before = day
        bottom = 0.0
        for lower, upper in ranges:
            top = bottom + shares.get(lower, 0.0)
            if lower in drawn:
                points.append(
                    {
                        "d": str(day),
                        "range": plain_range(lower, upper),
                        "moves": round(4 * (upper - upper_in_force)),
                        "from": round(bottom, 2),
                        "to": round(top, 2),
                        "run": run,
                    }
                )
            bottom = top
    return points
