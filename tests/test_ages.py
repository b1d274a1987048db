"""Ages of answers: what is allowed to each family, measured to the session."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb
import pytest

from expectations import ages
from expectations.gate import check_table
from market_calendar.sessions import sessions_between
from warehouse.catalog import load_catalog


@pytest.fixture
def marts() -> duckdb.DuckDBPyConnection:
    """The marts, empty."""
    connection = duckdb.connect()
    connection.execute("create schema marts")
    for table in load_catalog().in_schema("marts"):
        connection.execute(table.ddl().replace(" not null", ""))
    return connection


@pytest.mark.parametrize(
    ("family", "last", "session", "behind", "too_old"),
    [
        (ages.FED_FUTURES, "2024-07-16", "2024-07-16", 0, False),
        (ages.FED_FUTURES, "2024-07-11", "2024-07-16", 3, False),
        (ages.FED_FUTURES, "2024-07-10", "2024-07-16", 4, True),
        (ages.FED_FUTURES, "2024-09-09", "2025-09-24", 262, True),
        # Futures settled on Good Friday 2023, when the NYSE was closed: it counts.
        (ages.FED_FUTURES, "2023-04-05", "2023-04-11", 4, True),
        # Columbus Day is a session without yields.
        (ages.YIELDS, "2024-10-10", "2024-10-14", 1, False),
        (ages.YIELDS, "2024-07-10", "2024-07-16", 4, False),
        (ages.YIELDS, "2024-06-14", "2024-07-16", 20, True),
        # No session lay between: the exchange was closed from 11 to 14 September 2001.
        (ages.VIX, "2001-09-10", "2001-09-17", 1, False),
        (ages.PRICES, "2024-07-15", "2024-07-16", 1, True),
        (ages.BANK_QUARTERS, "2024-03-31", "2024-09-12", 165, False),
        (ages.BANK_QUARTERS, "2023-09-30", "2024-07-16", 290, True),
    ],
)
def test_the_age_of_an_answer(
    family: ages.Family, last: str, session: str, behind: int, too_old: bool
) -> None:
    age = ages.Age(family, date.fromisoformat(last), date.fromisoformat(session))
    assert (age.behind, age.too_old) == (behind, too_old)
    assert (age.last < family.oldest_day(age.session)) == too_old


def test_the_oldest_day_is_the_border_of_every_family() -> None:
    for session in sessions_between(date(2000, 1, 3), date(2027, 6, 1))[::97]:
        for family in ages.FAMILIES:
            oldest = family.oldest_day(session)
            assert not ages.Age(family, oldest, session).too_old, (family.name, session)
            before = oldest - timedelta(days=1)
            while family.unit.between(before, session) == family.unit.between(oldest, session):
                before -= timedelta(days=1)
            assert ages.Age(family, before, session).too_old, (family.name, session)


def settle(connection: duckdb.DuckDBPyConnection, *days: str) -> None:
    """Settlement days with one meeting each that is solved."""
    for day in days:
        connection.execute("insert into marts.policy_path_daily (as_of_date) values (?)", [day])
        connection.execute(
            "insert into marts.fomc_meetings_daily (as_of_date, meeting_date, cut_prob, hold_prob, hike_prob,"
            " solved) values (?, '2024-09-18', 1, 0, 0, 'anchor')",
            [day],
        )


@pytest.mark.parametrize(
    ("session", "failed"), [("2024-07-24", False), ("2024-07-30", True), ("2025-09-24", True)]
)
def test_the_rules_compare_with_the_session(
    marts: duckdb.DuckDBPyConnection, session: str, failed: bool
) -> None:
    settle(marts, "2024-07-23", "2024-07-24")
    marts.execute("set variable session_date = ?::date", [session])
    catalog, found = load_catalog(), {}
    for name in ("marts.fomc_meetings_daily", "marts.policy_path_daily"):
        found |= {result["rule"]: result["passed"] for result in check_table(marts, catalog[name]).results}
    assert found["newest_settlement_is_not_too_old"] is not failed
    assert found["the_next_meeting_is_solved_on_the_newest_day"] is not failed


def test_a_session_of_the_past_measures_with_its_own_inputs(marts: duckdb.DuckDBPyConnection) -> None:
    settle(marts, "2024-07-24", "2025-09-24")
    day = date(2024, 7, 24)
    assert ages.old_answers(marts, day) == []
    found = ages.age_of(marts, ages.FED_FUTURES, day)
    assert found is not None and found.last == day


def test_what_was_never_served_has_no_age(marts: duckdb.DuckDBPyConnection) -> None:
    assert ages.old_answers(marts, date(2024, 7, 24)) == []


def test_a_series_that_was_given_up_has_no_answer_to_grow_old(marts: duckdb.DuckDBPyConnection) -> None:
    marts.execute("create schema ref")
    marts.execute(load_catalog()["ref.fred_series"].ddl().replace(" not null", ""))
    marts.execute(
        "insert into marts.macro_daily (series_id, observation_date, value)"
        " values ('BAA10Y', '2024-06-03', 1.7)"
    )
    marts.execute("insert into ref.fred_series (series_id, frequency) values ('BAA10Y', 'daily')")
    session = date(2024, 7, 24)
    [rule] = [
        one
        for one in ages.rules_of("marts.macro_daily", session)
        if one["name"].endswith("baa10y_is_not_too_old")
    ]
    [age] = ages.old_answers(marts, session)
    assert age.last == date(2024, 6, 3)
    assert marts.execute(rule["sql"]).fetchall()
    marts.execute("update ref.fred_series set active_to = '2024-06-03'")
    assert ages.old_answers(marts, session) == []
    assert not marts.execute(rule["sql"]).fetchall()


def test_the_sentence_names_what_ended_and_what_is_allowed(marts: duckdb.DuckDBPyConnection) -> None:
    settle(marts, "2024-09-09")
    [age] = ages.old_answers(marts, date(2025, 9, 24))
    assert age.sentence == (
        "Fed funds futures end on 2024-09-09, 262 settlement days before the session 2025-09-24;"
        " 3 are allowed."
    )
