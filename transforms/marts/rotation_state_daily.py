"""Relative rotation and point-and-figure state of every pair, by session.

In: staging.equity_prices (symbol, session_date), ref.pairs (pair_id), ref.calendar. Out: one row per pair and
session on which both members have a close. Formulas: transforms/lib/relative_rotation.py and
transforms/lib/point_and_figure.py (boxes of 6.5 % for the long term, 3.25 % for the near term).

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
from transforms.lib.history import FloatArray, IntArray
from transforms.lib.point_and_figure import LONG_BOX, NEAR_BOX, named, point_and_figure
from transforms.lib.relative_rotation import (
    RelativeRotation,
    last_completed_week,
    quadrant,
    relative_rotation,
    weekly_bars,
)
from transforms.lib.session_grid import DateArray, SessionGrid, load_session_grid

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
            "quadrant": quadrant(daily)[row, pair],
            **_weekly_columns(ratios, _load_weeks(con, grid), row, pair),
            "pnf_long_column": named(charts["long"].column[row, pair], "X", "O"),
            "pnf_long_signal": named(charts["long"].signal[row, pair], "buy", "sell"),
            "pnf_near_column": named(charts["near"].column[row, pair], "X", "O"),
            "pnf_near_signal": named(charts["near"].signal[row, pair], "buy", "sell"),
            "history_start_date": grid.session_dates[first_row[pair]],
        }
    )


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


def _weekly_columns(
    ratios: FloatArray, weeks: Weeks, row: IntArray, pair: IntArray
) -> dict[str, NDArray[Any]]:
    """The weekly figures of some sessions (rows) and pairs: those of the last completed week."""
    weekly = relative_rotation(weekly_bars(ratios, weeks.week))
    at_week = weeks.completed[row]
    known_week = at_week >= 0

    def of_week(bars: FloatArray) -> FloatArray:
        return np.where(known_week, bars[at_week, pair], np.nan)

    trend, momentum = of_week(weekly.trend), of_week(weekly.momentum)
    return {
        "weekly_bar_date": np.where(known_week, weeks.last_session[at_week], np.datetime64("NaT", "s")),
        "weekly_trend": trend,
        "weekly_momentum": momentum,
        "weekly_quadrant": quadrant(RelativeRotation(trend, momentum)),
    }
