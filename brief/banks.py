"""Banks: beta to the 2-year with its interval, regime, moves for yields 25 bp lower, securities.

In: the page. Out: blocks of its section, of the latest session with an estimate. Caveat: intervals are 90
%, beta ± 1.645 Newey-West errors; those of ranks are confidence sets (transforms/lib/rank_intervals.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from brief import figures
from brief.blocks import Page, Section, attempt, group_names
from brief.cells import Absent, Row, plain_number
from expectations.ages import BANK_ESTIMATES, BANK_QUARTERS

REGIMES = {
    "gains_when_rates_fall": "var(--c1)",
    "gains_when_rates_rise": "var(--c2)",
    "unclear": "var(--hold)",
}
BUCKETS = {
    "lt_1y": "under 1 year",
    "1_3y": "1 to 3 years",
    "3_5y": "3 to 5 years",
    "5_10y": "5 to 10 years",
    "gt_10y": "over 10 years",
    "mbs": "mortgage-backed",
    "covered": "covered, together",
}
ESTIMATORS = {
    "w60": "60 observations",
    "w126": "126 observations",
    "w252": "252 observations",
    "ewm60": "weights halving every 60",
    "fomc_days": "FOMC days",
}
# The first of these with an estimate is drawn over time; these funds stand beside the groups.
DRAWN = ("KRE", "regional", "all_banks", "KBE", "JPM")
FUNDS = ("KRE", "KBE", "KBWB", "IAT", "XLF", "IWM")


@dataclass(frozen=True)
class Week:
    """The beta of an entity at the end of a week."""

    session_date: dt.date
    beta_y2: float
    low: float
    high: float
    regime: str


@dataclass(frozen=True)
class Beta:
    """The figure of one entity's beta over time."""

    entity: str
    last: Row
    first_day: str
    last_day: str
    yearly: list[Row]
    drawings: list[Markup]
    statement: str


@dataclass(frozen=True)
class Moves:
    """The moves for yields 25 bp lower: all rows with their names, and those that are drawn."""

    day: dt.date
    rows: list[tuple[str, Row]]
    points: figures.Points
    drawings: list[Markup]
    statement: str

    @property
    def ahead(self) -> int:
        """How many of those drawn have their whole interval above zero."""
        return sum(point["low"] > 0 for point in self.points)

    @property
    def first(self) -> tuple[str, Row] | None:
        """The one that ranks first, where its rank has an interval."""
        return next(
            (
                (name, row)
                for name, row in self.rows
                if row["sensitivity_rank"].value == 1 and row["rank_low"].known and row["rank_high"].known
            ),
            None,
        )


def banks(page: Page, section: Section) -> None:
    """Beta to the 2-year yield over time, regime, moves for yields 25 bp lower, securities."""
    age = page.age(BANK_ESTIMATES)
    if age is not None and age.too_old:
        section.history(age)
    for part in (_beta, _moves, _estimators, _securities, _reported):
        attempt(section, part, page)


def _beta(page: Page, section: Section) -> None:
    reader = page.reader
    reader.require("marts.bank_sensitivity_daily")
    estimated = {
        row["entity_id"]: row["last_date"] for row in reader.points("banks/estimated", session=page.session)
    }
    oldest = BANK_ESTIMATES.oldest_day(page.session)
    # One with a present estimate, before one whose prices have ended.
    entity = next(
        (name for name in DRAWN if name in estimated and estimated[name] >= oldest),
        next((name for name in DRAWN if name in estimated), None),
    )
    if entity is None:
        raise Absent(f"marts.bank_sensitivity_daily has no estimate up to {page.session}.")
    asked = {"entity": entity, "session": page.session}
    weeks = reader.records(Week, "banks/beta", **asked)
    points: figures.Points = [
        {
            "d": str(week.session_date),
            "beta": round(week.beta_y2, 5),
            "low": round(week.low, 5),
            "high": round(week.high, 5),
        }
        for week in weeks
    ]
    spec = figures.lines(
        points,
        [("beta", plain_number(points[-1]["beta"], 2, signed=True), "var(--c1)")],
        unit="% per +10 bp",
        band=("low", "high"),
        zero=True,
        reference=0,
        height=190,
        strip=(_spans(weeks), REGIMES),
    )
    section.block(
        "beta",
        Beta(
            entity,
            reader.query("banks/beta_now", **asked)[0],
            points[0]["d"],
            points[-1]["d"],
            reader.query("banks/beta_by_year", **asked),
            [page.draw(spec, "beta")],
            reader.statement("banks/beta", **asked),
        ),
    )


def _spans(weeks: list[Week]) -> figures.Points:
    """The regimes one after the other, each until the next begins."""
    spans: figures.Points = []
    for week in weeks:
        day = str(week.session_date)
        if spans:
            spans[-1]["until"] = day
        if not spans or spans[-1]["regime"] != week.regime:
            spans.append({"d": day, "until": day, "regime": week.regime})
    return spans


def _moves(page: Page, section: Section) -> None:
    reader = page.reader
    reader.require("marts.bank_sensitivity_daily")
    rows = reader.query("banks/moves", session=page.session)
    if not rows:
        raise Absent(f"marts.bank_sensitivity_daily has no estimate up to {page.session}.")
    names = group_names(reader)
    named = [(str(names.get(row["entity_id"].value, row["entity_id"].value)), row) for row in rows]
    points = _intervals(named)
    drawings = [page.draw(figures.intervals(points, unit="price move, %"), "moves")] if points else []
    view = Moves(
        rows[0]["session_date"].value,
        named,
        points,
        drawings,
        reader.statement("banks/moves", session=page.session),
    )
    section.block("moves" if points else "all_moves", view)


def _intervals(named: list[tuple[str, Row]]) -> figures.Points:
    """The groups and the main funds (everything, where there are none) that have an interval."""
    chosen = [
        (name, row)
        for name, row in named
        if row["entity_type"].value == "group" or row["entity_id"].value in FUNDS
    ]
    return [
        {
            "name": name,
            "v": round(row["move_if_yields_down_25bp_pct"].value, 4),
            "low": round(row["move_low_pct"].value, 4),
            "high": round(row["move_high_pct"].value, 4),
        }
        for name, row in chosen or named
        if row["move_if_yields_down_25bp_pct"].known and row["move_low_pct"].known
    ]


def _estimators(page: Page, section: Section) -> None:
    page.reader.require("marts.bank_rate_betas")
    rows = page.reader.query("banks/estimators", session=page.session)
    if rows:
        section.block("estimators", _in_order(rows, "estimator", ESTIMATORS))


def _securities(page: Page, section: Section) -> None:
    reader = page.reader
    reader.require("marts.bank_securities_mark")
    latest = reader.scalar("banks/latest_securities", session=page.session)
    if not latest.known:
        raise Absent(f"marts.bank_securities_mark has no estimate up to {page.session}.")
    rows = reader.query("banks/securities", session=latest.value)
    section.block("securities", latest, _in_order(rows, "bucket", BUCKETS))


def _in_order(rows: list[Row], column: str, names: Mapping[str, str]) -> list[tuple[str, Row]]:
    """Rows with their names in the order of the names; a value without a name comes last, as it is."""
    order = {value: index for index, value in enumerate(names)}
    placed = sorted(rows, key=lambda row: order.get(row[column].value, len(order)))
    return [(names.get(row[column].value, row[column].value), row) for row in placed]


def _reported(page: Page, section: Section) -> None:
    age = page.age(BANK_QUARTERS)
    if age is not None and age.too_old:
        section.note("old_quarters", age)
    rows = page.reader.query("banks/reported_losses", session=page.session)
    if rows:
        section.block("reported_losses", rows)
    else:
        section.note("no_reported_losses", page.session)
