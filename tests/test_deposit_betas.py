"""Margins, deposit costs and deposit betas against computations by other routes, against a bank's reports as
recorded with the FDIC's own quarterly figures, and in worlds where the beta is known or is nothing.
"""

from __future__ import annotations

import datetime as dt
import functools

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sources.simulated_market.bank_margins import BETAS, INTEREST_BEARING
from tests.bank_margin_world import simulated_rates, simulated_rows, warehouse_of
from tests.model_fixture import assert_prefix_is_equal, build, fill, set_session
from transforms.lib import deposit_betas

EDGES = [-1, 99_999, 999_999, 9_999_999, 249_999_999, 10**12]
SIZES = list(reversed(list(BETAS)))
# Regions Bank (certificate 12368) as the API served it in August 2026, thousands of dollars: EDEPDOM, DEPDOM
# (all its deposits are domestic), DEPIDOM, NIM, ERNAST, and the FDIC's own figures of the quarter alone:
# EDEPDOMQ, NIMQ, ERNAST2 (mean of opening and closing earning assets).
REGIONS = {
    "2021-12-31": (64_000, 141_129_000, 80_728_000, 3_980_000, 144_989_000, 13_000, 1_036_000, 141_874_500),
    "2022-03-31": (13_000, 142_371_000, 81_457_000, 1_031_000, 145_134_000, 13_000, 1_031_000, 145_061_500),
    "2022-06-30": (33_000, 139_563_000, 79_778_000, 2_156_000, 141_282_000, 20_000, 1_125_000, 143_208_000),
    "2022-09-30": (82_000, 136_953_000, 80_407_000, 3_439_000, 136_980_000, 49_000, 1_283_000, 139_131_000),
    "2022-12-31": (197_000, 133_792_000, 80_421_000, 4_866_000, 134_100_000, 115_000, 1_427_000, 135_540_000),
    "2023-03-31": (180_000, 130_749_000, 78_852_000, 1_447_000, 132_970_000, 180_000, 1_447_000, 133_535_000),
    "2023-06-30": (440_000, 129_403_000, 80_086_000, 2_858_000, 134_126_000, 260_000, 1_411_000, 133_548_000),
}
BEFORE_REGIONS = ("2021-09-30", 51_000, 133_779_000, 74_919_000, 2_944_000, 138_760_000)


@functools.cache
def simulated() -> duckdb.DuckDBPyConnection:
    return warehouse_of(simulated_rows())


def table(name: str) -> pd.DataFrame:
    return simulated().execute(f"from {name}").df()


def of_quarter(quarter: str) -> pd.DataFrame:
    """The betas of one quarter on all domestic deposits, by group."""
    mart = table("marts.deposit_betas").query("deposit_basis == 'all_domestic'")
    return mart[mart["quarter_end"] == pd.Timestamp(quarter)].set_index("bank_group")


@functools.cache
def by_pandas() -> pd.DataFrame:
    """Each bank's quarter once more: de-cumulated by differences within a year, opening by a shift."""
    rows = simulated_rows().sort_values(["cert", "quarter_end"]).reset_index(drop=True)
    period = rows["quarter_end"].dt.to_period("Q")
    follows = (period.astype("int64").diff() == 1) & (rows["cert"].diff() == 0)
    own = pd.DataFrame({"cert": rows["cert"], "quarter_end": rows["quarter_end"]})
    for name in ("net_interest_income", "deposit_interest"):
        ytd = rows[f"{name}_ytd_usd_thousand"]
        own[name] = np.where(period.dt.quarter == 1, ytd, ytd.diff().where(follows))
    for name in ("domestic_deposits", "interest_bearing_deposits", "earning_assets"):
        amount = rows[f"{name}_usd_thousand"]
        own[name] = amount
        own[f"mean_{name}"] = (amount + amount.shift()).where(follows) / 2
    own["size"] = pd.cut(rows["assets_usd_thousand"], EDGES, labels=SIZES).astype(str)
    return own


def cost(rows: pd.DataFrame, of: str = "mean_domestic_deposits", flow: str = "deposit_interest") -> float:
    """Interest times four in % of the mean balance, over the rows that have both."""
    rows = rows.dropna(subset=[of, flow])
    return 400 * rows[flow].sum() / rows[of].sum() if len(rows) else np.nan


def quarter_rates() -> pd.Series:
    """Quarter averages of the funds rate."""
    rates = simulated_rates().query("series_id == 'DFF'")
    days = pd.to_datetime(rates["observation_date"])
    means: pd.Series = rates.set_index(days)["value"].resample("QE").mean()
    return means


# --- margins and costs ---------------------------------------------------------------------------------


def test_margins_and_costs_against_pandas() -> None:
    mart = table("marts.bank_margins")
    checked = 0
    for (at, group), row in mart.set_index(["quarter_end", "size_group"]).iterrows():
        rows = by_pandas()
        rows = rows[rows["quarter_end"] == at]
        rows = rows if group == "all" else rows[rows["size"] == group]
        expected = (
            cost(rows),
            cost(rows, "mean_interest_bearing_deposits"),
            cost(rows, "mean_earning_assets", "net_interest_income"),
        )
        found = (
            row["deposit_cost_pct"],
            row["interest_bearing_deposit_cost_pct"],
            row["net_interest_margin_pct"],
        )
        np.testing.assert_allclose(np.array(found, dtype=float), expected, rtol=1e-12)
        assert row["institutions"] == len(rows)
        checked += 1
    assert checked == 102 * 6
    rates = mart.query("size_group == 'all'").set_index("quarter_end")["policy_rate_avg_pct"]
    np.testing.assert_allclose(rates, quarter_rates()[rates.index], rtol=1e-9)


def test_a_bank_as_recorded_against_the_fdics_own_figures_of_a_quarter() -> None:
    """The FDIC publishes quarterly figures beside those since the start of the year: ours must be equal."""
    recorded = [BEFORE_REGIONS, *((day, *values[:5]) for day, values in REGIONS.items())]
    rows = pd.DataFrame(
        recorded,
        columns=[
            "quarter_end",
            "deposit_interest_ytd_usd_thousand",
            "domestic_deposits_usd_thousand",
            "interest_bearing_deposits_usd_thousand",
            "net_interest_income_ytd_usd_thousand",
            "earning_assets_usd_thousand",
        ],
    )
    rows["quarter_end"] = pd.to_datetime(rows["quarter_end"])
    rows = rows.assign(
        cert=12368, assets_usd_thousand=1.5e8, source="fdic", known_at_utc=pd.Timestamp("2023-10-02")
    )
    con = warehouse_of(rows)
    quarters = con.execute("from staging.bank_quarters order by quarter_end").df().iloc[1:]
    own = np.array(list(REGIONS.values()), dtype=float)
    assert quarters["deposit_interest_usd_thousand"].tolist() == own[:, 5].tolist()
    assert quarters["net_interest_income_usd_thousand"].tolist() == own[:, 6].tolist()
    means = (quarters["opening_earning_assets_usd_thousand"] + quarters["earning_assets_usd_thousand"]) / 2
    assert means.tolist() == own[:, 7].tolist()
    margins = con.execute("from marts.bank_margins where size_group = 'all' order by 1").df().iloc[1:]
    np.testing.assert_allclose(margins["net_interest_margin_pct"], 400 * own[:, 6] / own[:, 7], rtol=1e-12)


# --- the cycle -----------------------------------------------------------------------------------------


def test_cumulative_betas_against_pandas() -> None:
    """Every quarter since 2001, in the groups of the base quarter, over the banks that both quarters have."""
    mart = table("marts.deposit_betas").query("cumulative_deposit_beta.notna()")
    rates, rows = quarter_rates(), by_pandas()
    bases = {"all_domestic": "mean_domestic_deposits", "interest_bearing": "mean_interest_bearing_deposits"}
    firsts = {dt.date(2001, 1, 3), dt.date(2004, 6, 30), dt.date(2007, 9, 18), dt.date(2015, 12, 16)}
    firsts |= {dt.date(2019, 7, 31), dt.date(2022, 3, 16), dt.date(2024, 9, 18)}
    assert set(mart["cycle_first_move_date"].dt.date) == firsts
    whole = rows.dropna(subset=["mean_domestic_deposits", "deposit_interest"])
    checked = 0
    for row in mart.sample(300, random_state=1).itertuples():
        then = whole[whole["quarter_end"] == row.cycle_base_quarter_end].set_index("cert")
        ranked = (
            (then["deposit_interest"] / then["mean_domestic_deposits"]).rank(method="first").sort_values()
        )
        thirds = np.array_split(ranked.index.to_numpy(), 3)
        members = dict(zip(("cheapest_third", "middle_third", "dearest_third"), thirds, strict=True))
        group = row.bank_group
        chosen = then.index if group == "all" else then.index[then["size"] == group]
        chosen = pd.Index(members[group]) if group in members else chosen
        now = whole[whole["quarter_end"] == row.quarter_end].set_index("cert")
        both = chosen.intersection(now.index)
        of = bases[row.deposit_basis]
        change = cost(now.loc[both], of) - cost(then.loc[both], of)
        rate = rates[row.quarter_end] - rates[row.cycle_base_quarter_end]
        assert row.cumulative_deposit_beta == pytest.approx(change / rate, rel=1e-9)
        margin = [cost(part.loc[both], "mean_earning_assets", "net_interest_income") for part in (now, then)]
        assert row.margin_change_pp == pytest.approx(margin[0] - margin[1], abs=1e-9)
        assert row.panel_institutions == len(both)
        share = 100 * then.loc[both, "domestic_deposits"].sum() / then.loc[chosen, "domestic_deposits"].sum()
        assert row.panel_share_pct == pytest.approx(share, rel=1e-9)
        checked += 1
    assert checked == 300


def in_quarter(mart: pd.DataFrame, quarter_end: str) -> pd.DataFrame:
    """The rows of all domestic deposits in a quarter."""
    of_quarter = mart["quarter_end"] == pd.Timestamp(quarter_end)
    return mart[of_quarter & (mart["deposit_basis"] == "all_domestic")]


def test_at_the_end_of_a_cycle_the_cumulative_beta_is_the_one_that_is_known() -> None:
    """Four quarters after the last move all of it has arrived: mid 2007, and at the end of 2010."""
    mart = table("marts.deposit_betas").set_index(["quarter_end", "bank_group", "deposit_basis"])
    for size, beta in BETAS.items():
        for quarter in ("2007-06-30", "2010-12-31"):
            found = mart.loc[(pd.Timestamp(quarter), size, "all_domestic"), "cumulative_deposit_beta"]
            assert found == pytest.approx(beta, abs=0.01)
            bearing = mart.loc[(pd.Timestamp(quarter), size, "interest_bearing"), "cumulative_deposit_beta"]
            assert bearing == pytest.approx(beta / INTEREST_BEARING, abs=0.02)


def test_cheap_deposits_gain_at_high_rates_where_they_were_made_so() -> None:
    mart = in_quarter(table("marts.deposit_betas"), "2023-12-31")
    change = mart.set_index("bank_group")["margin_change_pp"]
    assert change["cheapest_third"] > change["middle_third"] > change["dearest_third"]


@pytest.mark.parametrize(
    ("day", "direction", "base"),
    [
        ("2022-03-15", "cuts", dt.date(2019, 6, 30)),
        ("2022-03-16", "hikes", dt.date(2021, 12, 31)),
        ("2024-09-17", "hikes", dt.date(2021, 12, 31)),
        ("2024-09-18", "cuts", dt.date(2024, 6, 30)),
    ],
)
def test_a_cycle_is_known_from_its_first_move(day: str, direction: str, base: dt.date) -> None:
    moves = [
        (dt.date(2018, 12, 19), 0.25),
        (dt.date(2019, 7, 31), -0.25),
        (dt.date(2019, 9, 18), -0.25),
        (dt.date(2020, 1, 29), 0.0),
        (dt.date(2022, 3, 16), 0.25),
        (dt.date(2023, 7, 26), 0.25),
        (dt.date(2024, 9, 18), -0.5),
    ]
    cycles = deposit_betas.find_cycles([at for at, _ in moves], [change for _, change in moves])
    found = deposit_betas.cycle_of(cycles, dt.date.fromisoformat(day))
    assert found is not None and (found.direction, found.base_quarter_end) == (direction, base)
    assert deposit_betas.cycle_of(cycles, dt.date(2018, 12, 18)) is None
    first = deposit_betas.cycle_of(cycles, dt.date(2018, 12, 31))
    assert first is not None and first.base_quarter_end is None, "earlier hikes may lie before the list"


# --- the rolling regression ----------------------------------------------------------------------------


def newey_west(response: np.ndarray, factors: np.ndarray, *, wide: bool = False) -> tuple[float, float]:
    """Sum of the slopes and its standard error, by the normal equations and loops over lags and rows; `wide`
    takes for each residual that of a fit without its row.
    """
    x = np.column_stack([np.ones(len(response)), factors])
    inverse = np.linalg.inv(x.T @ x)
    slopes = inverse @ x.T @ response
    residuals = response - x @ slopes
    if wide:
        for row in range(len(x)):
            rest = np.delete(np.arange(len(x)), row)
            without = np.linalg.lstsq(x[rest], response[rest], rcond=None)[0]
            residuals[row] = response[row] - x[row] @ without
    scores = x * residuals[:, None]
    middle = scores.T @ scores
    for lag in range(1, 5):
        cross = sum(np.outer(scores[row], scores[row - lag]) for row in range(lag, len(scores)))
        middle += (1 - lag / 5) * (cross + cross.T)
    covariance = inverse @ middle @ inverse
    return float(slopes[1:].sum()), float(np.sqrt(covariance[1:, 1:].sum()))


@pytest.mark.parametrize("group", ["all", *SIZES])
def test_the_rolling_regression_against_one_by_hand(group: str) -> None:
    mart = table("marts.deposit_betas").query("bank_group == @group and deposit_basis == 'all_domestic'")
    mart = mart.set_index("quarter_end")
    rows = by_pandas().dropna(subset=["mean_domestic_deposits", "deposit_interest"])
    change = {}
    for quarter in sorted(rows["quarter_end"].unique()):
        now = rows[rows["quarter_end"] == quarter].set_index("cert")
        then = rows[rows["quarter_end"] == quarter - pd.offsets.QuarterEnd(1)].set_index("cert")
        then = then if group == "all" else then[then["size"] == group]
        both = now.index.intersection(then.index)
        change[quarter] = cost(now.loc[both]) - cost(then.loc[both])
    costs = pd.Series(change)
    rates = quarter_rates().diff()
    frame = pd.DataFrame({"cost": costs, **{f"lag{lag}": rates.shift(lag) for lag in range(4)}}).sort_index()
    for quarter in ("2007-06-30", "2012-09-30", "2018-12-31", "2025-06-30"):
        window = frame[:quarter].iloc[-40:].dropna()
        row = mart.loc[pd.Timestamp(quarter)]
        if len(window) < 24:
            assert np.isnan(row["rolling_deposit_beta"])
            continue
        beta, error = newey_west(window["cost"].to_numpy(), window.iloc[:, 1:].to_numpy())
        assert row["rolling_quarters"] == len(window)
        assert row["rolling_deposit_beta"] == pytest.approx(beta, rel=1e-7)
        assert row["rolling_beta_std_error"] == pytest.approx(error, rel=1e-7)
        _, wide = newey_west(window["cost"].to_numpy(), window.iloc[:, 1:].to_numpy(), wide=True)
        reach = stats.t.ppf(0.95, len(window) - 5) * wide
        assert row["rolling_beta_high"] - row["rolling_beta_low"] == pytest.approx(2 * reach, rel=1e-7)


def test_the_known_beta_is_found_by_size() -> None:
    mart = in_quarter(table("marts.deposit_betas"), "2025-06-30")
    mart = mart.set_index("bank_group")
    for size, beta in BETAS.items():
        row = mart.loc[size]
        assert row["rolling_deposit_beta"] == pytest.approx(beta, abs=0.01)
        low, high = row["rolling_beta_low"], row["rolling_beta_high"]
        assert low - 0.002 <= beta <= high + 0.002


def draws(beta: float, seed: int, count: int = 400) -> tuple[float, float]:
    """Share of worlds whose interval holds the beta, and the mean estimate: 40 quarters of the real shape of
    rates, costs that follow with known lags and noise that lasts.
    """
    rng = np.random.default_rng(seed)
    path = quarter_rates().diff().dropna().to_numpy()
    lagged = np.column_stack([path[3 - lag : len(path) - lag] for lag in range(4)])
    held, estimates = 0, []
    for _ in range(count):
        begin = int(rng.integers(0, len(lagged) - 40))
        noise = rng.normal(0, 0.03, 44)
        noise = noise[4:] + 0.5 * noise[3:-1]
        factors = lagged[begin : begin + 40]
        fit = deposit_betas.fit_window(factors @ (beta * np.array([0.4, 0.3, 0.2, 0.1])) + noise, factors)
        held += fit.low <= beta <= fit.high
        estimates.append(fit.beta)
    return held / count, float(np.mean(estimates))


def test_how_often_the_interval_holds_the_beta() -> None:
    """Nominally 90 %; a little less with noise that lasts and few moves (docs/metrics-banks.md)."""
    share, mean = draws(0.4, seed=1)
    assert 0.78 <= share <= 0.92
    assert mean == pytest.approx(0.4, abs=0.02)


def test_where_deposits_do_not_follow_nothing_is_found() -> None:
    """The placebo: of worlds with a beta of 0 more than four in five say so, and estimates lie around 0."""
    share, mean = draws(0.0, seed=2)
    assert 0.78 <= share <= 0.92
    assert mean == pytest.approx(0.0, abs=0.02)


def test_rates_that_stand_still_give_no_beta() -> None:
    rng = np.random.default_rng(3)
    flat = deposit_betas.fit_window(rng.normal(0, 0.1, 40), np.zeros((40, 4)))
    assert np.isnan(flat.beta) and flat.quarters == 40
    few = deposit_betas.fit_window(rng.normal(0, 0.1, 23), rng.normal(0, 0.5, (23, 4)))
    assert np.isnan(few.beta) and few.quarters == 23
    one = np.zeros((40, 4))
    one[:, :] = rng.normal(0, 0.5, 40)[:, None]
    assert np.isnan(deposit_betas.fit_window(rng.normal(0, 0.1, 40), one).beta)


# --- what a session may know ---------------------------------------------------------------------------


def test_an_earlier_session_has_the_same_rows_as_far_as_it_reaches() -> None:
    con = warehouse_of(simulated_rows(), session="2023-06-14")
    for mart, keys in (
        ("marts.bank_margins", ["quarter_end", "size_group"]),
        ("marts.deposit_betas", ["quarter_end", "bank_group", "deposit_basis"]),
    ):
        short = con.execute(f"from {mart}").df()
        # 75 days after March's end is 14 June, at noon.
        assert short["quarter_end"].max() == pd.Timestamp("2023-03-31")
        assert_prefix_is_equal(table(mart), short, keys)
    set_session(con, "2023-06-13")
    for model in ("staging.bank_quarters", "marts.bank_margins"):
        rows = build(con, model)
    assert rows["quarter_end"].max() == pd.Timestamp("2022-12-31")


def test_an_amended_report_changes_its_quarter_and_the_order_of_rows_nothing() -> None:
    rows = simulated_rows()
    rows = rows[rows["quarter_end"] >= pd.Timestamp("2023-01-01")]
    plain = warehouse_of(rows).execute("from marts.bank_margins order by all").df()
    con = warehouse_of(rows.sample(frac=1, random_state=4))
    pd.testing.assert_frame_equal(con.execute("from marts.bank_margins order by all").df(), plain)
    one = rows[rows["quarter_end"] == pd.Timestamp("2024-06-30")].tail(1)
    amended = one.assign(
        deposit_interest_ytd_usd_thousand=one["deposit_interest_ytd_usd_thousand"] + 1_000,
        known_at_utc=pd.Timestamp("2025-09-24 10:00"),
        available_at_utc=pd.Timestamp("2024-09-13 16:00"),
        availability="assumed",
    )
    fill(con, "raw.bank_margins", amended)
    build(con, "staging.bank_quarters")
    after = build(con, "marts.bank_margins").sort_values(["quarter_end", "size_group"]).reset_index(drop=True)
    differs = after["deposit_cost_pct"].fillna(-1) != plain["deposit_cost_pct"].fillna(-1)
    # Also the quarter after, whose own interest is what it added.
    assert set(after.loc[differs, "quarter_end"].dt.strftime("%Y-%m-%d")) == {"2024-06-30", "2024-09-30"}
