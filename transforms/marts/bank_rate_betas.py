"""Rate betas of the banks, the bank ETFs, XLF and IWM, by model, estimator and factor.

In: staging.bank_regression_inputs, one row per symbol and complete observation; marts.policy_repricing and
marts.policy_surprises, what fed funds futures did per settlement day and per FOMC announcement.
Out: one row per symbol, session_date, model, estimator and factor, from the first full window on. Rate
factors in % per +10 bp, the market in % per %. A window on which the regression is degenerate (a constant or
collinear factor, an exact fit: see transforms/lib/rolling_ols.py) has a row with NULL results; a session
that is not a complete observation has no row.

Source: the two-factor return model of Flannery & James 1984 with a slope, on daily changes; surprises of
Kuttner 2001; t statistics of Newey & West 1987 with 5 lags, Bartlett weights and no small-sample correction
(the default of statsmodels' HAC).
Estimators: w60, w126, w252 = the last n complete observations; ewm60 = weighted least squares, weights
halving every 60 observations, over the last 600 (the rest would add 0.1 %), from 120 observations on;
fomc_days = the last 80 FOMC announcements (about ten years), with NULL results below 40.
Models: market_2y_slope, y2_only and y10_only on every complete observation. market_year_end_rate on those
whose settlement day before is the session before, so that returns and the repricing of the year's end (same
contracts on both days) cover the same day. market_surprise, for fomc_days alone: on the market, the surprise
and what the surprise leaves of the 2-year yield's change within the window; an announcement counts for the
first session that closes after it.
Caveats: betas are per observation day, so a spell of dropped sessions stretches the window in calendar time.
Futures settle at 15:00 New York and shares close at 16:00. FOMC days are few: 40 to 80 per window.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.lib.rolling_ols import (
    Floats,
    RollingFit,
    exponential_weights,
    fit_rolling,
    fit_rolling_orthogonalised,
)

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
POLICY_FACTOR_COLUMNS = {"market": "market_total_return_pct", "year_end_rate": "year_end_rate_change_10bp"}
POLICY_MODEL = "market_year_end_rate"
EVENT_FACTOR_COLUMNS = {
    "market": "market_total_return_pct",
    "surprise": "surprise_10bp",
    "y2_residual": "y2_change_10bp",  # until the surprise's part is taken out, window by window
}
EVENT_MODEL = "market_surprise"
EVENT_ESTIMATOR = "fomc_days"
EVENT_WINDOW = 80
EVENT_MIN_OBSERVATIONS = 40
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
    """Which observations a window holds and their weights."""

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
    columns = POLICY_FACTOR_COLUMNS if model == POLICY_MODEL else FACTOR_COLUMNS
    factors = POLICY_FACTOR_COLUMNS if model == POLICY_MODEL else MODELS[model]
    return fit_rolling(
        observations[RESPONSE].to_numpy(np.float64),
        observations[[columns[factor] for factor in factors]].to_numpy(np.float64),
        chosen.window,
        weights=chosen.weights,
        min_observations=chosen.min_observations,
    )


def fit_events(observations: pd.DataFrame) -> RollingFit:
    """Fit of one entity's FOMC days; every announcement has an entry, without results below the minimum."""
    factors = list(EVENT_FACTOR_COLUMNS)
    fit = fit_rolling_orthogonalised(
        observations[RESPONSE].to_numpy(np.float64),
        observations[[*EVENT_FACTOR_COLUMNS.values()]].to_numpy(np.float64),
        target=factors.index("y2_residual"),
        on=factors.index("surprise"),
        window=EVENT_WINDOW,
        min_observations=EVENT_MIN_OBSERVATIONS,
    )
    counted = np.minimum(np.arange(1, len(observations) + 1), EVENT_WINDOW)
    return replace(fit, observations=counted.astype(np.int64))


def compute_betas(
    inputs: pd.DataFrame, policy: pd.DataFrame | None = None, events: pd.DataFrame | None = None
) -> pd.DataFrame:
    """All models and estimators for every symbol; each frame sorted by symbol and session."""
    parts: list[tuple[str, str, str, tuple[str, ...], npt.NDArray[np.generic], RollingFit]] = []
    for symbol, rows in inputs.groupby("symbol", sort=True):
        dates = rows["session_date"].to_numpy()
        for model in sorted(MODELS):
            for estimator in sorted(ESTIMATORS):
                fit = fit_model(rows, model, estimator)
                parts.append((str(symbol), model, estimator, MODELS[model], dates, fit))
    if policy is not None:
        for symbol, rows in policy.groupby("symbol", sort=True):
            dates = rows["session_date"].to_numpy()
            for estimator in sorted(ESTIMATORS):
                fit = fit_model(rows, POLICY_MODEL, estimator)
                parts.append((str(symbol), POLICY_MODEL, estimator, tuple(POLICY_FACTOR_COLUMNS), dates, fit))
    if events is not None:
        for symbol, rows in events.groupby("symbol", sort=True):
            dates = rows["session_date"].to_numpy()
            factors = tuple(EVENT_FACTOR_COLUMNS)
            parts.append((str(symbol), EVENT_MODEL, EVENT_ESTIMATOR, factors, dates, fit_events(rows)))
    return _as_frame(parts)


def _as_frame(
    parts: list[tuple[str, str, str, tuple[str, ...], npt.NDArray[np.generic], RollingFit]],
) -> pd.DataFrame:
    """The fits as rows. Texts are categories: about three and a half million rows."""
    levels = {
        "symbol": sorted({part[0] for part in parts}),
        "model": sorted({*MODELS, POLICY_MODEL, EVENT_MODEL}),
        "estimator": sorted({*ESTIMATORS, EVENT_ESTIMATOR}),
        "factor": sorted({*FACTOR_COLUMNS, *POLICY_FACTOR_COLUMNS, *EVENT_FACTOR_COLUMNS}),
    }
    codes: dict[str, list[npt.NDArray[np.int16]]] = {name: [] for name in levels}
    values: dict[str, list[npt.NDArray[np.generic]]] = {name: [] for name in COLUMNS if name not in codes}
    for symbol, model, estimator, factors, dates, fit in parts:
        rows = np.flatnonzero(fit.observations)
        for position, factor in enumerate(factors):
            texts = {"symbol": symbol, "model": model, "estimator": estimator, "factor": factor}
            for name, text in texts.items():
                codes[name].append(np.full(rows.size, levels[name].index(text), dtype=np.int16))
            values["session_date"].append(dates[rows])
            values["beta"].append(fit.beta[rows, position])
            values["std_error"].append(fit.std_error[rows, position])
            values["t_stat"].append(fit.t_stat[rows, position])
            values["r_squared"].append(fit.r_squared[rows])
            values["observations"].append(fit.observations[rows].astype(np.int32))
    columns: dict[str, object] = {}
    for name, texts_of in levels.items():
        joined = np.concatenate(codes[name]) if codes[name] else np.empty(0, dtype=np.int16)
        kind = pd.Categorical.from_codes(joined, categories=pd.Index(texts_of, dtype=object))
        columns[name] = (
            kind if joined.size else np.empty(0, dtype=object)
        )  # DuckDB refuses a type without values
    empty = {"session_date": "datetime64[us]", "observations": "int32"}
    for name, arrays in values.items():
        columns[name] = np.concatenate(arrays) if arrays else np.empty(0, dtype=empty.get(name, "float64"))
    return pd.DataFrame(columns)[COLUMNS]


INPUTS = """
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

# A settlement day that is not a session (Good Friday 2023) moves futures between two sessions: the session
# after it has more than one settlement in its return and drops out.
POLICY_INPUTS = """
with settlement_days as (
    select
        calendar_date,
        session_number,
        lag(session_number) over (order by calendar_date) as previous_session_number
    from ref.calendar
    where is_settlement_day
),

repricing as (
    select
        as_of_date,
        change_bp / 10 as year_end_rate_change_10bp
    from marts.policy_repricing
    where horizon = 'year_end' and change_bp is not null
)

select
    inputs.symbol,
    inputs.session_date,
    inputs.total_return_pct,
    inputs.market_total_return_pct,
    repricing.year_end_rate_change_10bp
from staging.bank_regression_inputs as inputs
inner join settlement_days
    on settlement_days.calendar_date = inputs.session_date
    and settlement_days.previous_session_number = settlement_days.session_number - 1
inner join repricing on repricing.as_of_date = inputs.session_date
order by inputs.symbol, inputs.session_date
"""

EVENT_INPUTS = """
with sessions as (
    select
        calendar_date,
        close_at_utc
    from ref.calendar
    where is_nyse_session
),

announcements as (
    select
        meetings.decision_date,
        surprises.surprise_bp / 10 as surprise_10bp,
        min(sessions.calendar_date) as session_date
    from marts.policy_surprises as surprises
    inner join ref.fomc_meetings as meetings on meetings.decision_date = surprises.meeting_date
    inner join sessions on sessions.close_at_utc > meetings.announced_at_utc
    where surprises.surprise_bp is not null
    group by all
)

select
    inputs.symbol,
    inputs.session_date,
    inputs.total_return_pct,
    inputs.market_total_return_pct,
    announcements.surprise_10bp,
    inputs.y2_change_10bp
from staging.bank_regression_inputs as inputs
inner join announcements on announcements.session_date = inputs.session_date
-- two decisions before one close would be one observation with two surprises; there has been none since 2000
qualify count(*) over (partition by inputs.symbol, inputs.session_date) = 1
order by inputs.symbol, inputs.session_date
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Read the complete observations and return the mart."""
    return compute_betas(
        con.execute(INPUTS).df(), con.execute(POLICY_INPUTS).df(), con.execute(EVENT_INPUTS).df()
    )
