"""What the bank marts read, of a whole market, and what must hold of them on any.

In: prices and yields of the simulated market, which every clone has, or of the recorded one. What futures
did is made up here (the Fed marts have tests of their own). Out: warehouses as in `tests/model_fixture.py`
with the bank marts built; `CHECKS`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from tests.market_fixture import recorded, simulated
from tests.model_fixture import build, create, fill
from transforms.marts import bank_rate_betas

SAMPLE = ("KRE", "KBE", "JPM", "BAC", "C", "WFC", "WAL", "IWM")
LAST_SESSION = "2025-09-24"
BETA_NUMBERS = ("beta", "std_error", "t_stat", "r_squared")
MODELS = ("staging.bank_regression_inputs", "marts.bank_rate_betas", "marts.bank_sensitivity_daily")
INPUTS = (
    "staging.equity_prices",
    "staging.fred_observations",
    "marts.policy_repricing",
    "marts.policy_surprises",
)

Check = Callable[[duckdb.DuckDBPyConnection], None]


def build_banks(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Build the bank marts; inputs that are not there are empty."""
    for name in INPUTS:
        create(con, name)
    for model in MODELS:
        build(con, model)
    return con


@functools.cache
def simulated_banks(session: str = LAST_SESSION) -> duckdb.DuckDBPyConnection:
    """The bank marts of the simulated market, as published for a session. Shared: read only."""
    return _built(simulated([*SAMPLE, "SPY"], session, ("DGS2", "DGS5", "DGS10")), session)


@functools.cache
def recorded_banks(session: str = LAST_SESSION) -> duckdb.DuckDBPyConnection:
    """The bank marts of the recorded market, as published for a session. Shared: read only."""
    return _built(recorded([*SAMPLE, "SPY"], session, ("DGS2", "DGS5", "DGS10")), session)


def _built(con: duckdb.DuckDBPyConnection, session: str) -> duckdb.DuckDBPyConnection:
    """Add made-up repricing up to 2023-09-15 and made-up surprises up to July 2024, and build."""
    days = con.execute(
        "select calendar_date from ref.calendar where is_settlement_day and calendar_date between"
        " '2000-01-03' and least(date '2023-09-14', ?::date) order by 1",
        [session],
    ).df()["calendar_date"]
    change = 5 * np.cos(days.astype("datetime64[s]").astype(np.int64))
    repricing = pd.DataFrame({"as_of_date": days, "horizon": "year_end", "change_bp": change})
    fill(con, "marts.policy_repricing", repricing)
    days = con.execute(
        "select decision_date from ref.fomc_meetings where not cancelled and decision_date between"
        " '2000-01-01' and least(date '2024-07-31', ?::date) order by 1",
        [session],
    ).df()["decision_date"]
    surprise = 10 * np.sin(days.astype("datetime64[s]").astype(np.int64))
    surprises = {"meeting_date": days, "surprise_bp": surprise, "scale_factor": 1.0}
    fill(con, "marts.policy_surprises", pd.DataFrame(surprises))
    return build_banks(con)


def check_betas_equal_statsmodels(con: duckdb.DuckDBPyConnection) -> None:
    """200 windows drawn at random, over all symbols, models and estimators of daily observations."""
    betas = _indexed(con.execute("from marts.bank_rate_betas").df())
    staged = con.execute("from staging.bank_regression_inputs order by symbol, session_date").df()
    daily = dict(list(staged.groupby("symbol")))
    policy = dict(list(con.execute(bank_rate_betas.POLICY_INPUTS).df().groupby("symbol")))
    rng = np.random.default_rng(5)
    asked = [(model, name) for model in DESIGNS for name in LAGS if model in ON_EVERY_ESTIMATOR]
    asked += [(model, "w252") for model in DESIGNS if model not in ON_EVERY_ESTIMATOR]
    for number in range(200):
        symbol = str(rng.choice(SAMPLE))
        model, estimator = asked[number % len(asked)]
        response, regressors, days = DESIGNS[model]((policy if "year_end" in model else daily)[symbol])
        shortest, longest = (120, 600) if estimator == "ewm60" else (int(estimator[1:]),) * 2
        end = int(rng.integers(shortest, len(response) + 1))
        begin = max(0, end - longest)
        weights = np.ones(end - begin)
        if estimator == "ewm60":
            weights = 0.5 ** (np.arange(end - begin)[::-1] / 60)
        n_effective = weights.sum() ** 2 / (weights**2).sum()
        fit = sm.WLS(response[begin:end], sm.add_constant(regressors[begin:end]), weights=weights).fit(
            cov_type="HAC", cov_kwds={"maxlags": LAGS[estimator]}, use_t=True
        )
        critical = stats.t.ppf(0.975, n_effective - regressors.shape[1] - 1)
        same: Any = np.nan
        if model == "market_2y_up_down":
            same = fit.t_test(np.array([0, 0, 1, -1])).pvalue
        for factor, combination in COMBINATIONS[model].items():
            found = betas.loc[symbol, days[end - 1], model, estimator, factor]
            expected = fit.t_test(np.array([0, *combination]))
            figures = [expected.effect, expected.sd, expected.tvalue, fit.rsquared, fit.nobs]
            figures += [n_effective, critical, same]
            names = [*BETA_NUMBERS, "observations", "n_effective", "critical_t", "p_up_equals_down"]
            np.testing.assert_allclose(
                found[names].to_numpy(float), [np.squeeze(value) for value in figures], rtol=1e-8
            )
            assert found[["p_wild", "top3_share", "beta_without_top3", "reason"]].isna().all()


Design = tuple[Any, Any, Any]
LAGS = {"w60": 3, "w126": 5, "w252": 5, "ewm60": 5}


def _levels(rows: pd.DataFrame) -> Design:
    """Response, regressors and days of market_level_slope_curvature."""
    rows = rows.dropna(subset=["y5_change_10bp"])
    y2, y5, y10 = (rows[f"y{years}_change_10bp"].to_numpy() for years in (2, 5, 10))
    curve = np.column_stack([y2, y5, y10]) @ np.array([[1 / 3, 1 / 3, 1 / 3], [-1, 0, 1], [-1, 2, -1]]).T
    return _design(rows, np.column_stack([rows["market_total_return_pct"], curve]))


def _up_down(rows: pd.DataFrame) -> Design:
    market, y2 = rows["market_total_return_pct"], rows["y2_change_10bp"]
    return _design(rows, np.column_stack([market, y2.where(y2 > 0, 0.0), y2.where(y2 < 0, 0.0)]))


def _neighbours(rows: pd.DataFrame) -> Design:
    """The plain regression: the yield's change of the session before, the same and the one after."""
    number = rows["session_number"].to_numpy()
    middle = np.flatnonzero((number[2:] - number[:-2]) == 2) + 1
    y2 = rows["y2_change_10bp"].to_numpy()
    market = rows["market_total_return_pct"].to_numpy()[middle]
    regressors = np.column_stack([market, y2[middle - 1], y2[middle], y2[middle + 1]])
    days = rows["session_date"].to_numpy()[middle + 1]
    return rows["total_return_pct"].to_numpy()[middle], regressors, days


def _columns(*names: str) -> Callable[[pd.DataFrame], Design]:
    return lambda rows: _design(rows, rows[list(names)].to_numpy())


def _design(rows: pd.DataFrame, regressors: Any) -> Design:
    return rows["total_return_pct"].to_numpy(), regressors, rows["session_date"].to_numpy()


DESIGNS: dict[str, Callable[[pd.DataFrame], Design]] = {
    "market_2y_slope": _columns("market_total_return_pct", "y2_change_10bp", "slope_change_10bp"),
    "y2_only": _columns("y2_change_10bp"),
    "y10_only": _columns("y10_change_10bp"),
    "market_year_end_rate": _columns("market_total_return_pct", "year_end_rate_change_10bp"),
    "market_level_slope_curvature": _levels,
    "market_2y_up_down": _up_down,
    "market_2y_dimson": _neighbours,
}
ON_EVERY_ESTIMATOR = ("market_2y_slope", "y2_only", "y10_only", "market_year_end_rate")
# What each factor's beta is of the slopes of the design.
COMBINATIONS: dict[str, dict[str, tuple[int, ...]]] = {
    "market_2y_slope": {"market": (1, 0, 0), "y2": (0, 1, 0), "slope": (0, 0, 1)},
    "y2_only": {"y2": (1,)},
    "y10_only": {"y10": (1,)},
    "market_year_end_rate": {"market": (1, 0), "year_end_rate": (0, 1)},
    "market_level_slope_curvature": {
        "level": (0, 1, 0, 0),
        "slope": (0, 0, 1, 0),
        "curvature": (0, 0, 0, 1),
    },
    "market_2y_up_down": {"y2_up": (0, 1, 0), "y2_down": (0, 0, 1)},
    "market_2y_dimson": {"y2_sum": (0, 1, 1, 1)},
}


def check_fomc_days_equal_statsmodels_on_the_residual_of_the_window(con: duckdb.DuckDBPyConnection) -> None:
    """HC3 errors, and the betas without the three days that moved the factor most."""
    events = con.execute(bank_rate_betas.EVENT_INPUTS).df()
    betas = _indexed(con.execute("from marts.bank_rate_betas where estimator = 'fomc_days'").df())
    compared = 0
    for symbol, own in events.groupby("symbol"):
        for end in range(40, len(own) + 1, 7):
            window = own.iloc[max(0, end - 80) : end]
            fit, regressors = fit_event_window(window)
            for place, factor in enumerate(("surprise", "y2_residual"), start=1):
                found = betas.loc[symbol, window["session_date"].iloc[-1], "surprise", "fomc_days", factor]
                squares = (regressors[:, place] - regressors[:, place].mean()) ** 2
                largest = np.argsort(-squares, kind="stable")[:3]
                rest, _ = fit_event_window(window.drop(index=window.index[largest]))
                share = squares[largest].sum() / squares.sum()
                assert found["top3_share"] == pytest.approx(share, rel=1e-8)
                if share > 0.7:
                    assert found[[*BETA_NUMBERS, "p_wild", "critical_t", "beta_without_top3"]].isna().all()
                    assert found["reason"] == "top3_share_above_70_pct"
                    continue
                expected = [fit.params[place], fit.bse[place], fit.tvalues[place], fit.rsquared, fit.nobs]
                expected += [stats.t.ppf(0.975, len(window) - 3), rest.params[place]]
                names = [*BETA_NUMBERS, "observations", "critical_t", "beta_without_top3"]
                np.testing.assert_allclose(found[names].to_numpy(float), expected, rtol=1e-8)
                assert 0.001 <= found["p_wild"] <= 1
                compared += 1
        short = betas.loc[str(symbol)].loc[own["session_date"].iloc[:39]]
        assert short["beta"].isna().all() and short["observations"].max() == 39
        assert (short["reason"] == "announcements_below_40").all()
    assert compared > 160


def fit_event_window(window: pd.DataFrame) -> tuple[Any, Any]:
    """statsmodels' HC3 fit on the surprise and what it leaves of the yield's change, and the regressors."""
    surprise = sm.add_constant(window["surprise_10bp"].to_numpy())
    residual = sm.OLS(window["y2_change_10bp"].to_numpy(), surprise).fit().resid
    regressors = np.column_stack([surprise, residual])
    return sm.OLS(window["total_return_pct"].to_numpy(), regressors).fit(cov_type="HC3"), regressors


def _indexed(betas: pd.DataFrame) -> pd.DataFrame:
    return betas.set_index(["symbol", "session_date", "model", "estimator", "factor"]).sort_index()


def check_no_nan_and_no_row_beside_a_bond_holiday(con: duckdb.DuckDBPyConnection) -> None:
    for table, columns in (
        ("marts.bank_rate_betas", (*BETA_NUMBERS, "critical_t", "p_up_equals_down", "n_effective")),
        (
            "marts.bank_sensitivity_daily",
            ("beta_y2", "t_y2", "move_low_pct", "beta_y2_only", "equity_duration_years"),
        ),
    ):
        test = " or ".join(f"isnan({name}) or isinf({name})" for name in columns)
        assert con.execute(f"select count(*) from {table} where {test}").fetchone() == (0,)
    # Columbus Day 2023-10-09 and the session after it.
    found = con.execute("""
        select distinct session_date::varchar from marts.bank_rate_betas
        where session_date between '2023-10-06' and '2023-10-11' order by 1
        """).fetchall()
    assert found == [("2023-10-06",), ("2023-10-11",)]


def check_spells_are_whole(con: duckdb.DuckDBPyConnection) -> None:
    """A spell has one start date, which is its first row; only an entity's first and last may be short."""
    spells = con.execute("""
        select entity_id, regime_start_date, count(distinct regime), count(*), min(session_date),
            row_number() over (partition by entity_id order by regime_start_date desc) as from_last
        from marts.bank_sensitivity_daily group by entity_id, regime_start_date
        """).fetchall()
    first = dict(
        con.execute(
            "select entity_id, min(session_date) from marts.bank_sensitivity_daily group by all"
        ).fetchall()
    )
    for entity, start, regimes, rows, earliest, from_last in spells:
        assert regimes == 1 and earliest == start
        assert rows >= 20 or from_last == 1 or start == first[entity]
    assert max(sum(spell[0] == name for spell in spells) for name in SAMPLE) < 63


CHECKS: list[Check] = [
    check_betas_equal_statsmodels,
    check_fomc_days_equal_statsmodels_on_the_residual_of_the_window,
    check_no_nan_and_no_row_beside_a_bond_holiday,
    check_spells_are_whole,
]


def assert_history_is_the_same(
    early: duckdb.DuckDBPyConnection, late: duckdb.DuckDBPyConnection, session: str
) -> None:
    """Every row of the earlier publication is in the later one, to the bit."""
    for table in ("marts.bank_rate_betas", "marts.bank_sensitivity_daily"):
        before = early.execute(f"from {table}").df()
        after = late.execute(f"from {table} where session_date <= '{session}'").df()
        assert len(before) > 5000
        pd.testing.assert_frame_equal(before, after, check_exact=True)
