"""Readings of the pairs by bucket, beside what followed them: the ground of marts.what_followed.

In: marts.rotation_pair_daily (spread_percentile, known at the close of its session) and
marts.forward_spread_daily (outcomes from the next close on, once ended). Out: per pair and horizon the
outcomes in the order of sessions, and which of those sessions had a reading in each cell, a cell being a
window of the reading and a bucket. An episode is the first such session, then the first one at least a
horizon later, and so on, so that the outcomes of episodes do not overlap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

from transforms.lib.history import FloatArray, IntArray
from transforms.lib.overlapping_windows import BoolArray, first_of_each_stretch
from transforms.lib.session_grid import float_column
from transforms.marts.rotation_pair_daily import WINDOWS_SESSIONS

# Percentiles count the reading itself, so the largest reading of a history has 100.
BUCKETS = ("at_most_1", "at_most_5", "between_5_and_95", "at_least_95", "at_least_99")

# Sessions by number, pairs and windows by their place: 2.6 million rows are read as numbers.
READINGS = """
    select
        pairs.place as pair, windows.place as window_place, calendar.session_number,
        readings.spread_percentile
    from marts.rotation_pair_daily as readings
    inner join (select pair_id, row_number() over (order by pair_id) - 1 as place from ref.pairs) as pairs
        on readings.pair_id = pairs.pair_id
    inner join (select unnest(?::integer[]) as window_sessions, unnest(range(?)) as place) as windows
        on readings.window_sessions = windows.window_sessions
    inner join ref.calendar as calendar on readings.session_date = calendar.calendar_date
    where readings.spread_percentile is not null
"""

# Those that are judged; marts.forward_spread_daily has shorter ones as well, to be read one by one.
HORIZONS_SESSIONS = (21, 63)

OUTCOMES = """
    select
        pairs.place as pair, forward.horizon_sessions, calendar.session_number, forward.forward_spread_pp
    from marts.forward_spread_daily as forward
    inner join (select pair_id, row_number() over (order by pair_id) - 1 as place from ref.pairs) as pairs
        on forward.pair_id = pairs.pair_id
    inner join ref.calendar as calendar on forward.session_date = calendar.calendar_date
    where forward.forward_spread_pp is not null and list_contains(?::integer[], forward.horizon_sessions)
    order by pair, forward.horizon_sessions, calendar.session_number
"""


@dataclass(frozen=True)
class Signals:
    """One pair and horizon: what followed each session, and the readings of that session."""

    pair_id: str
    horizon: int
    session: IntArray  # numbers of the sessions whose outcome has ended, ascending
    outcome_pp: FloatArray
    in_cell: BoolArray  # (sessions, cells): cells are windows x buckets, buckets fastest
    begins: IntArray  # (windows,): row of the first reading, the number of rows where there is none

    def episodes(self) -> BoolArray:
        """(sessions, cells): where an episode begins."""
        # Distances count NYSE sessions, also where the pair lacks some.
        first = int(self.session[0]) if len(self.session) else 0
        rows = self.session - first
        signals = np.zeros((int(rows[-1]) + 1 if len(rows) else 0, self.in_cell.shape[1]), dtype=bool)
        signals[rows] = self.in_cell
        return first_of_each_stretch(signals, self.horizon)[rows]


def cells() -> list[tuple[int, str]]:
    """Window and bucket of each cell, in the order of `Signals.in_cell`."""
    return [(window, bucket) for window in WINDOWS_SESSIONS for bucket in BUCKETS]


def in_buckets(percentile: FloatArray) -> BoolArray:
    """Whether each percentile lies in each of the buckets, one more axis; nowhere where it is missing.

    The outer buckets contain the ones farther out.
    """
    return np.stack(
        [
            percentile <= 1,
            percentile <= 5,
            (percentile > 5) & (percentile < 95),
            percentile >= 95,
            percentile >= 99,
        ],
        axis=-1,
    )


def load_signals(con: duckdb.DuckDBPyConnection) -> Iterator[Signals]:
    """Every pair and horizon that has an outcome, in their order."""
    names = [
        str(name) for (name,) in con.execute("select pair_id from ref.pairs order by pair_id").fetchall()
    ]
    readings = con.execute(READINGS, [list(WINDOWS_SESSIONS), len(WINDOWS_SESSIONS)]).fetchnumpy()
    outcomes = con.execute(OUTCOMES, [list(HORIZONS_SESSIONS)]).fetchnumpy()
    pair = np.asarray(outcomes["pair"], dtype=np.int64)
    horizon = np.asarray(outcomes["horizon_sessions"], dtype=np.int64)
    session = np.asarray(outcomes["session_number"], dtype=np.int64)
    value = float_column(outcomes["forward_spread_pp"])
    if not len(session):
        return
    first = int(session.min())
    size = int(session.max()) - first + 1
    number = np.asarray(readings["session_number"], dtype=np.int64) - first
    inside = (number >= 0) & (number < size)
    percentile = np.full((len(names), size, len(WINDOWS_SESSIONS)), np.nan)
    percentile[
        np.asarray(readings["pair"], dtype=np.int64)[inside],
        number[inside],
        np.asarray(readings["window_place"], dtype=np.int64)[inside],
    ] = float_column(readings["spread_percentile"])[inside]

    begins = np.flatnonzero((np.diff(pair, prepend=-1) != 0) | (np.diff(horizon, prepend=-1) != 0))
    for begin, end in zip(begins, np.append(begins[1:], len(pair)), strict=True):
        own = percentile[pair[begin], session[begin:end] - first]
        read = np.isfinite(own)
        yield Signals(
            pair_id=names[pair[begin]],
            horizon=int(horizon[begin]),
            session=session[begin:end],
            outcome_pp=value[begin:end],
            in_cell=in_buckets(own).reshape(end - begin, -1),
            begins=np.where(read.any(axis=0), read.argmax(axis=0), len(read)),
        )


def session_dates(con: duckdb.DuckDBPyConnection) -> NDArray[np.datetime64]:
    """The date of each session by its number; no date before number 1."""
    sessions = con.execute(
        "select session_number, calendar_date from ref.calendar where session_number is not null"
        " and calendar_date <= getvariable('session_date')"
    ).fetchnumpy()
    number = np.asarray(sessions["session_number"], dtype=np.int64)
    dates = np.full(int(number.max(initial=0)) + 1, np.datetime64("NaT", "s"))
    dates[number] = np.asarray(sessions["calendar_date"], dtype="datetime64[s]")
    return dates
