"""How old an answer may be: the one list of allowed ages for the brief, the status, alerts and rules.

In: a publication and its session. Out: per family of answers its newest day, its age at the session and
whether it may still speak of the session. An answer that is older than allowed is history: it is labelled
by its date, leaves the headlines, fails a rule and is a problem in `make status`. Ages are measured to the
session, never to the clock, so that a session of a year ago with the inputs of its time is not old.
Caveat: a family that was never served has no answer and hence no age.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from expectations.rules import Query
from market_calendar.allowed_ages import ALLOWED_AGES
from market_calendar.sessions import (
    fed_business_days_between,
    first_and_last_day,
    sessions_between,
    settlement_days_between,
)

Days = Callable[[date, date], list[date]]
# How far back the day is looked for that is just old enough.
LOOK_BACK_DAYS = 45


@dataclass(frozen=True)
class Unit:
    """What an age is counted in; `days` lists the days of a range, None where every day counts."""

    name: str
    days: Days | None = None

    def between(self, last: date, session: date) -> int:
        """How many such days have passed since `last`, the session's own included."""
        if last >= session:
            return 0
        if self.days is None:
            return (session - last).days
        first, _ = first_and_last_day()
        return len(self.days(max(first, last + timedelta(days=1)), session))

    def oldest(self, session: date, allowed: int) -> date:
        """The oldest day that is at most so many such days before the session."""
        if self.days is None:
            return session - timedelta(days=allowed)
        first, _ = first_and_last_day()
        found = self.days(max(first, session - timedelta(days=LOOK_BACK_DAYS)), session)
        # The days after the oldest one are the last `allowed` ones.
        return found[-allowed - 1] if len(found) > allowed else first


SESSIONS = Unit("session", sessions_between)
SETTLEMENT_DAYS = Unit("settlement day", settlement_days_between)
BUSINESS_DAYS = Unit("business day", fed_business_days_between)
CALENDAR_DAYS = Unit("day")


@dataclass(frozen=True)
class Place:
    """Where the newest day of a family is: in a column of a table, among the rows that count."""

    table: str
    day: str
    counts: str = "true"

    def newest_sql(self, session: date) -> str:
        """SQL for the newest day up to the session."""
        return (
            f"select max({self.day}) as newest_day from {self.table}"
            f" where {self.day} <= date '{session}' and {self.counts}"
        )


@dataclass(frozen=True)
class Family:
    """Answers that grow old together.

    Attributes:
        name: for the name of its rule, `newest_<name>_is_not_too_old`.
        title: what ends, at the start of a sentence.
        found_in: where its newest day is: tables with the column of the day and what counts.
        unit: what the age is counted in.
        remedy: what to do when it is older.
        series: the series behind it, which may be given up by an `active_to`; then there is no answer.
    """

    name: str
    title: str
    found_in: tuple[Place, ...]
    unit: Unit
    remedy: str
    series: str | None = None

    @property
    def allowed(self) -> int:
        """How many units older than the session the newest day may be."""
        return ALLOWED_AGES[self.name]

    def given_up_sql(self, session: date) -> str:
        """SQL for a row where the series was given up before the session."""
        return (
            f"select 1 from ref.fred_series where series_id = '{self.series}'"
            f" and active_to < date '{session}'"
        )

    def oldest_day(self, session: date) -> date:
        """The oldest day that may still speak of the session."""
        return self.unit.oldest(session, self.allowed)


@dataclass(frozen=True)
class Age:
    """The newest day of a family and how far it is behind the session."""

    family: Family
    last: date
    session: date

    @property
    def behind(self) -> int:
        """How many units of the family have passed since the newest day."""
        return self.family.unit.between(self.last, self.session)

    @property
    def too_old(self) -> bool:
        """Whether the answer is history at the session."""
        return self.behind > self.family.allowed

    @property
    def sentence(self) -> str:
        """What ended, when, and how old it may be."""
        unit = self.family.unit.name + "s" * (self.behind != 1)
        allowed = f"{self.family.allowed or 'none'} {'is' if self.family.allowed < 2 else 'are'} allowed"
        return (
            f"{self.family.title} end on {self.last}, {self.behind:,} {unit} before the session"
            f" {self.session}; {allowed}."
        )


def _series(series: str, title: str, unit: Unit = BUSINESS_DAYS) -> Family:
    counts = f"series_id = '{series}' and value is not null"
    return Family(
        f"observation_of_{series.lower()}",
        title,
        (Place("marts.macro_daily", "observation_date", counts),),
        unit,
        f"Serve {series} again, or give it an active_to in warehouse/reference/fred_series.csv if it ended.",
        series,
    )


FED_FUTURES = Family(
    "settlement",
    "Fed funds futures",
    (Place("marts.policy_path_daily", "as_of_date"), Place("marts.fomc_meetings_daily", "as_of_date")),
    SETTLEMENT_DAYS,
    "Serve newer settlements (docs/runbook/stale-inputs.md).",
)
YIELDS = Family(
    "yield_curve",
    "Treasury yields",
    (Place("marts.yield_curve_daily", "session_date", "y2_pct is not null and y10_pct is not null"),),
    BUSINESS_DAYS,
    "Serve newer observations of DGS2 and DGS10.",
)
PRICES = Family(
    "price",
    "Prices of small against large caps (IWM, SPY)",
    (Place("marts.rotation_pair_daily", "session_date", "pair_id = 'IWM/SPY' and spread_pp is not null"),),
    SESSIONS,
    "Serve newer closes of IWM and SPY.",
)
BANK_ESTIMATES = Family(
    "bank_estimate",
    "Estimates of the banks' sensitivity to yields",
    (Place("marts.bank_sensitivity_daily", "session_date", "beta_y2 is not null"),),
    SESSIONS,
    "Serve newer yields and newer prices of the banks.",
)
BANK_QUARTERS = Family(
    "bank_quarter",
    "Banks' reported quarters",
    (Place("marts.bank_reported_losses", "quarter_end"),),
    CALENDAR_DAYS,
    "Add the newest quarter to warehouse/reference/bank_reported_losses.csv, or fetch it from the FDIC.",
)
VIX = _series("VIXCLS", "Closes of the VIX", unit=SESSIONS)
FAMILIES: tuple[Family, ...] = (
    PRICES,
    FED_FUTURES,
    YIELDS,
    BANK_ESTIMATES,
    BANK_QUARTERS,
    VIX,
    _series("BAA10Y", "Baa spreads"),
    _series("BAMLH0A0HYM2", "High-yield spreads"),
    _series("ICSA", "Jobless claims", CALENDAR_DAYS),
)
# The longest that passes between two events of a kind; when more has passed, the list of events has ended.
EVENT_DAYS = {"cpi": 62, "jobs": 80, "fomc": 62, "jackson_hole": 740}
# How long after its own schedule a series may still be late, in days.
LATE_DAYS = {"daily": 5, "weekly": 9, "monthly": 35, "quarterly": 100, "annual": 366, "irregular": 100}


def age_of(
    connection: duckdb.DuckDBPyConnection,
    family: Family,
    session: date,
    tables: Collection[str] | None = None,
) -> Age | None:
    """The age of one family at the session; None where there is no answer, or no table.

    Args:
        connection: on a publication.
        family: of answers.
        session: of the publication.
        tables: those that the publication has, where the caller knows.
    """
    held = _held(connection) if tables is None else tables
    if (
        family.series
        and "ref.fred_series" in held
        and connection.execute(family.given_up_sql(session)).fetchone()
    ):
        return None
    newest = [
        row[0]
        for place in family.found_in
        if place.table in held
        and (row := connection.execute(place.newest_sql(session)).fetchone())
        and row[0] is not None
    ]
    return Age(family, max(newest), session) if newest else None


def old_answers(connection: duckdb.DuckDBPyConnection, session: date) -> list[Age]:
    """The families whose newest day is too old to speak of the session."""
    held = _held(connection)
    found = (age_of(connection, family, session, held) for family in FAMILIES)
    return [age for age in found if age is not None and age.too_old]


def rules_of(table: str, session: date) -> list[Query]:
    """The rules on the ages of the families whose newest day is in the table."""
    rules = []
    for family in FAMILIES:
        place = family.found_in[0]
        if table == place.table:
            offenders = (
                f"select newest_day, date '{session}' as session_date from ({place.newest_sql(session)})"
                f" where newest_day < date '{family.oldest_day(session)}'"
            )
            if family.series:
                offenders += f" and not exists ({family.given_up_sql(session)})"
            rules.append(
                Query(
                    name=f"newest_{family.name}_is_not_too_old",
                    severity="warning",
                    why="An answer that is older than allowed says nothing of the session.",
                    sql=offenders,
                )
            )
    return rules


def set_oldest_days(connection: duckdb.DuckDBPyConnection, session: date) -> None:
    """Set a variable per family, `oldest_<name>_day`, for the rules that are written by hand;
    once for a session.
    """
    row = connection.execute("select getvariable('oldest_days_of')").fetchone()
    if row == (session,):
        return
    for family in FAMILIES:
        connection.execute(f"set variable oldest_{family.name}_day = date '{family.oldest_day(session)}'")
    connection.execute("set variable oldest_days_of = ?::date", [session])


def _held(connection: duckdb.DuckDBPyConnection) -> set[str]:
    rows = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name ="
        " current_database()"
    ).fetchall()
    return {row[0] for row in rows}
