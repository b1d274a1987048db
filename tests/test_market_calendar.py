"""The calendar agrees with exchange_calendars, settlement days and release times with recorded cases."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from market_calendar import projections, refresh, release_rules, sessions
from market_calendar.release_rules import available_at_utc

ROOT = Path(__file__).resolve().parent.parent
D = dt.date


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def available(rule: str, frequency: str, *days: str) -> list[str]:
    result = available_at_utc(rule, frequency, pd.Series(pd.to_datetime(list(days))))
    return [stamp.strftime("%Y-%m-%d %H:%M") for stamp in result]


# --- the file ---


def test_calendar_csv_is_what_refresh_computes() -> None:
    with sessions.CALENDAR_CSV.open(newline="", encoding="utf-8") as handle:
        stored = [tuple(row) for row in csv.reader(handle)]
    assert stored[0] == refresh.COLUMNS
    assert stored[1:] == refresh.compute_calendar()


def test_one_row_per_day_and_numbers_without_gaps() -> None:
    with sessions.CALENDAR_CSV.open(newline="", encoding="utf-8") as handle:
        stored = list(csv.DictReader(handle))
    days = [D.fromisoformat(row["calendar_date"]) for row in stored]
    assert (days[0], days[-1]) == (D(1990, 1, 1), D(2028, 12, 31))
    assert all((b - a).days == 1 for a, b in itertools.pairwise(days))
    numbers = [int(row["session_number"]) for row in stored if row["session_number"]]
    assert numbers == list(range(1, len(numbers) + 1))
    for row in stored:
        assert (row["is_nyse_session"] == "1") == bool(row["session_number"]) == bool(row["close_at_utc"])
    assert sessions.CALENDAR_CSV.stat().st_size < 600_000


@pytest.mark.parametrize(
    "closed",
    [
        D(1994, 4, 27),  # President Nixon's funeral
        *(D(2001, 9, day) for day in (11, 12, 13, 14)),
        D(2004, 6, 11),  # President Reagan
        D(2007, 1, 2),  # President Ford
        D(2012, 10, 29),
        D(2012, 10, 30),
        D(2018, 12, 5),  # President G. H. W. Bush
        D(2022, 6, 20),  # first observed Juneteenth
        D(2023, 4, 7),
        D(2025, 1, 9),  # President Carter
        D(2026, 5, 25),
    ],
)
def test_known_closures(closed: dt.date) -> None:
    assert not sessions.is_session(closed)


def test_first_sessions_after_closures() -> None:
    assert sessions.next_session(D(2001, 9, 10)) == D(2001, 9, 17)
    assert sessions.previous_session(D(2012, 10, 31)) == D(2012, 10, 26)
    assert sessions.sessions_between(D(2012, 10, 27), D(2012, 11, 1)) == [D(2012, 10, 31), D(2012, 11, 1)]
    assert sessions.sessions_between(D(2024, 1, 3), D(2024, 1, 2)) == []


def test_sessions_per_year() -> None:
    count = {
        year: len(sessions.sessions_between(D(year, 1, 1), D(year, 12, 31)))
        for year in (2001, 2012, 2024, 2025)
    }
    assert count == {2001: 248, 2012: 250, 2024: 252, 2025: 250}


def test_settlement_days_differ_from_sessions_where_recorded() -> None:
    settlement = set(sessions.calendar_days("settlement"))
    nyse = set(sessions.calendar_days("session"))
    assert D(2023, 4, 7) in settlement - nyse
    assert D(2001, 9, 13) in settlement - nyse
    assert D(2012, 10, 29) in settlement - nyse
    assert D(2018, 12, 5) not in settlement | nyse
    assert D(2006, 10, 9) in nyse - settlement  # Columbus Day: CBOT closed until 2007
    assert D(2008, 10, 13) in nyse & settlement
    exceptions = refresh.read_settlement_exceptions()
    assert settlement == (nyse | {day for day, is_open in exceptions.items() if is_open}) - {
        day for day, is_open in exceptions.items() if not is_open
    }


def test_fed_business_days() -> None:
    fed = set(sessions.calendar_days("fed_business"))
    holidays = [
        D(2024, 10, 14),
        D(2024, 11, 11),
        D(2022, 6, 20),
        D(2023, 6, 19),
        D(2023, 1, 2),
        D(2012, 11, 12),
    ]
    assert not fed & set(holidays)
    # A Saturday holiday is not made up for on Friday; Good Friday and days of mourning are business days.
    for day in (
        D(2020, 7, 3),
        D(2021, 6, 18),
        D(2021, 12, 24),
        D(2023, 4, 7),
        D(2018, 12, 5),
        D(2025, 1, 9),
        D(2001, 9, 12),
    ):
        assert day in fed, day
    assert all(len(refresh.compute_fed_holidays(year)) <= 11 for year in range(1990, 2029))


# --- sessions ---


def test_closes_in_winter_summer_and_early() -> None:
    assert sessions.session_close_utc(D(2024, 1, 3)) == utc("2024-01-03 21:00")
    assert sessions.session_close_utc(D(2024, 7, 11)) == utc("2024-07-11 20:00")
    assert sessions.session_close_utc(D(2024, 7, 3)) == utc("2024-07-03 17:00")
    assert sessions.is_early_close(D(2024, 11, 29))
    assert not sessions.is_early_close(D(2024, 11, 27))


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (D(2024, 1, 31), "2024-02-01 04:59"),
        (D(2024, 7, 31), "2024-08-01 03:59"),
        (D(2024, 3, 8), "2024-03-09 04:59"),  # last session before summer time
        (D(2024, 3, 11), "2024-03-12 03:59"),
        (D(2024, 11, 1), "2024-11-02 03:59"),
        (D(2024, 11, 4), "2024-11-05 04:59"),
    ],
)
def test_cutoff_is_2359_new_york(session: dt.date, expected: str) -> None:
    assert sessions.cutoff_utc(session) == utc(expected)


def test_last_closed_session() -> None:
    assert sessions.last_closed_session(utc("2024-07-11 20:00")) == D(2024, 7, 11)
    assert sessions.last_closed_session(utc("2024-07-11 19:59:59")) == D(2024, 7, 10)
    assert sessions.last_closed_session(utc("2024-07-12 03:00")) == D(
        2024, 7, 11
    )  # still the 11th in New York
    assert sessions.last_closed_session(utc("2024-07-14 12:00")) == D(2024, 7, 12)  # a Sunday
    assert sessions.last_closed_session(utc("2024-07-03 17:00")) == D(2024, 7, 3)
    aware = dt.datetime(2024, 7, 11, 16, 0, tzinfo=sessions.NEW_YORK)
    assert sessions.last_closed_session(aware) == D(2024, 7, 11)
    with pytest.raises(sessions.NotASession):
        sessions.last_closed_session(utc("1990-01-02 12:00"))


def test_message_for_a_holiday_a_weekend_and_a_date_outside() -> None:
    with pytest.raises(sessions.NotASession) as holiday:
        sessions.cutoff_utc(D(2024, 7, 4))
    assert (
        str(holiday.value)
        == "2024-07-04 is a Thursday on which the NYSE was closed (a holiday or closure), not a session: "
        "the session before it is 2024-07-03 and the next one is 2024-07-05."
    )
    with pytest.raises(sessions.NotASession) as weekend:
        sessions.session_close_utc(D(2024, 7, 6))
    assert (
        str(weekend.value) == "2024-07-06 is a Saturday, not a session: "
        "the session before it is 2024-07-05 and the next one is 2024-07-08."
    )
    for day in (D(1989, 12, 29), D(2029, 1, 2)):
        with pytest.raises(sessions.NotASession, match="outside the market calendar"):
            sessions.require_session(day)
        with pytest.raises(sessions.NotASession, match="outside the market calendar"):
            sessions.is_session(day)
    with pytest.raises(sessions.NotASession, match="has no session after"):
        sessions.next_session(D(2028, 12, 29))
    with pytest.raises(sessions.NotASession, match="has no session before"):
        sessions.previous_session(D(1990, 1, 2))
    with pytest.raises(sessions.NotASession, match=r"next one is 1990-01-02\.$"):
        sessions.require_session(D(1990, 1, 1))


def test_import_costs_no_heavy_library_and_reads_no_file() -> None:
    code = (
        "import sys; import market_calendar.sessions as s; "
        "import market_calendar.release_rules, market_calendar.refresh; "
        "assert not {'pandas', 'numpy', 'exchange_calendars', 'duckdb'} & set(sys.modules), 'heavy import'; "
        "assert s._read_calendar.cache_info().currsize == 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# --- release rules ---


def test_yield_of_a_friday_before_columbus_day() -> None:
    assert available("business_days:1@16:15", "daily", "2024-10-11") == ["2024-10-15 20:15"]


def test_business_days_over_weekends_holidays_and_summer_time() -> None:
    rule = "business_days:1@16:15"
    assert available(rule, "daily", "2024-01-02", "2024-07-10") == ["2024-01-03 21:15", "2024-07-11 20:15"]
    # Federal funds on Saturday and Sunday come with Friday's, on Monday.
    assert available(rule, "daily", "2024-06-07", "2024-06-08", "2024-06-09") == ["2024-06-10 20:15"] * 3
    assert available(rule, "daily", "2024-03-28") == ["2024-03-29 20:15"]  # Good Friday is a Fed business day
    assert available(rule, "daily", "2024-03-08") == [
        "2024-03-11 20:15"
    ]  # summer time began on the Sunday between
    assert available("business_days:0@16:15", "daily", "2024-09-19", "2024-09-21") == [
        "2024-09-19 20:15",
        "2024-09-23 20:15",
    ]
    assert available("business_days:2@09:00", "daily", "2024-08-30") == ["2024-09-04 13:00"]  # Labor Day


def test_what_is_published_together_each_monday() -> None:
    rule = "next_week@16:15"
    week = ["2024-07-08", "2024-07-09", "2024-07-10", "2024-07-11", "2024-07-12", "2024-07-13", "2024-07-14"]
    assert available(rule, "daily", *week) == ["2024-07-15 20:15"] * 7
    # The Monday after is Labor Day, then Columbus Day of 2024.
    assert available(rule, "daily", "2024-08-30", "2024-10-07") == ["2024-09-03 20:15", "2024-10-15 20:15"]
    assert available(rule, "daily", "1969-12-31", "1970-01-04") == ["1970-01-05 21:15"] * 2
    with pytest.raises(ValueError, match="next_week@HH:MM"):
        release_rules.parse_rule("next_week:1@16:15")


def test_month_end_dff_is_there_for_the_first_session_of_the_next_month() -> None:
    """The expired contract's final settlement is rebuilt from DFF in the first run of the new month."""
    for year in range(2000, 2028):
        for month in range(1, 13):
            first = D(year, month, 1)
            session = first if sessions.is_session(first) else sessions.next_session(first)
            month_end = first - dt.timedelta(days=1)
            (stamp,) = available_at_utc(
                "business_days:1@16:15", "daily", pd.Series([pd.Timestamp(month_end)])
            )
            assert stamp <= sessions.cutoff_utc(session), (month_end, session)


def test_cpi_and_jobs_follow_the_release_calendar() -> None:
    cpi, jobs = "calendar:cpi|days:20@08:30", "calendar:jobs|days:10@08:30"
    assert available(cpi, "monthly", "2024-06-01", "2023-12-01") == ["2024-07-11 12:30", "2024-01-11 13:30"]
    assert available(jobs, "monthly", "2023-03-01") == ["2023-04-07 12:30"]
    # October 2025 had no release of its own.
    assert available(cpi, "monthly", "2025-10-01") == ["2025-12-18 13:30"]
    assert available(jobs, "monthly", "2025-10-01") == ["2025-12-16 13:30"]
    # Before and after the calendar the lag counts from the end of the month, to the next business day.
    assert available(cpi, "monthly", "1995-06-01") == ["1995-07-20 12:30"]
    assert available(jobs, "monthly", "1998-09-01") == [
        "1998-10-13 12:30"
    ]  # 10 October: Saturday, then Columbus Day
    assert available(jobs, "monthly", "2028-05-01") == ["2028-06-12 12:30"]


def test_releases_can_be_passed_in() -> None:
    releases = {"cpi": pd.Series(pd.to_datetime(["2020-02-13 13:30"]), index=pd.to_datetime(["2020-01-01"]))}
    dates = pd.Series(pd.to_datetime(["2020-01-01", "2020-02-01"]))
    result = available_at_utc("calendar:cpi|days:20@08:30", "monthly", dates, releases=releases)
    assert list(result) == [pd.Timestamp("2020-02-13 13:30"), pd.Timestamp("2020-03-20 12:30")]


def test_lags_count_from_the_end_of_the_period() -> None:
    assert available("days:5@08:30", "weekly", "2024-07-06") == [
        "2024-07-11 12:30"
    ]  # claims: Saturday to Thursday
    assert available("days:9@16:15", "weekly", "2024-06-26") == [
        "2024-07-05 20:15"
    ]  # H.8: Wednesday to Friday week
    assert available("days:30@08:30", "monthly", "2024-02-01") == ["2024-04-01 12:30"]  # 30 March, a Saturday
    # The April survey of loan officers is dated 1 April and comes out in May.
    assert available("days:-45@14:00", "quarterly", "2024-04-01") == ["2024-05-16 18:00"]
    assert available("days:-45@14:00", "quarterly", "2024-02-01") == available(
        "days:-45@14:00", "quarterly", "2024-01-01"
    )


def test_prices_and_settlements() -> None:
    rule = release_rules.EQUITY_RULE
    assert available(rule, "daily", "2024-07-03", "2024-07-11") == ["2024-07-03 17:00", "2024-07-11 20:00"]
    assert available(rule, "daily", "2026-05-25") == [
        "2026-05-25 20:00"
    ]  # a row on a holiday: refused elsewhere
    assert available(release_rules.FUTURES_RULE, "daily", "2023-04-07", "2024-01-03") == [
        "2023-04-07 21:00",
        "2024-01-03 22:00",
    ]


def test_index_order_and_missing_dates_are_kept() -> None:
    dates = pd.Series(pd.to_datetime(["2024-07-10", None, "2024-01-02"]), index=[7, 3, 5])
    result = available_at_utc("business_days:1@16:15", "daily", dates)
    assert list(result.index) == [7, 3, 5]
    assert result.loc[7] == pd.Timestamp("2024-07-11 20:15")
    assert pd.isna(result.loc[3])
    assert result.loc[5] == pd.Timestamp("2024-01-03 21:15")
    assert str(result.dtype) == "datetime64[us]"
    assert available_at_utc("session_close", "daily", dates.iloc[:0]).empty


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "tomorrow",
        "days:5",
        "days:x@08:30",
        "business_days:-1@16:15",
        "days:5@25:00",
        "calendar:cpi",
        "calendar:cpi|session_close",
    ],
)
def test_a_rule_that_cannot_be_read_is_named(rule: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        release_rules.parse_rule(rule)


def test_unknown_frequency_and_event_are_refused() -> None:
    with pytest.raises(ValueError, match="frequency 'hourly'"):
        available("days:5@08:30", "hourly", "2024-01-01")
    with pytest.raises(ValueError, match="no release of event type 'gdp'"):
        available("calendar:gdp|days:5@08:30", "monthly", "2024-01-01")


def test_nothing_is_available_before_its_period_starts() -> None:
    months = pd.Series(pd.date_range("1990-01-01", "2026-06-01", freq="MS"))
    with (ROOT / "warehouse" / "reference" / "fred_series.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            days = months[::3] if row["frequency"] == "quarterly" else months
            if row["observation_period"] == "projected_year":
                continue  # it is forecast before it begins, see the next test
            result = available_at_utc(row["release_rule"], row["frequency"], days)
            assert (result > days).all(), row["series_id"]
            assert result.is_monotonic_increasing, row["series_id"]


def test_a_projected_year_is_available_from_the_first_projections_that_name_it() -> None:
    """September's are the first to name the third year ahead; nobody names the years after that."""
    rule = "projections@14:00"
    assert available(rule, "annual", "2024-01-01") == ["2021-09-22 18:00"]
    assert available(rule, "annual", "2029-01-01") == ["2026-09-16 18:00"]
    assert available(rule, "annual", "2014-01-01") == ["2012-01-25 19:00"]
    assert available_at_utc(rule, "annual", pd.Series(pd.to_datetime(["2090-01-01"]))).isna().all()


def test_days_of_projections() -> None:
    """By the Federal Reserve's list: five in 2012, four a year since, three in 2020."""
    days = projections.projection_days()
    assert [str(day) for day in days if day.year in (2012, 2020, 2021, 2024)] == [
        *("2012-01-25", "2012-04-25", "2012-06-20", "2012-09-13", "2012-12-12"),
        *("2020-06-10", "2020-09-16", "2020-12-16"),
        *("2021-03-17", "2021-06-16", "2021-09-22", "2021-12-15"),
        *("2024-03-20", "2024-06-12", "2024-09-18", "2024-12-18"),
    ]
    assert all(
        sum(day.year == year for day in days) == 4 for year in (*range(2013, 2020), *range(2021, 2028))
    )


def test_served_years_tell_which_projections_they_are_from() -> None:
    newest = projections.newest_with_years
    three, four = {2024, 2025, 2026}, {2024, 2025, 2026, 2027}
    assert newest(three, dt.date(2024, 6, 11)) == dt.date(2024, 3, 20)
    assert newest(three, dt.date(2025, 2, 1)) == dt.date(2024, 6, 12)
    assert newest(four, dt.date(2024, 10, 1)) == dt.date(2024, 9, 18)
    assert newest(four, dt.date(2026, 10, 1)) == dt.date(2024, 12, 18)
    assert newest(four, dt.date(2024, 9, 17)) is None
    assert newest({2025, 2026}, dt.date(2026, 10, 1)) is None and newest(set(), dt.date(2026, 10, 1)) is None
