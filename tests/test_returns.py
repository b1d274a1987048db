"""Returns to date, by month and forward, volume, inversions, first cuts and hikes: against pandas on random
histories with gaps, and as extensions of what is there.
"""

from __future__ import annotations

import datetime as dt
import functools

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.extended_models import assert_extension_is_the_same
from tests.model_fixture import build, create, empty_warehouse, fill, fill_reference
from transforms.lib.event_sessions import EVENTS
from transforms.lib.signals import HORIZONS_SESSIONS

LAST = "2023-03-09"
SYMBOLS = ("AAA", "BBB", "CCC", "KRE", "SPY")
PAIRS = ("AAA/BBB", "CCC/AAA", "BBB/CCC")
PERIODS = {"week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}
MODELS = (
    "staging.instrument_returns",
    "staging.instrument_history",
    "marts.instrument_daily",
    "marts.forward_return_daily",
    "marts.forward_spread_daily",
    "marts.rotation_to_date_daily",
    "marts.monthly_returns",
    "marts.monthly_spreads",
)
EXTENDED = (
    "marts.instrument_daily",
    "marts.forward_return_daily",
    "marts.forward_spread_daily",
    "marts.rotation_to_date_daily",
)


def world(seed: int, *, sessions: int = 640) -> duckdb.DuckDBPyConnection:
    """Symbols that start late, end early and miss sessions, some of them the last of a month or of a year."""
    rng = np.random.default_rng(seed)
    con = empty_warehouse(LAST)
    fill_reference(con, "calendar")
    calendar = con.execute(
        "select calendar_date, session_number from ref.calendar where session_number is not null"
        " and calendar_date <= ? order by 1 desc limit ?",
        [LAST, sessions],
    ).df()[::-1]
    for place, symbol in enumerate(SYMBOLS):
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, sessions)))
        there = rng.random(sessions) > rng.choice([0.0, 0.01, 0.05])
        there[: int(rng.integers(0, 300)) if place == 1 else 0] = False
        there[sessions - int(rng.integers(0, 300)) if place == 2 else sessions :] = False
        volume = rng.integers(0, 10**9, sessions) / rng.choice([1, 3])
        prices = pd.DataFrame(
            {
                "symbol": symbol,
                "session_date": calendar["calendar_date"].to_numpy(),
                "session_number": calendar["session_number"].to_numpy(),
                "open": close * 1.001,
                "high": np.where(rng.random(sessions) > 0.02, close * 1.01, np.nan),
                "low": close * 0.99,
                "close": close,
                "volume": np.where(rng.random(sessions) > 0.02, volume, rng.choice([0.0, np.nan])),
                "total_return_pct": rng.normal(0, 2, sessions),
            }
        )[there]
        prices.iloc[0, -1] = np.nan
        fill(con, "staging.equity_prices", prices)
    pairs = [pair.split("/") for pair in PAIRS]
    frame = pd.DataFrame(pairs, columns=["base_symbol", "quote_symbol"]).assign(pair_id=PAIRS)
    fill(con, "ref.pairs", frame)
    for model in MODELS:
        build(con, model)
    return con


@functools.cache
def usual() -> duckdb.DuckDBPyConnection:
    return world(7)


def by_session(con: duckdb.DuckDBPyConnection, table: str, column: str) -> pd.DataFrame:
    """Sessions x symbols from the first to the last session of any symbol."""
    rows = con.execute(f"select symbol, session_date, {column} as value from {table}").df()
    days = con.execute(
        "select calendar_date from ref.calendar where session_number is not null and calendar_date between"
        f" (select min(session_date) from {table}) and (select max(session_date) from {table}) order by 1"
    ).df()["calendar_date"]
    return rows.pivot(index="session_date", columns="symbol", values="value").reindex(days)


def to_date(closes: pd.DataFrame, pair: str, freq: str, row: int) -> float:
    """The spread of a pair since the last session before the period, from closes alone."""
    periods = closes.index.to_period(freq)
    before = row
    while before >= 0 and periods[before] == periods[row]:
        before -= 1
    if before < 0:
        return np.nan
    base, quote = (closes[name].iloc[row] / closes[name].iloc[before] for name in pair.split("/"))
    return 100 * (base - quote)


def test_spreads_to_date_and_those_of_the_year_before() -> None:
    con = usual()
    closes = by_session(con, "staging.equity_prices", "close")
    rows = con.execute("from marts.rotation_to_date_daily order by pair_id, period, session_date").df()
    both = sum(int(closes[pair.split("/")].notna().all(axis=1).sum()) for pair in PAIRS)
    assert len(rows) == both * 4
    compared = 0
    for row in rows.sample(600, random_state=1).itertuples():
        freq = PERIODS[row.period]
        place = closes.index.get_loc(row.session_date)
        expected = to_date(closes, row.pair_id, freq, place)
        assert row.spread_to_date_pp == pytest.approx(expected, abs=1e-9, nan_ok=True)
        base, quote = 1 + row.base_to_date_pct / 100, 1 + row.quote_to_date_pct / 100
        assert row.ratio_to_date_pct == pytest.approx(100 * (base / quote - 1), abs=1e-9, nan_ok=True)
        own = row.session_date.to_period(freq)
        assert row.period_start_date == own.start_time
        earlier = own.start_time - (
            pd.Timedelta(days=364) if row.period == "week" else pd.DateOffset(years=1)
        )
        same = np.flatnonzero(closes.index.to_period(freq) == earlier.to_period(freq))
        if earlier < closes.index[0]:
            continue  # the calendar begins before the prices
        # the n-th session of the period, the last one where there were fewer
        number = int((closes.index[: place + 1].to_period(freq) == own).sum())
        point = same[min(number, len(same)) - 1]
        assert row.year_before_date == closes.index[point]
        then = to_date(closes, row.pair_id, freq, point)
        assert row.spread_to_date_year_before_pp == pytest.approx(then, abs=1e-9, nan_ok=True)
        compared += not np.isnan(then)
    assert compared > 60


def test_the_same_point_of_the_year_before_is_within_what_is_read() -> None:
    """On every session of the calendar, those after the closures of 2001 and leap years among them."""
    con = empty_warehouse("2026-05-01")
    fill_reference(con, "calendar")
    create(con, "marts.instrument_daily")
    days = con.execute(
        "select calendar_date as session_date from ref.calendar where session_number is not null"
        " and calendar_date between '1996-01-01' and '2026-05-01'"
    ).df()
    for symbol in ("AAA", "BBB"):
        fill(con, "marts.instrument_daily", days.assign(symbol=symbol, return_wtd_pct=1.0))
    fill(
        con,
        "ref.pairs",
        pd.DataFrame({"pair_id": ["AAA/BBB"], "base_symbol": ["AAA"], "quote_symbol": ["BBB"]}),
    )
    rows = build(con, "marts.rotation_to_date_daily")
    back = (rows["session_date"] - rows["year_before_date"]).dt.days
    assert back.notna().all()
    assert back.min() >= 350 and back.max() <= 380


def test_months() -> None:
    con = usual()
    index = by_session(con, "marts.instrument_daily", "total_return_index")
    months = index.index.to_period("M")
    rows = con.execute("from marts.monthly_returns").df().set_index(["symbol", "month_start_date"])
    seen = 0
    for symbol in SYMBOLS:
        for month in months.unique():
            own = index.loc[months == month, symbol]
            if pd.isna(own.iloc[-1]) or month == months[-1]:
                assert (symbol, month.start_time) not in rows.index
                continue
            before = index.loc[months == month - 1, symbol]
            start = before.iloc[-1] if len(before) else np.nan
            row = rows.loc[(symbol, month.start_time)]
            expected = 100 * (own.dropna().iloc[-1] / start - 1)
            assert row["month_total_return_pct"] == pytest.approx(expected, nan_ok=True)
            assert row["month_end_date"] == own.last_valid_index()
            assert (row["calendar_year"], row["month_of_year"]) == (month.year, month.month)
            seen += not np.isnan(expected)
    assert seen > 80


def test_months_of_pairs() -> None:
    con = usual()
    rows = con.execute("from marts.monthly_returns").df().set_index(["symbol", "month_start_date"])
    spreads = con.execute("from marts.monthly_spreads").df()
    assert set(spreads["pair_id"]) == set(PAIRS)
    for row in spreads.itertuples():
        base, quote = (rows.loc[(name, row.month_start_date)] for name in row.pair_id.split("/"))
        expected = base["month_total_return_pct"] - quote["month_total_return_pct"]
        assert row.month_total_return_spread_pp == pytest.approx(expected, abs=1e-9, nan_ok=True)
        assert row.month_end_date == base["month_end_date"] == quote["month_end_date"]


def test_a_year_of_months_is_the_change_of_the_index() -> None:
    con = usual()
    [(product, whole)] = con.execute("""
        with months as (
            select product(1 + month_total_return_pct / 100) as grown, count(*) as months
            from marts.monthly_returns where symbol = 'SPY' and calendar_year = 2022
        ), ends as (
            select max_by(total_return_index, session_date) filter (year(session_date) = 2022)
                / max_by(total_return_index, session_date) filter (year(session_date) = 2021) as grown
            from marts.instrument_daily where symbol = 'SPY'
        )
        select months.grown, ends.grown from months cross join ends
        """).fetchall()
    assert product == pytest.approx(whole)


def test_forward_returns_begin_at_the_next_close() -> None:
    con = usual()
    index = by_session(con, "marts.instrument_daily", "total_return_index")
    rows = con.execute("from marts.forward_return_daily").df()
    found = rows.pivot(
        index="session_date", columns=["horizon_sessions", "symbol"], values="forward_return_pct"
    ).reindex(index.index)
    assert set(rows["horizon_sessions"]) == {5, *HORIZONS_SESSIONS}
    for horizon in (5, 21, 63):
        expected = 100 * (index.shift(-1 - horizon) / index.shift(-1) - 1)
        # a row needs a close on its own session and at the end
        for symbol in SYMBOLS:
            there = index[symbol].notna() & index[symbol].shift(-1 - horizon).notna()
            own = rows[(rows["symbol"] == symbol) & (rows["horizon_sessions"] == horizon)]
            assert set(own["session_date"]) == set(index.index[there])
            assert found[horizon][symbol][there].to_numpy() == pytest.approx(
                expected[symbol][there].to_numpy(), nan_ok=True, abs=1e-9
            )


def test_average_volume_of_twenty_sessions() -> None:
    con = usual()
    volumes = by_session(con, "staging.equity_prices", "volume")
    closes = by_session(con, "staging.equity_prices", "close")
    volumes = volumes.replace(0, np.nan).round()
    expected = volumes.rolling(20, min_periods=20).mean()
    found = by_session(con, "marts.instrument_daily", "volume_20d_average")
    there = closes.notna()
    assert found.where(there).notna().sum().sum() > 500
    assert found.where(there).to_numpy() == pytest.approx(expected.where(there).to_numpy(), nan_ok=True)
    assert con.execute("select count(*) from marts.instrument_daily where volume = 0").fetchone() == (0,)


@pytest.mark.parametrize("model", EXTENDED)
def test_an_extension_has_the_same_bits(model: str) -> None:
    con = usual()
    days = con.execute("select distinct session_date from marts.instrument_daily order by 1").fetchall()
    for (since,) in [days[0], *days[300::37], *days[-70::23], days[-1]]:
        assert_extension_is_the_same(con, model, since)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), back=st.integers(0, 500))
def test_an_extension_of_any_history(seed: int, back: int) -> None:
    con = world(seed)
    since = dt.date.fromisoformat(LAST) - dt.timedelta(days=back)
    for model in EXTENDED:
        assert_extension_is_the_same(con, model, since)


def test_inversions_by_brute_force() -> None:
    con = world(11)
    index = by_session(con, "marts.instrument_daily", "total_return_index")
    rng = np.random.default_rng(5)
    slope = pd.Series(rng.normal(0, 0.3, len(index))).ewm(alpha=0.2).mean().round(2).to_numpy(copy=True)
    slope[-3:] = -0.5  # the last one is open
    days = index.index[rng.random(len(index)) > 0.03]  # bond holidays have no yields
    slopes = pd.Series(slope, index=index.index)[days]
    inverted = slopes < 0
    starts = days.to_series().where(inverted & ~inverted.shift(fill_value=False)).ffill().where(inverted)
    curve = {"session_date": days, "slope_2s10s_bp": 100 * slopes, "inverted": inverted}
    fill(con, "marts.yield_curve_daily", pd.DataFrame({**curve, "inversion_start_date": starts}))
    rows = build(con, "marts.inversions").set_index("inversion_start_date")
    assert len(rows) > 5 and set(rows.index) == set(starts.dropna())
    priced = index[["KRE", "SPY"]]
    after = 100 * (priced.shift(-64) / priced.shift(-1) - 1)
    for start, row in rows.iterrows():
        own = slopes[starts == start]
        later = days[days > own.index[-1]]
        end = later[0] if len(later) else None
        assert (row["inversion_end_date"] is pd.NaT) == (end is None)
        if end is None:
            assert row.drop("inversion_reason").drop("data_source", errors="ignore").isna().all()
            continue
        assert row["inversion_sessions"] == len(own)
        assert (
            row["deepest_slope_bp"] == pytest.approx(100 * own.min()) and row["deepest_date"] == own.idxmin()
        )
        during = 100 * (priced.loc[end] / priced.loc[start] - 1)
        followed = after.loc[end] if priced.loc[end].notna().all() else during * np.nan
        for column, moves in (("during", during), ("next_63d", followed)):
            spread = moves["KRE"] - moves["SPY"]
            assert row[f"kre_{column}_pct"] == pytest.approx(moves["KRE"], nan_ok=True) or np.isnan(spread)
            assert row[f"kre_spy_{column}_pp"] == pytest.approx(spread, nan_ok=True, abs=1e-9)
        figures = row[["kre_during_pct", "kre_spy_during_pp", "kre_next_63d_pct", "kre_spy_next_63d_pp"]]
        assert pd.isna(row["inversion_reason"]) == figures.notna().all()
    assert rows["inversion_reason"].iloc[-1] == "still_inverted"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([-0.5, -0.25, 0.0, 0.25]), min_size=1, max_size=12), st.booleans())
def test_first_cuts_and_hikes(steps: list[float], unknown: bool) -> None:
    """A turn is a change against the direction of the change before; holds and unknown outcomes are passed
    over, and so is the first change of all.
    """
    con = _empty_policy()
    con.execute("delete from staging.fomc_decisions")
    days = pd.to_datetime("2022-01-05") + pd.to_timedelta(42 * np.arange(len(steps)), unit="D")
    upper = 3 + np.cumsum(steps)
    decisions = pd.DataFrame(
        {
            "decision_date": days,
            "announced_at_utc": days + pd.Timedelta(hours=19),
            "lower_before": upper - steps - 0.25,
            "upper_before": upper - steps,
            "lower_after": upper - 0.25,
            "upper_after": upper,
        }
    )
    known = [step != 0 for step in steps]
    if unknown:
        decisions.loc[0, ["lower_after", "upper_after"]] = np.nan
        known[0] = False
    fill(con, "staging.fomc_decisions", decisions)
    expected = []
    before = 0.0
    for day, step, counts in zip(days, steps, known, strict=True):
        if counts:
            if before * step < 0:
                expected.append(("first_cut" if step < 0 else "first_hike", day.date()))
            before = step
    found = [(kind, day) for kind, day, _ in con.execute(EVENTS).fetchall() if kind != "fomc"]
    assert sorted(found) == sorted(expected)


@functools.cache
def _empty_policy() -> duckdb.DuckDBPyConnection:
    con = empty_warehouse("2024-07-16")
    fill_reference(con, "calendar")
    create(con, "staging.fomc_decisions")
    return con


def test_first_cuts_and_hikes_of_the_list() -> None:
    """The turns of US policy since 1994 as everyone counts them; known when announced, not before."""
    turns = [
        ("1995-07-06", "first_cut"),
        ("1997-03-25", "first_hike"),
        ("1998-09-29", "first_cut"),
        ("1999-06-30", "first_hike"),
        ("2001-01-03", "first_cut"),
        ("2004-06-30", "first_hike"),
        ("2007-09-18", "first_cut"),
        ("2015-12-16", "first_hike"),
        ("2019-07-31", "first_cut"),
        ("2022-03-16", "first_hike"),
        ("2024-09-18", "first_cut"),
    ]
    for session, known in (("2024-09-17", 10), ("2024-09-18", 11)):
        con = empty_warehouse(session)
        fill_reference(con, "calendar", "fomc_meetings")
        create(con, "staging.fred_observations")
        build(con, "staging.fomc_decisions")
        found = con.execute(
            f"select event_date::varchar, event_type from ({EVENTS}) where event_type like 'first%'"
        )
        assert sorted(found.fetchall()) == turns[:known]


def test_members_on_a_day() -> None:
    con = empty_warehouse()
    fill_reference(con, "calendar", "groups", "group_members", "instruments")
    build(con, "marts.group_memberships")
    members = con.execute("from ref.group_members").df()
    for day in ("2005-06-30", "2005-07-01", "2014-09-24", "2026-01-30", "2026-02-02"):
        at = pd.Timestamp(day)
        inside = ~(members["member_from"] > at) & ~(members["member_to"] < at)
        found = con.execute(
            "select group_id, symbol from marts.group_memberships"
            " where ?::date between member_first_date and member_last_date",
            [day],
        ).fetchall()
        assert sorted(found) == sorted(
            members.loc[inside, ["group_id", "symbol"]].itertuples(index=False, name=None)
        )
