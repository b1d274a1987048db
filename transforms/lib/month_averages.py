"""Month averages of the effective federal funds rate: of complete months, and as futures imply them.

In: the rate by day, and month averages implied by 30-day futures (100 - price, in per cent), one row per
settlement day and one column per delivery month. Out: the averages at which complete months settle, and
which implied averages are not believed. Caveat: a price is judged by that day and the days before it alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
DateArray = NDArray[np.datetime64]
TextArray = NDArray[np.object_]

# When a price is not believed (compute_refused). The recorded history before 2004 holds one placeholder,
# 93.425, for every contract that had not traded yet, for up to 11 months and up to 4 points away from the
# market. Vendors have filled the far contracts of a day with another price: 98.552 from April 2005 on for
# 18 June 2004, after 96.95 the day before, while the nearer months moved by 2 bp. Beside such a step the
# months before it move too, if it is the market's (13 March 2023: 97 bp).
JUMP_PCT: Final = 0.5
JUMP_RATIO: Final = 3.0
JUMP_STRIP_STEP_PCT: Final = 0.25
JUMP_LEAD_MONTHS: Final = 3
JUMP_DAYS: Final = 5
JUMP_REFERENCE_MONTHS: Final = 3
STALE_DAYS: Final = 10
STALE_CURVE_MOVE_PCT: Final = 0.10
# The widest true step between neighbouring months since 1999 is 0.98 (January 2008).
OUTLIER_STEP_PCT: Final = 1.5
OUTLIER_STEP_PER_GAP_MONTH_PCT: Final = 0.5
REFERENCE_MONTHS: Final = 6


def compute_month_number(dates: DateArray) -> IntArray:
    """Months since 1970-01, so that months can be counted and used as array positions."""
    months: IntArray = dates.astype("datetime64[M]").astype(np.int64)
    return months


def compute_days_in_month(month_number: IntArray) -> IntArray:
    """Calendar days of each month."""
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
    moved 10 bp or more); and outliers: more than 1.5 points away from the nearest believed month before
    (half a point more per month in between); and jumps: three or more months out, half a point or more away
    from the contract's last believed price of the five settlement days before, three times as far as the
    three months before it moved (median), and a quarter of a point or more away from the month before it.
    The current month is compared with the month that has just expired. The near months are never stale:
    with no meeting ahead of them they do stand still.
    """
    outside = ~((averages_pct >= -10.0) & (averages_pct <= 100.0)) & np.isfinite(averages_pct)
    current = compute_month_number(as_of_date) - first_month
    refused = outside | _find_stale(averages_pct, current)
    rows, months = np.arange(as_of_date.size), averages_pct.shape[1]

    nearby = np.clip(current[:, None] + np.arange(5), 0, months - 1)
    front = np.where(refused, np.nan, averages_pct)[rows[:, None], nearby]
    last = np.where(current > 0, final_averages_pct[np.clip(current - 1, 0, months - 1)], np.nan)
    last = np.where(np.isnan(last), _median_known(front), last)
    last_month = current - 1
    priced_day, priced_month = np.nonzero(np.isfinite(averages_pct))
    reach = int((priced_month - current[priced_day]).max(initial=-1)) + 1
    for lead in range(reach):
        month = current + lead
        inside = month < months
        column = np.minimum(month, months - 1)
        value = averages_pct[rows, column]
        limit = OUTLIER_STEP_PCT + OUTLIER_STEP_PER_GAP_MONTH_PCT * (month - last_month - 1)
        outlier = inside & (np.abs(value - last) > limit)
        refused[rows[outlier], column[outlier]] = True
        believed = inside & np.isfinite(value) & ~refused[rows, column]
        last = np.where(believed, value, last)
        last_month = np.where(believed, month, last_month)
    return refused | _find_jumps(np.where(refused, np.nan, averages_pct), current)


def _find_jumps(believed: FloatArray, current: IntArray) -> BoolArray:
    """Far prices that move by themselves, away from the strip; `current`: column of each day's own month.

    A day is looked at when a far price is half a point away from its last one, or when a jump on the days
    before takes that last price away.
    """
    jumps = np.zeros(believed.shape, dtype=bool)
    cleaned = believed.copy()
    days, columns, previous = _price_before(believed)
    near = (days - days[previous] <= JUMP_DAYS) & (previous >= 0)
    moved = np.abs(believed[days, columns] - believed[days[previous], columns]) >= JUMP_PCT
    far = columns >= current[days] + JUMP_LEAD_MONTHS
    waiting = set(days[near & moved & far].tolist())
    while waiting:
        day = min(waiting)
        waiting.remove(day)
        jumps[day] = _jumps_of_day(cleaned, day, int(current[day]))
        if jumps[day].any():
            cleaned[day, jumps[day]] = np.nan
            waiting.update(range(day + 1, min(day + JUMP_DAYS, len(believed) - 1) + 1))
    return jumps


def _price_before(averages: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """Day and column of every price, contract by contract, and the place of the contract's price before (-1
    for its first).
    """
    columns, days = np.nonzero(np.isfinite(averages.T))
    previous = np.arange(-1, days.size - 1)
    previous[np.diff(columns, prepend=-1) != 0] = -1
    return days, columns, previous


def _jumps_of_day(cleaned: FloatArray, day: int, current: int) -> BoolArray:
    """Which prices of a day jump; `cleaned` has no jumps on the days before."""
    held = np.full(cleaned.shape[1], np.nan)
    for before in cleaned[max(day - JUMP_DAYS, 0) : day]:
        held = np.where(np.isfinite(before), before, held)
    value = cleaned[day].copy()
    change = np.abs(value - held)
    jumps = np.zeros(value.size, dtype=bool)
    far = (change >= JUMP_PCT) & (np.arange(value.size) >= current + JUMP_LEAD_MONTHS)
    for column in np.flatnonzero(far).tolist():
        nearer = np.flatnonzero(np.isfinite(value[:column]) & np.isfinite(change[:column]))
        nearer = nearer[-JUMP_REFERENCE_MONTHS:]
        if nearer.size and np.abs(value[column] - value[nearer[-1]]) >= JUMP_STRIP_STEP_PCT:
            jumps[column] = change[column] >= JUMP_RATIO * np.median(change[nearer])
        if jumps[column]:
            value[column] = np.nan
    return jumps


def _find_stale(averages_pct: FloatArray, current: IntArray) -> BoolArray:
    months = averages_pct.shape[1]
    stale = np.zeros(averages_pct.shape, dtype=bool)
    days, columns, previous = _price_before(averages_pct)
    values = averages_pct[days, columns]
    place = np.arange(days.size)
    first = np.maximum.accumulate(np.where((previous < 0) | (values != values[previous]), place, 0))
    long = (place - first + 1 > STALE_DAYS) & (columns >= current[days] + 3)
    at, column, since = days[long], columns[long], days[first[long]]
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
