"""How relative returns moved on event days: spread on the day and to one and five sessions later.

In: staging.equity_prices, ref.events (cpi, jobs, jackson_hole), ref.fomc_meetings (decisions that took
place), ref.instruments (benchmarks), ref.calendar, marts.yield_curve_daily, marts.policy_repricing. Out:
one row per event, pair and window of 1, 2 or 6 sessions (the event's session, and to +1 and +5) whose last
session has closed.

The event's session is the first that closes at or after the release: an event on a day without a session,
or after the close, counts for the next session. The window starts at the close before it.
abnormal_spread_pp = spread − beta · market return, where beta is the slope of the pair's daily spread on
the market's daily return (the base's benchmark: SPY for funds, ^GSPC for indices) over the 250 sessions
before. Ranks are among the events of the type up to the row's own, and beside that among all sessions to
date.

Caveat: change_2y_bp and change_year_end_rate_bp (same contracts on both days) are those of the event's
session alone, whatever the window; several events can share a session or a window, and each row then holds
the whole move. Ranks need ten like events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.lib.history import (
    FloatArray,
    IntArray,
    change_pct,
    compute_expanding_statistics,
    count_at_most_to_date,
)
from transforms.lib.session_grid import SessionGrid, float_column, load_session_grid

Columns = dict[str, NDArray[Any]]

PAIRS = ("IWM/SPY", "IWM/QQQ", "^RUT/^GSPC", "IWC/SPY", "KRE/SPY")
WINDOWS_SESSIONS = (1, 2, 6)
COLUMNS = [
    "event_type",
    "event_date",
    "pair_id",
    "window_sessions",
    "session_date",
    "window_end_date",
    "spread_pp",
    "market_beta_of_spread",
    "abnormal_spread_pp",
    "spread_rank",
    "spread_percentile",
    "like_events",
    "all_sessions_percentile",
    "history_start_date",
    "change_2y_bp",
    "change_year_end_rate_bp",
]
BETA_SESSIONS = 250
LEAST_BETA_OBSERVATIONS = 200
LEAST_LIKE_EVENTS = 10

EVENTS = """
    with happened as (
        select event_type, event_date, released_at_utc from ref.events where event_type != 'fomc'
        union all
        select 'fomc', decision_date, announced_at_utc from ref.fomc_meetings where not cancelled
    ),
    sessions as (
        select calendar_date, session_number, close_at_utc from ref.calendar where session_number is not null
    )
    select happened.event_type, happened.event_date, min(sessions.session_number) as session_number
    from happened
    inner join sessions
        on sessions.calendar_date between happened.event_date and happened.event_date + 10
        and sessions.close_at_utc >= coalesce(happened.released_at_utc, sessions.close_at_utc)
    where happened.event_date <= getvariable('session_date')
    group by happened.event_type, happened.event_date
    order by happened.event_type, happened.event_date
"""

RATES = """
    select calendar.session_number, curve.change_2y_bp, repricing.change_bp as change_year_end_rate_bp
    from ref.calendar as calendar
    left join marts.yield_curve_daily as curve on calendar.calendar_date = curve.session_date
    left join marts.policy_repricing as repricing
        on calendar.calendar_date = repricing.as_of_date and repricing.horizon = 'year_end'
    where calendar.session_number between ? and ?
    order by calendar.session_number
"""


PAIR_SYMBOLS = """
    select
        pairs.pair_id, pairs.base_symbol, pairs.quote_symbol,
        coalesce(base.benchmark_symbol, pairs.quote_symbol)
    from ref.pairs as pairs
    inner join ref.instruments as base on pairs.base_symbol = base.symbol
    where list_contains(?::varchar[], pairs.pair_id)
    order by pairs.pair_id
"""


@dataclass(frozen=True)
class Events:
    """The events, and what rates did on the session of each row of the grid."""

    row: IntArray  # of the event's session in the grid
    types: NDArray[np.object_]
    dates: NDArray[np.datetime64]
    change_2y_bp: FloatArray  # by row of the grid
    change_year_end_rate_bp: FloatArray


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per event_type, event_date, pair_id and window_sessions, in that order."""
    pairs = con.execute(PAIR_SYMBOLS, [list(PAIRS)]).fetchall()
    grid = load_session_grid(con, [symbol for _, *symbols in pairs for symbol in symbols])
    events = _load_events(con, grid)
    parts: list[Columns] = []
    for pair_id, base, quote, market in pairs:
        beta = beta_before(
            change_pct(grid.close(base)[:, np.newaxis], 1)[:, 0]
            - change_pct(grid.close(quote)[:, np.newaxis], 1)[:, 0],
            change_pct(grid.close(market)[:, np.newaxis], 1)[:, 0],
            events.row,
        )
        for window in WINDOWS_SESSIONS:
            spread = change_pct(grid.close(base), window) - change_pct(grid.close(quote), window)
            move = change_pct(grid.close(market), window)
            columns = _responses(events, grid, window, spread, move, beta)
            size = len(columns["event_type"])
            parts.append({"pair_id": np.full(size, pair_id, dtype=object), **columns})
    whole = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
    unranked = ~np.isfinite(whole["spread_rank"])
    ranks = np.where(unranked, 0, whole["spread_rank"]).astype(np.int32)
    return pd.DataFrame(whole).assign(spread_rank=pd.arrays.IntegerArray(ranks, unranked))


def _load_events(con: duckdb.DuckDBPyConnection, grid: SessionGrid) -> Events:
    """Events up to the publication's session, and the rates beside them."""
    sessions = len(grid.closes)
    first = int(grid.session_numbers[0]) if sessions else 1
    events = con.execute(EVENTS).df()
    rates = con.execute(RATES, [first, first + sessions - 1]).fetchnumpy()
    return Events(
        row=events["session_number"].to_numpy(dtype=np.int64) - first,
        types=events["event_type"].to_numpy(dtype=object),
        dates=events["event_date"].to_numpy().astype("datetime64[s]"),
        change_2y_bp=float_column(rates["change_2y_bp"]),
        change_year_end_rate_bp=float_column(rates["change_year_end_rate_bp"]),
    )


def _responses(
    events: Events, grid: SessionGrid, window: int, spread: FloatArray, move: FloatArray, beta: FloatArray
) -> Columns:
    """The mart's columns for one pair and window, for the events whose window has closed.

    Args:
        events: all events.
        grid: the sessions.
        window: sessions in the window.
        spread: of the pair over the window that ends on each session.
        move: of the market over the same window.
        beta: of the spread on the market before each event.
    """
    history = compute_expanding_statistics(spread)
    end = events.row + window - 1
    inside = (events.row >= 1) & (end < len(grid.closes))
    kept = np.flatnonzero(inside)
    kept = kept[np.isfinite(spread[end[kept]])]
    row, start = end[kept], events.row[kept]
    own = spread[row]
    rank, percentile, count = rank_among_like(own, events.types[kept])
    return {
        "event_type": events.types[kept],
        "event_date": events.dates[kept],
        "window_sessions": np.full(len(kept), window, dtype=np.int32),
        "session_date": grid.session_dates[start],
        "window_end_date": grid.session_dates[row],
        "spread_pp": own,
        "market_beta_of_spread": beta[kept],
        "abnormal_spread_pp": own - beta[kept] * move[row],
        "spread_rank": rank,
        "spread_percentile": percentile,
        "like_events": count,
        "all_sessions_percentile": history.percentile[row],
        "history_start_date": grid.session_dates[np.maximum(history.first_index[row], 0)],
        "change_2y_bp": events.change_2y_bp[start],
        "change_year_end_rate_bp": events.change_year_end_rate_bp[start],
    }


def beta_before(spread: FloatArray, market: FloatArray, rows: IntArray) -> FloatArray:
    """Slope of spread on market over the 250 sessions before each row; NaN with fewer than 200 of them."""
    beta = np.full(len(rows), np.nan)
    for place, row in enumerate(rows):
        if not 0 < row <= len(spread):
            continue
        x, y = market[max(row - BETA_SESSIONS, 0) : row], spread[max(row - BETA_SESSIONS, 0) : row]
        both = np.isfinite(x) & np.isfinite(y)
        if both.sum() < LEAST_BETA_OBSERVATIONS:
            continue
        x, y = x[both] - x[both].mean(), y[both]
        variance = float((x * x).sum())
        if variance > 0:
            beta[place] = float((x * (y - y.mean())).sum()) / variance
    return beta


def rank_among_like(
    spreads: FloatArray, types: NDArray[np.object_]
) -> tuple[FloatArray, FloatArray, NDArray[np.int32]]:
    """Rank (1 = largest), percentile and number among the events of the same type so far, by date."""
    rank, percentile = np.full(len(spreads), np.nan), np.full(len(spreads), np.nan)
    count = np.zeros(len(spreads), dtype=np.int32)
    for kind in sorted(set(types)):
        places = np.flatnonzero(types == kind)
        at_most = count_at_most_to_date(spreads[places])
        so_far = np.arange(1, len(places) + 1)
        enough = so_far >= LEAST_LIKE_EVENTS
        rank[places] = np.where(enough, so_far - at_most + 1, np.nan)
        percentile[places] = np.where(enough, 100.0 * at_most / so_far, np.nan)
        count[places] = so_far
    return rank, percentile, count
