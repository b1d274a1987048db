"""Score 0..6 of every fund that is a member of an equity group, and the six tests of strength it is made of.

In: staging.equity_prices (symbol, session_date), ref.groups and ref.group_members (groups of kind equity,
their members from member_from to member_to), ref.instruments (benchmark), ref.calendar. Out: one row per fund
and session on which it can be scored. Points: price chart on buy; close above its 50-session mean; above its
200-session mean; relative-strength chart against its benchmark in a column of X; that chart on buy; and the
share of its peers (all members of equity groups on that day) whose 126-session return is not larger than its
own, itself counted. Charts: point and figure, 3.25 % boxes. The change is taken over 30 calendar days.

Caveat: a chart without a column or signal earns no point; a fund without a benchmark (SPY) is not scored, nor
one without a close, the 200-session mean or the 126-session return. An open analogue under our own name, not
anybody's rating.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.increment import first_day
from transforms.lib.history import FloatArray, change_pct, distance_from_mean_pct
from transforms.lib.membership import member_days
from transforms.lib.point_and_figure import NEAR_BOX, point_and_figure
from transforms.lib.score_changes import compute_changes
from transforms.lib.session_grid import load_session_grid

BoolArray = NDArray[np.bool_]

RETURN_SESSIONS = 126
# From these scores on a fund counts as acceptable and as strong.
ACCEPTABLE, STRONG = 3.0, 4.0

MEMBERS = """
    select members.symbol, instruments.benchmark_symbol, members.member_from, members.member_to
    from ref.group_members as members
    inner join ref.groups as groups on members.group_id = groups.group_id and groups.group_kind = 'equity'
    inner join ref.instruments as instruments on members.symbol = instruments.symbol
    where instruments.benchmark_symbol is not null
    order by members.group_id, members.symbol
"""


@dataclass(frozen=True)
class FundScores:
    """The six tests and their sum, sessions x funds; `score` is NaN where a fund cannot be scored."""

    is_price_signal_buy: BoolArray
    is_above_50d_mean: BoolArray
    is_above_200d_mean: BoolArray
    is_rs_column_x: BoolArray
    is_rs_signal_buy: BoolArray
    peer_share: FloatArray
    score: FloatArray


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per symbol and session_date, in that order."""
    rows = con.execute(MEMBERS).fetchall()
    benchmark = {symbol: market for symbol, market, _, _ in rows}
    symbols = sorted(benchmark)
    grid = load_session_grid(con, [*symbols, *benchmark.values()])
    closes = np.column_stack([grid.close(symbol) for symbol in symbols]) if symbols else grid.closes[:, :0]
    belongs = member_days(grid.session_dates, [row[2] for row in rows], [row[3] for row in rows])
    is_peer = np.zeros(closes.shape, dtype=np.bool_)
    for place, (symbol, *_) in enumerate(rows):
        is_peer[:, symbols.index(symbol)] |= belongs[:, place]
    ratios = grid.ratios(symbols, [benchmark[symbol] for symbol in symbols])
    scores = member_scores(closes, ratios, is_peer)
    scored = np.isfinite(scores.score)
    change = compute_changes(scores.score, grid.session_dates)

    first = grid.first_row(first_day(con))
    fund, row = np.nonzero(scored[first:].T)
    row += first
    first_scored = np.argmax(scored, axis=0) if len(closes) else np.zeros(len(symbols), dtype=int)
    points = scores.score[row, fund]
    return pd.DataFrame(
        {
            "symbol": np.array(symbols, dtype=object)[fund],
            "session_date": grid.session_dates[row],
            "score": points,
            "is_price_signal_buy": scores.is_price_signal_buy[row, fund],
            "is_above_50d_mean": scores.is_above_50d_mean[row, fund],
            "is_above_200d_mean": scores.is_above_200d_mean[row, fund],
            "is_rs_column_x": scores.is_rs_column_x[row, fund],
            "is_rs_signal_buy": scores.is_rs_signal_buy[row, fund],
            "peer_share": scores.peer_share[row, fund],
            "score_change_30_days": change[row, fund],
            "is_acceptable": points >= ACCEPTABLE,
            "is_strong": points >= STRONG,
            "history_start_date": grid.session_dates[first_scored[fund]],
        }
    )


def member_scores(closes: FloatArray, ratios: FloatArray, is_peer: BoolArray) -> FundScores:
    """Score 0..6 of each instrument with its tests; NaN until the 200-session mean and the 126-session return
    exist, and where `is_peer` (sessions x instruments) says that it belongs to no group.
    """
    price, strength = point_and_figure(closes, NEAR_BOX), point_and_figure(ratios, NEAR_BOX)
    above_50, above_200 = distance_from_mean_pct(closes, 50), distance_from_mean_pct(closes, 200)
    returns = np.where(is_peer, change_pct(closes, RETURN_SESSIONS), np.nan)
    peers = np.isfinite(returns).sum(axis=1)
    not_larger = (returns[:, np.newaxis, :] <= returns[:, :, np.newaxis]).sum(axis=2)
    peer_share = not_larger / np.maximum(peers, 1)[:, np.newaxis]
    tests = (
        price.signal == 1,
        above_50 > 0,
        above_200 > 0,
        strength.column == 1,
        strength.signal == 1,
    )
    points = np.sum(tests, axis=0).astype(np.float64) + peer_share
    complete = np.isfinite(above_50) & np.isfinite(above_200) & np.isfinite(returns) & np.isfinite(ratios)
    return FundScores(*tests, peer_share, np.where(complete, points, np.nan))
