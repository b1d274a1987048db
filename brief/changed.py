"""What changed since the session before: decisions, records, regimes, quadrants, the expected rate, rules.

In: the page. Out: one sentence for each kind of change that there is, or one line for a day without. Rules
are compared with the publication before, all else with the session before. Caveats: of hundreds of spreads
some stand at a record on every other day, so each count says out of how many; a release beside a change of
the expected rate came out on that day and need not be its cause; a rule on what was served is checked on
what the run loaded alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from brief.blocks import EVENTS, MAIN_PAIRS, Page, Publication, Section, attempt
from brief.cells import Absent, Cell, Row, plain_day
from brief.reader import Reader
from brief.rotation import ROTATION_PAIR, WINDOW_NAMES
from expectations.ages import BANK_ESTIMATES
from market_calendar.sessions import previous_session

# A change of the expected rate that more than this share of the days before reached is none to speak of.
NOTABLE_SHARE = 0.10
HORIZONS = {
    "year_end": "the end of the year",
    "12m": "twelve months ahead",
    "next_meeting": "the next meeting",
}
LONGER_WINDOWS = {6: "6 days", 10: "10 days", 126: "6 months", 2520: "10 years"}


@dataclass(frozen=True)
class Records:
    """Spreads that are newly at a record, the first of them by name, out of how many."""

    count: Cell
    beyond_three: Cell
    extremes: Row
    first: list[tuple[str, Row]]


@dataclass(frozen=True)
class Moved:
    """A pair whose confirmed quadrant is another one than on the session before."""

    pair: str
    bars: str
    before: Cell
    now: Cell


@dataclass(frozen=True)
class Quadrants:
    """Pairs with another confirmed quadrant: the main ones by name, all of them counted."""

    moved: list[Moved]
    daily: Cell
    weekly: Cell
    pairs: Cell


@dataclass(frozen=True)
class Repricing:
    """The largest change of an implied rate, and how many earlier days moved it as far."""

    row: Row
    horizon: str
    events: str
    larger: Cell
    days: Cell

    @property
    def notable(self) -> bool:
        """Whether few earlier days moved it as far."""
        return bool((self.larger.value + 1) / (self.days.value + 1) <= NOTABLE_SHARE)


@dataclass(frozen=True)
class RuleChanges:
    """Rules that began or ceased to fail since a publication."""

    since: Publication
    began: list[Row]
    ceased: list[Row]


def changed(page: Page, section: Section) -> None:
    """A sentence for each kind of change; one line where there is none."""
    before = previous_session(page.session)
    section.title = f"What changed since {page.short_day(before)}"
    unchanged: list[str] = []
    for part in (_decisions, _records, _regimes, _repricing, _rules):
        try:
            unchanged += part(page, section, before)
        except Absent as absent:
            section.note("unknown", str(absent))
    if unchanged:
        # What did not change leads on a quiet day alone.
        (section.note if section.leads else section.lead)("unchanged", unchanged, before)
    attempt(section, partial(_quadrants, before=before), page)


def _decisions(page: Page, section: Section, before: dt.date) -> Iterator[str]:
    page.reader.require("ref.fomc_meetings")
    for row in page.reader.query("changed/decisions", session=page.session, before=before):
        section.lead("decision", row)
    # A day without a decision is every other day: no word of it.
    yield from ()


def _records(page: Page, section: Section, before: dt.date) -> Iterator[str]:
    reader, days = page.reader, {"session": page.session, "before": before}
    reader.require("marts.rotation_pair_daily", "marts.rotation_extremes_daily")
    rows = reader.query("headlines/extremes", session=page.session)
    if not rows or not rows[0]["cells_ranked"].value:
        raise Absent(f"No spread of {plain_day(page.session)} can be compared with its history.")
    records = reader.query("changed/records", **days)
    if not records:
        yield f"none of {rows[0]['cells_ranked'].value:,} spreads is newly at a record"
        return
    first = [(_window_name(row), row) for row in records]
    section.lead(
        "records", Records(records[0]["newly"], reader.scalar("changed/new_extremes", **days), rows[0], first)
    )


def _window_name(row: Row) -> str:
    return {**WINDOW_NAMES, **LONGER_WINDOWS}[row["window_sessions"].value]


def _regimes(page: Page, section: Section, before: dt.date) -> Iterator[str]:
    reader = page.reader
    reader.require("marts.regimes_daily")
    rows = reader.query("changed/regimes", pair=ROTATION_PAIR, session=page.session, before=before)
    changes = [
        (name, rows[1][column], rows[0][column])
        for name, column in (("growth", "growth"), ("expected policy", "expected_policy_change"))
        if len(rows) == 2 and _differ(rows[1][column], rows[0][column])
    ]
    if changes:
        section.lead("regimes", changes)
    age = page.age(BANK_ESTIMATES)
    banks = (
        reader.points("changed/bank_regimes", session=page.session, before=before)
        if age is not None and not age.too_old
        else []
    )
    moved = [bank for bank in banks if bank["regime_before"] not in (None, bank["regime"])]
    if moved:
        section.lead("bank_regimes", moved)
    if not changes and not moved:
        yield "no regime changed"


def _differ(before: Cell, now: Cell) -> bool:
    """Whether both are known and not the same."""
    return before.known and now.known and before.value != now.value


def _quadrants(page: Page, section: Section, before: dt.date) -> None:
    reader, days = page.reader, {"session": page.session, "before": before}
    reader.require("marts.rotation_state_daily")
    moved = list(_moved(reader.query("changed/quadrants", **days)))
    named = [one for pair in MAIN_PAIRS for one in moved if one.pair == pair]
    view = Quadrants(
        named,
        reader.scalar("changed/quadrant_changes", **days),
        reader.scalar("changed/weekly_quadrant_changes", **days),
        reader.scalar("changed/quadrant_pairs", session=page.session),
    )
    # Random walks change theirs as well, one of these pairs on most days: small print.
    if view.pairs.value:
        section.note("quadrants", view)


def _moved(rows: list[Row]) -> Iterator[Moved]:
    for pair, found in groupby(rows, key=lambda row: str(row["pair_id"].value)):
        days = list(found)
        for column, bars in (("quadrant_confirmed", "daily"), ("weekly_quadrant_confirmed", "weekly")):
            if len(days) == 2 and _differ(days[0][column], days[1][column]):
                yield Moved(pair, bars, days[0][column], days[1][column])


def _repricing(page: Page, section: Section, before: dt.date) -> Iterator[str]:
    reader = page.reader
    reader.require("marts.policy_repricing")
    rows = reader.query("changed/repricing", session=page.session, before=before)
    if not rows:
        raise Absent(f"Fed funds futures: no change of the expected rate is known since {plain_day(before)}.")
    largest = _ranked(reader, rows[0])
    if largest.notable:
        section.lead("repricing", largest)
    else:
        moved = largest.row["distance"].value
        yield f"none of the implied rates that are known moved by more than {moved:.1f} bp"


def _ranked(reader: Reader, row: Row) -> Repricing:
    day, horizon, change = (row[name].value for name in ("as_of_date", "horizon", "change_bp"))
    kinds = row["event_types"].value
    return Repricing(
        row,
        HORIZONS[horizon],
        " and ".join(EVENTS.get(kind, kind) for kind in kinds.split("+")) if kinds else "",
        reader.scalar("headlines/repricing_larger", session=day, change=change, horizon=horizon),
        reader.scalar("headlines/repricing_days", session=day, horizon=horizon),
    )


def _rules(page: Page, section: Section, before: dt.date) -> Iterator[str]:
    changes = rule_changes(page)
    if changes is None:
        section.note("first_publication")
    elif changes.began or changes.ceased:
        section.lead("rules", changes)
    else:
        yield "the same rules fail as in the publication before"


def rule_changes(page: Page) -> RuleChanges | None:
    """The rules that began or ceased to fail; None where no earlier publication can be compared with."""
    reader, publication = page.reader, page.publication
    reader.require("ops.validation_results")
    found = reader.records(
        Publication,
        "changed/previous_publication",
        generation=publication.generation,
        run=publication.run_id,
    )
    if not found:
        return None
    runs = {"run": publication.run_id, "before": found[0].run_id}
    return RuleChanges(
        found[0],
        reader.query("changed/rules_began", **runs),
        reader.query("changed/rules_ceased", **runs),
    )
