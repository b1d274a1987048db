"""Rate betas of the banks, the bank ETFs and IWM, by model, estimator and factor.

In: staging.bank_regression_inputs, one row per symbol and complete observation.
Out: one row per symbol, session_date, model, estimator and factor, from the first full window on. Rate
factors in % per +10 bp, the market in % per %. A window on which the regression is degenerate (a constant or
collinear factor, an exact fit: see transforms/lib/rolling_ols.py) has a row with NULL results; a session
that is no complete observation has no row.

Source: the two-factor return model of Flannery & James 1984 with a slope, on daily changes; t statistics of
Newey & West 1987 with 5 lags, Bartlett weights and no small-sample correction (the default of statsmodels'
HAC).
Estimators: w60, w126, w252 = the last n complete observations; ewm60 = weighted least squares, weights
halving every 60 observations, over the last 600 (the rest would weigh 0.1 %), from 120 observations on.
Caveat: betas are per observation day, so a spell of dropped sessions stretches the window in calendar time.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.lib.rolling_ols import Floats, RollingFit, exponential_weights, fit_rolling

RESPONSE = "total_return_pct"
FACTOR_COLUMNS = {
    "market": "market_total_return_pct",
    "y2": "y2_change_10bp",
    "y10": "y10_change_10bp",
    "slope": "slope_change_10bp",
}
MODELS: dict[str, tuple[str, ...]] = {
    "market_2y_slope": ("market", "y2", "slope"),
    "y2_only": ("y2",),
    "y10_only": ("y10",),
}
COLUMNS = [
    "symbol",
    "session_date",
    "model",
    "estimator",
    "factor",
    "beta",
    "std_error",
    "t_stat",
    "r_squared",
    "observations",
]


@dataclass(frozen=True)
class Estimator:
    """Which observations a window holds and how they weigh."""

    window: int
    min_observations: int
    weights: Floats | None = None


ESTIMATORS: dict[str, Estimator] = {
    "w60": Estimator(60, 60),
    "w126": Estimator(126, 126),
    "w252": Estimator(252, 252),
    "ewm60": Estimator(600, 120, exponential_weights(60, 600)),
}


def fit_model(observations: pd.DataFrame, model: str, estimator: str) -> RollingFit:
    """Rolling fit of one model to one entity's complete observations, in session order."""
    chosen = ESTIMATORS[estimator]
    names = [FACTOR_COLUMNS[factor] for factor in MODELS[model]]
    return fit_rolling(
        observations[RESPONSE].to_numpy(np.float64),
        observations[names].to_numpy(np.float64),
        chosen.window,
        weights=chosen.weights,
        min_observations=chosen.min_observations,
    )


def compute_betas(inputs: pd.DataFrame) -> pd.DataFrame:
    """All models and estimators for every symbol of `inputs` (sorted by symbol and session)."""
    symbols = sorted(inputs["symbol"].unique())
    by_symbol = dict(list(inputs.groupby("symbol", sort=True)))
    codes: dict[str, list[npt.NDArray[np.int16]]] = {"symbol": [], "model": [], "estimator": [], "factor": []}
    values: dict[str, list[npt.NDArray[np.generic]]] = {name: [] for name in COLUMNS if name not in codes}
    factors = sorted(FACTOR_COLUMNS)
    models, estimators = sorted(MODELS), sorted(ESTIMATORS)
    for symbol in symbols:
        observations = by_symbol[symbol]
        dates = observations["session_date"].to_numpy()
        for model in models:
            for estimator in estimators:
                fit = fit_model(observations, model, estimator)
                rows = np.flatnonzero(fit.observations)
                for position, factor in enumerate(MODELS[model]):
                    for name, levels, level in (
                        ("symbol", symbols, symbol),
                        ("model", models, model),
                        ("estimator", estimators, estimator),
                        ("factor", factors, factor),
                    ):
                        codes[name].append(np.full(rows.size, levels.index(level), dtype=np.int16))
                    values["session_date"].append(dates[rows])
                    values["beta"].append(fit.beta[rows, position])
                    values["std_error"].append(fit.std_error[rows, position])
                    values["t_stat"].append(fit.t_stat[rows, position])
                    values["r_squared"].append(fit.r_squared[rows])
                    values["observations"].append(fit.observations[rows].astype(np.int32))
    # Categories, not text: about three million rows.
    columns: dict[str, object] = {}
    for name, levels in (
        ("symbol", symbols),
        ("model", models),
        ("estimator", estimators),
        ("factor", factors),
    ):
        joined = np.concatenate(codes[name]) if codes[name] else np.empty(0, dtype=np.int16)
        kind = pd.Categorical.from_codes(joined, categories=pd.Index(levels, dtype=object))
        columns[name] = (
            kind if joined.size else np.empty(0, dtype=object)
        )  # DuckDB refuses a type without values
    empty = {"session_date": "datetime64[us]", "observations": "int32"}
    for name, parts in values.items():
        columns[name] = np.concatenate(parts) if parts else np.empty(0, dtype=empty.get(name, "float64"))
    return pd.DataFrame(columns)[COLUMNS]


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Read the complete observations and return the mart."""
    inputs = con.execute(
        """
        select
            symbol,
            session_date,
            total_return_pct,
            market_total_return_pct,
            y2_change_10bp,
            y10_change_10bp,
            slope_change_10bp
        from staging.bank_regression_inputs
        order by symbol, session_date
        """
    ).df()
    return compute_betas(inputs)
