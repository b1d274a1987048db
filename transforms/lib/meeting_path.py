"""The levels of the policy rate between decisions, solved from month averages (arrays in, arrays out).

In: month averages of the effective federal funds rate for many days that share one set of known decisions.
Out: for each decision the expected rate before (S) and after (E) it.

Method: CME FedWatch methodology. A month without a decision is an anchor (S = E = A); what anchors leave
open is solved backwards from the later month, `S = (D*A - M*E)/N`; where no anchor follows, forwards, `E =
(D*A - N*S)/M`, while D/M <= 4.

Caveat: a decision early in its month makes D/N large, so that half a tick of noise in the price becomes
several basis points. Such values are kept and flagged (`amplification`), never smoothed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from transforms.lib.month_averages import BoolArray, FloatArray, IntArray, TextArray

MOVE_PCT: Final = 0.25
MAX_FORWARD_AMPLIFICATION: Final = 4.0
# Backwards, D/N up to 4 is ordinary and up to 10 flagged. Above (a decision on the first two or three days
# of a month) nothing is divided by N: half a tick, 0.25 bp, would move the probability by more than 10
# points. In September 2001, before the decision of 2 October, D/N = 15.5 gave anything between 11 hikes and
# 11 cuts.
MAX_BACKWARD_AMPLIFICATION: Final = 10.0
FLAG_AMPLIFICATION: Final = 4.0
# Prices move in ticks of 0.0025 at least, so a true fraction of a move is never this small: what is left
# below it is rounding noise of decimal prices ((3.78 - 4.03) / 0.25 falls below -1), and floor() would turn
# it into a whole move.
ROUNDING_MOVES: Final = 1e-9
ROUNDING_BP: Final = 1e-9

SOLVED_TEXT: Final[tuple[str | None, ...]] = (None, "anchor", "backward", "forward")
_UNSOLVED, _ANCHOR, _BACKWARD, _FORWARD = range(4)

# A month's own price that is not needed should agree with the levels beside it: 95 % do within 1.5 bp since
# 2009.
FLAG_RESIDUAL_BP: Final = 10.0

# Why a meeting is unsolved, or what to be careful about where it is solved; the position is the code used
# below.
REASON_TEXT: Final[tuple[str | None, ...]] = (
    None,
    "price_missing",
    "price_refused",
    "forward_amplification_above_4",
    "needs_prior_anchor",
    "no_anchor_before",
    "two_decisions_in_month",
    "amplification_above_4",
    "residual_above_10_bp",
    "later_contract_missing",
    "own_contract_missing",
    "earlier_contract_missing",
)
(
    _NO_REASON,
    _PRICE_MISSING,
    _PRICE_REFUSED,
    _FORWARD_TOO_AMPLIFIED,
    _NEEDS_PRIOR_ANCHOR,
    _NO_ANCHOR_BEFORE,
    _TWO_DECISIONS,
    _HIGH_AMPLIFICATION,
    _LARGE_RESIDUAL,
    _LATER_MISSING,
    _OWN_MISSING,
    _EARLIER_MISSING,
) = range(len(REASON_TEXT))


@dataclass(frozen=True)
class Path:
    """Expected rates around each decision; every array has the shape (settlement days, decisions).

    missing_month: column of the month whose price the method would have used and does not have, -1 where it
    has all. Where such a row is solved all the same, it is solved another way than CME would have
    (`reason`).
    """

    start_rate_pct: FloatArray
    end_rate_pct: FloatArray
    moves_expected: FloatArray
    solved: TextArray
    amplification: FloatArray
    residual_bp: FloatArray
    reason: TextArray
    missing_month: IntArray


@dataclass(frozen=True)
class _Months:
    """What is known of each month before anything is solved; arrays as in compute_path."""

    averages: FloatArray
    absent: IntArray  # why an average is missing, where it is
    days_in_month: IntArray
    old_rate_days: IntArray
    members: dict[int, IntArray]  # the decisions of each month that has any, months ascending

    @cached_property
    def spans(self) -> dict[int, list[int]]:
        """By month: its calendar days under each of the levels that it touches."""
        return {
            month: np.diff(self.old_rate_days[inside], prepend=0, append=self.days_in_month[month]).tolist()
            for month, inside in self.members.items()
        }


@dataclass(frozen=True)
class _Levels:
    """The levels between decisions, (levels or decisions, days): filled in place, step by step."""

    before: FloatArray  # a level as seen from the decision that ends it: S
    after: FloatArray  # a level as seen from the decision that began it: E
    method: IntArray
    amplification: FloatArray
    early_decision: BoolArray  # left open because its month gives it too few days
    why: IntArray  # why a level is not the end of its decision
    why_start: IntArray  # why the start of a decision is unknown
    residual_bp: FloatArray

    @classmethod
    def unsolved(cls, decisions: int, days: int) -> _Levels:
        return cls(
            before=np.full((decisions + 1, days), np.nan),
            after=np.full((decisions + 1, days), np.nan),
            method=np.full((decisions + 1, days), _UNSOLVED, dtype=np.int64),
            amplification=np.full((decisions + 1, days), np.nan),
            early_decision=np.zeros((decisions + 1, days), dtype=bool),
            why=np.full((decisions + 1, days), _NO_REASON, dtype=np.int64),
            why_start=np.full((decisions, days), _NO_REASON, dtype=np.int64),
            residual_bp=np.full((decisions, days), np.nan),
        )

    def fill(
        self, level: int, where: BoolArray, value: FloatArray, how: IntArray | int, factor: float
    ) -> None:
        np.copyto(self.before[level], value, where=where)
        np.copyto(self.after[level], value, where=where)
        np.copyto(self.method[level], how, where=where)
        np.copyto(self.amplification[level], factor, where=where)

    def in_month(self, months: _Months, month: int) -> tuple[list[int], list[int], list[FloatArray]]:
        """Levels that the month touches, their calendar days in it, and their values seen from inside it.

        The values are views: what is filled later shows in them.
        """
        inside = months.members[month].tolist()
        levels = [*inside, inside[-1] + 1]
        values = [*(self.before[level] for level in inside), self.after[levels[-1]]]
        return levels, months.spans[month], values


def compute_path(
    averages_pct: FloatArray,
    days_in_month: IntArray,
    decision_month: IntArray,
    old_rate_days: IntArray,
    refused: BoolArray | None = None,
) -> Path:
    """Solve the levels between decisions for many days that share one set of known decisions.

    The unknowns are levels: level j lies between decision j - 1 and decision j and is S of decision j and E
    of decision j - 1. Months after the last decision never serve as anchors: nobody has announced that they
    have no meeting. Where two anchors in a row hold one level, the first is E of the month before, the last
    S of the month after.

    Args:
        averages_pct: (days, months), consecutive months, NaN where the contract is missing.
        days_in_month: calendar days of each month.
        decision_month: column of each decision, ascending, inside the columns.
        old_rate_days: N of each decision, ascending inside a month.
        refused: (days, months), prices that are not believed.
    """
    averages = averages_pct if refused is None else np.where(refused, np.nan, averages_pct)
    # one day more, with every price: its methods are those that CME would have used
    averages = np.vstack([averages, np.zeros((1, averages.shape[1]))])
    absent = np.full(averages.shape, _PRICE_MISSING, dtype=np.int64)
    if refused is not None:
        absent[:-1][refused] = _PRICE_REFUSED
    members = {int(month): np.flatnonzero(decision_month == month) for month in np.unique(decision_month)}
    months = _Months(averages, absent, days_in_month, old_rate_days, members)
    levels = _Levels.unsolved(len(decision_month), averages.shape[0])
    _read_anchors(levels, averages, decision_month)
    for month in reversed(members):
        _solve_backward(levels, months, month)
    for month in members:
        _solve_forward(levels, months, month)
    missing = _find_missing(months, decision_month, levels.method[:, -1])
    shared = np.array([len(members[int(month)]) > 1 for month in decision_month], dtype=bool)[:, None]
    path = _describe_path(levels, shared, missing, decision_month)
    return Path(**{name: values[:-1] for name, values in vars(path).items()})


def _read_anchors(levels: _Levels, averages: FloatArray, decision_month: IntArray) -> None:
    """A month without a decision is the level itself."""
    for level in range(len(decision_month)):
        first = decision_month[level - 1] + 1 if level > 0 else 0
        for month in range(first, decision_month[level]):
            price = averages[:, month]
            there = np.isfinite(price)
            levels.before[level, there] = price[there]
            levels.after[level] = np.where(np.isnan(levels.after[level]), price, levels.after[level])
            levels.method[level, there] = _ANCHOR
            levels.amplification[level, there] = 1.0


def _solve_backward(path: _Levels, months: _Months, month: int) -> None:
    """The first level of the month from the levels after it."""
    levels, spans, values = path.in_month(months, month)
    price, length = months.averages[:, month], float(months.days_in_month[month])
    rest_total, rest_known = _weigh(values, spans, skip=0)
    open_start = np.isnan(values[0]) & rest_known & np.isfinite(price)
    factor = length / spans[0] if spans[0] else np.inf
    if factor > MAX_BACKWARD_AMPLIFICATION:
        path.early_decision[levels[0]] = open_start
    else:
        path.fill(levels[0], open_start, (length * price - rest_total) / spans[0], _BACKWARD, factor)


def _solve_forward(path: _Levels, months: _Months, month: int) -> None:
    """What is still open in the month from the levels before it; why it stays open; the month's residual."""
    levels, spans, values = path.in_month(months, month)
    price, length = months.averages[:, month], float(months.days_in_month[month])
    for place in range(1, len(levels)):
        span, level = spans[place], levels[place]
        rest_total, rest_known = _weigh(values, spans, skip=place)
        still_open = np.isnan(values[place])
        # A level inside the month (two decisions in it) that stands between two known ones uses the later
        # level as the backward rule does; one that rests on the earlier levels alone is a
        # forward solution.
        two_sided = place < len(levels) - 1 and spans[-1] > 0
        factor = length / span if span else np.inf
        allowed = factor <= (MAX_BACKWARD_AMPLIFICATION if two_sided else MAX_FORWARD_AMPLIFICATION)
        if allowed:
            how = _BACKWARD if two_sided else _FORWARD
            value = (length * price - rest_total) / span
            path.fill(level, still_open & rest_known & np.isfinite(price), value, how, factor)
        inherited = np.isnan(values[0])
        unknown_start = np.where(path.early_decision[levels[0]], _NEEDS_PRIOR_ANCHOR, path.why[levels[0]])
        unknown_start = np.where(unknown_start == _NO_REASON, _NO_ANCHOR_BEFORE, unknown_start)
        blocked = np.where(rest_known, _FORWARD_TOO_AMPLIFIED, _TWO_DECISIONS)
        blocked = np.where(inherited, unknown_start, blocked)
        absent = months.absent[:, month]
        path.why[level] = np.where(np.isnan(price), absent, blocked)
        own_why = path.why[level - 1] if place > 1 else unknown_start
        path.why_start[level - 1] = np.where(np.isnan(price), absent, own_why)
    total, known = _weigh(values, spans, skip=None)
    gap = 100.0 * (price - total / length)
    gap = np.where(np.abs(gap) < ROUNDING_BP, 0.0, gap)
    path.residual_bp[months.members[month]] = np.where(known & np.isfinite(price), gap, np.nan)


def _find_missing(months: _Months, decision_month: IntArray, usual: IntArray) -> IntArray:
    """(decisions, days): the first month without a price among those that the usual way would use, -1 if
    none.

    usual: by level, the method that solves it when every month has a price. A level read from an anchor
    needs the month beside its decision, one solved backward the decision's own month and what its later
    levels need, one solved forward its month and what the earlier ones need. A level without a day in the
    month (a decision on the last day leaves none behind it) is not needed for the month.
    """
    gone = np.isnan(months.averages)
    decisions, days = len(decision_month), months.averages.shape[0]
    before = np.full((decisions + 1, days), -1, dtype=np.int64)  # of a level as S of its last decision
    after = before.copy()  # of a level as E of its first decision
    for level in np.flatnonzero(usual[:decisions] == _ANCHOR).tolist():
        last = decision_month[level] - 1
        first = decision_month[level - 1] + 1 if level > 0 else last
        before[level] = np.where(gone[:, last], last, -1)
        after[level] = np.where(gone[:, first], first, -1)
    for month in reversed(months.members):
        inside = months.members[month]
        first = int(inside[0])
        if usual[first] == _BACKWARD:
            later = after[int(inside[-1]) + 1][None, :]
            before[first] = after[first] = _first_gone(month, gone, later[: int(months.spans[month][-1] > 0)])
    for month, inside in months.members.items():
        first, end = int(inside[0]), int(inside[-1]) + 1
        has_days = np.array([months.spans[month][0] > 0, months.spans[month][-1] > 0])
        for level in range(first + 1, end + 1):
            # between two decisions of one month a level rests on the levels of both sides
            sides = np.vstack([before[first], after[end]])[has_days & [True, level < end]]
            if usual[level] == _FORWARD or (usual[level] == _BACKWARD and level < end):
                before[level] = after[level] = _first_gone(month, gone, sides)
    return np.where(after[1:] >= 0, after[1:], before[:-1])


def _first_gone(month: int, gone: BoolArray, others: IntArray) -> IntArray:
    """The month itself where it has no price, else what the others lack."""
    found = np.full(gone.shape[0], -1, dtype=np.int64)
    for other in others:
        found = np.where(found >= 0, found, other)
    return np.where(gone[:, month], month, found)


def _describe_path(levels: _Levels, shared: BoolArray, missing: IntArray, decision_month: IntArray) -> Path:
    """From levels to decisions, with method and flags.

    shared: the month has another decision too. missing: see _find_missing.
    """
    start, end = levels.before[:-1], levels.after[1:]
    method, amplification, residual_bp = levels.method, levels.amplification, levels.residual_bp
    solved = np.isfinite(start) & np.isfinite(end)
    worst_method = np.where(solved, np.maximum(method[:-1], method[1:]), _UNSOLVED)
    worst_factor = np.where(solved, np.fmax(amplification[:-1], amplification[1:]), np.nan)
    flag = np.where(np.abs(residual_bp) > FLAG_RESIDUAL_BP, _LARGE_RESIDUAL, _NO_REASON)
    flag = np.where(worst_factor > FLAG_AMPLIFICATION, _HIGH_AMPLIFICATION, flag)
    flag = np.where(shared, _TWO_DECISIONS, flag)
    distance = missing - decision_month[:, None]
    degraded = np.select([distance > 0, distance == 0], [_LATER_MISSING, _OWN_MISSING], _EARLIER_MISSING)
    flag = np.where(missing >= 0, degraded, flag)
    reason = np.where(solved, flag, np.where(np.isnan(start), levels.why_start, levels.why[1:]))
    return Path(
        start_rate_pct=start.T,
        end_rate_pct=end.T,
        moves_expected=clean_moves((end - start) / MOVE_PCT).T,
        solved=np.array(SOLVED_TEXT, dtype=object)[worst_method].T,
        amplification=worst_factor.T,
        residual_bp=residual_bp.T,
        reason=np.array(REASON_TEXT, dtype=object)[reason].T,
        missing_month=missing.T,
    )


def _weigh(values: list[FloatArray], spans: list[int], skip: int | None) -> tuple[FloatArray, BoolArray]:
    """Day-weighted sum of the levels of a month (without one of them), and where all that have days are
    known.
    """
    total = np.zeros(values[0].size)
    known = np.ones(values[0].size, dtype=bool)
    for place, span in enumerate(spans):
        if place != skip and span > 0:
            total = total + span * values[place]
            known &= np.isfinite(values[place])
    return total, known


def clean_moves(moves: FloatArray) -> FloatArray:
    """Expected moves within 1e-9 of a whole number are that number (see ROUNDING_MOVES)."""
    whole = np.rint(moves)
    cleaned: FloatArray = np.where(np.abs(moves - whole) < ROUNDING_MOVES, whole + 0.0, moves)
    return cleaned
