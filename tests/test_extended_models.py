"""The models of banks and of the Fed, asked for the days from one on: the same bits as in a whole build.

Histories are made up with gaps, pauses, bond holidays and wild prices; late data are days that a history
has and that come into `since` with it.
"""

from __future__ import annotations

import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bank_market import simulated_banks
from tests.extended_models import assert_extension_is_the_same
from tests.model_fixture import build, create, empty_warehouse, fill, fill_reference
from tests.policy_market import MARTS, STAGING, simulated_policy, simulated_settlements
from warehouse.catalog import load_catalog

BANK_MODELS = ("staging.bank_regression_inputs", "marts.bank_rate_betas", "marts.bank_sensitivity_daily")
POLICY_MODELS = [
    name for name in (*STAGING, *MARTS) if (grows := load_catalog()[name].increment) and grows.reads
]
POLICY_MODELS = [name for name in POLICY_MODELS if not name.endswith(("futures", "observations"))]
SHARES = st.sampled_from([0.0, 0.02, 0.2])


@pytest.mark.parametrize("model", BANK_MODELS)
def test_banks_of_the_simulated_market(model: str) -> None:
    con = simulated_banks()
    sizes = [
        assert_extension_is_the_same(con, model, dt.date.fromisoformat(day))
        # a bond holiday and its neighbours, a spell's middle, the last sessions, a day after them
        for day in ("2012-03-01", "2023-10-09", "2023-10-10", "2024-07-31", "2025-09-23", "2025-12-01")
    ]
    assert sizes[0] > sizes[1] >= sizes[3] > sizes[4] >= sizes[5] == 0


@pytest.mark.parametrize("model", POLICY_MODELS)
def test_policy_of_the_simulated_market(model: str) -> None:
    con = simulated_policy()
    [(first, last)] = con.execute(
        "select min(settlement_date), max(settlement_date) from staging.fed_funds_futures"
    ).fetchall()
    # a decision, the day behind it, a month's first days, the first and the last day
    for text in ("2023-03-22", "2023-03-23", "2023-05-01", "2024-12-31", "2025-01-02"):
        assert_extension_is_the_same(con, model, dt.date.fromisoformat(text))
    assert_extension_is_the_same(con, model, first)
    assert_extension_is_the_same(con, model, last)


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32 - 1),
    missing=SHARES,
    back=st.lists(st.integers(0, 899), min_size=2, max_size=3, unique=True),
)
def test_banks_of_any_history(seed: int, missing: float, back: list[int]) -> None:
    """Three symbols: one of the whole history, one that pauses, one that starts late; and a group of which
    they are members for a part of it.
    """
    rng = np.random.default_rng(seed)
    con = empty_warehouse("2025-09-24")
    fill_reference(con, "calendar", "fomc_meetings", "group_members", "instruments")
    days = con.execute(
        "select calendar_date from ref.calendar where is_nyse_session and calendar_date < '2024-06-01'"
        " order by 1 desc limit 900"
    ).df()["calendar_date"][::-1]
    days = days.reset_index(drop=True)
    frame = pd.DataFrame(
        {
            "session_date": days,
            "session_number": np.arange(len(days)),
            "market_total_return_pct": rng.standard_t(4, len(days)),
            "y2_change_10bp": rng.normal(0, 0.6, len(days)).round(1),
            "y5_change_10bp": rng.normal(0, 0.6, len(days)).round(1),
            "y10_change_10bp": rng.normal(0, 0.6, len(days)).round(1),
        }
    )
    frame.loc[rng.random(len(days)) < missing, "y5_change_10bp"] = np.nan
    frame["slope_change_10bp"] = frame["y10_change_10bp"] - frame["y2_change_10bp"]
    con.execute(
        "update ref.group_members set member_from = ? where group_id = 'money_centre' and symbol = 'JPM'",
        [days.iloc[int(rng.integers(0, len(days)))].date()],
    )
    con.execute(
        "update ref.group_members set member_to = ?"
        " where group_id = 'money_centre' and symbol in ('C', 'WFC')",
        [days.iloc[int(rng.integers(0, len(days)))].date()],
    )
    pause, start = sorted(rng.integers(0, len(days), 2))
    kept = {
        "JPM": np.ones(len(days), dtype=bool),
        "BAC": (np.arange(len(days)) < pause) | (np.arange(len(days)) > pause + 60),
        "C": np.arange(len(days)) >= start,
    }
    rows = []
    for symbol, there in kept.items():
        sign = np.where(np.arange(len(days)) < rng.integers(0, len(days)), 1.0, -1.0)
        response = (
            frame["market_total_return_pct"] + sign * frame["y2_change_10bp"] + rng.normal(size=len(days))
        )
        own = frame.assign(symbol=symbol, total_return_pct=response)
        rows.append(own[there & (rng.random(len(days)) >= missing)])
    fill(con, "staging.bank_regression_inputs", pd.concat(rows))
    change = rng.normal(0, 5, len(days))
    repricing = pd.DataFrame({"as_of_date": days, "horizon": "year_end", "change_bp": change})
    fill(con, "marts.policy_repricing", repricing[rng.random(len(days)) >= missing])
    meetings = con.execute(
        "select decision_date as meeting_date from ref.fomc_meetings where decision_date between ? and ?",
        [days.iloc[0], days.iloc[-1]],
    ).df()
    surprises = meetings.assign(surprise_bp=rng.normal(0, 5, len(meetings)), scale_factor=1.0)
    fill(con, "marts.policy_surprises", surprises)
    for model in BANK_MODELS[1:]:
        build(con, model)
        for place in back:
            assert_extension_is_the_same(con, model, days.iloc[place].date())


def made_up_policy(seed: int, missing: float, wild: float) -> duckdb.DuckDBPyConnection:
    """Two years and a half of the simulated strip with holes, placeholders and wild prices."""
    rng = np.random.default_rng(seed)
    con = empty_warehouse("2024-08-30")
    fill_reference(con, "fomc_meetings", "events", "calendar")
    rows = simulated_settlements()
    rows = rows[(rows["settlement_date"] >= "2022-03-01") & (rows["settlement_date"] <= "2024-08-30")]
    days = rows["settlement_date"].unique()
    rows = rows[~rows["settlement_date"].isin(days[rng.random(len(days)) < missing])]
    rows = rows[rng.random(len(rows)) >= missing].copy()
    jump = rng.random(len(rows)) < wild
    rows.loc[jump, "settle"] += rng.choice([-12.0, -0.9, 0.6, 2.0], jump.sum())
    held = rows["contract"].isin(rng.choice(rows["contract"].unique(), 3))
    rows.loc[held, "settle"] = rows[held].groupby("contract")["settle"].transform("first")
    fill(con, "raw.fed_funds_futures", rows.assign(available_at_utc=rows["settlement_date"]))
    rate = pd.DataFrame({"observation_date": pd.date_range("2020-12-01", "2024-08-29")})
    dff = rate.assign(series_id="DFF", value=(4 + rng.normal(0, 0.02, len(rate))).round(2))
    fill(
        con,
        "raw.fred_observations",
        dff[rng.random(len(dff)) >= missing / 4].assign(
            available_at_utc=lambda given: given["observation_date"]
        ),
    )
    return con


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), missing=SHARES, wild=SHARES, back=st.integers(0, 600))
def test_policy_of_any_history(seed: int, missing: float, wild: float, back: int) -> None:
    con = made_up_policy(seed, missing, wild)
    since = dt.date(2024, 8, 30) - dt.timedelta(days=back)
    for model in (*STAGING, *MARTS):
        for item in load_catalog()[model].inputs:
            if not item.startswith("raw."):
                create(con, item)
        build(con, model)
        if model in POLICY_MODELS:
            assert_extension_is_the_same(con, model, since)
            assert_extension_is_the_same(con, model, dt.date(2024, 8, 30))
