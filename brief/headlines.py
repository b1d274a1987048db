"""The headline and the day's plain sentences.

In: a publication and its session. Out: the headline, which is the most unusual of a few facts of the day,
and plain sentences on rotation, prices, the Fed, the curve and the banks, which `make run` prints as well.
An answer that is older than `expectations.ages` allows has no sentence. Unusual is the share of the earlier
days that were at least as extreme. The texts are macros of `templates/headlines.html`; a sentence whose
numbers are missing says so or is left out. Caveat: facts of different kinds are compared by that share
alone, which says nothing of their importance; rank and "since" refer to the history that the warehouse
holds, which each sentence names. A spread that is called wide says how many of all spreads were as far out
that day, and how common such a day is: of hundreds that are watched one is at a record on most weeks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
from markupsafe import Markup

from brief.blocks import Page, since_floor
from brief.cells import Absent, Cell, Row, plain_day
from brief.fed import NO_MEETING
from brief.next_meeting import IN_QUESTION_PROB
from brief.reader import Reader
from brief.rendering import one_line, plain_text, render
from expectations.ages import BANK_ESTIMATES, FED_FUTURES, VIX, YIELDS

TEMPLATE = "headlines.html"
# A fact that more than this share of the days before could match is none for a headline.
ORDINARY = 0.02
# When not even this share could match any of them, nothing moved.
QUIET = 0.25
# Fewer earlier changes of the expected rate than this make no history.
YEAR_OF_DAYS = 252
EXTREME_PERCENTILE = 99
# At its highest the VIX would have a share of zero and come before every record of a pair.
VIX_BEHIND = 0.0005
# "The widest since" is news near the ends of the history only; in between every other day is the widest
# since last week.
NOTABLE_SHARE = 0.10
NAMES = {"IWM": "small caps", "SPY": "large caps", "QQQ": "the Nasdaq 100", "KRE": "regional banks"}
TABLES_OF_SENTENCES = (
    "rotation_pair_daily",
    "rotation_extremes_daily",
    "instrument_daily",
    "fomc_meetings_daily",
    "fomc_probabilities_by_method",
    "yield_curve_daily",
    "bank_sensitivity_daily",
    "bank_rate_betas",
)


@dataclass(frozen=True)
class Fact:
    """A sentence with the share of the earlier days that were at least as extreme; `short`: the same without
    the history, inside a sentence.
    """

    share: float
    sentence: Markup
    short: Markup


@dataclass(frozen=True)
class Spread:
    """One pair's spread of the day."""

    row: Row
    floor: date
    extremes: Row | None  # how many of all spreads were extreme or at a record that day

    @property
    def base(self) -> str:
        """The first symbol."""
        return str(self.row["pair_id"].value.split("/")[0])

    @property
    def quote(self) -> str:
        """The second symbol."""
        return str(self.row["pair_id"].value.split("/")[1])

    @property
    def ahead(self) -> bool:
        """Whether the first beat the second."""
        return bool(self.row["spread_pp"].value >= 0)

    @property
    def record(self) -> bool:
        """Whether no day was as extreme on this side."""
        return bool(self.row["is_record_high" if self.ahead else "is_record_low"].value)

    @property
    def since(self) -> Cell:
        """The last day that was as extreme on this side."""
        return self.row["last_exceeded_date" if self.ahead else "last_undercut_date"]

    @property
    def recent(self) -> bool:
        """Whether that day lies within a quarter, so that it is no news."""
        return bool(self.since.known and self.since.value > self.floor)


@dataclass(frozen=True)
class RateChange:
    """The day's change of the rate implied for the year's end, among the earlier ones."""

    row: Row
    days: Cell
    larger: Cell


def headline(page: Page) -> Markup:
    """The most unusual of a few facts of the day."""
    makers = (_spread_facts, _fed_facts, _vix_facts)
    facts = [fact for maker in makers for fact in _held(maker, page)]
    if not facts:
        return _say("no_headline", page.session)
    first = min(facts, key=lambda fact: fact.share)
    if first.share <= ORDINARY:
        return first.sentence
    return _say("nothing_moved") if first.share > QUIET else _say("ordinary", first.short)


def headlines(connection: duckdb.DuckDBPyConnection, session: date) -> list[str]:
    """The plain sentences of a session, the numbers of each from one query."""
    reader = Reader(connection)
    makers = (_rotation, _prices, _fed, _curve, _banks)
    return [plain_text(sentence) for maker in makers for sentence in maker(reader, session)]


def short(page: Page) -> list[str]:
    """The plain sentences; none where one of their tables is not in the publication."""
    held = page.reader.tables.issuperset(f"marts.{name}" for name in TABLES_OF_SENTENCES)
    return headlines(page.reader.connection, page.session) if held else []


def _say(macro: str, *view: object) -> Markup:
    return Markup(one_line(render(TEMPLATE, macro, *view)))


def _held(maker: Callable[[Page], list[Fact]], page: Page) -> list[Fact]:
    """The facts of a maker; none where its table is missing or empty."""
    try:
        return maker(page)
    except Absent:
        return []


def _spread_facts(page: Page) -> list[Fact]:
    page.reader.require("marts.rotation_pair_daily", "marts.rotation_extremes_daily")
    counts = page.reader.query("headlines/extremes", session=page.session)
    extremes = counts[0] if counts else None
    spreads = [
        Spread(row, since_floor(page.session), extremes)
        for row in page.reader.query("headlines/spreads", session=page.session)
    ]
    return [
        Fact(
            spread.row["place"].value / spread.row["history_sessions"].value,
            _say("spread", spread, NAMES),
            _say("spread_alone", spread, NAMES),
        )
        for spread in spreads
    ]


def _fed_facts(page: Page) -> list[Fact]:
    reader, session = page.reader, page.session
    reader.require("marts.policy_repricing")
    rows = reader.query("headlines/repricing", session=session)
    if not rows:
        return []
    change = rows[0]["change_bp"].value
    larger = reader.scalar("headlines/repricing_larger", session=session, change=change, horizon="year_end")
    days = reader.scalar("headlines/repricing_days", session=session, horizon="year_end")
    if days.value < YEAR_OF_DAYS:
        return []
    change = RateChange(rows[0], days, larger)
    share = (larger.value + 1) / (days.value + 1)
    return [Fact(share, _say("rate_change", change), _say("rate_change_alone", change))]


def _vix_facts(page: Page) -> list[Fact]:
    page.reader.require("marts.macro_daily")
    rows = page.reader.query("headlines/vix", session=page.session, oldest=VIX.oldest_day(page.session))
    if not rows or rows[0]["percentile"].value < EXTREME_PERCENTILE:
        return []
    sentence = _say("vix", rows[0])
    return [Fact((100 - rows[0]["percentile"].value) / 100 + VIX_BEHIND, sentence, sentence)]


def _rotation(reader: Reader, session: date) -> list[Markup]:
    rows = reader.points("headlines/rotation", session=session)
    if not rows or rows[0]["spread_pp"] is None:
        return [_say("no_rotation", session)]
    rank, count = rows[0]["spread_rank"], rows[0]["history_sessions"]
    notable = rank is not None and not NOTABLE_SHARE < rank / count < 1 - NOTABLE_SHARE
    counts = reader.points("headlines/extremes", session=session) if notable else []
    return [_say("rotation", session, rows[0], notable, since_floor(session), counts[0] if counts else None)]


def _prices(reader: Reader, session: date) -> list[Markup]:
    rows = reader.points("headlines/prices", session=session)
    return [_say("prices", session, rows)] if rows else []


def _fed(reader: Reader, session: date) -> list[Markup]:
    """The next two meetings after the session, by settlements that are not too old to speak of it."""
    age = reader.age(FED_FUTURES, session)
    if age is None:
        return [_say("no_futures")]
    if age.too_old:
        return []
    latest: date | None = reader.scalar("fed/latest_settlement", session=session).value
    if latest is None:
        return [_say("no_futures")]
    rows = reader.points("headlines/meetings", session=session) if latest >= age.last else []
    if not rows:
        return [_say("no_meeting", NO_MEETING.format(day=plain_day(latest)))]
    return [_meeting(reader, session, row) for row in rows]


def _meeting(reader: Reader, session: date, row: dict[str, Any]) -> Markup:
    if row["cut_prob"] is None:
        return _say("unpriced", session, row)
    outcomes = reader.points(
        "headlines/outcomes",
        as_of=row["as_of_date"],
        meeting=row["meeting_date"],
        in_question=IN_QUESTION_PROB,
    )
    own = [one for one in outcomes if not one["published"]]
    return _say("meeting", session, row, own, [one for one in outcomes if one["published"]])


def _curve(reader: Reader, session: date) -> list[Markup]:
    rows = reader.points("headlines/curve", session=session)
    oldest = YIELDS.oldest_day(session)
    return [_say("curve", row) for row in rows if row["session_date"] >= oldest]


def _banks(reader: Reader, session: date) -> list[Markup]:
    rows = reader.points("headlines/banks", session=session)
    oldest = BANK_ESTIMATES.oldest_day(session)
    return [_say("banks", row) for row in rows if row["session_date"] >= oldest]
