"""The date dimension on the project's own calendar, against pandas and a plain search through the lists."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.model_fixture import build, empty_warehouse, fill_reference


@pytest.fixture(scope="module")
def reference() -> dict[str, pd.DataFrame]:
    with empty_warehouse("2024-07-16") as connection:
        fill_reference(connection, "calendar", "events", "fomc_meetings")
        names = ("ref.calendar", "ref.events", "ref.fomc_meetings")
        return {"mart": build(connection, "marts.calendar")} | {
            name: connection.execute(f"from {name}").df() for name in names
        }


@pytest.fixture(scope="module")
def mart(reference: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return reference["mart"].set_index("calendar_date")


def test_it_has_the_days_of_the_calendar(mart: pd.DataFrame, reference: dict[str, pd.DataFrame]) -> None:
    days = pd.date_range(mart.index.min(), mart.index.max(), freq="D")
    assert list(mart.index) == list(days) == list(reference["ref.calendar"]["calendar_date"])


def test_periods_are_those_of_pandas(mart: pd.DataFrame) -> None:
    days = pd.DatetimeIndex(mart.index)
    iso = days.isocalendar()
    expected = {
        "calendar_year": days.year,
        "quarter_of_year": days.quarter,
        "month_of_year": days.month,
        "iso_year": iso["year"],
        "iso_week": iso["week"],
        "iso_weekday": iso["day"],
        "year_start_date": days.to_period("Y").start_time,
        "quarter_start_date": days.to_period("Q").start_time,
        "month_start_date": days.to_period("M").start_time,
        "week_start_date": days.to_period("W-SUN").start_time,
    }
    for name, values in expected.items():
        assert list(mart[name]) == list(values), name


def test_the_last_session_of_a_month_is_that_of_pandas(mart: pd.DataFrame) -> None:
    sessions = mart.index[mart["is_nyse_session"]].to_series()
    last = set(sessions.groupby(sessions.dt.to_period("M")).max())
    assert set(mart.index[mart["is_month_end_session"]]) == last


def test_the_next_decision_is_the_next_of_those_known_on_the_day(
    mart: pd.DataFrame, reference: dict[str, pd.DataFrame]
) -> None:
    meetings = reference["ref.fomc_meetings"]
    around = pd.date_range("2020-02-25", "2020-05-01"), pd.date_range("2001-09-10", "2001-10-05")
    for day in [*mart.index[::23], *around[0], *around[1]]:
        open_then = meetings["cancelled_on"].isna() | (meetings["cancelled_on"] > day)
        known = meetings[
            (meetings["known_from_date"] <= day) & (meetings["decision_date"] >= day) & open_then
        ]
        expected, found = known["decision_date"].min(), mart.loc[day, "next_fomc_decision_date"]
        assert (pd.isna(expected) and pd.isna(found)) or expected == found, day
        if not pd.isna(found):
            assert mart.loc[day, "next_fomc_decision_days"] == (found - day).days


@pytest.mark.parametrize("kind", ["cpi", "jobs"])
def test_the_next_release_is_the_next_of_the_list(
    mart: pd.DataFrame, reference: dict[str, pd.DataFrame], kind: str
) -> None:
    events = reference["ref.events"]
    releases = pd.DatetimeIndex(sorted(events.loc[events["event_type"] == kind, "event_date"]))
    place = releases.searchsorted(mart.index)
    for day, index, found in zip(mart.index, place, mart[f"next_{kind}_release_date"], strict=True):
        ends = index == len(releases) or day < releases[0]
        assert pd.isna(found) if ends else found == releases[index], day
    has = mart["calendar_events"].fillna("").str.split("+").map(lambda codes: kind in codes)
    assert set(mart.index[has]) == set(releases)


def test_an_unscheduled_decision_is_next_on_its_own_day_only(mart: pd.DataFrame) -> None:
    """3 and 15 March 2020: nobody could count the days to them; the 18th was expected until the 15th."""
    found = mart.loc["2020-03-01":"2020-03-17", "next_fomc_decision_date"].dt.strftime("%m-%d")
    assert found["2020-03-02"] == found["2020-03-04"] == found["2020-03-14"] == "03-18"
    assert found["2020-03-03"] == "03-03"
    assert found["2020-03-15"] == "03-15"
    assert found["2020-03-16"] == "04-29"
