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
    "marts.group_score_daily",
    "marts.yield_curve_daily",
    "marts.macro_daily",
    "marts.event_responses",
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
