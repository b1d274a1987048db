"""How returns and spreads moved on event days: on the day and to one and five sessions later.

In: staging.equity_prices, ref.events (cpi, jobs, jackson_hole), ref.fomc_meetings (decisions that took
place), staging.fomc_decisions (their outcomes), ref.instruments (benchmarks), ref.calendar,
marts.yield_curve_daily, marts.policy_repricing. Out: one row per event, pair and window of 1, 2 or 6
sessions (the event's session, and to +1 and +5) whose last session has closed. Pairs: four of small against
large caps, and all of the themes of banks.

first_cut and first_hike are decisions of type fomc once more: those that change the target range in the
direction opposite to the change before, scheduled or not. An outcome counts from its announcement where it is
listed, else from the evening on which the target range series shows it, which can be the session after; until
then the row is not there. The first change of the list has none before it and is neither, and a decision
whose outcome is not known is passed over.

The event's session is the first that closes at or after the release: an event on a day without a session,
or after the close, counts for the next session. The window starts at the close before it.
Market model: the pair's daily spread on the market's daily return (the base's benchmark: SPY for funds,
^GSPC for indices) with an intercept, by least squares over the 250 sessions before the event's. With k
sessions in the window and M the market's return over it, abnormal_spread_pp = spread − k · alpha − beta · M.
abnormal_z is it over its forecast error s · √(k + k²/L + (M − k · mean)²/Sxx) (Patell 1976; L observations, s
their residual standard deviation). Over the events of the type to date: mean of abnormal_spread_pp with its
90 % interval (Student's t across events), and bmp_t, the t of the mean of abnormal_z across events, which
events of unequal variance do not mislead (Boehmer, Musumeci & Poulsen 1991). Ranks are among the events of
the type up to the row's own, and beside that among all sessions to date.

Caveat: the largest of some hundred events of a type is not news by itself: abnormal_z says how unusual it was
for its time, like_events out of how many it was picked. change_2y_bp and change_year_end_rate_bp (same
contracts on both days) are those of the event's session alone, whatever the window; several events can share
a session or a window, and each row then holds the whole move (a first cut is also a decision of the same
day). Ranks and means need ten like events, which first cuts and first hikes have not: they are to be read one
by one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.lib.event_sessions import EVENTS
from transforms.lib.history import (
    FloatArray,
    IntArray,
    change_pct,
    compute_expanding_statistics,
    count_at_most_to_date,
)
from transforms.lib.session_grid import SessionGrid, float_column, load_session_grid

Columns = dict[str, NDArray[Any]]

PAIRS = ("IWM/SPY", "IWM/QQQ", "^RUT/^GSPC", "IWC/SPY")
BANK_THEMES = ("banks_vs_market", "regional_vs_large_banks", "banks_vs_small_caps")
WINDOWS_SESSIONS = (1, 2, 6)
COLUMNS = [
    "event_type",
    "event_date",
    "pair_id",
    "window_sessions",
    "session_date",
    "window_end_date",
    "base_return_pct",
    "quote_return_pct",
    "spread_pp",
    "market_alpha_of_spread_pp",
    "market_beta_of_spread",
    "abnormal_spread_pp",
    "abnormal_z",
    "abnormal_events",
    "mean_abnormal_spread_pp",
    "mean_abnormal_low_pp",
    "mean_abnormal_high_pp",
    "bmp_t",
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
CONFIDENCE = 0.90
EXACT_FIT_SHARE = 1e-12  # of the variation; below it the residuals are rounding

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
    where list_contains(?::varchar[], pairs.pair_id) or list_contains(?::varchar[], pairs.theme)
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
    pairs = con.execute(PAIR_SYMBOLS, [list(PAIRS), list(BANK_THEMES)]).fetchall()
    grid = load_session_grid(con, [symbol for _, *symbols in pairs for symbol in symbols])
    events = _load_events(con, grid)
    parts: list[Columns] = []
    for pair_id, base, quote, market in pairs:
        model = market_model_before(
            change_pct(grid.close(base), 1) - change_pct(grid.close(quote), 1),
            change_pct(grid.close(market), 1),
            events.row,
        )
        for window in WINDOWS_SESSIONS:
            returns = change_pct(grid.close(base), window), change_pct(grid.close(quote), window)
            move = change_pct(grid.close(market), window)
            columns = _responses(events, grid, window, returns, move, model)
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
    events: Events,
    grid: SessionGrid,
    window: int,
    returns: tuple[FloatArray, FloatArray],
    move: FloatArray,
    model: MarketModel,
) -> Columns:
    """The mart's columns for one pair and window, for the events whose window has closed.

    Args:
        events: all events.
        grid: the sessions.
        window: sessions in the window.
        returns: of the pair's base and quote over the window that ends on each session, per cent.
        move: of the market over the same window.
        model: of the spread on the market before each event.
    """
    spread = returns[0] - returns[1]
    history = compute_expanding_statistics(spread)
    end = events.row + window - 1
    inside = (events.row >= 1) & (end < len(grid.closes))
    kept = np.flatnonzero(inside)
    kept = kept[np.isfinite(spread[end[kept]])]
    row, start = end[kept], events.row[kept]
    own = spread[row]
    rank, percentile, count = rank_among_like(own, events.types[kept])
    abnormal, z = model.of(kept).abnormal(own, move[row], window)
    like = like_means(abnormal, z, events.types[kept])
    return {
        "event_type": events.types[kept],
        "event_date": events.dates[kept],
        "window_sessions": np.full(len(kept), window, dtype=np.int32),
        "session_date": grid.session_dates[start],
        "window_end_date": grid.session_dates[row],
        "base_return_pct": returns[0][row],
        "quote_return_pct": returns[1][row],
        "spread_pp": own,
        "market_alpha_of_spread_pp": model.alpha_pp[kept],
        "market_beta_of_spread": model.beta[kept],
        "abnormal_spread_pp": abnormal,
        "abnormal_z": z,
        "abnormal_events": like.number,
        "mean_abnormal_spread_pp": like.mean,
        "mean_abnormal_low_pp": like.low,
        "mean_abnormal_high_pp": like.high,
        "bmp_t": like.bmp_t,
        "spread_rank": rank,
        "spread_percentile": percentile,
        "like_events": count,
        "all_sessions_percentile": history.percentile[row],
        "history_start_date": grid.session_dates[np.maximum(history.first_index[row], 0)],
        "change_2y_bp": events.change_2y_bp[start],
        "change_year_end_rate_bp": events.change_year_end_rate_bp[start],
    }


@dataclass(frozen=True)
class MarketModel:
    """Regression of daily spread on daily market return before each event; NaN with too few observations."""

    alpha_pp: FloatArray  # per session
    beta: FloatArray
    residual_sd_pp: FloatArray
    observations: FloatArray
    market_mean_pct: FloatArray
    market_squares: FloatArray  # about the mean

    def of(self, places: IntArray) -> MarketModel:
        """That of some events."""
        return MarketModel(*(getattr(self, field.name)[places] for field in fields(self)))

    def abnormal(
        self, spread: FloatArray, market: FloatArray, sessions: int
    ) -> tuple[FloatArray, FloatArray]:
        """Abnormal spread of a window, in points, and over its forecast error.

        Args:
            spread: of the window of each event.
            market: return of the market over the same window.
            sessions: in the window.
        """
        abnormal = spread - sessions * self.alpha_pp - self.beta * market
        with np.errstate(divide="ignore", invalid="ignore"):
            away = (market - sessions * self.market_mean_pct) ** 2 / self.market_squares
            error = self.residual_sd_pp * np.sqrt(sessions + sessions**2 / self.observations + away)
            z = abnormal / error
        return abnormal, np.where(np.isfinite(z), z, np.nan)


def market_model_before(spread: FloatArray, market: FloatArray, rows: IntArray) -> MarketModel:
    """Spread on market over the 250 sessions before each row; NaN with fewer than 200 of them, or where the
    market did not move.
    """
    found = np.full((6, len(rows)), np.nan)
    for place, row in enumerate(rows):  # some hundred events, each with a window of its own
        if not 0 < row <= len(spread):
            continue
        x, y = market[max(row - BETA_SESSIONS, 0) : row], spread[max(row - BETA_SESSIONS, 0) : row]
        both = np.isfinite(x) & np.isfinite(y)
        if both.sum() < LEAST_BETA_OBSERVATIONS:
            continue
        x, y = x[both], y[both]
        from_mean = x - x.mean()
        squares = float((from_mean * from_mean).sum())
        if squares > 0:
            beta = float((from_mean * (y - y.mean())).sum()) / squares
            alpha = float(y.mean() - beta * x.mean())
            residual = y - alpha - beta * x
            left, total = float((residual * residual).sum()), float(((y - y.mean()) ** 2).sum())
            # A fit that is exact to rounding has no error to compare with.
            deviation = np.sqrt(left / (len(x) - 2)) if left > EXACT_FIT_SHARE * total else np.nan
            found[:, place] = (alpha, beta, deviation, len(x), x.mean(), squares)
    return MarketModel(*found)


@dataclass(frozen=True)
class LikeMeans:
    """Over the events of the same type to date; NaN below the least number of them."""

    number: NDArray[np.int32]
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    bmp_t: FloatArray


def like_means(abnormal: FloatArray, z: FloatArray, types: NDArray[np.object_]) -> LikeMeans:
    """Mean abnormal spread to date with its interval, and the t of the mean z, by type; events by date."""
    from scipy.stats import t as students_t  # 0.1 s to import, which DAG parsing must not pay

    number = np.zeros(len(abnormal), dtype=np.int32)
    mean, half, bmp_t = (np.full(len(abnormal), np.nan) for _ in range(3))
    for kind in sorted(set(types)):
        places = np.flatnonzero(types == kind)
        there = np.isfinite(abnormal[places])
        so_far = np.cumsum(there)
        number[places] = so_far
        enough = so_far >= LEAST_LIKE_EVENTS
        own_mean, own_error = _mean_to_date(abnormal[places])
        z_mean, z_error = _mean_to_date(z[places])
        mean[places] = np.where(enough, own_mean, np.nan)
        quantile = students_t.ppf(0.5 + CONFIDENCE / 2, np.maximum(so_far - 1, 1))
        half[places] = np.where(enough, quantile * own_error, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = z_mean / z_error
        bmp_t[places] = np.where(enough & np.isfinite(ratio), ratio, np.nan)
    return LikeMeans(number, mean, mean - half, mean + half, bmp_t)


def _mean_to_date(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean of the values to date and its standard error; NaN counts as none."""
    there = np.isfinite(values)
    n = np.cumsum(there)
    origin = values[there][0] if there.any() else 0.0  # a constant series has exactly no error
    shifted = np.where(there, values - origin, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.cumsum(shifted) / n
        variance = np.maximum(np.cumsum(shifted * shifted) - n * mean * mean, 0.0) / (n - 1)
        return mean + origin, np.sqrt(variance / n)


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
