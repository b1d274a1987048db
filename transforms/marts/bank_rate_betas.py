"""Rate betas of the banks, the bank ETFs, XLF and IWM, by model, estimator and factor.

In: staging.bank_regression_inputs, one row per symbol and complete observation; marts.policy_repricing and
marts.policy_surprises, what fed funds futures did per settlement day and per FOMC announcement.
Out: one row per symbol, session_date, model, estimator and factor, from the first full window on. Rate
factors in % per +10 bp, the market in % per %. Without an answer the results are NULL and `reason` says why;
a session that is not a complete observation has no row.

Models
    market_2y_slope, y2_only, y10_only: on every complete observation (Flannery & James 1984, with a slope).
    market_year_end_rate: where the settlement day before is the session before, so that returns and the
        repricing of the year's end (same contracts on both days) cover the same day.
    market_level_slope_curvature (w252): fixed weights of three yields, so that no later day is in them:
        level = mean of 2, 5 and 10 years, slope = y10 − y2, curvature = 2·y5 − y2 − y10.
    market_2y_up_down (w252): rises and falls of the 2-year apart, r = a + m·market + u·max(x, 0) +
        d·min(x, 0). p_up_equals_down is the Wald test of u = d: the t of the last factor of market, x,
        max(x, 0), which is the same regression.
    market_2y_dimson (w252): the sum of the betas on the 2-year's change of the session before, the same
        session and the session after (Dimson 1979), as the slope of x_t beside x_(t−1) − x_t and x_(t+1) −
        x_t, which is the same regression. The row of day t has t as the session *after*: returns end on the
        session before t. All three sessions must be complete observations, one after the other.
    surprise (fomc_days): on the surprise (Kuttner 2001) and what the surprise leaves of the 2-year yield's
        change within the window; without the market, which the surprise itself moves (Bernanke & Kuttner
        2005). An announcement counts for the first session that closes after it.
Not published: slopes that only hold something constant (the market in the w252-only models).

Estimators: w60, w126, w252 = the last n complete observations; ewm60 = weighted least squares, weights
halving every 60 observations, over the last 600 (the rest would add 0.1 %), from 120 observations on: worth
n_effective = (Σw)²/Σw² observations (Kish 1965), 173 at most; fomc_days = the last 80 FOMC announcements
(about ten years).
Errors: Newey & West 1987, Bartlett weights, 3 lags for w60 and 5 for the others, no small-sample correction
(the default of statsmodels' HAC); critical_t = the two-sided 95 % point of Student's t with n_effective −
factors − 1 degrees of freedom. fomc_days: HC3 and a wild-bootstrap p (transforms/lib/event_ols.py).

No answer for fomc_days below 40 announcements; with fewer than 20 surprises above a tick; for a factor of
whose variance three days carry more than 70 %. The tick is 0.005 points of price, 0.5 bp, and it is the
contract's own move that is compared with it, before the days left in the month scale it to a surprise: a
single step of the price stays one however it is scaled.
Caveats: betas are per observation day, so a spell of dropped sessions stretches the window in calendar time.
Futures settle at 15:00 New York and shares close at 16:00.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.increment import first_day
from transforms.lib import event_ols
from transforms.lib.rolling_ols import (
    NEWEY_WEST_LAGS,
    Booleans,
    Floats,
    Integers,
    Panel,
    RollingFit,
    exponential_weights,
    fit_panel,
)

ROWS_IN_ORDER = True  # of the grain: the runner need not sort five million rows
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
POLICY_MODEL = "market_year_end_rate"
CURVE_MODEL = "market_level_slope_curvature"
UP_DOWN_MODEL = "market_2y_up_down"
DIMSON_MODEL = "market_2y_dimson"
EVENT_MODEL = "surprise"
EVENT_FACTOR_COLUMNS = {
    "surprise": "surprise_10bp",
    "y2_residual": "y2_change_10bp",  # until the surprise's part is taken out, window by window
}
EVENT_ESTIMATOR = "fomc_days"
EVENT_WINDOW = 80
EVENT_MIN_OBSERVATIONS = 40
EVENT_MIN_ABOVE_A_TICK = 20
EVENT_MAX_TOP3_SHARE = 0.7
CONFIDENCE = 0.95
# Why a row has no results; the first that applies.
REASONS = (
    "announcements_below_40",
    "degenerate_window",
    "surprises_above_a_tick_below_20",
    "top3_share_above_70_pct",
)
TOO_SHORT, DEGENERATE, FEW_ABOVE_A_TICK, TOP3 = range(len(REASONS))
NO_REASON = -1
COLUMNS = [
    "symbol",
    "session_date",
    "model",
    "estimator",
    "factor",
    "beta",
    "std_error",
    "t_stat",
    "critical_t",
    "p_wild",
    "r_squared",
    "observations",
    "n_effective",
    "top3_share",
    "beta_without_top3",
    "p_up_equals_down",
    "reason",
]
# Figures that every model writes, and those of one model alone.
EVERY_ROW = ("beta", "std_error", "t_stat", "critical_t", "r_squared", "n_effective")
SOME_ROWS = ("p_wild", "top3_share", "beta_without_top3", "p_up_equals_down")
Codes = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Estimator:
    """Which observations a window holds, how they are weighted, and the lags of its errors."""

    window: int
    min_observations: int
    half_life: float | None = None
    lags: int = NEWEY_WEST_LAGS


ESTIMATORS: dict[str, Estimator] = {
    # 4 (n / 100)^(2/9) lags (Newey & West 1994) are 3.6 for 60 rows; each lag more makes errors too small
    "w60": Estimator(60, 60, lags=3),
    "w126": Estimator(126, 126),
    "w252": Estimator(252, 252),
    "ewm60": Estimator(600, 120, half_life=60),
}
ALL_ESTIMATORS = tuple(ESTIMATORS)

INPUTS = """
select
    symbol,
    session_date,
    total_return_pct,
    market_total_return_pct,
    y2_change_10bp,
    y10_change_10bp,
    slope_change_10bp,
    greatest(y2_change_10bp, 0.0) as y2_rise_10bp,
    least(y2_change_10bp, 0.0) as y2_fall_10bp
from staging.bank_regression_inputs
order by symbol, session_date
"""

# Where the 5-year yield is missing, as one of the others would be: no observation of this model alone.
CURVE_INPUTS = """
select
    symbol,
    session_date,
    total_return_pct,
    market_total_return_pct,
    (y2_change_10bp + y5_change_10bp + y10_change_10bp) / 3 as level_change_10bp,
    slope_change_10bp,
    2 * y5_change_10bp - y2_change_10bp - y10_change_10bp as curvature_change_10bp
from staging.bank_regression_inputs
where y5_change_10bp is not null
order by symbol, session_date
"""

# An observation is of the session of its last part, the yield's change of the session after the return.
DIMSON_INPUTS = """
with neighbours as (
    select
        symbol,
        session_date,
        session_number - lag(session_number, 2) over by_session as span_sessions,
        lag(total_return_pct) over by_session as total_return_pct,
        lag(market_total_return_pct) over by_session as market_total_return_pct,
        lag(y2_change_10bp, 2) over by_session as before_10bp,
        lag(y2_change_10bp) over by_session as y2_change_10bp,
        y2_change_10bp as after_10bp
    from staging.bank_regression_inputs
    window by_session as (partition by symbol order by session_number)
)

select
    symbol,
    session_date,
    total_return_pct,
    market_total_return_pct,
    y2_change_10bp,
    before_10bp - y2_change_10bp as y2_before_less_same_10bp,
    after_10bp - y2_change_10bp as y2_after_less_same_10bp
from neighbours
where span_sessions = 2
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
        -- by how much the contract itself moved; the small number is for the binary noise of a difference
        abs(surprises.surprise_bp / surprises.scale_factor) > 0.5 + 1e-6 as above_a_tick,
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
    announcements.above_a_tick,
    inputs.y2_change_10bp
from staging.bank_regression_inputs as inputs
inner join announcements on announcements.session_date = inputs.session_date
-- two decisions before one close would be one observation with two surprises; there has been none since 2000
qualify count(*) over (partition by inputs.symbol, inputs.session_date) = 1
order by inputs.symbol, inputs.session_date
"""


@dataclass(frozen=True)
class Regression:
    """A model: its observations, its regressors and those that have rows."""

    query: str
    columns: dict[str, str]  # of the observations, by regressor
    published: tuple[str, ...]
    estimators: tuple[str, ...] = ("w252",)

    @property
    def longest_window(self) -> int:
        """Rows of its longest window."""
        return max(ESTIMATORS[name].window for name in self.estimators)


REGRESSIONS: dict[str, Regression] = {
    **{
        model: Regression(INPUTS, {name: FACTOR_COLUMNS[name] for name in factors}, factors, ALL_ESTIMATORS)
        for model, factors in MODELS.items()
    },
    POLICY_MODEL: Regression(
        POLICY_INPUTS,
        {"market": "market_total_return_pct", "year_end_rate": "year_end_rate_change_10bp"},
        ("market", "year_end_rate"),
        ALL_ESTIMATORS,
    ),
    CURVE_MODEL: Regression(
        CURVE_INPUTS,
        {
            "market": "market_total_return_pct",
            "level": "level_change_10bp",
            "slope": "slope_change_10bp",
            "curvature": "curvature_change_10bp",
        },
        ("level", "slope", "curvature"),
    ),
    UP_DOWN_MODEL: Regression(
        INPUTS,
        {"market": "market_total_return_pct", "y2_up": "y2_rise_10bp", "y2_down": "y2_fall_10bp"},
        ("y2_up", "y2_down"),
    ),
    DIMSON_MODEL: Regression(
        DIMSON_INPUTS,
        {
            "market": "market_total_return_pct",
            "y2_sum": "y2_change_10bp",
            "before": "y2_before_less_same_10bp",
            "after": "y2_after_less_same_10bp",
        },
        ("y2_sum",),
    ),
}
# The regression of rises and falls once more: the last slope is that of rises less that of falls.
UP_LESS_DOWN = Regression(
    INPUTS,
    {"market": "market_total_return_pct", "y2": "y2_change_10bp", "up_less_down": "y2_rise_10bp"},
    ("up_less_down",),
)


@dataclass(frozen=True, eq=False)
class Observations:
    """Complete observations of some entities in order, and the sessions that are asked for."""

    rows: pd.DataFrame
    entity: Integers  # number of each row's entity
    wanted: Booleans

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

    def counted(self, window: int, shortest: int) -> Integers:
        """Observations of the window that ends on each row; 0 where it is not asked for or too short."""
        so_far = self.panel([]).rows_so_far()
        return np.where(self.wanted & (so_far >= shortest), np.minimum(so_far, window), 0)


def fit_model(observations: Observations, model: str, estimator: str) -> RollingFit:
    """Rolling fit of one model to every entity."""
    return _fit(observations, REGRESSIONS[model], estimator)


def _fit(observations: Observations, regression: Regression, estimator: str) -> RollingFit:
    chosen = ESTIMATORS[estimator]
    panel = observations.panel([*regression.columns.values()])
    return fit_panel(panel, chosen.window, chosen.half_life, chosen.min_observations, chosen.lags)


def effective_observations(estimator: str) -> Floats:
    """Kish's (Σw)²/Σw² by the number of observations in a window, from 0 on; with equal weights itself."""
    if estimator == EVENT_ESTIMATOR:
        return np.arange(EVENT_WINDOW + 1.0)
    chosen = ESTIMATORS[estimator]
    if chosen.half_life is None:
        return np.arange(chosen.window + 1.0)
    newest_first = exponential_weights(chosen.half_life, chosen.window)[::-1]
    return np.append(0.0, np.cumsum(newest_first) ** 2 / np.cumsum(newest_first**2))


def degrees_of_freedom(estimator: str, regressors: int) -> Floats:
    """Of Student's t by the number of observations in a window; where there are none, NaN."""
    freedom = effective_observations(estimator) - regressors - 1
    return np.where(freedom > 0, freedom, np.nan)


def critical_t(estimator: str, regressors: int) -> Floats:
    """|t| that a true slope of zero exceeds with a probability of 5 %, by the number of observations."""
    from scipy.special import stdtrit

    value: Floats = stdtrit(degrees_of_freedom(estimator, regressors), (1 + CONFIDENCE) / 2)
    return value


def p_up_equals_down(observations: Observations, estimator: str) -> Floats:
    """Per row the two-sided p of equal betas for rises and falls, by Student's t as `critical_t`."""
    from scipy.special import stdtr

    fit = _fit(observations, UP_LESS_DOWN, estimator)
    freedom = degrees_of_freedom(estimator, len(UP_LESS_DOWN.columns))[fit.observations]
    p_value: Floats = 2.0 * stdtr(freedom, -np.abs(fit.t_stat[:, -1]))
    return p_value


@dataclass(frozen=True)
class Results:
    """What is written of one model and estimator: per row of its observations and published factor."""

    figures: dict[str, Floats]  # (T, factors) each; NaN = none
    reason: Codes  # (T, factors): a place in REASONS, or NO_REASON


def _results(observations: Observations, model: str, estimator: str) -> Results:
    """The least squares of daily observations."""
    regression = REGRESSIONS[model]
    fit = _fit(observations, regression, estimator)
    places = [list(regression.columns).index(name) for name in regression.published]
    found = np.isfinite(fit.r_squared)
    by_row = {
        "r_squared": fit.r_squared,
        "critical_t": critical_t(estimator, fit.beta.shape[1])[fit.observations],
    }
    if model == UP_DOWN_MODEL:
        by_row["p_up_equals_down"] = p_up_equals_down(observations, estimator)
    figures = {name: getattr(fit, name)[:, places] for name in ("beta", "std_error", "t_stat")}
    for name, values in by_row.items():
        figures[name] = np.repeat(np.where(found, values, np.nan)[:, None], len(places), axis=1)
    reason = np.where(found, NO_REASON, DEGENERATE).astype(np.int8)
    return Results(figures, np.repeat(reason[:, None], len(places), axis=1))


def fit_events(observations: Observations) -> Results:
    """Fit of the FOMC days; every announcement has an entry, with a reason where it has no results."""
    panel = observations.panel([*EVENT_FACTOR_COLUMNS.values()])
    fit = event_ols.fit_events(panel, EVENT_WINDOW, EVENT_MIN_OBSERVATIONS)
    above = _counted_in_windows(
        observations.rows["above_a_tick"].to_numpy(bool), fit.observations, panel.rows_so_far()
    )
    reason = np.full(fit.beta.shape, NO_REASON, dtype=np.int8)
    # From the last that is said to the first.
    with np.errstate(invalid="ignore"):
        reason[fit.top3_share > EVENT_MAX_TOP3_SHARE] = TOP3
    reason[above < EVENT_MIN_ABOVE_A_TICK] = FEW_ABOVE_A_TICK
    reason[np.isnan(fit.r_squared)] = DEGENERATE
    reason[fit.observations < EVENT_MIN_OBSERVATIONS] = TOO_SHORT
    answered = reason == NO_REASON
    regressors = fit.beta.shape[1]
    by_row = {
        "r_squared": fit.r_squared,
        "critical_t": critical_t(EVENT_ESTIMATOR, regressors)[fit.observations],
    }
    figures = {name: getattr(fit, name) for name in ("beta", "std_error", "t_stat", "beta_without_top3")}
    figures |= {name: np.repeat(values[:, None], regressors, axis=1) for name, values in by_row.items()}
    figures = {name: np.where(answered, values, np.nan) for name, values in figures.items()}
    figures["top3_share"] = fit.top3_share
    figures["p_wild"] = np.full(fit.beta.shape, np.nan)
    for factor in range(regressors):
        rows = np.flatnonzero(answered[:, factor])
        figures["p_wild"][rows, factor] = event_ols.wild_p(
            panel, factor, rows, EVENT_WINDOW, EVENT_MIN_OBSERVATIONS
        )
    return Results(figures, reason)


def _counted_in_windows(flags: Booleans, observations: Integers, so_far: Integers) -> Integers:
    """How many rows of each row's window are flagged; a window has `observations` rows, of `so_far`."""
    total = np.concatenate([[0], np.cumsum(flags)])
    ends = np.arange(1, len(flags) + 1)
    counted: Integers = total[ends] - total[ends - np.minimum(observations, so_far)]
    return counted


def compute_betas(frames: Mapping[str, pd.DataFrame], since: date | None = None) -> pd.DataFrame:
    """All models and estimators for every symbol, in the order of the grain.

    Args:
        frames: The observations of each query, sorted by symbol and session.
        since: First session that is asked for; None: all. Rows before it count as history.
    """
    sets = {query: Observations.of(rows, since) for query, rows in frames.items()}
    counts = {
        (model, estimator): sets[regression.query].counted(
            ESTIMATORS[estimator].window, ESTIMATORS[estimator].min_observations
        )
        for model, regression in REGRESSIONS.items()
        for estimator in regression.estimators
    }
    counts[EVENT_MODEL, EVENT_ESTIMATOR] = sets[EVENT_INPUTS].counted(EVENT_WINDOW, 1)
    out = _Rows.of(sets, counts)
    for model, estimator in counts:
        own = sets[_query_of(model)]
        found = fit_events(own) if model == EVENT_MODEL else _results(own, model, estimator)
        out.write(model, estimator, counts[model, estimator], found)
    return out.frame()


def _query_of(model: str) -> str:
    return EVENT_INPUTS if model == EVENT_MODEL else REGRESSIONS[model].query


def _published(model: str) -> tuple[str, ...]:
    return tuple(EVENT_FACTOR_COLUMNS) if model == EVENT_MODEL else REGRESSIONS[model].published


@dataclass(frozen=True)
class _Rows:
    """The mart's rows as they are filled: sessions down; models, estimators and factors across; read line by
    line. There are five million: figures are written where they end up, one model after another, and texts
    are categories.
    """

    names: list[tuple[str, str, str]]  # model, estimator, factor
    symbols: list[str]
    asked_for: pd.DataFrame  # symbol and session_date, in order
    down: dict[str, Integers]  # by query, of each of its rows the place among those asked for
    there: Booleans  # (sessions, names)
    place: npt.NDArray[np.int32]  # (sessions, names): the row
    figures: dict[str, Floats]  # and of each row
    observations: npt.NDArray[np.int32]
    reason: Codes

    @classmethod
    def of(cls, sets: Mapping[str, Observations], counts: Mapping[tuple[str, str], Integers]) -> _Rows:
        """Without figures yet."""
        every = sets[INPUTS]
        names = sorted((*name, factor) for name in counts for factor in _published(name[0]))
        symbols = sorted(set(every.rows["symbol"]))
        asked_for = every.rows.loc[every.wanted, ["symbol", "session_date"]]
        keys = _keys(asked_for, symbols)
        down = {query: np.searchsorted(keys, _keys(own.rows, symbols)) for query, own in sets.items()}
        there = np.zeros((keys.size, len(names)), dtype=bool)
        for (model, estimator), counted in counts.items():
            rows = down[_query_of(model)][counted > 0]
            for factor in _published(model):
                there[rows, names.index((model, estimator, factor))] = True
        place = (np.cumsum(there, dtype=np.int32) - 1).reshape(there.shape)
        size = int(there.sum())
        figures = {name: np.empty(size) for name in EVERY_ROW}
        figures |= {name: np.full(size, np.nan) for name in SOME_ROWS}
        observations, reason = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int8)
        return cls(names, symbols, asked_for, down, there, place, figures, observations, reason)

    def write(self, model: str, estimator: str, counted: Integers, found: Results) -> None:
        """The figures of one model and estimator, on every row that has observations."""
        rows = np.flatnonzero(counted)
        down = self.down[_query_of(model)][rows]
        effective = effective_observations(estimator)[counted[rows]]
        for position, factor in enumerate(_published(model)):
            into = self.place[down, self.names.index((model, estimator, factor))]
            self.observations[into] = counted[rows]
            self.figures["n_effective"][into] = effective
            self.reason[into] = found.reason[rows, position]
            for name, values in found.figures.items():
                self.figures[name][into] = values[rows, position]

    def frame(self) -> pd.DataFrame:
        """All rows."""
        lines = self.there.sum(axis=1)
        columns: dict[str, object] = {
            "symbol": _texts(
                np.repeat(_numbers(self.asked_for["symbol"], self.symbols), lines), self.symbols
            ),
            "session_date": np.repeat(self.asked_for["session_date"].to_numpy(), lines),
        }
        for part, column in enumerate(("model", "estimator", "factor")):
            of_column = [name[part] for name in self.names]
            levels = sorted(set(of_column))
            numbers = np.broadcast_to(_numbers(pd.Series(of_column), levels), self.there.shape)
            columns[column] = _texts(numbers[self.there], levels)
        columns |= {"reason": _texts(self.reason, list(REASONS)), "observations": self.observations}
        columns |= self.figures
        return pd.DataFrame({name: columns.pop(name) for name in COLUMNS}, copy=False)


def _keys(rows: pd.DataFrame, symbols: list[str]) -> Integers:
    """One number per symbol and session, ascending in their order."""
    days = rows["session_date"].to_numpy(dtype="datetime64[D]").astype(np.int64)
    keys: Integers = _numbers(rows["symbol"], symbols).astype(np.int64) * 10**6 + days
    return keys


def _numbers(texts: pd.Series, levels: list[str]) -> npt.NDArray[np.int16]:
    """The place of each text among the levels."""
    numbers: npt.NDArray[np.int16] = (
        pd.Index(levels, dtype=object).get_indexer(pd.Index(texts)).astype(np.int16)
    )
    return numbers


def _texts(numbers: npt.NDArray[np.integer[Any]], levels: list[str]) -> object:
    """A column of texts; DuckDB refuses a type without values."""
    if not numbers.size:
        return np.empty(0, dtype=object)
    return pd.Categorical.from_codes(numbers, categories=pd.Index(levels, dtype=object))


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
    windows = {EVENT_INPUTS: EVENT_WINDOW}
    for regression in REGRESSIONS.values():
        windows[regression.query] = max(windows.get(regression.query, 0), regression.longest_window)
    frames = {query: read_observations(con, query, since, window) for query, window in windows.items()}
    return compute_betas(frames, since)
