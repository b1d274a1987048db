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
from datetime import date

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.increment import first_day
from transforms.lib.rolling_ols import Panel, RollingFit, fit_panel, fit_panel_orthogonalised

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
FIGURES = ("beta", "std_error", "t_stat", "r_squared")


@dataclass(frozen=True)
class Estimator:
    """Which observations a window holds and how they are weighted."""

    window: int
    min_observations: int
    half_life: float | None = None


ESTIMATORS: dict[str, Estimator] = {
    "w60": Estimator(60, 60),
    "w126": Estimator(126, 126),
    "w252": Estimator(252, 252),
    "ewm60": Estimator(600, 120, half_life=60),
}
LONGEST_WINDOW = max(estimator.window for estimator in ESTIMATORS.values())
Keys = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Observations:
    """Complete observations of some entities in order, and the sessions that are asked for."""

    rows: pd.DataFrame
    entity: npt.NDArray[np.int64]  # number of each row's entity
    wanted: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, rows: pd.DataFrame, since: date | None = None, entity: str = "symbol") -> Observations:
        """From rows sorted by entity and session; with `since` only windows that end on that day or later."""
        numbers = rows[entity].ne(rows[entity].shift()).cumsum().to_numpy(np.int64) - 1
        wanted = np.ones(len(rows), dtype=bool)
        if since is not None:
            wanted = (rows["session_date"] >= pd.Timestamp(since)).to_numpy(dtype=bool)
        return cls(rows, numbers, wanted)

    def panel(self, factor_columns: list[str]) -> Panel:
        """Response and factors of every row."""
        return Panel(
            response=self.rows[RESPONSE].to_numpy(np.float64),
            factors=self.rows[factor_columns].to_numpy(np.float64),
            begins=np.flatnonzero(np.diff(self.entity, prepend=-1)),
            wanted=self.wanted,
        )


def fit_model(observations: Observations, model: str, estimator: str) -> RollingFit:
    """Rolling fit of one model to every entity."""
    chosen = ESTIMATORS[estimator]
    columns = POLICY_FACTOR_COLUMNS if model == POLICY_MODEL else FACTOR_COLUMNS
    factors = POLICY_FACTOR_COLUMNS if model == POLICY_MODEL else MODELS[model]
    panel = observations.panel([columns[factor] for factor in factors])
    return fit_panel(panel, chosen.window, chosen.half_life, chosen.min_observations)


def fit_events(observations: Observations) -> RollingFit:
    """Fit of the FOMC days; every announcement has an entry, without results below the minimum."""
    factors = list(EVENT_FACTOR_COLUMNS)
    panel = observations.panel([*EVENT_FACTOR_COLUMNS.values()])
    fit = fit_panel_orthogonalised(
        panel,
        target=factors.index("y2_residual"),
        on=factors.index("surprise"),
        window=EVENT_WINDOW,
        min_observations=EVENT_MIN_OBSERVATIONS,
    )
    counted = np.where(panel.wanted, np.minimum(panel.rows_so_far(), EVENT_WINDOW), 0)
    return replace(fit, observations=counted)


def compute_betas(
    inputs: pd.DataFrame, policy: pd.DataFrame, events: pd.DataFrame, since: date | None = None
) -> pd.DataFrame:
    """All models and estimators for every symbol, in the order of the grain.

    Args:
        inputs: Complete observations, sorted by symbol and session.
        policy: Those of them with the policy rate's change.
        events: Those of them with a surprise.
        since: First session that is asked for; None: all. Rows before it count as history.
    """
    every, repriced, announced = (Observations.of(rows, since) for rows in (inputs, policy, events))
    fits: dict[tuple[str, str], tuple[Observations, tuple[str, ...], RollingFit]] = {}
    for estimator in ESTIMATORS:
        for model, factors in MODELS.items():
            fits[model, estimator] = (every, factors, fit_model(every, model, estimator))
        fit = fit_model(repriced, POLICY_MODEL, estimator)
        fits[POLICY_MODEL, estimator] = (repriced, tuple(POLICY_FACTOR_COLUMNS), fit)
    fits[EVENT_MODEL, EVENT_ESTIMATOR] = (announced, tuple(EVENT_FACTOR_COLUMNS), fit_events(announced))
    return _as_frame(every, fits)


def _as_frame(
    every: Observations, fits: dict[tuple[str, str], tuple[Observations, tuple[str, ...], RollingFit]]
) -> pd.DataFrame:
    """The fits as rows: sessions down; models, estimators and factors across; read line by line.

    Texts are categories: there are about three and a half million rows.
    """
    names = sorted((*name, factor) for name, (_, factors, _) in fits.items() for factor in factors)
    symbols = sorted(set(every.rows["symbol"]))
    asked_for = every.rows[every.wanted]
    keys_of = {own: _keys(own.rows, symbols) for own, _, _ in fits.values()}
    keys = keys_of[every][every.wanted]
    observations = np.zeros((keys.size, len(names)), dtype=np.int32)
    figures = {name: np.full(observations.shape, np.nan) for name in FIGURES}
    while fits:  # taken apart as it is read: the fits and the figures are some hundred megabytes each
        (model, estimator), (own, factors, fit) = fits.popitem()
        rows = np.flatnonzero(fit.observations)
        down = np.searchsorted(keys, keys_of[own][rows])
        for position, factor in enumerate(factors):
            across = names.index((model, estimator, factor))
            observations[down, across] = fit.observations[rows]
            figures["beta"][down, across] = fit.beta[rows, position]
            figures["std_error"][down, across] = fit.std_error[rows, position]
            figures["t_stat"][down, across] = fit.t_stat[rows, position]
            figures["r_squared"][down, across] = fit.r_squared[rows]
        del fit

    there = observations > 0
    lines = there.sum(axis=1)
    texts = {"symbol": _texts(np.repeat(_numbers(asked_for["symbol"], symbols), lines), symbols)}
    for part, column in enumerate(("model", "estimator", "factor")):
        of_column = [name[part] for name in names]
        levels = sorted(set(of_column))
        numbers = np.broadcast_to(_numbers(pd.Series(of_column), levels), there.shape)
        texts[column] = _texts(numbers[there], levels)
    session_date = np.repeat(asked_for["session_date"].to_numpy(), lines)
    columns = {
        "symbol": texts.pop("symbol"),
        "session_date": session_date,
        **texts,
        **{column: figures.pop(column)[there] for column in FIGURES},
        "observations": observations[there],
    }
    return pd.DataFrame(columns, copy=False)


def _keys(rows: pd.DataFrame, symbols: list[str]) -> npt.NDArray[np.int64]:
    """One number per symbol and session, ascending in their order."""
    days = rows["session_date"].to_numpy(dtype="datetime64[D]").astype(np.int64)
    keys: npt.NDArray[np.int64] = _numbers(rows["symbol"], symbols).astype(np.int64) * 10**6 + days
    return keys


def _numbers(texts: pd.Series, levels: list[str]) -> npt.NDArray[np.int16]:
    """The place of each text among the levels."""
    numbers: npt.NDArray[np.int16] = (
        pd.Index(levels, dtype=object).get_indexer(pd.Index(texts)).astype(np.int16)
    )
    return numbers


def _texts(numbers: npt.NDArray[np.int16], levels: list[str]) -> object:
    """A column of texts; DuckDB refuses a type without values."""
    if not numbers.size:
        return np.empty(0, dtype=object)
    return pd.Categorical.from_codes(numbers, categories=pd.Index(levels, dtype=object))


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
        sessions.calendar_date as session_date
    from marts.policy_surprises as surprises
    inner join ref.fomc_meetings as meetings on meetings.decision_date = surprises.meeting_date
    asof inner join sessions on sessions.close_at_utc > meetings.announced_at_utc
    where surprises.surprise_bp is not null
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


# Windows count observations, however far apart: the last ones before the first session asked for.
SINCE = """
with observations as (
    {observations}
),

numbered as (
    select
        *,
        row_number() over (partition by symbol, session_date < $since order by session_date desc) as from_last
    from observations
)

select * exclude (from_last)
from numbered
where session_date >= $since or from_last < $window
order by symbol, session_date
"""


def read_observations(
    con: duckdb.DuckDBPyConnection, query: str, since: date | None, window: int
) -> pd.DataFrame:
    """Observations by symbol and session; with `since`, as far back as its windows of `window` rows reach."""
    if since is None:
        return con.execute(query).df()
    return con.execute(SINCE.format(observations=query), {"since": since, "window": window}).df()


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Read the complete observations and return the mart."""
    since = first_day(con)
    return compute_betas(
        read_observations(con, INPUTS, since, LONGEST_WINDOW),
        read_observations(con, POLICY_INPUTS, since, LONGEST_WINDOW),
        read_observations(con, EVENT_INPUTS, since, EVENT_WINDOW),
        since,
    )
