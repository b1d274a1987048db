"""From fed funds futures to expected policy moves and probabilities: the pure core (arrays in, arrays out).

In: month averages of the effective federal funds rate implied by 30-day futures (100 - price, in per cent),
one row per settlement day and one column per delivery month, and the decisions of the FOMC known on those
days. Out: for each decision the expected rate before (S) and after (E) it, and the distribution of 25 bp
moves.

Method: CME FedWatch methodology. A month without a decision is an anchor (S = E = A); what anchors leave
open is solved backwards from the later month, `S = (D*A - M*E)/N`; where no anchor follows, forwards, `E =
(D*A - N*S)/M`, while D/M <= 4. Two outcomes per meeting, floor(x) and floor(x) + 1; meetings independent.

Caveat: a decision early in its month makes D/N large, so that half a tick of noise in the price becomes
several basis points. Such values are kept and flagged (`amplification`), never smoothed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
DateArray = NDArray[np.datetime64]
TextArray = NDArray[np.object_]

METHOD_VERSION: Final = "cme_2023plus"
METHOD_VERSION_2022: Final = "cme_2022"

MOVE_PCT: Final = 0.25
MAX_FORWARD_AMPLIFICATION: Final = 4.0
# Backwards, D/N up to 4 is ordinary and up to 10 flagged. Above (a decision on the first two or three days
# of a month) nothing is divided by N: half a tick, 0.25 bp, would move the probability by more than 10
# points. In September 2001, before the decision of 2 October, D/N = 15.5 gave anything between 11 hikes and
# 11 cuts.
MAX_BACKWARD_AMPLIFICATION: Final = 10.0
FLAG_AMPLIFICATION: Final = 4.0
# Look-back for the anchor before the current month. The longest chain of meeting months on record is six.
LOOKBACK_MONTHS: Final = 12
# Prices move in ticks of 0.0025 at least, so a true fraction of a move is never this small: what is left
# below it is binary dust of decimal prices ((3.78 - 4.03) / 0.25 falls below -1), and floor() would turn it
# into a whole move.
DUST_MOVES: Final = 1e-9
DUST_BP: Final = 1e-9

SOLVED_TEXT: Final[tuple[str | None, ...]] = (None, "anchor", "backward", "forward")
_UNSOLVED, _ANCHOR, _BACKWARD, _FORWARD = range(4)

# A month's own price that is not needed should agree with the levels beside it: 95 % do within 1.5 bp since
# 2009.
FLAG_RESIDUAL_BP: Final = 10.0

# When a price is not believed (compute_refused). The recorded history before 2004 holds one placeholder,
# 93.425, for every contract that had not traded yet, for up to 11 months and up to 4 points away from the
# market.
STALE_DAYS: Final = 10
STALE_CURVE_MOVE_PCT: Final = 0.10
# The widest true step between neighbouring months since 1999 is 0.98 (January 2008).
WILD_STEP_PCT: Final = 1.5
WILD_STEP_PER_GAP_MONTH_PCT: Final = 0.5
REFERENCE_MONTHS: Final = 6

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
) = range(len(REASON_TEXT))


@dataclass(frozen=True)
class Path:
    """Expected rates around each decision; every array has the shape (settlement days, decisions)."""

    start_rate_pct: FloatArray
    end_rate_pct: FloatArray
    moves_expected: FloatArray
    solved: TextArray
    amplification: FloatArray
    residual_bp: FloatArray
    reason: TextArray


@dataclass(frozen=True)
class Moves:
    """The decisions still ahead on each settlement day, in long form: sorted by day, then by meeting."""

    day: IntArray
    meeting: IntArray
    meeting_number: IntArray
    path: Path  # arrays of one dimension, aligned with `day`


def compute_month_number(dates: DateArray) -> IntArray:
    """Months since 1970-01, so that months can be counted and used as array positions."""
    months: IntArray = dates.astype("datetime64[M]").astype(np.int64)
    return months


def compute_decision_months(
    decision_date: DateArray, effective_date: DateArray, method_version: str = METHOD_VERSION
) -> tuple[IntArray, IntArray]:
    """Month of each decision and N, the calendar days of that month that still have the old rate.

    `cme_2023plus`: the announcement day has the old rate, the new one starts on `effective_date` (N = d for
    the usual decision with the next day effective). The month is the one of the last day under the old
    rate: where that is the last day of a month, N = D and M = 0. `cme_2022`, as CME published into 2023:
    the announcement day has the new rate already, N = d - 1, in the month of the decision. A decision on
    the first (2023-02-01: N = 0) leaves it a meeting month, which the published figures of 2023-03-10 need.
    """
    if method_version == METHOD_VERSION:
        last_old_day = effective_date.astype("datetime64[D]").astype(np.int64) - 1
        month = compute_month_number(last_old_day.astype("datetime64[D]"))
    elif method_version == METHOD_VERSION_2022:
        last_old_day = decision_date.astype("datetime64[D]").astype(np.int64) - 1
        month = compute_month_number(decision_date)
    else:
        raise ValueError(f"unknown method_version {method_version!r}")
    month_start = month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return month, last_old_day - month_start + 1


def compute_days_in_month(month_number: IntArray) -> IntArray:
    start = month_number.astype("datetime64[M]").astype("datetime64[D]")
    following = (month_number + 1).astype("datetime64[M]").astype("datetime64[D]")
    days: IntArray = (following - start).astype(np.int64)
    return days


def compute_final_averages(
    observation_date: DateArray,
    rate_pct: FloatArray,
    first_month: int,
    months: int,
    closed_days: DateArray,
) -> FloatArray:
    """Calendar-day average of the effective rate for complete months, in per cent, rounded to 0.1 bp; else
    NaN.

    `closed_days` are the days without a fixing (weekend or Fed holiday): where the series has no row for
    such a day, the day before is repeated, as the exchange does. A business day without a rate leaves its
    month incomplete. Summed in whole 0.01 % (the unit in which the rate is published), so that ties round
    up and not by chance.
    """
    start = np.datetime64(first_month, "M").astype("datetime64[D]")
    # one extra month in front, for a month that begins on a weekend
    origin = np.datetime64(first_month - 1, "M").astype("datetime64[D]")
    stop = np.datetime64(first_month + months, "M").astype("datetime64[D]")
    daily = np.full(int((stop - origin).astype(np.int64)), np.nan)
    position = (observation_date.astype("datetime64[D]") - origin).astype(np.int64)
    inside = (position >= 0) & (position < daily.size)
    daily[position[inside]] = rate_pct[inside]

    closed = np.zeros(daily.size, dtype=bool)
    closed_position = (closed_days.astype("datetime64[D]") - origin).astype(np.int64)
    closed[closed_position[(closed_position >= 0) & (closed_position < daily.size)]] = True
    usable = np.isfinite(daily) | ~closed
    source = np.maximum.accumulate(np.where(usable, np.arange(daily.size), 0))
    daily = daily[source][int((start - origin).astype(np.int64)) :]

    every_day = start.astype(np.int64) + np.arange(daily.size, dtype=np.int64)
    month_of_day = compute_month_number(every_day.astype("datetime64[D]")) - first_month
    length = np.bincount(month_of_day, minlength=months)
    missing = np.bincount(month_of_day, weights=np.isnan(daily), minlength=months)
    hundredths = np.rint(np.nan_to_num(daily) * 100.0)
    total = np.bincount(month_of_day, weights=hundredths, minlength=months).astype(np.int64)
    thousandths = np.floor_divide(20 * total + length, 2 * length)
    return np.where(missing == 0, thousandths / 1000.0, np.nan)


def compute_refused(
    as_of_date: DateArray, averages_pct: FloatArray, final_averages_pct: FloatArray, first_month: int
) -> BoolArray:
    """Which prices are not believed, judged by that day and the days before it alone. Shapes as in
    compute_moves.

    Refused are prices outside 0..110; stale ones (three or more months out, unchanged over the last ten
    settlement days on which the contract had a price, while the median of the six nearest later months
    moved 10 bp or more); and wild ones: more than 1.5 points away from the nearest believed month before
    (half a point more per month in between). The current month is compared with the month that has just
    expired. The near months are never stale: with no meeting ahead of them they do stand still.
    """
    outside = ~((averages_pct >= -10.0) & (averages_pct <= 100.0)) & np.isfinite(averages_pct)
    refused = outside | _find_stale(as_of_date, averages_pct, first_month)
    current = compute_month_number(as_of_date) - first_month
    rows, months = np.arange(as_of_date.size), averages_pct.shape[1]

    nearby = np.clip(current[:, None] + np.arange(5), 0, months - 1)
    front = np.where(refused, np.nan, averages_pct)[rows[:, None], nearby]
    last = np.where(current > 0, final_averages_pct[np.clip(current - 1, 0, months - 1)], np.nan)
    last = np.where(np.isnan(last), _median_known(front), last)
    last_month = current - 1
    reach = int(months - current.min()) if current.size else 0
    for lead in range(reach):
        month = current + lead
        inside = month < months
        column = np.minimum(month, months - 1)
        value = averages_pct[rows, column]
        limit = WILD_STEP_PCT + WILD_STEP_PER_GAP_MONTH_PCT * (month - last_month - 1)
        wild = inside & (np.abs(value - last) > limit)
        refused[rows[wild], column[wild]] = True
        believed = inside & np.isfinite(value) & ~refused[rows, column]
        last = np.where(believed, value, last)
        last_month = np.where(believed, month, last_month)
    return refused


def _find_stale(as_of_date: DateArray, averages_pct: FloatArray, first_month: int) -> BoolArray:
    days, months = averages_pct.shape
    current = compute_month_number(as_of_date) - first_month
    stale = np.zeros((days, months), dtype=bool)
    run_start = np.zeros(months, dtype=np.int64)
    run_length = np.zeros(months, dtype=np.int64)
    run_value = np.full(months, np.nan)
    suspect_day: list[IntArray] = []
    suspect_month: list[IntArray] = []
    suspect_start: list[IntArray] = []
    for day in range(days):
        value = averages_pct[day]
        there = np.isfinite(value)
        changed = there & (value != run_value)
        run_value[changed] = value[changed]
        run_start[changed] = day
        run_length[changed] = 0
        run_length[there] += 1
        long = np.flatnonzero(there & (run_length > STALE_DAYS) & (np.arange(months) >= current[day] + 3))
        suspect_day.append(np.full(long.size, day, dtype=np.int64))
        suspect_month.append(long)
        suspect_start.append(run_start[long])
    if not suspect_day:
        return stale
    at, column, since = map(np.concatenate, (suspect_day, suspect_month, suspect_start))
    nearby = current[at][:, None] + np.arange(1, REFERENCE_MONTHS + 1)
    usable = (nearby < months) & (nearby != column[:, None])
    nearby = np.minimum(nearby, months - 1)
    change = np.abs(averages_pct[at[:, None], nearby] - averages_pct[since[:, None], nearby])
    typical = _median_known(np.where(usable, change, np.nan))
    flagged = typical >= STALE_CURVE_MOVE_PCT
    stale[at[flagged], column[flagged]] = True
    return stale


def _median_known(values: FloatArray) -> FloatArray:
    """Median by row of the values that are there; NaN for a row without any (and no warning for it)."""
    ordered = np.sort(values, axis=1)  # NaN last
    known = np.isfinite(ordered).sum(axis=1)
    rows = np.arange(values.shape[0])
    low, high = ordered[rows, np.maximum(known - 1, 0) // 2], ordered[rows, np.maximum(known, 1) // 2]
    middle: FloatArray = np.where(known > 0, (low + np.where(known % 2 == 1, low, high)) / 2.0, np.nan)
    return middle


def compute_path(
    averages_pct: FloatArray,
    days_in_month: IntArray,
    decision_month: IntArray,
    old_rate_days: IntArray,
    refused: BoolArray | None = None,
) -> Path:
    """Solve the levels between decisions for many days that share one set of known decisions.

    averages_pct: (days, months), consecutive months, NaN where the contract is missing. decision_month:
    column of each decision, ascending, inside the columns. old_rate_days: N of each decision, ascending
    inside a month.

    The unknowns are levels: level j lies between decision j - 1 and decision j and is S of decision j and E
    of decision j - 1. Months after the last decision never serve as anchors: nobody has announced that they
    have no meeting. Where two anchors in a row hold one level, the first is E of the month before, the last
    S of the month after.
    """
    averages = averages_pct if refused is None else np.where(refused, np.nan, averages_pct)
    days, months = averages.shape
    absent = np.full((days, months), _PRICE_MISSING, dtype=np.int64)
    if refused is not None:
        absent[refused] = _PRICE_REFUSED
    decisions = len(decision_month)
    before = np.full((decisions + 1, days), np.nan)  # a level as seen from the decision that ends it: S
    after = np.full((decisions + 1, days), np.nan)  # a level as seen from the decision that began it: E
    method = np.full((decisions + 1, days), _UNSOLVED, dtype=np.int64)
    amplification = np.full((decisions + 1, days), np.nan)
    why = np.full(
        (decisions + 1, days), _NO_REASON, dtype=np.int64
    )  # why a level is not the end of its decision
    why_start = np.full(
        (decisions, days), _NO_REASON, dtype=np.int64
    )  # why the start of a decision is unknown
    residual_bp = np.full((decisions, days), np.nan)

    for level in range(decisions):
        first = decision_month[level - 1] + 1 if level > 0 else 0
        for month in range(first, decision_month[level]):
            price = averages[:, month]
            there = np.isfinite(price)
            before[level, there] = price[there]
            after[level] = np.where(np.isnan(after[level]), price, after[level])
            method[level, there] = _ANCHOR
            amplification[level, there] = 1.0

    def fill(level: int, where: BoolArray, value: FloatArray, how: IntArray | int, factor: float) -> None:
        before[level] = np.where(where, value, before[level])
        after[level] = np.where(where, value, after[level])
        method[level] = np.where(where, how, method[level])
        amplification[level] = np.where(where, factor, amplification[level])

    meeting_months = [int(month) for month in np.unique(decision_month)]
    members = {month: np.flatnonzero(decision_month == month) for month in meeting_months}

    def describe(month: int) -> tuple[list[int], IntArray, FloatArray]:
        """Levels that the month touches, their calendar days in it, and their values as seen from inside it."""
        inside = members[month]
        levels = [*inside.tolist(), int(inside[-1]) + 1]
        edges = np.concatenate(([0], old_rate_days[inside], [days_in_month[month]]))
        values = np.vstack([before[levels[:-1]], after[levels[-1:]]])
        return levels, np.diff(edges).astype(np.int64), values

    early_decision = np.zeros((decisions + 1, days), dtype=bool)
    for month in reversed(meeting_months):
        levels, spans, values = describe(month)
        price, length = averages[:, month], float(days_in_month[month])
        rest_total, rest_known = _weigh(values, spans, skip=0)
        open_start = np.isnan(values[0]) & rest_known & np.isfinite(price)
        factor = length / spans[0] if spans[0] else np.inf
        if factor > MAX_BACKWARD_AMPLIFICATION:
            early_decision[levels[0]] = open_start
        else:
            fill(levels[0], open_start, (length * price - rest_total) / spans[0], _BACKWARD, factor)

    for month in meeting_months:
        levels, spans, values = describe(month)
        price, length = averages[:, month], float(days_in_month[month])
        for place in range(1, len(levels)):
            span, level = int(spans[place]), levels[place]
            rest_total, rest_known = _weigh(values, spans, skip=place)
            still_open = np.isnan(values[place])
            # A level inside the month (two decisions in it) that stands between two known ones uses the later
            # level as the backward rule does; one that rests on the earlier levels alone is a
            # forward solution.
            two_sided = place < len(levels) - 1 and bool(spans[-1] > 0)
            factor = length / span if span else np.inf
            allowed = factor <= (MAX_BACKWARD_AMPLIFICATION if two_sided else MAX_FORWARD_AMPLIFICATION)
            if allowed:
                how = _BACKWARD if two_sided else _FORWARD
                value = (length * price - rest_total) / span
                fill(level, still_open & rest_known & np.isfinite(price), value, how, factor)
            values = describe(month)[2]
            inherited = np.isnan(values[0])
            unknown_start = np.where(early_decision[levels[0]], _NEEDS_PRIOR_ANCHOR, why[levels[0]])
            unknown_start = np.where(unknown_start == _NO_REASON, _NO_ANCHOR_BEFORE, unknown_start)
            blocked = np.where(rest_known, _FORWARD_TOO_AMPLIFIED, _TWO_DECISIONS)
            blocked = np.where(inherited, unknown_start, blocked)
            why[level] = np.where(np.isnan(price), absent[:, month], blocked)
            own_why = why[level - 1] if place > 1 else unknown_start
            why_start[level - 1] = np.where(np.isnan(price), absent[:, month], own_why)
        total, known = _weigh(values, spans, skip=None)
        gap = 100.0 * (price - total / length)
        gap = np.where(np.abs(gap) < DUST_BP, 0.0, gap)
        residual_bp[members[month]] = np.where(known & np.isfinite(price), gap, np.nan)

    start, end = before[:-1], after[1:]
    solved = np.isfinite(start) & np.isfinite(end)
    worst_method = np.where(solved, np.maximum(method[:-1], method[1:]), _UNSOLVED)
    worst_factor = np.where(solved, np.fmax(amplification[:-1], amplification[1:]), np.nan)
    shared = np.array([len(members[int(month)]) > 1 for month in decision_month], dtype=bool)[:, None]
    flag = np.where(np.abs(residual_bp) > FLAG_RESIDUAL_BP, _LARGE_RESIDUAL, _NO_REASON)
    flag = np.where(worst_factor > FLAG_AMPLIFICATION, _HIGH_AMPLIFICATION, flag)
    flag = np.where(shared, _TWO_DECISIONS, flag)
    reason = np.where(solved, flag, np.where(np.isnan(start), why_start, why[1:]))
    return Path(
        start_rate_pct=start.T,
        end_rate_pct=end.T,
        moves_expected=clean_moves((end - start) / MOVE_PCT).T,
        solved=np.array(SOLVED_TEXT, dtype=object)[worst_method].T,
        amplification=worst_factor.T,
        residual_bp=residual_bp.T,
        reason=np.array(REASON_TEXT, dtype=object)[reason].T,
    )


def _weigh(values: FloatArray, spans: IntArray, skip: int | None) -> tuple[FloatArray, BoolArray]:
    """Day-weighted sum of the levels of a month (without one of them), and where all that carry days are
    known.
    """
    total = np.zeros(values.shape[1])
    known = np.ones(values.shape[1], dtype=bool)
    for place, span in enumerate(spans):
        if place != skip and span > 0:
            total = total + span * values[place]
            known &= np.isfinite(values[place])
    return total, known


def clean_moves(moves: FloatArray) -> FloatArray:
    """Expected moves within 1e-9 of a whole number are that number (see DUST_MOVES)."""
    whole = np.rint(moves)
    cleaned: FloatArray = np.where(np.abs(moves - whole) < DUST_MOVES, whole + 0.0, moves)
    return cleaned


def compute_known(as_of_date: DateArray, known_from_date: DateArray, cancelled_on: DateArray) -> BoolArray:
    """(days, meetings): announced by that day and not yet called off (NaT = never cancelled)."""
    day = as_of_date[:, None]
    called_off = ~np.isnat(cancelled_on)[None, :] & (day >= cancelled_on[None, :])
    known: BoolArray = (known_from_date[None, :] <= day) & ~called_off
    return known


def compute_moves(
    as_of_date: DateArray,
    averages_pct: FloatArray,
    final_averages_pct: FloatArray,
    first_month: int,
    decision_date: DateArray,
    effective_date: DateArray,
    known: BoolArray,
    method_version: str = METHOD_VERSION,
) -> Moves:
    """Solve every settlement day: those that share their month and their known decisions are solved together.

    averages_pct: (days, months from `first_month`), 100 - settlement of that very day (never an older one,
    so that a contract which is no longer captured is missing and not stale). final_averages_pct: (months),
    the averages at which expired months settled; they stand in for the months before that of `as_of_date`,
    and for no other, so that nothing dated on or after that day enters through them. Meetings are sorted by
    decision_date.
    """
    as_of_month = compute_month_number(as_of_date)
    refused_all = compute_refused(as_of_date, averages_pct, final_averages_pct, first_month)
    month_all, old_days_all = compute_decision_months(decision_date, effective_date, method_version)
    groups: dict[tuple[int, bytes], list[int]] = {}
    for day, month in enumerate(as_of_month):
        groups.setdefault((int(month), known[day].tobytes()), []).append(day)

    pieces: list[tuple[IntArray, IntArray, IntArray, Path]] = []
    for (month, _), members in groups.items():
        day_index = np.array(members, dtype=np.int64)
        meetings = np.flatnonzero(
            known[members[0]] & (month_all >= month - LOOKBACK_MONTHS) & (month_all >= first_month)
        )
        if meetings.size == 0:
            continue
        begin = max(month - LOOKBACK_MONTHS, first_month)
        horizon = int(month_all[meetings].max())
        grid = np.arange(begin, max(horizon, month) + 1, dtype=np.int64)
        column = grid - first_month
        stored = column < averages_pct.shape[1]
        averages = np.full((day_index.size, grid.size), np.nan)
        averages[:, stored] = averages_pct[np.ix_(day_index, column[stored])]
        refused = np.zeros(averages.shape, dtype=bool)
        refused[:, stored] = refused_all[np.ix_(day_index, column[stored])]
        expired = grid < month
        averages[:, expired] = final_averages_pct[column[expired]]
        refused[:, expired] = False
        path = compute_path(
            averages,
            compute_days_in_month(grid),
            month_all[meetings] - begin,
            old_days_all[meetings],
            refused,
        )
        ahead = decision_date[meetings][None, :] >= as_of_date[day_index][:, None]
        row, place = np.nonzero(ahead)
        number = np.cumsum(ahead, axis=1)[row, place].astype(np.int64)
        pieces.append((day_index[row], meetings[place], number, _take(path, row, place)))
    return _stack(pieces)


def _take(path: Path, row: IntArray, place: IntArray) -> Path:
    return Path(**{name: values[row, place] for name, values in vars(path).items()})


def _stack(pieces: list[tuple[IntArray, IntArray, IntArray, Path]]) -> Moves:
    if not pieces:
        empty, texts = np.array([], dtype=np.float64), np.array([], dtype=object)
        none = np.array([], dtype=np.int64)
        return Moves(none, none, none, Path(empty, empty, empty, texts, empty, empty, texts))
    day = np.concatenate([piece[0] for piece in pieces])
    meeting = np.concatenate([piece[1] for piece in pieces])
    number = np.concatenate([piece[2] for piece in pieces])
    order = np.lexsort((meeting, day))
    names = vars(pieces[0][3])
    stacked = {name: np.concatenate([getattr(piece[3], name) for piece in pieces])[order] for name in names}
    return Moves(day[order], meeting[order], number[order], Path(**stacked))


def compute_range_in_force(
    as_of_date: DateArray,
    decision_date: DateArray,
    effective_date: DateArray,
    lower_before_pct: FloatArray,
    upper_before_pct: FloatArray,
    lower_after_pct: FloatArray,
    upper_after_pct: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Target range in force on each day, and the 25 bp moves that are decided but not yet in force.

    The range changes on the effective date, a Fed business day. A settlement day may come first (Veterans
    Day since 2008, after a decision on the day before): the decision has then left the table and the old
    range is still in force, so that the decided move is part of every later outcome. Only meetings that
    were held, sorted by decision_date. NaN where a range that should be in force is not on record.
    """
    in_force = np.searchsorted(effective_date, as_of_date, side="right") - 1
    decided = np.searchsorted(decision_date, as_of_date, side="left") - 1
    lower = np.where(in_force >= 0, lower_after_pct[in_force], lower_before_pct[0])
    upper = np.where(in_force >= 0, upper_after_pct[in_force], upper_before_pct[0])
    decided_lower = np.where(decided >= 0, lower_after_pct[decided], lower)
    pending = np.where(decided > in_force, np.rint((decided_lower - lower) / MOVE_PCT), 0.0)
    return lower, upper, np.where(np.isfinite(lower), pending, np.nan)


def compute_distributions(
    moves_expected: FloatArray, decided_moves: FloatArray
) -> list[tuple[FloatArray, FloatArray]]:
    """Cumulative distributions after each meeting, for many days at once.

    moves_expected: (days, meetings in order), NaN = unsolved. Returns per meeting number k the pair: lowest
    outcome (days,) in moves from the range in force, and probabilities (days, k + 1) of that outcome and
    the next ones up. A meeting that is not solved leaves it and all later ones NaN.
    """
    lowest = decided_moves.astype(np.float64)
    probabilities = np.ones((moves_expected.shape[0], 1))
    probabilities[np.isnan(lowest)] = np.nan
    result: list[tuple[FloatArray, FloatArray]] = []
    for place in range(moves_expected.shape[1]):
        moves = clean_moves(moves_expected[:, place])
        floor = np.floor(moves)
        upper_weight = (moves - floor)[:, None]
        wider = np.zeros((probabilities.shape[0], probabilities.shape[1] + 1))
        wider[:, :-1] = probabilities * (1.0 - upper_weight)
        wider[:, 1:] += probabilities * upper_weight
        wider = np.minimum(wider, 1.0)  # a sum of weights may end one bit above
        lowest = lowest + floor
        probabilities = wider
        result.append((lowest, probabilities))
    return result
