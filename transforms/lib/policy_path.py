"""From the expected path of the policy rate to its summary figures: the pure part (arrays in, arrays out).

In: month averages implied by fed funds futures, (settlement days, delivery months), and the solved moves of
transforms/lib/fomc.py. Out: expected rates at a date, the constant-maturity rate, the fit of the whole
curve, the contract and scale that tell the surprise of a decision.

Sources: CME FedWatch methodology (level steps between decisions); Kuttner 2001, Journal of Monetary
Economics 47, 523-544 (surprise).

Caveat: levels are held constant between decisions. Month-end dips of the effective rate and tweaks of
administered rates are therefore residuals of the curve, not moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from transforms.lib import fomc, meeting_path
from transforms.lib.fomc import BoolArray, DateArray, FloatArray, IntArray, TextArray

# Kuttner's scale factor D/(D - d) explodes at the end of a month: with seven days or fewer left, the next
# month's contract is used as it is.
MAX_DAYS_LEFT_UNSCALED: Final = 7
EXTREME_MONTHS: Final = 24
# The solved path checks its far prices against each other; the twelve-month rate takes two as they are.
# Three and more months out no two neighbours of the recorded history since 2005 are 0.35 points apart,
# while placeholders of 2004 are (ZQK05 1.6 points off for a day).
FAR_LEAD_MONTHS: Final = 3
FAR_STEP_PCT: Final = 0.5
FAR_STEP_PER_GAP_MONTH_PCT: Final = 0.25
MATURITY_MONTHS: Final = 12


@dataclass(frozen=True)
class Table:
    """The decisions ahead as matrices (settlement days, decisions): NaN/False where a decision is not in
    the day's table.
    """

    listed: BoolArray
    start_rate_pct: FloatArray
    end_rate_pct: FloatArray
    reason: TextArray
    missing_contract: TextArray


@dataclass(frozen=True)
class RateOn:
    """An expected rate at a date, one entry per settlement day."""

    rate_pct: FloatArray
    decision: IntArray  # position of the decision it follows, -1: it is the rate before the next one
    reason: TextArray
    missing_contract: TextArray


@dataclass(frozen=True)
class Fit:
    """Least-squares fit of a day's contracts on level steps, one entry per settlement day."""

    residual_bp: FloatArray  # largest absolute residual; NaN where nothing is over-determined
    month: IntArray  # month number of that contract, -1 where there is no residual
    contracts: IntArray
    degrees_of_freedom: IntArray


def compute_table(moves: fomc.Moves, days: int, meetings: int) -> Table:
    """From the long form to matrices, so that a date can be looked up on every day at once."""
    listed = np.zeros((days, meetings), dtype=bool)
    listed[moves.day, moves.meeting] = True
    start = np.full((days, meetings), np.nan)
    start[moves.day, moves.meeting] = moves.path.start_rate_pct
    end = np.full((days, meetings), np.nan)
    end[moves.day, moves.meeting] = moves.path.end_rate_pct
    reason = np.full((days, meetings), None, dtype=object)
    reason[moves.day, moves.meeting] = moves.path.reason
    missing = np.full((days, meetings), None, dtype=object)
    missing[moves.day, moves.meeting] = fomc.compute_contracts(moves.path.missing_month)
    return Table(listed, start, end, reason, missing)


def compute_start(table: Table) -> tuple[FloatArray, IntArray]:
    """Expected rate before the next decision, and the position of that decision (-1: none is known)."""
    rows = np.arange(table.listed.shape[0])
    first = np.where(table.listed.any(axis=1), table.listed.argmax(axis=1), -1)
    rate = np.where(first >= 0, table.start_rate_pct[rows, first], np.nan)
    return rate, first


def compute_rate_on(table: Table, decision_date: DateArray, on: DateArray) -> RateOn:
    """Expected rate once the decisions up to the date `on` (one per settlement day) are in force.

    It is E of the last listed decision up to that date; when none is left (the last one of the year has
    passed), S of the next. Reason and missing contract are those of that decision.
    """
    rows = np.arange(on.size)
    reached = table.listed & (decision_date[None, :] <= on[:, None])
    last = np.where(reached.any(axis=1), reached.shape[1] - 1 - reached[:, ::-1].argmax(axis=1), -1)
    start, first = compute_start(table)
    rate = np.where(last >= 0, table.end_rate_pct[rows, last], start)
    decision = np.where(last >= 0, last, first)
    why = table.reason[rows, decision]
    why[first < 0] = "no_meeting_known"
    missing = np.where(first < 0, np.array(None, dtype=object), table.missing_contract[rows, decision])
    return RateOn(rate, last, why, missing)


def compute_extremes(
    table: Table, decision_date: DateArray, as_of_date: DateArray
) -> tuple[FloatArray, IntArray, FloatArray, IntArray]:
    """Highest expected rate after a decision and the place of that decision (-1: none), then the lowest.

    Of the solved decisions up to 24 months ahead; of equal ones the first. Two figures and not the one that
    is farther from today's rate: that one flips from the peak to the trough without news when the other
    becomes the farther one.
    """
    limit = shift_months(as_of_date, EXTREME_MONTHS)
    near = (decision_date[None, :] <= limit[:, None]) & np.isfinite(table.start_rate_pct)
    rate = np.where(near, table.end_rate_pct, np.nan)
    there = np.isfinite(rate)
    some, rows = there.any(axis=1), np.arange(as_of_date.size)
    highest = np.where(some, np.where(there, rate, -np.inf).argmax(axis=1), -1)
    lowest = np.where(some, np.where(there, rate, np.inf).argmin(axis=1), -1)
    peak: FloatArray = np.where(some, rate[rows, highest], np.nan)
    trough: FloatArray = np.where(some, rate[rows, lowest], np.nan)
    return peak, highest, trough, lowest


def shift_months(dates: DateArray, months: int) -> DateArray:
    """The same day some months later; the last day of the month where it has no such day (29 February)."""
    days = dates.astype("datetime64[D]")
    start = days.astype("datetime64[M]")
    day = (days - start.astype("datetime64[D]")).astype(np.int64)
    target = start + np.timedelta64(months, "M")
    last = fomc.compute_days_in_month(target.astype(np.int64)) - 1
    shifted: DateArray = target.astype("datetime64[D]") + np.minimum(day, last)
    return shifted


def compute_maturity_weights(dates: DateArray) -> tuple[IntArray, FloatArray]:
    """The two delivery months around each date: number of the nearer one and the weight of the farther one.

    A month average applies to the middle of its month; between two middles it is linear in days.
    """
    month = fomc.compute_month_number(dates)
    day = dates.astype("datetime64[D]").astype(np.int64).astype(np.float64)
    nearer = np.where(day >= _compute_middle(month), month, month - 1)
    low, high = _compute_middle(nearer), _compute_middle(nearer + 1)
    weight: FloatArray = (day - low) / (high - low)
    return nearer, weight


def _compute_middle(month: IntArray) -> FloatArray:
    start = month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    middle: FloatArray = start + (fomc.compute_days_in_month(month) - 1) / 2.0
    return middle


def compute_far_averages(as_of_date: DateArray, averages_pct: FloatArray, first_month: int) -> FloatArray:
    """averages_pct without far prices that step away from the nearest believed month before them (see
    FAR_STEP_PCT).
    """
    current = fomc.compute_month_number(as_of_date) - first_month
    rows, months = np.arange(as_of_date.size), averages_pct.shape[1]
    believed = averages_pct.copy()
    last = np.full(as_of_date.size, np.nan)
    last_month = current.copy()
    for lead in range(MATURITY_MONTHS + 2):
        month = current + lead
        column = np.minimum(month, months - 1)
        value = np.where(month < months, averages_pct[rows, column], np.nan)
        limit = FAR_STEP_PCT + FAR_STEP_PER_GAP_MONTH_PCT * (month - last_month - 1)
        outlier = (lead >= FAR_LEAD_MONTHS) & (np.abs(value - last) > limit)
        believed[rows[outlier], column[outlier]] = np.nan
        there = np.isfinite(value) & ~outlier
        last = np.where(there, value, last)
        last_month = np.where(there, month, last_month)
    return believed


def compute_maturity_rate(
    averages_pct: FloatArray, first_month: int, nearer: IntArray, weight: FloatArray
) -> FloatArray:
    """Month averages interpolated as compute_maturity_weights says; NaN where one of the two contracts is
    missing.
    """
    rows, months = np.arange(nearer.size), averages_pct.shape[1]

    def pick(month: IntArray) -> FloatArray:
        column = month - first_month
        inside = (column >= 0) & (column < months)
        return np.where(inside, averages_pct[rows, np.clip(column, 0, months - 1)], np.nan)

    rate: FloatArray = pick(nearer) * (1.0 - weight) + pick(nearer + 1) * weight
    return rate


def compute_either_month(flags: BoolArray, first_month: int, nearer: IntArray) -> BoolArray:
    """Whether one of the two delivery months of compute_maturity_weights is flagged, one entry per day.

    flags: (days, months from `first_month`); a month beyond them is not flagged, so that a day reads the same
    whatever is captured later.
    """
    rows, months = np.arange(nearer.size), flags.shape[1]
    found = np.zeros(nearer.size, dtype=bool)
    for month in (nearer, nearer + 1):
        column = month - first_month
        inside = (column >= 0) & (column < months)
        found |= inside & flags[rows, np.clip(column, 0, months - 1)]
    return found


def compute_level_shares(
    days_in_month: IntArray, decision_month: IntArray, old_rate_days: IntArray
) -> FloatArray:
    """(months, decisions + 1): share of each month's days that each level between decisions is in force.

    decision_month: column of each decision, ascending; old_rate_days as in fomc.compute_path.
    """
    start = np.concatenate(([0], np.cumsum(days_in_month)))
    change = start[decision_month] + old_rate_days
    edges = np.concatenate(([0], change, [start[-1]]))
    overlap = np.minimum(start[1:, None], edges[None, 1:]) - np.maximum(start[:-1, None], edges[None, :-1])
    shares: FloatArray = np.maximum(overlap, 0) / days_in_month[:, None]
    return shares


def compute_fit(
    as_of_date: DateArray,
    averages_pct: FloatArray,
    final_averages_pct: FloatArray,
    first_month: int,
    decision_date: DateArray,
    effective_date: DateArray,
    known: BoolArray,
) -> Fit:
    """Fit the contracts of each day on the levels between the known decisions, all at once, by least squares.

    averages_pct: NaN where a price is missing or refused. The contracts run from the current month to the
    month of the last known decision (nobody has announced that later months have none); when the current
    month has a decision, the final average of the month before is one more equation, as in the solved path.
    The residual does not depend on which of several solutions is taken, so that a missing contract only
    takes its equation away.
    """
    days = as_of_date.size
    fit = Fit(
        residual_bp=np.full(days, np.nan),
        month=np.full(days, -1, dtype=np.int64),
        contracts=np.zeros(days, dtype=np.int64),
        degrees_of_freedom=np.zeros(days, dtype=np.int64),
    )
    as_of_month = fomc.compute_month_number(as_of_date)
    month_all, old_days_all = fomc.compute_decision_months(decision_date, effective_date)
    groups: dict[tuple[int, bytes, bytes], list[int]] = {}
    there = np.isfinite(averages_pct)
    for day, month in enumerate(as_of_month):
        groups.setdefault((int(month), known[day].tobytes(), there[day].tobytes()), []).append(day)
    for (month, _, _), members in groups.items():
        index = np.array(members, dtype=np.int64)
        meetings = np.flatnonzero(known[members[0]] & (month_all >= month - 1) & (month_all >= first_month))
        ahead = month_all[meetings] >= month
        if not ahead.any():
            continue
        begin = month - 1 if (month_all[meetings] == month).any() and month > first_month else month
        meetings = meetings[month_all[meetings] >= begin]
        grid = np.arange(begin, int(month_all[meetings].max()) + 1, dtype=np.int64)
        values = np.full((index.size, grid.size), np.nan)
        stored = grid - first_month < averages_pct.shape[1]
        values[:, stored] = averages_pct[np.ix_(index, grid[stored] - first_month)]
        values[:, grid < month] = final_averages_pct[grid[grid < month] - first_month]
        shares = compute_level_shares(
            fomc.compute_days_in_month(grid), month_all[meetings] - begin, old_days_all[meetings]
        )
        _fit_group(fit, index, grid, values, shares)
    return fit


def _fit_group(fit: Fit, index: IntArray, grid: IntArray, values: FloatArray, shares: FloatArray) -> None:
    """Fit days that have the same contracts and decisions; the results are written into `fit`.

    values: (days of `index`, months of `grid`). shares: see compute_level_shares.
    """
    usable = np.isfinite(values[0])
    if not usable.any():
        return
    basis, size, _ = np.linalg.svd(shares[usable], full_matrices=False)
    basis = basis[:, size > 1e-10 * size[0]]
    observed = values[:, usable]
    unexplained = np.eye(basis.shape[0]) - basis @ basis.T
    # summed contract by contract: a matrix product may round a day differently when other days
    # join its group
    gap = np.zeros(observed.shape)
    for contract in range(observed.shape[1]):
        gap += observed[:, contract : contract + 1] * unexplained[contract]
    gap = 100.0 * np.abs(gap)
    fit.contracts[index] = int(usable.sum())
    fit.degrees_of_freedom[index] = int(usable.sum()) - basis.shape[1]
    if int(usable.sum()) > basis.shape[1]:
        place = gap.argmax(axis=1)
        largest = gap[np.arange(index.size), place]
        fit.residual_bp[index] = np.where(largest < meeting_path.ROUNDING_BP, 0.0, largest)
        fit.month[index] = np.where(fit.residual_bp[index] > 0, grid[usable][place], -1)


def compute_surprise_contract(
    decision_date: DateArray, effective_date: DateArray
) -> tuple[IntArray, FloatArray]:
    """Delivery month and scale of the contract that tells the surprise of each decision (scale 1: next
    month's contract).

    `D/(D - d)` with d the last day under the old rate, which is the day of the decision unless a Fed
    holiday follows.
    """
    month, old_rate_days = fomc.compute_decision_months(decision_date, effective_date)
    length = fomc.compute_days_in_month(month)
    left = length - old_rate_days
    late = left <= MAX_DAYS_LEFT_UNSCALED
    scale: FloatArray = np.where(late, 1.0, length / np.maximum(left, 1))
    return np.where(late, month + 1, month), scale
