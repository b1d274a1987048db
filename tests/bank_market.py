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
from transforms.lib.rolling_ols import Floats, Panel, fit_panel
from transforms.marts import bank_rate_betas
from transforms.marts.bank_sensitivity_daily import UNCLEAR, classify_regimes, hold_regimes

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
            (
                "beta_y2",
                "t_y2",
                "t_y2_without_top5",
                "move_low_pct",
                "beta_y2_only",
                "empirical_duration_market_hedged_years",
                "empirical_duration_unconditional_low_years",
            ),
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


def check_t_without_the_largest_days_equals_statsmodels(con: duckdb.DuckDBPyConnection) -> None:
    """100 windows drawn at random: without the five largest moves, the others taken for neighbours."""
    inputs = dict(list(con.execute(bank_rate_betas.INPUTS).df().groupby("symbol")))
    found = con.execute("from marts.bank_sensitivity_daily where entity_type = 'symbol'").df()
    changed = 0
    for row in found.sample(100, random_state=6).itertuples():
        own = inputs[str(row.entity_id)]
        window = own[own["session_date"] <= row.session_date].iloc[-252:]
        size = window["y2_change_10bp"].abs().to_numpy()
        largest = sorted(range(252), key=lambda place: (-size[place], place))[:5]
        left = window.drop(window.index[largest])
        factors = left[["market_total_return_pct", "y2_change_10bp", "slope_change_10bp"]]
        expected = sm.OLS(left["total_return_pct"].to_numpy(), sm.add_constant(factors.to_numpy())).fit(
            cov_type="HAC", cov_kwds={"maxlags": 5}
        )
        t_stat = float(expected.tvalues[2])
        assert row.t_y2_without_top5 == pytest.approx(t_stat, rel=1e-8)
        classes = [0 if abs(t) < 1.96 else np.sign(t) for t in (float(str(row.t_y2)), t_stat)]
        assert row.regime_rests_on_few_days == (classes[0] != classes[1])
        changed += classes[0] != classes[1]
    assert 0 < changed < 50


def check_durations_are_bond_durations(con: duckdb.DuckDBPyConnection) -> None:
    """A price that falls by 7 % per percentage point has a duration of 7 years; from the betas' table."""
    rows = con.execute("""
        select empirical_duration_unconditional_years as years, move_if_yields_down_25bp_pct as move,
            empirical_duration_unconditional_low_years as low,
            empirical_duration_unconditional_high_years as high,
            empirical_duration_market_hedged_years as hedged, beta, std_error
        from marts.bank_sensitivity_daily as own
        inner join marts.bank_rate_betas as betas
            on own.entity_id = betas.symbol and own.session_date = betas.session_date
        where model = 'y2_only' and estimator = 'w252'
        """).df()
    assert len(rows) > 5000
    per_point = 10 * rows["beta"]  # in % for +1 percentage point
    np.testing.assert_allclose(rows["years"], -per_point, rtol=1e-12)
    np.testing.assert_allclose(rows["hedged"], rows["move"] / 0.25, rtol=1e-12)  # yields fell: a gain
    normal = stats.norm.ppf(0.95)
    np.testing.assert_allclose(rows["high"] - rows["years"], normal * 10 * rows["std_error"], rtol=1e-4)
    np.testing.assert_allclose(rows["years"] - rows["low"], normal * 10 * rows["std_error"], rtol=1e-4)


def check_ranks_have_the_interval_of_a_simulation(con: duckdb.DuckDBPyConnection) -> None:
    """On ten sessions: the differences' errors by statsmodels, the critical values by 20,000 draws of its
    own. A bound may differ only where a comparison lies at the critical value.
    """
    inputs = con.execute(bank_rate_betas.INPUTS).df()
    found = con.execute("from marts.bank_sensitivity_daily where entity_type = 'symbol'").df()
    factors = ["market_total_return_pct", "y2_change_10bp", "slope_change_10bp"]
    ranked = found.groupby("session_date")["entity_id"].count()
    days, compared = ranked.index[ranked >= 5].to_series(), 0
    for day in days.iloc[np.linspace(60, len(days) - 1, 10).astype(int)]:
        rows = found[found["session_date"] == day].sort_values("entity_id", ignore_index=True)
        past = inputs[inputs["session_date"] <= day]
        wide = past.pivot(index="session_date", columns="symbol", values="total_return_pct")
        wide = wide[list(rows["entity_id"])].iloc[-252:]
        if wide.isna().any(axis=None):
            continue
        own = past.drop_duplicates("session_date").set_index("session_date").loc[wide.index, factors]
        regressors, size = sm.add_constant(own.to_numpy()), len(rows)
        covariance = np.diag(rows["std_error_y2"].to_numpy() ** 2)
        apart, error = np.zeros((size, size)), np.ones((size, size))
        for j in range(size):
            for k in range(j + 1, size):
                gap = sm.OLS((wide.iloc[:, k] - wide.iloc[:, j]).to_numpy(), regressors).fit(
                    cov_type="HAC", cov_kwds={"maxlags": 5}
                )
                apart[j, k], apart[k, j] = -gap.params[2], gap.params[2]  # rates fall: the sign turns
                error[j, k] = error[k, j] = gap.bse[2]
                covariance[j, k] = covariance[k, j] = (
                    covariance[j, j] + covariance[k, k] - gap.bse[2] ** 2
                ) / 2
        drawn = np.random.default_rng(1).multivariate_normal(np.zeros(size), covariance, 20_000)
        for j in range(size):
            others = np.arange(size) != j
            largest = (np.abs(drawn[:, others] - drawn[:, [j]]) / error[j, others]).max(axis=1)
            critical = np.quantile(largest, 0.9)
            t_stat = apart[j, others] / error[j, others]
            tight, wide_bounds = (
                (1 + (t_stat > cut).sum(), size - (t_stat < -cut).sum())
                for cut in (critical - 0.15, critical + 0.15)
            )
            assert wide_bounds[0] <= rows["rank_low"][j] <= tight[0]
            assert tight[1] <= rows["rank_high"][j] <= wide_bounds[1]
            assert rows["ranked_members"][j] == size
        compared += 1
    assert compared >= 5


def placebo_regimes(response: Floats, market: Floats, yields: Floats, histories: int) -> tuple[float, float]:
    """The regimes of one entity when its returns meet the yields of other days: 252 rows or more away, the
    same shift for a whole history, so that the yields keep their own order.

    Returns:
        The share of the histories with a spell that is not unclear, and the share of days in one.
    """
    rows = len(response)
    shifts = np.random.default_rng(7).integers(252, rows - 252, histories)
    factors = np.concatenate([np.column_stack([market, np.roll(yields, shift, axis=0)]) for shift in shifts])
    panel = Panel(
        np.tile(response, histories), factors, np.arange(histories) * rows, np.ones(len(factors), bool)
    )
    fit = fit_panel(panel, 252)
    beta, t_stat = (values[:, 1].reshape(histories, rows)[:, 251:] for values in (fit.beta, fit.t_stat))
    found = np.array([hold_regimes(daily)[0] != UNCLEAR for daily in classify_regimes(beta, t_stat)])
    return float(found.any(axis=1).mean()), float(found.mean())


CHECKS: list[Check] = [
    check_betas_equal_statsmodels,
    check_fomc_days_equal_statsmodels_on_the_residual_of_the_window,
    check_no_nan_and_no_row_beside_a_bond_holiday,
    check_spells_are_whole,
    check_t_without_the_largest_days_equals_statsmodels,
    check_durations_are_bond_durations,
    check_ranks_have_the_interval_of_a_simulation,
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
