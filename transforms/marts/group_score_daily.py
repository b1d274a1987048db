"""Score 0..6 of every group of funds: how many of six tests of strength its members pass on average.

In: staging.equity_prices (symbol, session_date), ref.groups and ref.group_members (groups of kind equity,
their members from member_from to member_to),
ref.instruments (benchmark), ref.calendar. Out: one row per group and session on which at least one member
can be scored. Points of a fund: price chart on buy; close above its 50-session mean; above its 200-session
mean; relative-strength chart against its benchmark in a column of X; that chart on buy; and the share of
its peers (all members of equity groups on that day) whose 126-session return is not larger than its own,
itself counted. Charts: point and figure, 3.25 % boxes. The group's score is the mean of its members'
scores, its change is taken over 30 calendar days, and rank 1 is the largest change.

Caveat: a chart without a column or signal earns no point; a fund without a benchmark (SPY) is not scored; a
member that joins or leaves moves the mean. An open analogue under our own name, not anybody's rating.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.increment import first_day
from transforms.lib.history import FloatArray, change_pct, distance_from_mean_pct
from transforms.lib.membership import member_days
from transforms.lib.point_and_figure import NEAR_BOX, point_and_figure
from transforms.lib.session_grid import DateArray, load_session_grid

RETURN_SESSIONS = 126
CHANGE_DAYS = 30


MEMBERS = """
    select
        members.group_id, members.symbol, instruments.benchmark_symbol, members.member_from, members.member_to
    from ref.group_members as members
    inner join ref.groups as groups on members.group_id = groups.group_id and groups.group_kind = 'equity'
    inner join ref.instruments as instruments on members.symbol = instruments.symbol
    where instruments.benchmark_symbol is not null
    order by members.group_id, members.symbol
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per group_id and session_date, in that order."""
    rows = con.execute(MEMBERS).fetchall()
    names = dict(con.execute("select group_id, name from ref.groups").fetchall())
    benchmark = {symbol: market for _, symbol, market, _, _ in rows}
    symbols = sorted(benchmark)
    groups = sorted({group for group, *_ in rows})
    grid = load_session_grid(con, [*symbols, *benchmark.values()])
    closes = np.column_stack([grid.close(symbol) for symbol in symbols])
    belongs = member_days(grid.session_dates, [row[3] for row in rows], [row[4] for row in rows])
    columns = [symbols.index(row[1]) for row in rows]
    peers = np.zeros(closes.shape, dtype=np.bool_)
    for place, column in enumerate(columns):
        peers[:, column] |= belongs[:, place]
    scores = member_scores(closes, grid.ratios(symbols, [benchmark[symbol] for symbol in symbols]), peers)
    own = np.where(belongs, scores[:, columns], np.nan)
    group_scores, counts = compute_group_scores(
        own, [[place for place, row in enumerate(rows) if row[0] == group] for group in groups]
    )
    change = compute_changes(group_scores, grid.session_dates)
    rank = 1 + (change[:, np.newaxis, :] > change[:, :, np.newaxis]).sum(axis=2)

    first = grid.first_row(first_day(con))
    group, row = np.nonzero(np.isfinite(group_scores[first:]).T)
    row += first
    unknown = ~np.isfinite(change[row, group])
    first_row = (
        np.argmax(np.isfinite(group_scores), axis=0) if len(closes) else np.zeros(len(groups), dtype=int)
    )
    return pd.DataFrame(
        {
            "group_id": np.array(groups, dtype=object)[group],
            "session_date": grid.session_dates[row],
            "group_name": np.array([names[name] for name in groups], dtype=object)[group],
            "score": group_scores[row, group],
            "score_change_30_days": change[row, group],
            "improvement_rank": pd.arrays.IntegerArray(
                np.where(unknown, 0, rank[row, group]).astype(np.int32), unknown
            ),
            "members": counts[row, group],
            "history_start_date": grid.session_dates[first_row[group]],
        }
    )


def compute_group_scores(
    scores: FloatArray, columns: Sequence[Sequence[int]]
) -> tuple[FloatArray, NDArray[np.int32]]:
    """Mean score of each group's members and how many could be scored, both sessions x groups.

    Args:
        scores: sessions x members, NaN where a member cannot be scored or does not belong to its group.
        columns: the members of each group, as columns of `scores`.
    """
    group_scores = np.full((len(scores), len(columns)), np.nan)
    counts = np.zeros((len(scores), len(columns)), dtype=np.int32)
    for group, members in enumerate(columns):
        total = np.zeros(len(scores))
        for column in members:  # one after the other, so that the sum has one order
            scored = np.isfinite(scores[:, column])
            total += np.where(scored, scores[:, column], 0.0)
            counts[:, group] += scored
        group_scores[:, group] = np.where(
            counts[:, group] > 0, total / np.maximum(counts[:, group], 1), np.nan
        )
    return group_scores, counts


def compute_changes(group_scores: FloatArray, session_dates: DateArray) -> FloatArray:
    """Change of each group's score over 30 calendar days; NaN where there is no session so far back."""
    dates = session_dates.astype("datetime64[D]")
    # the last session at or before the same day 30 calendar days ago
    back = np.searchsorted(dates, dates - np.timedelta64(CHANGE_DAYS, "D"), side="right") - 1
    before = np.where((back >= 0)[:, np.newaxis], group_scores[np.maximum(back, 0)], np.nan)
    change: FloatArray = np.round(group_scores - before, 9) + 0.0  # so that equal changes tie
    return change


def member_scores(closes: FloatArray, ratios: FloatArray, is_peer: NDArray[np.bool_]) -> FloatArray:
    """Score 0..6 of each instrument; NaN until the 200-session mean and the 126-session return exist, and
    where `is_peer` (sessions x instruments) says that it belongs to no group.
    """
    price, strength = point_and_figure(closes, NEAR_BOX), point_and_figure(ratios, NEAR_BOX)
    above_50, above_200 = distance_from_mean_pct(closes, 50), distance_from_mean_pct(closes, 200)
    returns = np.where(is_peer, change_pct(closes, RETURN_SESSIONS), np.nan)
    peers = np.isfinite(returns).sum(axis=1)
    not_larger = (returns[:, np.newaxis, :] <= returns[:, :, np.newaxis]).sum(axis=2)
    points = (
        (price.signal == 1).astype(np.float64)
        + (above_50 > 0)
        + (above_200 > 0)
        + (strength.column == 1)
        + (strength.signal == 1)
        + not_larger / np.maximum(peers, 1)[:, np.newaxis]
    )
    complete = np.isfinite(above_50) & np.isfinite(above_200) & np.isfinite(returns) & np.isfinite(ratios)
    return np.where(complete, points, np.nan)
