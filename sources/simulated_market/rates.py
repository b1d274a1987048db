"""The policy rate, its expected path, and the yields that follow from both.

In: the grid, the decisions and the random streams. Out: rates in % by calendar day or weekday.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from sources.simulated_market.arrays import Bools, Days, Floats, Ints, Streams, decayed_sum, smooth
from sources.simulated_market.grid import HORIZON_END, HORIZON_START, Grid
from sources.simulated_market.meetings import Meetings

LISTED_MONTHS = 24
FLOOR_PCT = 0.06  # no expected funds rate below it

# Scripted moves of the expected change per meeting: date, basis points, half-life in weekdays, weekdays to
# build up.
POLICY_SCARES: tuple[tuple[str, float, float, int], ...] = (
    ("2008-09-15", -8.0, 40.0, 5),
    ("2011-08-02", -5.0, 60.0, 5),
    ("2020-02-24", -12.0, 30.0, 8),
    ("2023-03-08", -17.0, 35.0, 5),
    ("2024-07-10", -3.0, 40.0, 4),
)

TENOR_MONTHS = {1: 1, 3: 3, 6: 6, 12: 12, 24: 24}
FRONT_PREMIUM_PCT = {1: -0.03, 3: 0.03, 6: 0.06, 12: 0.10, 24: 0.18}
# weight of the 2-year, premium over the long anchor, loading on the curvature factor
LONG_TENORS = {
    36: (0.85, 0.02, 0.7),
    60: (0.68, 0.05, 1.0),
    84: (0.58, 0.15, 0.8),
    120: (0.50, 0.25, 0.4),
    240: (0.38, 0.55, 0.1),
    360: (0.34, 0.50, 0.0),
}


def month_numbers(days: Days) -> Ints:
    """Months since 1970-01."""
    months: Ints = days.astype("datetime64[M]").astype(np.int64)
    return months


FIRST_MONTH = int(HORIZON_START.astype("datetime64[M]").astype(np.int64))
MONTH_COUNT = int(HORIZON_END.astype("datetime64[M]").astype(np.int64)) - FIRST_MONTH + 1 + LISTED_MONTHS


class Rates:
    """Policy rate, expectations and yields of one simulated market."""

    def __init__(self, grid: Grid, streams: Streams, meetings: Meetings) -> None:
        self.grid = grid
        self.meetings = meetings
        self._streams = streams

    @cached_property
    def policy_rate(self) -> Floats:
        """Where the funds rate trades without noise, by calendar day."""
        meetings = self.meetings
        known = np.searchsorted(meetings.effective, self.grid.all_days, side="right")
        levels: Floats = np.concatenate(
            [[meetings.rate_at_start], meetings.rate_at_start + np.cumsum(meetings.change)]
        )
        return levels[known]

    @cached_property
    def dff(self) -> Floats:
        """Effective funds rate by calendar day, 2 decimals; other than business days repeat the business
        day before.
        """
        all_days = self.grid.all_days
        stream = self._streams.stream("dff")
        count = len(all_days)
        noise_bp = stream.choice(np.array([-1.0, 0.0, 1.0]), size=count, p=[0.06, 0.88, 0.06])
        dip_bp = stream.choice(np.array([0.0, -1.0, -2.0]), size=count, p=[0.4, 0.4, 0.2])
        business = self.grid.is_fed_day(all_days)
        position = np.flatnonzero(business)
        month = all_days.astype("datetime64[M]")
        last_of_month = np.zeros(count, dtype=bool)
        last_of_month[position[:-1][month[position[:-1]] != month[position[1:]]]] = True
        value = (
            np.rint((self.policy_rate + (noise_bp + np.where(last_of_month, dip_bp, 0.0)) / 100.0) * 100.0)
            / 100.0
        )
        before = np.maximum.accumulate(np.where(business, np.arange(count), -1))
        return np.where(before >= 0, value[before], np.rint(self.policy_rate * 100.0) / 100.0)

    @cached_property
    def target_range(self) -> tuple[Floats, Floats]:
        """Target range by calendar day as FRED prints it: a single target (and the first range) changes on
        the decision day.
        """
        meetings = self.meetings
        ranged = meetings.upper > meetings.lower
        first = int(np.argmax(ranged)) if ranged.any() else len(ranged)
        early = np.arange(len(ranged)) <= first
        change_day = np.where(early, meetings.decision, meetings.effective)
        known = np.searchsorted(change_day, self.grid.all_days, side="right")
        lower = np.concatenate([[meetings.lower_at_start], meetings.lower])[known]
        upper = np.concatenate([[meetings.upper_at_start], meetings.upper])[known]
        return lower, upper

    # ---- what is expected --------------------------------------------------------------------------------

    @cached_property
    def sentiment(self) -> tuple[Floats, Floats]:
        """Expected change per meeting beyond the outcome, in bp by weekday: a slow factor and a faster
        one.
        """
        weekdays = self.grid.weekdays
        count = len(weekdays)
        slow = self._streams.ar1("policy slow", count, 75.0, 8.0)
        fast = self._streams.ar1("policy fast", count, 15.0, 3.0)
        for first, size_bp, half_life, build in POLICY_SCARES:
            elapsed = np.arange(count) - int(np.searchsorted(weekdays, np.datetime64(first)))
            ramp = np.clip((elapsed + 1) / build, 0.0, 1.0)
            slow = slow + size_bp * ramp * 0.5 ** (np.maximum(elapsed - build, 0) / half_life)
        return slow, fast

    @cached_property
    def expected_steps(self) -> Floats:
        """Expected change in % at each meeting (columns) as seen on each weekday (rows); past meetings:
        what was done.

        An unscheduled decision counts from its own day; before, part of it is expected of the next
        scheduled meeting, even if that one is cancelled later.
        """
        return self._steps(of_cancelled=True)

    def _steps(self, *, of_cancelled: bool) -> Floats:
        """The expected changes; `of_cancelled`: whether a meeting that is cancelled later has a share of what
        is feared before an unscheduled decision.
        """
        meetings = self.meetings
        today = self.grid.weekdays.astype(np.int64)[:, None]
        decided = meetings.decision.astype(np.int64)[None, :]
        ahead = decided - today
        expected = self._expected_of_scheduled(ahead)
        for sudden in np.flatnonzero(~meetings.scheduled):
            day = meetings.decision[sudden]
            held = meetings.cancelled_on >= day if of_cancelled else np.isnat(meetings.cancelled_on_or_nat)
            later = np.flatnonzero(meetings.scheduled & held & (meetings.decision > day))
            if later.size:
                wait = ahead[:, sudden].astype(np.float64)
                feared = 0.5 * meetings.change[sudden] * np.exp(-np.maximum(wait, 0.0) / 15.0)
                expected[:, later[0]] += np.where(wait > 0, feared, 0.0)
        steps = np.where(ahead <= 0, meetings.change, expected)
        levels = meetings.rate_at_start + np.cumsum(steps, axis=1)
        levels = np.where(ahead > 0, np.maximum(levels, FLOOR_PCT), levels)
        before = np.full((len(levels), 1), meetings.rate_at_start)
        result: Floats = np.diff(levels, axis=1, prepend=before)
        return result

    def _expected_of_scheduled(self, ahead: Ints) -> Floats:
        """Expected change in % at scheduled meetings up to three years ahead; 0 elsewhere.

        `ahead` is the number of days from each weekday (rows) to each decision (columns).
        """
        meetings = self.meetings
        row, column = np.nonzero(self._priced(ahead))
        horizon = ahead[row, column].astype(np.float64)
        weight = 1.0 / (1.0 + (horizon / 190.0) ** 1.6)
        slow, fast = self.sentiment
        wide = (1.0 - np.exp(-horizon / 45.0)) * np.exp(-horizon / 600.0)
        near = (1.0 - np.exp(-horizon / 10.0)) * np.exp(-horizon / 90.0)
        surprise_bp = np.array(
            [self._streams.stream(f"surprise {day}").standard_normal() * 2.5 for day in meetings.decision]
        )
        beyond_bp = slow[row] * wide + fast[row] * near + surprise_bp[column] * np.exp(-horizon / 30.0)
        expected = np.zeros(ahead.shape)
        expected[row, column] = weight * meetings.change[column] + beyond_bp / 100.0
        return expected

    def _priced(self, ahead: Ints) -> Bools:
        """Which scheduled meetings (columns) are ahead and not yet cancelled on each weekday (rows)."""
        return (
            (ahead > 0)
            & (ahead < 1100)
            & self.meetings.scheduled
            & (self.grid.weekdays[:, None] < self.meetings.cancelled_on)
        )

    @cached_property
    def expected_month_average(self) -> Floats:
        """Expected calendar-day average of EFFR, weekdays x months, realised days of the current month
        included.
        """
        return self._month_average(self.expected_steps)

    def _month_average(self, steps: Floats) -> Floats:
        months = np.arange(MONTH_COUNT) + FIRST_MONTH
        begin = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        finish = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        effective = self.meetings.effective.astype(np.int64)
        share = np.clip(finish[None, :] - effective[:, None], 0, (finish - begin)[None, :]) / (finish - begin)
        average: Floats = self.meetings.rate_at_start + steps @ share
        excess = np.concatenate([[0.0], np.cumsum(self.dff - self.policy_rate)])
        today = self.grid.weekdays.astype(np.int64) - int(HORIZON_START.astype(np.int64))
        current = month_numbers(self.grid.weekdays) - FIRST_MONTH
        month_begin = begin[current] - int(HORIZON_START.astype(np.int64))
        realised = (excess[today + 1] - excess[month_begin]) / (finish - begin)[current]
        average[np.arange(len(today)), current] += realised
        return average

    def expected_path(self, as_of: np.datetime64, months: int) -> tuple[Days, Floats]:
        """Expected funds rate by calendar day as seen on a weekday; DFF up to that day.

        Args:
            as_of: the weekday.
            months: how many months after the current one.

        Returns:
            The calendar days and the rates in %.

        Raises:
            ValueError: `as_of` is not a weekday of the horizon.
        """
        weekdays = self.grid.weekdays
        row = int(np.searchsorted(weekdays, as_of))
        if row >= len(weekdays) or weekdays[row] != as_of:
            raise ValueError(f"{as_of} is not a weekday of the simulated horizon")
        month = as_of.astype("datetime64[M]")
        days = np.arange(month.astype("datetime64[D]"), (month + months + 1).astype("datetime64[D]"))
        steps = self.expected_steps[row]
        known = np.searchsorted(self.meetings.effective, days, side="right")
        path = self.meetings.rate_at_start + np.concatenate([[0.0], np.cumsum(steps)])[known]
        past = days <= as_of
        path[past] = self.grid.at_day(self.dff, days[past])
        return days, path

    # ---- yields ------------------------------------------------------------------------------------------

    @cached_property
    def yields(self) -> dict[int, Floats]:
        """Unrounded par yields in % by tenor in months, on weekdays."""
        weekdays = self.grid.weekdays
        count = len(weekdays)
        curvature = self._streams.ar1("curvature", count, 120.0, 0.14)
        yields = self._front_yields(curvature)
        slow_shock = np.diff(self.sentiment[0], prepend=self.sentiment[0][0])
        level = self._streams.ar1("level", count, 140.0, 0.60) + 0.6 * decayed_sum(slow_shock / 100.0, 160.0)
        policy = self.grid.at_day(self.policy_rate, weekdays)
        anchor = 1.6 + 0.75 * smooth(policy, 600.0, start=5.2) + level
        for tenor, (weight, premium, hump) in LONG_TENORS.items():
            yields[tenor] = weight * yields[24] + (1.0 - weight) * anchor + premium + curvature * hump
        return {tenor: np.maximum(values, 0.01) for tenor, values in yields.items()}

    def _front_yields(self, curvature: Floats) -> dict[int, Floats]:
        """Yields up to two years: averages of the expected path plus a term premium.

        They leave out a meeting that is cancelled later: every price since then depends on them.
        """
        weekdays, average = self.grid.weekdays, self._month_average(self._steps(of_cancelled=False))
        rows = np.arange(len(weekdays))
        current = month_numbers(weekdays) - FIRST_MONTH
        month_begin = weekdays.astype("datetime64[M]").astype("datetime64[D]")
        passed = (weekdays - month_begin).astype(np.float64) / 30.5
        running = np.concatenate([np.zeros((len(weekdays), 1)), np.cumsum(average, axis=1)], axis=1)
        yields: dict[int, Floats] = {}
        for tenor, months in TENOR_MONTHS.items():
            here = (running[rows, current + months] - running[rows, current]) / months
            following = np.minimum(current + months + 1, running.shape[1] - 1)
            there = (running[rows, following] - running[rows, current + 1]) / months
            yields[tenor] = (
                here + (there - here) * passed + FRONT_PREMIUM_PCT[tenor] + curvature * min(tenor, 24) / 48.0
            )
        return yields
