"""The bank marts: regimes and groups as functions, the marts on the simulated market against statsmodels.

Worked figures are in the cases of `tests/models/`; what recorded prices show is in `tests/recorded/`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.bank_market import (
    CHECKS,
    Check,
    assert_history_is_the_same,
    build_banks,
    placebo_regimes,
    simulated_banks,
)
from tests.model_fixture import empty_warehouse
from tests.placebo import placebo_t, rejected
from transforms.marts import bank_rate_betas, bank_sensitivity_daily
from transforms.marts.bank_rate_betas import Observations
from transforms.marts.bank_sensitivity_daily import (
    FALL,
    REGIMES,
    RISE,
    UNCLEAR,
    classify_regimes,
    hold_regimes,
)
from warehouse.catalog import load_catalog

MONEY_CENTRE = ("BAC", "C", "JPM", "WFC")

# --- surprises ------------------------------------------------------------------------------------


def made_up_events(rows: int = 60) -> pd.DataFrame:
    """Half of a surprise arrives in the yield; the response knows both."""
    rng = np.random.default_rng(2)
    surprise = rng.normal(0, 1, rows)
    y2 = 0.5 * surprise + rng.normal(0, 1, rows)
    return pd.DataFrame(
        {
            "symbol": "KRE",
            "session_date": pd.bdate_range("2010-01-04", periods=rows),
            "surprise_10bp": surprise,
            "above_a_tick": True,
            "y2_change_10bp": y2,
            "total_return_pct": -2 * surprise - 1 * y2 + rng.normal(0, 1e-3, rows),
        }
    )


def reasons(found: bank_rate_betas.Results) -> list[tuple[str | None, str | None]]:
    """Of the surprise and of the rest, per announcement."""
    names = [*bank_rate_betas.REASONS, None]
    return [(names[surprise], names[rest]) for surprise, rest in found.reason]


def test_surprise_and_rest_of_the_yield_are_told_apart() -> None:
    events = made_up_events()
    found = bank_rate_betas.fit_events(Observations.of(events))
    beta = found.figures["beta"]
    assert np.isnan(beta[:39]).all() and np.isfinite(beta[39:]).all()
    assert reasons(found)[38:40] == [("announcements_below_40",) * 2, (None, None)]
    # The surprise gets what it moves itself and what it moves by way of the yield; the rest keeps its
    # own slope.
    passed_on = np.polyfit(events["surprise_10bp"], events["y2_change_10bp"], 1)[0]
    assert beta[-1] == pytest.approx([-2 - passed_on, -1], abs=5e-3)
    assert found.figures["p_wild"][-1].tolist() == [0.001, 0.001]
    for changed in (
        events.assign(y2_change_10bp=3 * events["surprise_10bp"]),
        events.assign(surprise_10bp=0.0),
    ):
        nothing = bank_rate_betas.fit_events(Observations.of(changed))
        assert reasons(nothing)[-1] == ("degenerate_window",) * 2
        assert all(np.isnan(values).all() for values in nothing.figures.values())


def test_few_surprises_above_a_tick_are_no_answer() -> None:
    events = made_up_events().assign(above_a_tick=np.arange(60) % 2 == 0)
    events.loc[events.index[:2], "above_a_tick"] = False
    # Of the first 40 announcements 19 are above a tick, of the first 41 there are 20.
    found = bank_rate_betas.fit_events(Observations.of(events))
    assert reasons(found)[39:41] == [("surprises_above_a_tick_below_20",) * 2, (None, None)]
    assert np.isfinite(found.figures["top3_share"][39]).all()
    hidden = [values[39] for name, values in found.figures.items() if name != "top3_share"]
    assert np.isnan(hidden).all()


def test_a_factor_that_three_days_carry_is_no_answer() -> None:
    events = made_up_events()
    events.loc[events.index[[5, 20, 30]], "surprise_10bp"] = [-20.0, 15.0, 15.0]
    found = bank_rate_betas.fit_events(Observations.of(events))
    assert reasons(found)[-1] == ("top3_share_above_70_pct", None)
    assert found.figures["top3_share"][-1, 0] > 0.7 > found.figures["top3_share"][-1, 1]
    for name, values in found.figures.items():
        assert np.isnan(values[-1, 0]) == (name != "top3_share") and np.isfinite(values[-1, 1])


def test_of_two_months_ago_only_the_window_counts() -> None:
    """A window of 80 forgets: the flags of an earlier announcement, and those of another symbol."""
    events = made_up_events(100)
    events["above_a_tick"] = np.arange(100) < 30
    other = events.assign(symbol="WAL", above_a_tick=True)
    found = bank_rate_betas.fit_events(Observations.of(pd.concat([events, other], ignore_index=True)))
    counted = [min(30, row + 1) - max(0, row - 79) for row in range(39, 100)]
    expected = [None if number >= 20 else "surprises_above_a_tick_below_20" for number in counted]
    assert [surprise for surprise, _ in reasons(found)[39:100]] == expected
    assert reasons(found)[139:] == [(None, None)] * 61


# --- errors and critical values -------------------------------------------------------------------


def test_effective_observations_are_those_of_kish() -> None:
    for estimator, chosen in bank_rate_betas.ESTIMATORS.items():
        by_number = bank_rate_betas.effective_observations(estimator)
        for number in (1, 60, 120, 253, chosen.window):
            if number <= chosen.window:
                ages = np.arange(number)
                weights = 0.5 ** (ages / 60) if estimator == "ewm60" else np.ones(number)
                assert by_number[number] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert bank_rate_betas.effective_observations("ewm60")[600] == pytest.approx(172.8, abs=0.05)


def test_critical_values_are_those_of_student() -> None:
    w60 = bank_rate_betas.critical_t("w60", 3)
    assert w60[60] == pytest.approx(stats.t.ppf(0.975, 56)) and w60[60] == pytest.approx(2.003, abs=5e-4)
    assert np.isnan(w60[:5]).all() and w60[5] == pytest.approx(12.706, abs=5e-4)
    assert bank_rate_betas.critical_t("ewm60", 1)[600] == pytest.approx(stats.t.ppf(0.975, 172.7875 - 2))


def test_placebo_yields_are_found_to_matter_about_as_often_as_chance_says() -> None:
    """Yields of the simulated market moved in a circle. Fewer lags and Student's t take a third of its
    excess from w60, not more: 5 % is what w252 is near, and w60 is not.
    """
    rows = simulated_banks().execute(
        "from staging.bank_regression_inputs where symbol in ('KRE', 'JPM') order by symbol, session_date"
    )
    frame = rows.df()
    share = {}
    for name, window in (("w60", 60), ("w252", 252)):
        lags = bank_rate_betas.ESTIMATORS[name].lags
        critical = bank_rate_betas.critical_t(name, 3)[window]
        share[name] = rejected(placebo_t(frame, window, lags, 36, seed=3), critical)
    before = rejected(placebo_t(frame, 60, 5, 36, seed=3), 1.96)
    assert 0.05 < share["w60"] < before - 0.01
    assert share["w60"] < 0.10 < before
    assert 0.03 < share["w252"] < 0.08


# --- regimes --------------------------------------------------------------------------------------


def test_regime_of_a_day() -> None:
    beta = np.array([-1.0, -1.0, 1.0, 1.0, np.nan, 0.0])
    t_stat = np.array([-1.96, -1.95, 1.96, 1.95, np.nan, 0.0])
    expected = ["gains_when_rates_fall", "unclear", "gains_when_rates_rise", "unclear", "unclear", "unclear"]
    assert [REGIMES[code] for code in classify_regimes(beta, t_stat)] == expected


def hold(*runs: tuple[int, int]) -> tuple[list[int], list[int]]:
    daily = np.concatenate([np.full(length, regime, dtype=np.int8) for regime, length in runs])
    published, starts = hold_regimes(daily)
    return published.tolist(), starts.tolist()


def test_regime_starts_on_the_twentieth_row_in_a_row() -> None:
    published, starts = hold((FALL, 25))
    assert published == [UNCLEAR] * 19 + [FALL] * 6
    assert starts == [0] * 19 + [19] * 6


def test_nineteen_rows_do_not_start_or_end_a_regime() -> None:
    assert hold((UNCLEAR, 5), (FALL, 19), (UNCLEAR, 5))[0] == [UNCLEAR] * 29
    published, starts = hold((FALL, 20), (UNCLEAR, 19), (FALL, 1), (UNCLEAR, 19), (FALL, 3))
    assert published == [UNCLEAR] * 19 + [FALL] * 43
    assert starts == [0] * 19 + [19] * 43


def test_regime_ends_on_the_twentieth_row_of_another() -> None:
    published, starts = hold((FALL, 20), (UNCLEAR, 21))
    assert published == [UNCLEAR] * 19 + [FALL] * 20 + [UNCLEAR] * 2
    assert starts == [0] * 19 + [19] * 20 + [39] * 2


def test_regime_can_turn_over_directly_and_alternation_holds_it() -> None:
    assert hold((FALL, 20), (RISE, 20))[0] == [UNCLEAR] * 19 + [FALL] * 20 + [RISE]
    # Twenty rows that are not FALL, but not the same one: the regime holds.
    assert hold((FALL, 20), (RISE, 10), (UNCLEAR, 10))[0] == [UNCLEAR] * 19 + [FALL] * 21


def test_regime_has_no_look_ahead_and_equals_the_plain_loop() -> None:
    rng = np.random.default_rng(3)
    daily = np.repeat(rng.integers(0, 3, 60), rng.integers(1, 45, 60)).astype(np.int8)
    published, starts = hold_regimes(daily)
    state, run, since = UNCLEAR, 0, 0
    for row, code in enumerate(daily):
        run = run + 1 if row and code == daily[row - 1] else 1
        if run >= 20 and code != state:
            state, since = code, row
        assert (published[row], starts[row]) == (state, since)
    for cut in (1, 19, 20, 500, daily.size - 1):
        assert hold_regimes(daily[:cut])[0].tolist() == published[:cut].tolist()
    assert hold_regimes(daily[:0])[0].size == 0


def test_how_often_a_regime_is_found_where_there_is_none() -> None:
    """Returns of twenty years that do not depend on yields, with changing volatility as in a market: nearly
    every history has a spell, on about one day in twenty. So the share of days says something, a spell does
    not.
    """
    rng = np.random.default_rng(12)
    rows = 5000
    volatility = np.exp(np.convolve(rng.normal(0, 0.05, rows + 499), np.full(500, 0.3), "valid"))
    market, noise = rng.standard_t(4, (2, rows)) * volatility
    yields = rng.standard_t(5, (rows, 2)).round(1) * 0.5
    histories, days = placebo_regimes(1.1 * market + noise, market, yields, 100)
    assert 0.85 <= histories <= 1.0
    assert 0.03 <= days <= 0.08


# --- groups ---------------------------------------------------------------------------------------


def made_up_inputs(rows: int = 330, symbols: tuple[str, ...] = ("BAC", "C", "JPM", "WFC")) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    factors = pd.DataFrame(
        {
            "session_date": pd.bdate_range("2022-01-03", periods=rows),
            "market_total_return_pct": rng.normal(0, 1, rows),
            "y2_change_10bp": rng.normal(0, 0.6, rows).round(1),
            "y10_change_10bp": rng.normal(0, 0.6, rows).round(1),
        }
    )
    factors["slope_change_10bp"] = factors["y10_change_10bp"] - factors["y2_change_10bp"]
    frames = []
    for position, symbol in enumerate(symbols):
        own = factors.copy()
        noise = rng.normal(0, 0.5, rows)
        own["total_return_pct"] = (
            1.1 * own["market_total_return_pct"] + (position - 2) * own["y2_change_10bp"] + noise
        )
        own.insert(0, "symbol", symbol)
        frames.append(own)
    return pd.concat(frames, ignore_index=True)


def undated_members() -> pd.DataFrame:
    members = pd.DataFrame([("money_centre", name) for name in MONEY_CENTRE], columns=["group_id", "symbol"])
    return members.assign(member_from=pd.NaT, member_to=pd.NaT)


def test_group_is_the_mean_of_the_members_observed_that_day() -> None:
    inputs = made_up_inputs(5)
    day = inputs["session_date"].unique()
    members = undated_members()
    gone = (inputs["symbol"] == "BAC") & (inputs["session_date"] == day[1])
    gone |= (inputs["symbol"] != "BAC") & (inputs["session_date"] == day[2])
    observations = bank_sensitivity_daily.compute_group_observations(inputs[~gone], members).set_index(
        "session_date"
    )
    assert day[2] not in observations.index  # one of four members: too few
    wide = inputs.pivot(index="session_date", columns="symbol", values="total_return_pct")
    assert observations.loc[day[0], "total_return_pct"] == pytest.approx(wide.loc[day[0]].mean(), rel=1e-14)
    assert observations.loc[day[1], "total_return_pct"] == pytest.approx(
        wide.loc[day[1], ["C", "JPM", "WFC"]].mean(), rel=1e-14
    )
    assert observations.loc[day[1], "market_total_return_pct"] == inputs.loc[1, "market_total_return_pct"]


def test_members_count_in_their_dates_only() -> None:
    """By a plain loop: who is a member on the day, and whether half of those are observed."""
    inputs = made_up_inputs(60)
    day = pd.DatetimeIndex(inputs["session_date"].unique())
    rng = np.random.default_rng(4)
    inputs = inputs[rng.random(len(inputs)) > 0.4]
    members = undated_members().set_index("symbol")
    members["member_from"] = [day[10], pd.NaT, day[20], day[30]]
    members["member_to"] = [pd.NaT, day[40], day[45], pd.NaT]
    expected = {}
    for at in day:
        listed = [
            name
            for name, row in members.iterrows()
            if not (row["member_from"] > at) and not (row["member_to"] < at)
        ]
        seen = inputs[(inputs["session_date"] == at) & inputs["symbol"].isin(listed)]
        if len(seen) and len(seen) >= len(listed) / 2:
            expected[at] = seen["total_return_pct"].mean()
    found = bank_sensitivity_daily.compute_group_observations(inputs, members.reset_index())
    found = found.set_index("session_date")["total_return_pct"]
    assert list(found.index) == list(expected) and 20 < len(found) < 60
    np.testing.assert_allclose(found, list(expected.values()), rtol=1e-13)


# --- the marts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_simulated_market(check: Check) -> None:
    check(simulated_banks())


def test_published_values_do_not_change_when_later_days_arrive() -> None:
    session = "2020-03-20"
    assert_history_is_the_same(simulated_banks(session), simulated_banks(), session)


def test_estimates_find_what_the_simulated_banks_were_made_to_do() -> None:
    """Its script: 10 bp more move banks by 0.7 to 0.9 % from 2009 to 2022 and by -0.9 to -0.8 % from 2024."""
    rows = simulated_banks().execute("""
        select year(session_date), median(beta_y2), mode(regime)
        from marts.bank_sensitivity_daily where entity_id = 'KRE' and year(session_date) in (2012, 2025)
        group by all order by all
        """)
    assert rows.fetchall() == [
        (2012, pytest.approx(0.75, abs=0.2), "gains_when_rates_rise"),
        (2025, pytest.approx(-0.85, abs=0.2), "gains_when_rates_fall"),
    ]


def test_rows_come_in_the_order_of_the_grain() -> None:
    """The model says so, and the runner does not sort them."""
    table = load_catalog()["marts.bank_rate_betas"]
    con = simulated_banks()
    for since in (None, "2025-03-03"):
        con.execute("set variable since = ?::date", [since])
        try:
            frame = bank_rate_betas.build(con)[list(table.grain)]
        finally:
            con.execute("reset variable since")
        keys = frame.astype({name: str for name in table.grain if name != "session_date"})
        assert len(keys) > 5000 and not keys.duplicated().any()
        pd.testing.assert_frame_equal(keys, keys.sort_values(list(table.grain), ignore_index=True))


def test_empty_staging_gives_empty_marts() -> None:
    con = build_banks(empty_warehouse())
    assert con.execute("select count(*) from marts.bank_rate_betas").fetchone() == (0,)
    assert con.execute("select count(*) from marts.bank_sensitivity_daily").fetchone() == (0,)
