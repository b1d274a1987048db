"""Relative rotation and point-and-figure state of every pair, by session.

In: staging.equity_prices (symbol, session_date), ref.pairs (pair_id), ref.calendar, ref.instruments (which
symbols are indices). Out: one row per pair and session on which both members have a close. Formulas:
transforms/lib/relative_rotation.py, transforms/lib/point_and_figure.py (boxes of 6.5 % for the long term,
3.25 % for the near term) and transforms/lib/co_movement.py; drawdown = ratio against its highest to date;
dollar volume = close · volume, of which the sums over 21 sessions are compared.

Caveat: the weekly columns show the last completed week (weekly_bar_date is its last session), so a
Wednesday shows the week before; charts start at history_start_date, and a column or signal is NULL until
the first one exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.increment import first_day
from transforms.lib.co_movement import rolling_correlation, tracking_error
from transforms.lib.history import FloatArray, IntArray, change_pct
from transforms.lib.point_and_figure import LONG_BOX, NEAR_BOX, named, point_and_figure
from transforms.lib.relative_rotation import (
    NO_QUADRANT,
    last_completed_week,
    quadrant_codes,
    quadrant_names,
    relative_rotation,
    spells,
    weekly_bars,
)
from transforms.lib.session_grid import DateArray, SessionGrid, float_column, load_session_grid
from transforms.lib.window_sums import rolling_sums

CO_MOVEMENT_SESSIONS = 63
DOLLAR_VOLUME_SESSIONS = 21

# Weeks are numbered from Monday to Sunday. Whether a session is the last of its week is read from the
# calendar, not from the prices: on a Wednesday it is known that Thursday is a session.
WEEKS = """
    select
        date_diff('week', date '1990-01-01', calendar_date) as week,
        session_number = max(session_number)
            over (partition by date_trunc('week', calendar_date)) as is_last
    from ref.calendar where session_number is not null
    qualify session_number between ? and ?
    order by session_number
"""


# Of an index nothing is traded: the volume served with it is a sum over its members.
VOLUMES = """
    select prices.symbol, prices.session_number, prices.volume
    from staging.equity_prices as prices
    where
        list_contains(?::varchar[], prices.symbol) and prices.volume is not null
        and prices.symbol not in (select symbol from ref.instruments where asset_class like '%index')
"""


@dataclass(frozen=True)
class Weeks:
    """The week of each session, counted from the first one."""

    week: IntArray
    completed: IntArray  # the latest week that is complete at the session's close, -1 before the first
    last_session: DateArray  # by week; NaT for a week that is not complete


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per pair_id and session_date, in that order."""
    pairs = con.execute(
        "select pair_id, base_symbol, quote_symbol from ref.pairs order by pair_id"
    ).fetchall()
    bases, quotes = [base for _, base, _ in pairs], [quote for _, _, quote in pairs]
    grid = load_session_grid(con, [*bases, *quotes])
    ratios = grid.ratios(bases, quotes)
    daily = relative_rotation(ratios)
    codes = quadrant_codes(daily)
    lasting = spells(codes)
    fall = drawdown(ratios)
    base_returns, quote_returns = (
        change_pct(np.column_stack([grid.closes[:, :0], *(grid.close(name) for name in side)]), 1)
        for side in (bases, quotes)
    )
    correlation = rolling_correlation(base_returns, quote_returns, CO_MOVEMENT_SESSIONS)
    error = tracking_error(base_returns - quote_returns, CO_MOVEMENT_SESSIONS)
    charts = {"long": point_and_figure(ratios, LONG_BOX), "near": point_and_figure(ratios, NEAR_BOX)}
    # pair by pair, the sessions in order
    first = grid.first_row(first_day(con))
    pair, row = np.nonzero(np.isfinite(ratios[first:]).T)
    row += first
    first_row = np.argmax(np.isfinite(ratios), axis=0) if len(ratios) else np.zeros(len(pairs), dtype=int)
    return pd.DataFrame(
        {
            "pair_id": np.array([pair_id for pair_id, _, _ in pairs], dtype=object)[pair],
            "session_date": grid.session_dates[row],
            "ratio": ratios[row, pair],
            "trend": daily.trend[row, pair],
            "momentum": daily.momentum[row, pair],
            "quadrant": quadrant_names(codes[row, pair]),
            "quadrant_spell_sessions": _count(lasting.bars[row, pair]),
            "quadrant_confirmed": quadrant_names(lasting.confirmed[row, pair]),
            **_weekly_columns(ratios, _load_weeks(con, grid), row, pair),
            "pnf_long_column": named(charts["long"].column[row, pair], "X", "O"),
            "pnf_long_signal": named(charts["long"].signal[row, pair], "buy", "sell"),
            "pnf_near_column": named(charts["near"].column[row, pair], "X", "O"),
            "pnf_near_signal": named(charts["near"].signal[row, pair], "buy", "sell"),
            "ratio_drawdown_pct": fall.drawdown_pct[row, pair],
            "ratio_sessions_since_peak": fall.sessions_since_peak[row, pair].astype(np.int32),
            "correlation_63d": correlation[row, pair],
            "tracking_error_63d_pp": error[row, pair],
            "dollar_volume_ratio_21d": _dollar_volume_ratios(con, grid, bases, quotes)[row, pair],
            "history_start_date": grid.session_dates[first_row[pair]],
        }
    )


@dataclass(frozen=True)
class Drawdown:
    """How far each value is below the highest of its column so far; of the shape of the values."""

    drawdown_pct: FloatArray  # 0 at the highest; NaN without a value
    sessions_since_peak: IntArray  # rows since the highest was first reached


def drawdown(values: FloatArray) -> Drawdown:
    """Of each column of positive values, sessions x series; NaN = no value."""
    highest = np.maximum.accumulate(np.where(np.isfinite(values), values, -np.inf), axis=0)
    before = np.vstack([np.full((1, values.shape[1]), -np.inf), highest[:-1]])[: len(values)]
    place = np.arange(len(values))[:, np.newaxis]
    peak = np.maximum.accumulate(np.where(highest > before, place, 0), axis=0)
    return Drawdown(100.0 * (values / highest - 1.0), place - peak)


def _count(values: IntArray) -> pd.arrays.IntegerArray:
    """Whole numbers, missing where they are 0."""
    return pd.arrays.IntegerArray(values.astype(np.int32), mask=values == 0)


def _dollar_volume_ratios(
    con: duckdb.DuckDBPyConnection, grid: SessionGrid, bases: list[str], quotes: list[str]
) -> FloatArray:
    """Dollar volume of the base over that of the quote, both over 21 sessions; NaN unless all are known."""
    rows = con.execute(VOLUMES, [sorted({*bases, *quotes})]).fetchnumpy()
    volumes = np.full((len(grid.closes), len(grid.symbols) + 1), np.nan)  # and a column of no symbol
    if len(grid.closes):
        column = np.array([grid.symbols[str(name)] for name in rows["symbol"]], dtype=np.int64)
        number = np.asarray(rows["session_number"], dtype=np.int64)
        volumes[number - grid.session_numbers[0], column] = float_column(rows["volume"])
    volumes[:, :-1] *= grid.closes
    traded = rolling_sums(volumes, DOLLAR_VOLUME_SESSIONS)
    base, quote = (traded[:, [grid.symbols.get(name, -1) for name in side]] for side in (bases, quotes))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(quote > 0, base / quote, np.nan)


def _load_weeks(con: duckdb.DuckDBPyConnection, grid: SessionGrid) -> Weeks:
    """Weeks of the grid's sessions."""
    numbers = grid.session_numbers
    weeks = con.execute(
        WEEKS, [int(numbers[0]), int(numbers[-1])] if len(grid.closes) else [1, 0]
    ).fetchnumpy()
    number = np.asarray(weeks["week"], dtype=np.int64)
    week: IntArray = number - number[0] if len(number) else number
    is_last = np.asarray(weeks["is_last"], dtype=np.bool_)
    last_session = np.full(int(week.max(initial=-1)) + 1, np.datetime64("NaT", "s"))
    last_session[week[is_last]] = grid.session_dates[is_last]
    return Weeks(week, last_completed_week(week, is_last), last_session)


def _weekly_columns(ratios: FloatArray, weeks: Weeks, row: IntArray, pair: IntArray) -> dict[str, Any]:
    """The weekly figures of some sessions (rows) and pairs: those of the last completed week."""
    weekly = relative_rotation(weekly_bars(ratios, weeks.week))
    codes = quadrant_codes(weekly)
    lasting = spells(codes)
    at_week = weeks.completed[row]
    known_week = at_week >= 0

    def of_week(bars: NDArray[Any], missing: Any) -> NDArray[Any]:
        return np.where(known_week, bars[at_week, pair], missing)

    return {
        "weekly_bar_date": np.where(known_week, weeks.last_session[at_week], np.datetime64("NaT", "s")),
        "weekly_trend": of_week(weekly.trend, np.nan),
        "weekly_momentum": of_week(weekly.momentum, np.nan),
        "weekly_quadrant": quadrant_names(of_week(codes, NO_QUADRANT)),
        "weekly_quadrant_spell_weeks": _count(of_week(lasting.bars, 0)),
        "weekly_quadrant_confirmed": quadrant_names(of_week(lasting.confirmed, NO_QUADRANT)),
    }
