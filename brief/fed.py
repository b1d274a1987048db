"""The Fed: probabilities by meeting, the path against a week and a month ago, what moved it, surprises,
calibration.

In: the page. Out: blocks of its section, of the latest settlement day up to the session; for days on which
CME counted days another way than the marts do, its figures of then beside them. Caveat: an event beside a
change does not prove a cause.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from markupsafe import Markup

from brief import figures
from brief.blocks import EVENTS, Page, Section, attempt
from brief.cells import Absent, Row, plain_day, plain_range
from brief.dots import dots
from brief.next_meeting import IN_QUESTION_PROB, next_meeting
from brief.policy_path import path
from brief.rate_changes import rate_changes
from brief.reasons import unpriced_words
from brief.settlement import Settlement
from expectations.ages import FED_FUTURES, Age

# Meetings that fit into the drawing, and the smallest share that is drawn.
DRAWN_MEETINGS = 9
DRAWN_PROB = 0.0005
# How long before a meeting the bins of its probabilities are shown.
RELIABILITY_DAYS = 30
NO_MEETING = "The list of FOMC meetings has none after {day}, so the next meeting is not known."
HORIZONS = {"year_end": "the year’s end", "12m": "twelve months ahead"}


@dataclass(frozen=True)
class Outcome:
    """One target range after one meeting."""

    meeting_date: dt.date
    target_lower_pct: float
    target_upper_pct: float
    moves: int
    prob: float


@dataclass(frozen=True)
class Stack:
    """The figure of the probabilities by meeting."""

    settled: Settlement
    outcomes: list[Row]
    in_question: list[Row]
    published: list[Row]
    drawings: list[Markup]
    statement: str

    @property
    def outcomes_of(self) -> list[tuple[dt.date, list[Row]]]:
        """For each meeting the outcomes that are in question, the likeliest first."""
        return [
            (meeting, sorted(likely, key=lambda row: -row["share"].value))
            for meeting, rows in groupby(self.outcomes, key=lambda row: row["meeting_date"].value)
            if (likely := [row for row in rows if row["share"].value >= 100 * IN_QUESTION_PROB])
        ]


@dataclass(frozen=True)
class Calibration:
    """How good the probabilities were: scores and gains by horizon, and the bins of one of them."""

    scores: list[tuple[Row, Row]]
    bins: list[Row]
    horizon_days: int


@dataclass(frozen=True)
class Repricing:
    """The figure of the daily changes of the expected rate, newest first."""

    horizon: str
    as_of: dt.date
    rows: list[Row]
    largest: list[Row]
    drawings: list[Markup]
    statement: str

    @property
    def missing(self) -> int:
        """Days whose change is not known."""
        return sum(not row["change_bp"].known for row in self.rows)

    @property
    def degraded(self) -> int:
        """Days whose change rests on another contract than CME's way would take."""
        return sum(row["change_bp"].known and row["missing_contract"].known for row in self.rows)

    @property
    def lacking(self) -> bool:
        """Whether a contract is missing on one of the days."""
        return any(row["missing_contract"].known for row in self.rows)

    @property
    def top_events(self) -> str:
        """What was announced before the largest change, in words."""
        return " and ".join(_event_words(self.largest[0]))


def fed(page: Page, section: Section) -> None:
    """Probabilities by meeting, the path against a week and a month ago, what moved it, how good the
    probabilities were.
    """
    page.reader.require("marts.fomc_meetings_daily")
    latest = page.reader.scalar("fed/latest_settlement", session=page.session)
    if not latest.known:
        raise Absent(f"marts.fomc_meetings_daily has no settlement day up to {page.session}.")
    as_of: dt.date = latest.value
    age, shown = page.age(FED_FUTURES), Age(FED_FUTURES, as_of, page.session)
    if age is not None and as_of < age.last:
        section.history(shown, NO_MEETING.format(day=plain_day(as_of)))
    elif shown.too_old:
        section.history(shown)
    elif shown.behind:
        section.note("late", page.session, latest)
    since = as_of if shown.too_old else page.session
    settled = Settlement(
        as_of, since, page.reader.query("fed/meetings", as_of=as_of), _published(page, section, as_of)
    )
    for of_day in (_stack, _meetings, next_meeting, path, rate_changes, dots):
        attempt(section, partial(of_day, settled=settled), page)
    for part in (_repricing, _surprises, _calibration):
        attempt(section, partial(part, as_of=as_of), page)


def _published(page: Page, section: Section, as_of: dt.date) -> dict[dt.date, Row]:
    """What CME published for each meeting, on a day on which it counted days another way; else nothing."""
    rows: list[Row] = []

    def read(page: Page, _section: Section) -> None:
        rows.extend(page.reader.query("fed/published", as_of=as_of))

    attempt(section, read, page)
    return {row["meeting_date"].value: row for row in rows}


def _stack(page: Page, section: Section, settled: Settlement) -> None:
    as_of, solved = settled.as_of, settled.solved
    if not solved:
        return
    outcomes = page.reader.query("fed/outcomes", as_of=as_of)
    shown = {row["meeting_date"].value for row in solved[:DRAWN_MEETINGS]}
    points = _stacked(
        [
            outcome
            for outcome in page.reader.records(Outcome, "fed/stack", as_of=as_of)
            if outcome.meeting_date in shown and outcome.prob >= DRAWN_PROB
        ],
        as_of.year,
    )
    drawing = page.draw(figures.probability_stack(points), "stack")
    statement = page.reader.statement("fed/stack", as_of=as_of)
    first = settled.first["meeting_date"].value
    published = (
        page.reader.query("fed/published_outcomes", as_of=as_of, meeting=first, in_question=IN_QUESTION_PROB)
        if first in settled.published
        else []
    )
    in_question = sorted(
        (
            row
            for row in outcomes
            if row["meeting_date"].value == first and row["share"].value >= 100 * IN_QUESTION_PROB
        ),
        key=lambda row: -row["share"].value,
    )
    section.block("stack", Stack(settled, outcomes, in_question, published, [drawing], statement))


def _stacked(outcomes: list[Outcome], year: int) -> figures.Points:
    """One bar per meeting, cut into its target ranges; the day without its year in the year at hand."""
    points = []
    for meeting, ranges in groupby(outcomes, key=lambda outcome: outcome.meeting_date):
        bottom = 0.0
        for outcome in ranges:
            share = 100 * outcome.prob
            points.append(
                {
                    "meeting": plain_day(meeting, year=meeting.year != year),
                    "from": round(bottom, 3),
                    "to": round(bottom + share, 3),
                    "moves": outcome.moves,
                    "range": plain_range(outcome.target_lower_pct, outcome.target_upper_pct),
                    "share": f"{share:.0f} %",
                }
            )
            bottom += share
    return points


def _meetings(_page: Page, section: Section, settled: Settlement) -> None:
    """The meetings as a table; why the others could not be priced."""
    if settled.solved:
        section.block("meetings", settled)
    why: dict[str, list[Row]] = {}
    for row in settled.unsolved:
        words = unpriced_words(str(row["reason"].value), row["missing_contract"].value)
        why.setdefault(words, []).append(row)
    for reason, rows in why.items():
        section.note("not_priced", rows, reason)
    if not settled.solved:
        raise Absent(f"marts.fomc_meetings_daily: no meeting could be priced on {settled.as_of}.")


def _repricing(page: Page, section: Section, as_of: dt.date) -> None:
    reader = page.reader
    reader.require("marts.policy_repricing")
    changes = {row["horizon"]: row["changes"] for row in reader.points("fed/repricing_horizons", as_of=as_of)}
    horizon = next((name for name in HORIZONS if changes.get(name)), None)
    if horizon is None:
        raise Absent(f"marts.policy_repricing: no change could be computed in the 45 days to {as_of}.")
    rows = reader.query("fed/repricing", horizon=horizon, as_of=as_of)
    points = [
        {
            "d": str(row["as_of_date"].value),
            "v": None if row["change_bp"].value is None else round(row["change_bp"].value, 3),
            "event": "+".join(_event_words(row)),
        }
        for row in rows
    ]
    known = [row for row in rows if row["change_bp"].known]
    largest = sorted(known, key=lambda row: -abs(row["change_bp"].value))[:5]
    name = HORIZONS[horizon]
    spec = figures.bars(points, unit=f"change for {name}, bp", labels="event")
    statement = reader.statement("fed/repricing", horizon=horizon, as_of=as_of)
    section.block(
        "repricing",
        Repricing(name, as_of, rows[::-1], largest, [page.draw_broad(spec, "repricing")], statement),
        wide=True,
    )


def _event_words(row: Row) -> list[str]:
    """The events since the day before, in words."""
    kinds = row["event_types"].value
    return [EVENTS.get(kind, kind) for kind in kinds.split("+")] if kinds is not None else []


def _surprises(page: Page, section: Section, as_of: dt.date) -> None:
    page.reader.require("marts.policy_surprises")
    rows = page.reader.query("fed/surprises", as_of=as_of)
    if not rows:
        raise Absent("marts.policy_surprises has no decision yet.")
    section.block("surprises", rows)


def _calibration(page: Page, section: Section, as_of: dt.date) -> None:
    for table in ("marts.fomc_calibration", "marts.fomc_skill", "marts.fomc_reliability"):
        page.reader.require(table)
    rows = page.reader.query("fed/calibration", as_of=as_of)
    if not rows:
        raise Absent("marts.fomc_calibration has no scored meeting yet.")
    bins = page.reader.query("fed/reliability", as_of=as_of, horizon_days=RELIABILITY_DAYS)
    gains = {row["horizon_days"].value: row for row in page.reader.query("fed/skill", as_of=as_of)}
    scores = [(row, gains[days]) for row in rows if (days := row["horizon_days"].value) in gains]
    section.block("calibration", Calibration(scores, bins, RELIABILITY_DAYS))
