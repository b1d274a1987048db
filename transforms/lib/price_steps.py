"""Steps of one symbol's closes that are no moves of a market: splits that the history before does not carry
yet, and bars on a wrong level.

In: the bars of one symbol, sorted by day, one row per day, every close above 0, with the columns of
`BAR_COLUMNS`. Out: which split events are in the closes, the bars brought to one basis, and the rows that
stand on another level than their neighbours. The limits were set on 2000-2026: no bar of 64 symbols, ^VIX and
the banks of 2008-2009 among them, comes near one of them.

Caveat: a bar with closes alone (no high and low) is judged by its close and has to stand out further.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

BAR_COLUMNS = ("symbol", "session_date", "open", "high", "low", "close", "split")
# The usual daily move of a symbol: the median of the last moves, and what is assumed without a history.
USUAL_SESSIONS = 61
LEAST_SESSIONS = 10
UNKNOWN_MOVE = 0.05
# A step between closes that lie further apart than this is not a daily move.
LONGEST_GAP = np.timedelta64(10, "D")
# A split event is sought so many rows before and after its day.
DISPLACED_ROWS = 5
# No listed instrument lost two thirds or rose by 150 % in one session (^VIX rose by 116 % on 2018-02-05).
LARGEST_RISE, LARGEST_FALL = np.log(2.5), np.log(1 / 3)
# A level that is left again within so many sessions is an error of the source, not a market.
LONGEST_SEGMENT = 66
# What may be left of a step that is taken back, as a share of it.
TAKEN_BACK = 0.1
# So long a bar waits for the next ones to show whether it jumps back or a split event comes.
WAITING_SESSIONS = 5
# Without an event only large factors are told from a crash: XLE opened 20 % lower on 2020-03-09, as at a
# split of 5 for 4.
SPLIT_FACTORS = np.array([1.5, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 40, 50])
# Smaller ones are told from a crash by the market of the day alone: the symbols' median move is a quarter of
# the step at the most. Nothing in 2000-2026 opened so much lower on a quiet day of a market that stood still.
SMALL_SPLITS = np.array([6 / 5, 5 / 4, 4 / 3])
MARKET_STANDS_STILL = 0.25
# An index of volatility doubles overnight without a split.
NEVER_SPLIT = "^VIX"


@dataclass(frozen=True)
class SplitVerdict:
    """What a split event and the step of close say of each other.

    Attributes:
        row: the row of the event, or of the step where it stands beside the event.
        ratio: the split as served.
        step: close over the close before.
        verdict: `restated` (no step), `not_restated` (the step of the split), `unclear` (the step is a usual
            move and nearer to the split's), `contradicted` (neither).
    """

    row: int
    ratio: float
    step: float
    verdict: str


@dataclass(frozen=True)
class Levels:
    """Rows of a symbol that stand on another level than their neighbours.

    Attributes:
        left_out: the bar jumps and the next ones jump back.
        waiting: the last bars, after a step that no market made.
        jumps: rows of steps that no market made and that last.
        split_like: rows of steps that look like a split without an event, and that last.
    """

    left_out: BoolArray
    waiting: BoolArray
    jumps: list[int] = field(default_factory=list)
    split_like: list[int] = field(default_factory=list)


def judge_splits(bars: pd.DataFrame) -> list[SplitVerdict]:
    """Compare each split event with the step of close on its day.

    A step that stands up to five rows beside its event belongs to it. A close that is not restated while
    adj_close is shows the split as a step of the one over the other, which decides small ratios.
    """
    returns = _log_returns(bars["close"].to_numpy())
    usual = usual_moves(returns, ahead=False)
    adjusted = _adjusted_over_close(bars, returns)
    split = bars["split"].to_numpy(dtype=np.float64)
    events = [int(row) for row in np.flatnonzero((split > 0) & (split != 1)) if row > 0]
    sizes = {row: float(np.log(split[row])) for row in events}
    found = {row: (row, _verdict(returns[row], usual[row], sizes[row], adjusted[row])) for row in events}
    # A step belongs to one event only.
    taken = {row for row, verdict in found.values() if verdict == "not_restated"}
    for event, (_, verdict) in found.items():
        if verdict != "not_restated":
            beside = _step_beside(returns, usual, event, sizes[event], taken)
            if beside is not None:
                found[event] = (beside, "not_restated")
                taken.add(beside)
    return [
        SplitVerdict(row, float(split[event]), float(np.exp(returns[row])), verdict)
        for event, (row, verdict) in found.items()
    ]


def _verdict(step: float, usual: float, size: float, adjusted: float) -> str:
    if abs(size) > 0.02 and abs(adjusted - size) < 0.02 + 0.1 * abs(size):
        return "not_restated"
    restated, not_restated = abs(step), abs(step + size)
    if min(restated, not_restated) > max(0.15, 6 * usual):
        return "contradicted"
    if restated <= not_restated:
        return "restated"
    # A split of 11 for 10 steps by less than a market may; its own step, met closely, is no chance.
    least = 0.05 if not_restated < 0.25 * abs(size) else 0.1
    return "not_restated" if restated > max(least, 8 * usual) else "unclear"


def _step_beside(
    returns: FloatArray, usual: FloatArray, event: int, size: float, taken: set[int]
) -> int | None:
    """The row near a split event whose step is the split's."""
    near = [
        row for row in range(event - DISPLACED_ROWS, event + DISPLACED_ROWS + 1) if 0 < row < len(returns)
    ]
    fitting = [
        row
        for row in near
        if row not in taken | {event}
        and abs(returns[row]) > max(0.15, 8 * usual[row])
        and abs(returns[row] + size) < max(0.05, 3 * usual[row])
    ]
    return min(fitting, key=lambda row: abs(row - event), default=None)


def price_factors(length: int, verdicts: list[SplitVerdict]) -> FloatArray:
    """What the prices of each row are multiplied by, so that all are on the basis of the last one."""
    factors = np.ones(length)
    for found in verdicts:
        if found.verdict == "not_restated":
            factors[: found.row] /= found.ratio
    return factors


def on_one_basis(bars: pd.DataFrame, factors: FloatArray) -> pd.DataFrame:
    """The bars with their prices and dividends multiplied by the factors."""
    names = [name for name in ("open", "high", "low", "close", "dividend") if name in bars]
    return bars.assign(**{name: bars[name] * factors for name in names})


def find_levels(bars: pd.DataFrame) -> Levels:
    """The rows of bars on one basis that stand on another level than their neighbours."""
    close = bars["close"].to_numpy(dtype=np.float64)
    returns = _log_returns(close)
    days = bars["session_date"].to_numpy().astype("datetime64[D]")
    returns[1:][np.diff(days) > LONGEST_GAP] = 0.0
    usual = usual_moves(returns, ahead=True)
    left_out = _islands(bars, returns, usual)
    steps = _outlying_steps(bars, returns, usual)
    # A bar that was found already explains the step to it and the step from it.
    explained = {row for row in np.flatnonzero(left_out)} | {row + 1 for row in np.flatnonzero(left_out)}
    open_steps = []
    pending = [row for row in steps if row not in explained]
    while pending:
        row = pending.pop(0)
        end = next((later for later in pending if _closes(returns, usual, row, later)), None)
        if end is None:
            open_steps.append(row)
        else:
            left_out[row:end] = True
            pending = [later for later in pending if later > end]
    return _open_ends(bars, returns, usual, left_out, open_steps)


def _open_ends(
    bars: pd.DataFrame, returns: FloatArray, usual: FloatArray, left_out: BoolArray, steps: list[int]
) -> Levels:
    """Sort the steps that are not taken back."""
    waiting = np.zeros(len(bars), dtype=bool)
    jumps, split_like = [], []
    for row in steps:
        beyond = returns[row] > LARGEST_RISE or returns[row] < LARGEST_FALL
        looks_split = _looks_like_a_split(bars, returns, usual, row)
        if (beyond or looks_split) and len(bars) - row <= WAITING_SESSIONS:
            waiting[row:] = ~left_out[row:]
        elif beyond:
            jumps.append(row)
        elif looks_split:
            split_like.append(row)
    return Levels(left_out, waiting, jumps, split_like)


def _islands(bars: pd.DataFrame, returns: FloatArray, usual: FloatArray) -> BoolArray:
    return islands(bars[["open", "high", "low", "close"]].to_numpy(dtype=np.float64), returns, usual)


def islands(prices: FloatArray, returns: FloatArray, usual: FloatArray) -> BoolArray:
    """Bars whose whole range lies above, or below, the ranges of both neighbours, which are close to each
    other.

    Args:
        prices: a row per bar, any columns of symbols, and the four prices last.
        returns: logarithmic, without the last dimension.
        usual: likewise.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        high, low = np.log(np.fmax.reduce(prices, axis=-1)), np.log(np.fmin.reduce(prices, axis=-1))
    found = np.zeros(returns.shape, dtype=bool)
    if len(returns) < 3:
        return found
    above = low[1:-1] - np.maximum(high[:-2], high[2:])
    below = np.minimum(low[:-2], low[2:]) - high[1:-1]
    ranged = (high > low)[1:-1]
    moves = usual[1:-1]
    needed = np.where(ranged, np.maximum(0.05, 5 * moves), np.maximum(0.15, 20 * moves))
    up, back = returns[1:-1], returns[2:]
    returned = np.abs(up + back) < 0.35 * np.minimum(np.abs(up), np.abs(back))
    found[1:-1] = (np.maximum(above, below) > needed) & returned
    return found


def _outlying_steps(bars: pd.DataFrame, returns: FloatArray, usual: FloatArray) -> list[int]:
    """Rows whose step is far beyond the symbol's usual moves and was made before the session opened."""
    close, opened = bars["close"].to_numpy(dtype=np.float64), bars["open"].to_numpy(dtype=np.float64)
    return [int(row) for row in np.flatnonzero(far_steps(opened, close, returns, usual))]


def far_steps(opened: FloatArray, close: FloatArray, returns: FloatArray, usual: FloatArray) -> BoolArray:
    """Bars whose step is far beyond the usual moves and was made before the session opened, or is one that no
    market makes; a row per bar, any columns of symbols.
    """
    gaps = _opening_gaps(opened, close)
    known = np.isfinite(gaps)
    far = np.abs(returns) > np.where(known, np.maximum(0.08, 15 * usual), np.maximum(0.15, 20 * usual))
    with np.errstate(divide="ignore", invalid="ignore"):
        overnight = ~known | (gaps / returns > 0.6)
    beyond = (returns > LARGEST_RISE) | (returns < LARGEST_FALL)
    return np.asarray((far & overnight) | beyond)


def _closes(returns: FloatArray, usual: FloatArray, row: int, later: int) -> bool:
    """Whether a later step takes back the one of `row`, but for what the market did in between: beside a step
    that no market makes, that may be more than the usual moves.
    """
    left = abs(returns[row] + returns[later])
    beside = TAKEN_BACK * min(abs(returns[row]), abs(returns[later]))
    return later - row <= LONGEST_SEGMENT and bool(left < max(0.03, 2 * usual[row], 2 * usual[later], beside))


def _looks_like_a_split(bars: pd.DataFrame, returns: FloatArray, usual: FloatArray, row: int) -> bool:
    """Whether a step is the factor of a usual split, made overnight, on a day that is quiet otherwise."""
    if str(bars["symbol"].iloc[row]) == NEVER_SPLIT:
        return False
    step = returns[row]
    factors = np.log(SPLIT_FACTORS)
    gap = _gaps(bars)[row]
    if not np.isfinite(gap):
        return bool(np.min(np.abs(np.abs(step) - factors)) < 0.02)
    near = np.min(np.abs(np.abs(step) - factors)) < max(0.02, 2 * usual[row])
    day = bars.loc[row, ["open", "high", "low", "close"]].astype("float64")
    quiet = np.log(day.max() / day.min()) < 0.5 * abs(step)
    return bool(near and quiet and abs(gap - step) < 0.3 * abs(step))


def small_split_steps(bars: pd.DataFrame, market: FloatArray) -> list[int]:
    """Rows whose step is the factor of a small split, made overnight, on a day that is quiet otherwise and on
    which the market hardly moved.

    Args:
        bars: on one basis; without an open nothing can be told.
        market: the logarithm of the market's move on the day of each row; NaN where it is not known.
    """
    if str(bars["symbol"].iloc[0]) == NEVER_SPLIT:
        return []
    returns = _log_returns(bars["close"].to_numpy(dtype=np.float64))
    usual = usual_moves(returns, ahead=False)
    prices = bars[["open", "high", "low", "close"]].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.log(prices.max(axis=1) / prices.min(axis=1))
    fall, opening = -returns, -_gaps(bars)
    near = np.min(np.abs(opening[:, None] - np.log(SMALL_SPLITS)), axis=1) < np.maximum(0.015, 2 * usual)
    quiet = (spread < 0.5 * fall) & (np.abs(opening - fall) < 0.3 * fall)
    alone = (np.abs(market) < MARKET_STANDS_STILL * fall) & (fall > 8 * usual)
    return [int(row) for row in np.flatnonzero(near & quiet & alone)]


def _gaps(bars: pd.DataFrame) -> FloatArray:
    """Open over the close before, as a logarithm."""
    return _opening_gaps(bars["open"].to_numpy(dtype=np.float64), bars["close"].to_numpy(dtype=np.float64))


def _opening_gaps(opened: FloatArray, close: FloatArray) -> FloatArray:
    gaps = np.full(close.shape, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        gaps[1:] = np.log(opened[1:] / close[:-1])
    return gaps


def _log_returns(close: NDArray[np.float64]) -> FloatArray:
    returns = np.zeros(len(close))
    returns[1:] = np.diff(np.log(np.asarray(close, dtype=np.float64)))
    return returns


def usual_moves(returns: FloatArray, *, ahead: bool) -> FloatArray:
    """Median size of the moves around each row, or before it only; a row per bar, any columns of symbols."""
    moves = pd.DataFrame(np.abs(returns)) if returns.ndim > 1 else pd.Series(np.abs(returns))
    sizes = moves.rolling(USUAL_SESSIONS, center=ahead, min_periods=LEAST_SESSIONS).median()
    return (sizes if ahead else sizes.shift(1)).fillna(UNKNOWN_MOVE).to_numpy(dtype=np.float64)


def _adjusted_over_close(bars: pd.DataFrame, returns: FloatArray) -> FloatArray:
    """By how much adj_close moved beyond close, as a logarithm; NaN where it is not known."""
    if "adj_close" not in bars or "previous_adj_close" not in bars:
        return np.full(len(bars), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.log(
            bars["adj_close"].to_numpy(dtype=np.float64)
            / bars["previous_adj_close"].to_numpy(dtype=np.float64)
        )
    return np.asarray(moved - returns, dtype=np.float64)
