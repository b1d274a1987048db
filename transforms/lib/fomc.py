"""From fed funds futures to expected policy moves and probabilities: the pure core (arrays in, arrays out).

In: month averages of the effective federal funds rate implied by 30-day futures (100 - price, in per cent),
one row per settlement day and one column per delivery month, and the decisions of the FOMC known on those
days. Out: for each decision the expected rate before (S) and after (E) it, and the distribution of 25 bp
moves.

Method: CME FedWatch methodology. The averages are in month_averages, the levels between decisions in
meeting_path. Two outcomes per meeting, floor(x) and floor(x) + 1; meetings independent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from transforms.lib.meeting_path import MOVE_PCT, Path, clean_moves, compute_path
from transforms.lib.month_averages import BoolArray as BoolArray
from transforms.lib.month_averages import DateArray as DateArray
from transforms.lib.month_averages import FloatArray as FloatArray
from transforms.lib.month_averages import IntArray as IntArray
from transforms.lib.month_averages import TextArray as TextArray
from transforms.lib.month_averages import compute_days_in_month as compute_days_in_month
from transforms.lib.month_averages import compute_month_number as compute_month_number
from transforms.lib.month_averages import compute_refused

METHOD_VERSION: Final = "cme_2023plus"
METHOD_VERSION_2022: Final = "cme_2022"
# CME's export of 12 March 2024 still has the old count on every day up to 2024-03-11, that of 16 September
# 2024 the new one. The day of the switch is not known, so what is proved counts (docs/metrics-fed.md).
LAST_DAY_PUBLISHED_2022: Final = "2024-03-11"
MONTH_CODES: Final = "FGHJKMNQUVXZ"

# Look-back for the anchor before the current month. The longest chain of meeting months on record is six.
LOOKBACK_MONTHS: Final = 12


@dataclass(frozen=True)
class Moves:
    """The decisions still ahead on each settlement day, in long form: sorted by day, then by meeting."""

    day: IntArray
    meeting: IntArray
    meeting_number: IntArray
    path: Path  # arrays of one dimension, aligned with `day`


def compute_decision_months(
    decision_date: DateArray, effective_date: DateArray, method_version: str = METHOD_VERSION
) -> tuple[IntArray, IntArray]:
    """Month of each decision and N, the calendar days of that month that still have the old rate.

    `cme_2023plus`: the announcement day has the old rate, the new one starts on `effective_date` (N = d for
    the usual decision with the next day effective). The month is the one of the last day under the old
    rate: where that is the last day of a month, N = D and M = 0. `cme_2022`, as CME published into 2024:
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


def compute_contracts(month: IntArray) -> TextArray:
    """Contract of each month number, `ZQG25` for February 2025; None where it is negative."""
    numbers, place = np.unique(month, return_inverse=True)
    codes = [
        f"ZQ{MONTH_CODES[number % 12]}{(1970 + number // 12) % 100:02d}" if number >= 0 else None
        for number in numbers
    ]
    return np.array(codes, dtype=object)[place]


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
    refused_prices: BoolArray | None = None,
) -> Moves:
    """Solve every settlement day: those that share their month and their known decisions are solved together.

    averages_pct: (days, months from `first_month`), 100 - settlement of that very day (never an older one,
    so that a contract which is no longer captured is missing and not stale). final_averages_pct: (months),
    the averages at which expired months settled; they are used for the months before that of `as_of_date`,
    and for no other, so that nothing dated on or after that day enters through them. Meetings are sorted by
    decision_date. refused_prices: (days, months), prices that are not believed; by default those that
    `compute_refused` finds.
    """
    as_of_month = compute_month_number(as_of_date)
    refused_all = refused_prices
    if refused_all is None:
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
        averages, refused = _cut_months(
            averages_pct, refused_all, final_averages_pct, day_index, grid - first_month, grid < month
        )
        lengths, decision_month = compute_days_in_month(grid), month_all[meetings] - begin
        path = compute_path(averages, lengths, decision_month, old_days_all[meetings], refused)
        ahead = decision_date[meetings][None, :] >= as_of_date[day_index][:, None]
        row, place = np.nonzero(ahead)
        number = np.cumsum(ahead, axis=1)[row, place].astype(np.int64)
        pieces.append((day_index[row], meetings[place], number, _take(path, row, place, begin)))
    return _stack(pieces)


def _cut_months(
    averages_pct: FloatArray,
    refused_all: BoolArray,
    final_averages_pct: FloatArray,
    day_index: IntArray,
    column: IntArray,
    expired: BoolArray,
) -> tuple[FloatArray, BoolArray]:
    """Averages of some days and months, and which are refused; expired months have their final average."""
    stored = column < averages_pct.shape[1]
    averages = np.full((day_index.size, column.size), np.nan)
    averages[:, stored] = averages_pct[np.ix_(day_index, column[stored])]
    refused = np.zeros(averages.shape, dtype=bool)
    refused[:, stored] = refused_all[np.ix_(day_index, column[stored])]
    averages[:, expired] = final_averages_pct[column[expired]]
    refused[:, expired] = False
    return averages, refused


def _take(path: Path, row: IntArray, place: IntArray, first_month: int) -> Path:
    """Rows and decisions of a path; columns of months become month numbers."""
    taken = Path(**{name: values[row, place] for name, values in vars(path).items()})
    month = np.where(taken.missing_month >= 0, taken.missing_month + first_month, -1)
    return replace(taken, missing_month=month)


def _stack(pieces: list[tuple[IntArray, IntArray, IntArray, Path]]) -> Moves:
    if not pieces:
        empty, texts = np.array([], dtype=np.float64), np.array([], dtype=object)
        none = np.array([], dtype=np.int64)
        return Moves(none, none, none, Path(empty, empty, empty, texts, empty, empty, texts, none))
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
