"""Figures of the rotation of July 2024, as recorded prices give them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import duckdb
import pandas as pd
import pytest

from tests.market_fixture import recorded
from tests.model_fixture import build, create

pytestmark = pytest.mark.replay

SESSION = "2024-07-16"
MODELS = (
    "staging.instrument_returns",
    "staging.instrument_history",
    "marts.instrument_daily",
    "marts.rotation_pair_daily",
    "marts.rotation_extremes_daily",
    "marts.rotation_state_daily",
    "marts.size_style_rank_daily",
    "marts.fund_score_daily",
    "marts.group_score_daily",
    "marts.yield_curve_daily",
    "marts.macro_daily",
    "staging.fomc_decisions",
    "marts.event_responses",
    "marts.session_regimes_daily",
    "marts.regimes_daily",
    "marts.daily_summary",
)
EMPTY = (
    "policy_repricing",
    "fomc_meetings_by_method",
    "fomc_meetings_daily",
    "policy_path_daily",
    "bank_sensitivity_daily",
)


@pytest.fixture(scope="module")
def market() -> Iterator[duckdb.DuckDBPyConnection]:
    con = recorded(["IWM", "SPY", "QQQ", "^RUT", "^GSPC"], SESSION)
    for name in EMPTY:
        create(con, f"marts.{name}")
    for model in MODELS:
        build(con, model)
    yield con
    con.close()


def test_recorded_rotation_of_july_2024(market: duckdb.DuckDBPyConnection) -> None:
    day = dt.date(2024, 7, 16)
    returns = dict(
        market.execute(
            "select symbol, round(return_5d_pct, 1) from marts.instrument_daily where session_date = ?", [day]
        ).fetchall()
    )
    assert (returns["IWM"], returns["^RUT"]) == (11.5, 11.5)
    spread = market.execute(
        """
        select round(spread_pp, 1), last_exceeded_date, spread_rank from marts.rotation_pair_daily
        where pair_id = 'IWM/QQQ' and window_sessions = 5 and session_date = ?
        """,
        [day],
    ).fetchall()
    # at the close wider than the 10.4 points published during the session, and wider than in 2016 and 2020
    assert spread == [(11.8, dt.date(2001, 4, 3), 4)]
    streak = market.execute(
        """
        select over_1pct_streak_sessions from marts.instrument_daily
        where symbol = '^RUT' and session_date = ?
        """,
        [day],
    ).fetchall()
    assert streak == [(5,)]


def test_the_cpi_day_of_july_2024(market: duckdb.DuckDBPyConnection) -> None:
    """The largest CPI-day spread of the history; the closes are those that the exchange reported."""
    spread, rank, events = market.execute("""
        select spread_pp, spread_rank, like_events from marts.event_responses
        where event_type = 'cpi' and event_date = '2024-07-11' and pair_id = 'IWM/SPY' and window_sessions = 1
        """).fetchall()[0]
    assert spread == pytest.approx(100 * (210.679993 / 203.369995 - 556.47998 / 561.320007), abs=1e-4)
    assert (rank, events) == (1, 290)


def test_the_summary_of_16_july_2024(market: duckdb.DuckDBPyConnection) -> None:
    last = market.execute("from marts.daily_summary where session_date = '2024-07-16'").df().iloc[0]
    assert last["iwm_qqq_spread_5d_pp"] == pytest.approx(11.806650625)
    assert last["iwm_qqq_spread_5d_last_exceeded_date"] == pd.Timestamp("2001-04-03")
    assert last["rut_return_1d_pct"] == pytest.approx(3.504765, abs=1e-6)


def test_scaling_takes_the_volatility_of_2020_out_of_the_percentile(
    market: duckdb.DuckDBPyConnection,
) -> None:
    """Nominal: a tenth of the days beyond the 5th and 95th."""
    shares = market.execute("""
        select
            year(session_date),
            round(100 * avg((abs(spread_percentile - 50) >= 45)::int), 1),
            round(100 * avg((abs(spread_vol_scaled_percentile - 50) >= 45)::int), 1)
        from marts.rotation_pair_daily
        where pair_id = 'IWM/SPY' and window_sessions = 5 and year(session_date) in (2013, 2020)
        group by 1 order by 1
        """).fetchall()
    assert shares == [(2013, 1.6, 8.7), (2020, 33.6, 14.2)]


def test_the_widest_spread_of_july_2024_is_the_fourth_when_scaled(market: duckdb.DuckDBPyConnection) -> None:
    """Against a mean of zero and from 21 sessions on. About the mean and from the second session on it is the
    sixth of 6,064: two of the five before it are divided by the volatility of a few days.
    """
    query = "from marts.rotation_pair_daily where pair_id = 'IWM/SPY' and window_sessions = ? order by all"
    five, daily = (market.execute(query, [window]).df().set_index("session_date") for window in (5, 1))
    last = five.loc["2024-07-16"]
    assert (last["spread_rank"], last["history_sessions"]) == (1, 6066)
    assert (last["spread_vol_scaled_rank"], last["vol_scaled_history_sessions"]) == (4, 6045)
    deviation = daily["spread_pp"].ewm(halflife=21).std().shift(5)
    about_mean = (five["spread_pp"] / deviation.reindex(five.index)).dropna()
    assert (int((about_mean >= about_mean.loc["2024-07-16"]).sum()), len(about_mean)) == (6, 6064)


def test_a_z_of_three_is_no_percentile_of_99_87(market: duckdb.DuckDBPyConnection) -> None:
    (median,) = market.execute(
        "select median(spread_percentile) from marts.rotation_pair_daily where abs(spread_z - 3) < 0.1"
    ).fetchall()[0]
    assert 99.0 < median < 99.5


def test_quadrants_last_as_long_as_those_of_a_random_walk(market: duckdb.DuckDBPyConnection) -> None:
    [(mean, single)] = market.execute("""
        select avg(quadrant_spell_sessions), avg((quadrant_spell_sessions = 1)::int)
        from (
            select *, lead(quadrant_spell_sessions) over of_pair as following
            from marts.rotation_state_daily
            where quadrant is not null
            window of_pair as (partition by pair_id order by session_date)
        )
        where following = 1
        """).fetchall()
    assert mean == pytest.approx(1.77, abs=0.05) and single == pytest.approx(0.57, abs=0.02)
