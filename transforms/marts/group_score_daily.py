"""Score 0..6 of every group of funds: how many of six tests of strength its members pass on average.

In: marts.fund_score_daily (the members' scores by symbol and session_date), ref.groups and ref.group_members
(groups of kind equity, their members from member_from to member_to), ref.calendar. Out: one row per group and
session on which at least one member is scored. The group's score is the mean of its members' scores, its
change is taken over 30 calendar days, and rank 1 is the largest change.

Caveat: a member that joins or leaves moves the mean. An open analogue under our own name, not anybody's
rating.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.increment import first_day
from transforms.lib.history import FloatArray
from transforms.lib.membership import member_days
from transforms.lib.score_changes import compute_changes
from transforms.lib.session_grid import DateArray, float_column

MEMBERS = """
    select members.group_id, members.symbol, members.member_from, members.member_to
    from ref.group_members as members
    inner join ref.groups as groups on members.group_id = groups.group_id and groups.group_kind = 'equity'
    order by members.group_id, members.symbol
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per group_id and session_date, in that order."""
    rows = con.execute(MEMBERS).fetchall()
    names = dict(con.execute("select group_id, name from ref.groups").fetchall())
    groups = sorted({group for group, *_ in rows})
    session_dates, scores = load_fund_scores(con, [row[1] for row in rows])
    belongs = member_days(session_dates, [row[2] for row in rows], [row[3] for row in rows])
    group_scores, counts = compute_group_scores(
        np.where(belongs, scores, np.nan),
        [[place for place, row in enumerate(rows) if row[0] == group] for group in groups],
    )
    change = compute_changes(group_scores, session_dates)
    rank = 1 + (change[:, np.newaxis, :] > change[:, :, np.newaxis]).sum(axis=2)

    since = first_day(con)
    first = int(np.searchsorted(session_dates, np.datetime64(since, "s"))) if since else 0
    group, row = np.nonzero(np.isfinite(group_scores[first:]).T)
    row += first
    unknown = ~np.isfinite(change[row, group])
    first_row = (
        np.argmax(np.isfinite(group_scores), axis=0) if len(scores) else np.zeros(len(groups), dtype=int)
    )
    return pd.DataFrame(
        {
            "group_id": np.array(groups, dtype=object)[group],
            "session_date": session_dates[row],
            "group_name": np.array([names[name] for name in groups], dtype=object)[group],
            "score": group_scores[row, group],
            "score_change_30_days": change[row, group],
            "improvement_rank": pd.arrays.IntegerArray(
                np.where(unknown, 0, rank[row, group]).astype(np.int32), unknown
            ),
            "members": counts[row, group],
            "history_start_date": session_dates[first_row[group]],
        }
    )


def load_fund_scores(con: duckdb.DuckDBPyConnection, symbols: Sequence[str]) -> tuple[DateArray, FloatArray]:
    """Every NYSE session from the first to the last one with a score, and the scores, sessions x symbols, one
    column for each of the symbols named; NaN where a fund is not scored.
    """
    sessions = con.execute("""
        select calendar_date from ref.calendar
        where is_nyse_session
            and calendar_date between (select min(session_date) from marts.fund_score_daily)
            and (select max(session_date) from marts.fund_score_daily)
        order by calendar_date
        """).fetchnumpy()
    dates = np.asarray(sessions["calendar_date"], dtype="datetime64[s]")
    found = con.execute("select symbol, session_date, score from marts.fund_score_daily").fetchnumpy()
    names, column = np.unique(np.asarray(found["symbol"], dtype=str), return_inverse=True)
    grid = np.full((len(dates), len(names) + 1), np.nan)  # the last column is that of a fund without scores
    row = np.searchsorted(dates, np.asarray(found["session_date"], dtype="datetime64[s]"))
    grid[row, column] = float_column(found["score"])
    place = {str(name): number for number, name in enumerate(names)}
    return dates, grid[:, [place.get(symbol, len(names)) for symbol in symbols]]


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
