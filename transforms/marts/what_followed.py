"""What followed readings of a pair's spread: by window, bucket of the percentile and horizon, with how sure
that is.

In: marts.rotation_pair_daily (expanding percentile at the close of t, from 20 windows of history on),
marts.forward_spread_daily (total-return spread from the close of t + 1 to that of t + 1 + horizon),
ref.pairs, ref.calendar. Out: one row per pair, window, bucket and horizon, as of the publication's session.

Episodes: transforms/lib/signals.py. Mean, median and hit rate are over episodes. Base: the mean over all
sessions of the same history, that is, from the first session on that has a reading of that window and whose
outcome has ended; with earlier ones in the base, a middle reading would differ from it by the years alone.
excess = mean − base.
Interval: 90 %, percentiles of 2,000 draws of the stationary bootstrap (arch; Politis & Romano 1994) with
blocks of one horizon on average. A draw resamples sessions with all that belongs to them, readings and
outcomes of all pairs together, and both the mean and the base are computed anew from it.
p: the share, of 1,000 shifts of the readings in a circle against the outcomes and the reading itself, whose
excess is at least as far from 0; so clusters of readings and of outcomes stay what they are. Shifts shorter
than a horizon would leave most of an outcome in place and are not drawn.
q: Benjamini & Yekutieli 2001 (statsmodels) over all rows with a p; family_size is their number.
Hit rate limits: Wilson 1927 (statsmodels), 90 %. Below 20 episodes there is no interval and no p: the
episodes themselves are in marts.what_followed_episodes.

Caveat: episodes of the middle bucket are nearly every session of a lattice, whatever the reading: it is the
remainder, not a signal. With 1,000 shifts no p is below 1/1001, and with thousands of rows in the family a q
near 1 is what chance gives. Whoever picks a row because it is extreme must read its q.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.lib import signals
from transforms.lib.history import FloatArray, IntArray
from transforms.lib.overlapping_windows import BoolArray

SEED = 20240716
DRAWS = 2000
DRAWS_AT_ONCE = 250  # of 6,500 counts: 13 MB
SHIFTS = 1000
LEAST_EPISODES = 20
CONFIDENCE = 0.90
EVEN = 1e-9  # percentage points: an equal excess, computed by another order of additions

COLUMNS = [
    "pair_id",
    "window_sessions",
    "percentile_bucket",
    "horizon_sessions",
    "n_rows",
    "n_episodes",
    "first_episode_date",
    "last_episode_date",
    "episode_mean_pp",
    "episode_median_pp",
    "hit_rate",
    "hit_rate_low",
    "hit_rate_high",
    "base_rows",
    "base_mean_pp",
    "base_rate",
    "excess_pp",
    "excess_low_pp",
    "excess_high_pp",
    "p_value",
    "q_value",
    "family_size",
    "draws",
    "shifts",
    "seed",
    "last_window_end_date",
    "chosen_after_the_fact",
    "episodes_reason",
]


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per pair_id, horizon_sessions, window_sessions and bucket."""
    dates = signals.session_dates(con)
    loaded = list(signals.load_signals(con))
    chosen: dict[str, bool] = dict(
        con.execute("select pair_id, chosen_after_the_fact from ref.pairs").fetchall()
    )
    if not loaded:
        return pd.DataFrame(columns=pd.Index(COLUMNS))
    begun = [own.episodes() for own in loaded]
    frame = pd.concat(
        [_counted(own, episodes, dates) for own, episodes in zip(loaded, begun, strict=True)],
        ignore_index=True,
    )
    frame["p_value"] = np.concatenate(
        [_p_of_shifts(own, episodes) for own, episodes in zip(loaded, begun, strict=True)]
    )
    limits = np.concatenate(_limits_by_draws(loaded, begun))
    frame["excess_low_pp"], frame["excess_high_pp"] = limits[:, 0], limits[:, 1]
    return _judged(frame, chosen)


def _counted(own: signals.Signals, episodes: BoolArray, dates: NDArray[np.datetime64]) -> pd.DataFrame:
    """What can be counted of one pair and horizon, a row per cell."""
    cells = signals.cells()
    n_episodes = episodes.sum(axis=0)
    there = n_episodes > 0
    outcome, rows = own.outcome_pp, len(own.outcome_pp)
    cell, row = np.nonzero(episodes.T)
    values, cell_begins = outcome[row], np.flatnonzero(np.diff(cell, prepend=-1))
    mean, median, hits = (np.full(len(cells), np.nan) for _ in range(3))
    if len(values):
        count, ordered = n_episodes[there], values[np.lexsort((values, cell))]
        mean[there] = np.add.reduceat(values, cell_begins) / count
        median[there] = (ordered[cell_begins + (count - 1) // 2] + ordered[cell_begins + count // 2]) / 2
        hits[there] = np.add.reduceat((values > 0).astype(np.float64), cell_begins) / count
    answered = own.begins < rows
    base, base_rate = np.full((2, len(own.begins)), np.nan)
    base[answered] = [outcome[begin:].mean() for begin in own.begins[answered]]
    base_rate[answered] = [(outcome[begin:] > 0).mean() for begin in own.begins[answered]]

    def by_window(values: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(values, len(signals.BUCKETS))

    none = np.datetime64("NaT", "s")
    first, last = episodes.argmax(axis=0), rows - 1 - episodes[::-1].argmax(axis=0)
    return pd.DataFrame(
        {
            "pair_id": own.pair_id,
            "window_sessions": np.array([window for window, _ in cells], dtype=np.int32),
            "percentile_bucket": [bucket for _, bucket in cells],
            "horizon_sessions": np.full(len(cells), own.horizon, dtype=np.int32),
            "n_rows": own.in_cell.sum(axis=0).astype(np.int32),
            "n_episodes": n_episodes.astype(np.int32),
            "first_episode_date": np.where(there, dates[own.session[first]], none),
            "last_episode_date": np.where(there, dates[own.session[last]], none),
            "episode_mean_pp": mean,
            "episode_median_pp": median,
            "hit_rate": hits,
            "base_rows": by_window(rows - own.begins).astype(np.int32),
            "base_mean_pp": by_window(base),
            "base_rate": by_window(base_rate),
            "excess_pp": mean - by_window(base),
            "last_window_end_date": dates[own.session[-1] + 1 + own.horizon],
            "answered": by_window(answered),
        }
    )


def _p_of_shifts(own: signals.Signals, episodes: BoolArray) -> FloatArray:
    """p of each cell by circular shifts of its episodes against the outcomes; NaN with fewer than 20."""
    p = np.full(episodes.shape[1], np.nan)
    tested = np.flatnonzero(episodes.sum(axis=0) >= LEAST_EPISODES)
    random = np.random.default_rng([SEED, own.horizon, zlib.crc32(own.pair_id.encode())])
    begins = own.begins[tested // len(signals.BUCKETS)]
    for begin in np.unique(begins):
        cells = tested[begins == begin]
        excess = excess_by_shift(episodes[begin:, cells], own.outcome_pp[begin:])
        possible = np.arange(own.horizon, len(excess) - own.horizon + 1)
        shifts = random.choice(possible, min(SHIFTS, possible.size), replace=False)
        as_far = (np.abs(excess[shifts]) >= np.abs(excess[0]) - EVEN).sum(axis=0)
        p[cells] = (1 + as_far) / (1 + shifts.size)
    return p


def excess_by_shift(episodes: BoolArray, outcome: FloatArray) -> FloatArray:
    """Mean outcome over the episodes less that of all rows, after a shift by each number of rows.

    Shifts are in a circle: all at once are a circular cross-correlation, computed by Fourier transforms.

    Args:
        episodes: (rows, cells).
        outcome: (rows,).

    Returns:
        (rows, cells): row s is the excess where the episode of row j lies on row j + s.
    """
    from scipy import fft

    begun = episodes.astype(np.float64)
    centred = outcome - outcome.mean()
    spectrum = np.conj(fft.rfft(begun, axis=0)) * fft.rfft(centred)[:, np.newaxis]
    excess: FloatArray = fft.irfft(spectrum, n=len(outcome), axis=0) / begun.sum(axis=0)
    return excess


def _limits_by_draws(loaded: Sequence[signals.Signals], begun: Sequence[BoolArray]) -> list[FloatArray]:
    """Limits of every cell's excess, (cells, 2) per pair and horizon; NaN below 20 episodes."""
    limits = [np.full((episodes.shape[1], 2), np.nan) for episodes in begun]
    for horizon in sorted({own.horizon for own in loaded}):
        places = [place for place, own in enumerate(loaded) if own.horizon == horizon]
        enough = [begun[place].sum(axis=0) >= LEAST_EPISODES for place in places]
        if not any(cells.any() for cells in enough):
            continue
        drawn = _excess_by_draw(
            [loaded[place] for place in places],
            [begun[place][:, cells] for place, cells in zip(places, enough, strict=True)],
            [np.flatnonzero(cells) // len(signals.BUCKETS) for cells in enough],
        )
        outside = (1 - CONFIDENCE) / 2
        for place, cells, excess in zip(places, enough, drawn, strict=True):
            if cells.any():
                limits[place][cells] = _quantiles(excess, [outside, 1 - outside])
    return limits


def _quantiles(values: FloatArray, shares: list[float]) -> FloatArray:
    """Quantiles of each row, (rows, shares), NaN left out; rows without NaN together, which is faster."""
    out = np.empty((len(values), len(shares)))
    gaps = np.isnan(values).any(axis=1)
    out[~gaps] = np.quantile(values[~gaps], shares, axis=1).T
    if gaps.any():
        out[gaps] = np.nanquantile(values[gaps], shares, axis=1).T
    return out


def _excess_by_draw(
    loaded: Sequence[signals.Signals], begun: Sequence[BoolArray], windows: Sequence[IntArray]
) -> list[FloatArray]:
    """Excess of each cell in each draw, (cells, draws) per pair; NaN in a draw without an episode.

    `windows` has the place of each cell's window, whose history gives the base.

    A draw is how often it takes each session. The sums of a draw are products of a sparse matrix (an entry
    per episode) with those counts; their additions have a fixed order.
    """
    from scipy.sparse import csr_array, vstack

    first = min(int(own.session[0]) for own in loaded)
    size = max(int(own.session[-1]) for own in loaded) - first + 1

    def sums_of(rows: IntArray, cell: IntArray, cells: int, values: FloatArray) -> csr_array:
        return csr_array((values, (cell, rows)), shape=(cells, size))

    parts: list[csr_array] = []
    # Pairs of equal sessions and beginnings have equal numbers of rows, which are summed once.
    rows_of: dict[tuple[bytes, bytes], int] = {}
    places: list[tuple[int, int]] = []
    size_so_far = 0
    for own, episodes in zip(loaded, begun, strict=True):
        row, cell = np.nonzero(episodes)
        at = own.session - first
        cells, stretch, stretches = episodes.shape[1], _stretches(own), len(own.begins) + 1
        # The histories of the windows end together: between two beginnings each row is added once.
        new = [
            sums_of(at[row], cell, cells, own.outcome_pp[row]),
            sums_of(at[row], cell, cells, np.ones(len(row))),
            sums_of(at, stretch, stretches, own.outcome_pp),
        ]
        key = (at.tobytes(), own.begins.tobytes())
        if key not in rows_of:
            rows_of[key] = size_so_far + 2 * cells + stretches
            new.append(sums_of(at, stretch, stretches, np.ones(len(at))))
        places.append((size_so_far, rows_of[key]))
        parts += new
        size_so_far += sum(part.shape[0] for part in new)
    matrix = vstack(parts, format="csr")
    drawn = np.concatenate([matrix @ counts for counts in _draws(size, loaded[0].horizon)], axis=1)
    excess = []
    for own, episodes, window, (begin, rows_at) in zip(loaded, begun, windows, places, strict=True):
        cells, stretches = episodes.shape[1], len(own.begins) + 1
        outcome, number, base = np.split(
            drawn[begin : begin + 2 * cells + stretches], np.cumsum([cells, cells])
        )
        rows = drawn[rows_at : rows_at + stretches]
        since = 1 + np.argsort(np.argsort(own.begins, kind="stable"), kind="stable")[window]
        with np.errstate(divide="ignore", invalid="ignore"):
            history = np.cumsum(base[::-1], axis=0)[::-1] / np.cumsum(rows[::-1], axis=0)[::-1]
            excess.append(outcome / number - history[since])
    return excess


def _stretches(own: signals.Signals) -> IntArray:
    """Of each row the number of windows whose history has begun."""
    return np.searchsorted(np.sort(own.begins), np.arange(len(own.session)), side="right")


def _draws(size: int, block: int) -> Iterator[FloatArray]:
    """How often each of `size` sessions is in each draw: arrays (size, draws at once)."""
    from arch.bootstrap import StationaryBootstrap  # a second to import, which DAG parsing must not pay

    bootstrap = StationaryBootstrap(block, np.arange(size), seed=np.random.default_rng([SEED, block]))
    draws = bootstrap.bootstrap(DRAWS)
    for _ in range(DRAWS // DRAWS_AT_ONCE):
        counts = [np.bincount(drawn[0], minlength=size) for drawn, _ in islice(draws, DRAWS_AT_ONCE)]
        yield np.ascontiguousarray(np.stack(counts).T, dtype=np.float64)


def _judged(counted: pd.DataFrame, chosen: dict[str, bool]) -> pd.DataFrame:
    """The rows with limits of the hit rate, the family's correction, and why a figure is missing."""
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.proportion import proportion_confint

    episodes = counted["n_episodes"].to_numpy(dtype=np.int64)
    tested = episodes >= LEAST_EPISODES
    low, high = proportion_confint(
        np.where(tested, counted["hit_rate"] * episodes, 0.0),
        np.where(tested, episodes, 1),
        alpha=1 - CONFIDENCE,
        method="wilson",
    )
    q = np.full(len(counted), np.nan)
    if tested.any():
        q[tested] = multipletests(counted["p_value"].to_numpy()[tested], method="fdr_by")[1]
    why = np.array([None, "fewer_than_20_episodes", "no_episode", "history_too_short"], dtype=object)
    answered = counted["answered"].to_numpy(dtype=bool)
    reason = why[np.select([tested, episodes > 0, answered], [0, 1, 2], 3)]
    return counted.assign(
        hit_rate_low=np.where(tested, low, np.nan),
        hit_rate_high=np.where(tested, high, np.nan),
        q_value=q,
        family_size=np.full(len(counted), tested.sum(), dtype=np.int32),
        draws=np.full(len(counted), DRAWS, dtype=np.int32),
        shifts=np.full(len(counted), SHIFTS, dtype=np.int32),
        seed=np.full(len(counted), SEED, dtype=np.int32),
        chosen_after_the_fact=counted["pair_id"].map(chosen).astype(bool),
        episodes_reason=reason,
    )[COLUMNS]
