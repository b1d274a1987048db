"""Statistics of forward windows that overlap: how many are independent, and how far their mean may be off.

In: the outcomes of one kind of window (1-D, one entry per session, oldest first, by the session on which
the window ended; NaN = none), and which of them belong to a group. Out: arrays of the same length, each
entry from the windows that had ended by then. Nothing looks ahead: an entry is the same bits whatever is
appended.

Caveat: windows of h sessions that start on neighbouring sessions share h − 1 of them. Their number says
nothing about precision; the number of windows that do not overlap does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transforms.lib.history import FloatArray

BoolArray = NDArray[np.bool_]


def first_of_each_stretch(signals: BoolArray, sessions: int) -> BoolArray:
    """Of the rows with a signal those that begin an episode: the first, then the first at least `sessions`
    rows after the one before, and so on. Windows of `sessions` rows that begin on them do not overlap.

    Args:
        signals: (rows, cells), oldest row first.
        sessions: least distance of two episodes.
    """
    rows, cells = signals.shape
    # The next row with a signal, at or after each row; `rows` where there is none, also far behind the end.
    places = np.where(signals, np.arange(rows)[:, np.newaxis], rows)
    after = np.full((rows + sessions, cells), rows)
    after[:rows] = np.minimum.accumulate(places[::-1], axis=0)[::-1]
    begins = np.zeros((rows + 1, cells), dtype=bool)
    cell = np.arange(cells)
    at = after[0]
    while (at < rows).any():  # every step jumps over `sessions` rows of all cells
        begins[at, cell] = True
        at = np.where(at < rows, after[np.minimum(at + sessions, rows + sessions - 1), cell], rows)
    return begins[:rows]


def standard_error_of_mean(outcomes: FloatArray, in_group: BoolArray, block_sessions: int) -> FloatArray:
    """Standard error of the group's mean outcome to date, as the stationary bootstrap of the whole history
    gives it, without drawing.

    The stationary bootstrap (Politis & Romano 1994, J. Amer. Statist. Assoc. 89, 1303-1313) lines up blocks
    of geometric length, here of (outcome, in group) together, so that both the outcomes and the number of
    group members vary. Its variance of a mean has a closed form (their Lemma 1): with y the deviations, R(i)
    their autocovariance and q = 1 − 1/block, Var = 1/N · Σ_i b(i) R(|i|), b(i) = (1 − |i|/N) q^|i| + |i|/N
    q^(N−|i|). The group's mean is a ratio of two means; y = in_group · (outcome − mean), the linearised
    ratio. All sums are linear recursions in time, so every row is answered in one pass.

    Args:
        outcomes: by session; rows before the first and after gaps may be NaN, they count as not in the group.
        in_group: by session.
        block_sessions: mean length of a block.

    Returns:
        The standard error by session; NaN with fewer than two members to date.
    """
    from scipy.signal import lfilter  # 0.1 s to import, which DAG parsing must not pay

    member = (in_group & np.isfinite(outcomes)).astype(np.float64)
    values = np.where(member > 0, outcomes, 0.0)
    began = np.maximum.accumulate(np.isfinite(outcomes)) if len(outcomes) else in_group
    if not began.any():
        return np.full(len(outcomes), np.nan)
    first = int(np.argmax(began))  # the history begins with the first outcome
    member, values = member[first:], values[first:]
    reference = values[np.argmax(member)] if member.any() else 0.0
    values = np.where(member > 0, values - reference, 0.0)  # the error does not depend on it, digits do
    rows = np.arange(1, len(values) + 1, dtype=np.float64)
    q = 1.0 - 1.0 / block_sessions

    faded = q ** (rows - 1.0)

    def sums_of(earlier: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What every product with earlier rows takes of them."""
        recent = lfilter([0.0, q], [1.0, -q], earlier)  # Σ_{i≥1} q^i · earlier[s − i]
        # Σ_{i≥1} i · q^i · earlier[s − i]
        aged = lfilter([0.0, q], [1.0, -q], recent + earlier)
        # The blocks that run over the end go on at the beginning: Σ (s − r) q^(N − s + r) / N.
        weighted = np.cumsum(earlier * faded)
        return recent, aged, rows * weighted - np.cumsum(earlier * faded * rows)

    def one_way(now: FloatArray, earlier: tuple[FloatArray, FloatArray, FloatArray]) -> FloatArray:
        recent, aged, distance = earlier
        direct, aged_direct = np.cumsum(now * recent), np.cumsum(now * aged)
        wrapped = lfilter([1.0], [1.0, -q], now * distance) * q
        products: FloatArray = direct - aged_direct / rows + wrapped / rows
        return products

    def form(a: FloatArray, b: FloatArray, a_to_b: FloatArray, b_to_a: FloatArray) -> FloatArray:
        """N times Σ_i b(i) R(|i|) of the products of a and earlier b, both ways, for every N."""
        return np.cumsum(a * b) + a_to_b + b_to_a

    of_values, of_member = sums_of(values), sums_of(member)
    values_twice, member_twice = one_way(values, of_values), one_way(member, of_member)
    across = one_way(values, of_member), one_way(member, of_values)
    count, sums = np.cumsum(member), np.cumsum(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums / count
        squares = (
            form(values, values, values_twice, values_twice)
            - mean * 2.0 * form(values, member, *across)
            + mean * mean * form(member, member, member_twice, member_twice)
        )
        error = np.sqrt(np.maximum(squares, 0.0)) / count
    out = np.full(len(outcomes), np.nan)
    out[first:] = np.where(count >= 2, error, np.nan)
    return out


def variance_share_recovered(sessions: int) -> float:
    """Share of the variance of a mean of overlapping windows that a stationary bootstrap with blocks of one
    window on average finds.

    Neighbouring windows of `sessions` sessions have the autocorrelation 1 − i/sessions, of which blocks of
    geometric length keep (1 − 1/sessions)^i: 74 % of the sum remain for long windows. Returns without memory
    are assumed; with whole blocks of several windows the loss is smaller, but so few blocks are left that
    intervals are no better (tests/test_overlapping_windows.py counts how often they contain the truth).
    """
    lag = np.arange(1, sessions)
    kept = (1.0 - lag / sessions) * (1.0 - 1.0 / sessions) ** lag
    return float((1.0 + 2.0 * kept.sum()) / sessions)
