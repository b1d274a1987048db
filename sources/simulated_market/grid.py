"""The days of the simulated horizon: calendar days, weekdays, sessions, settlement days, business days.

In: the calendar, one row per day. Out: sorted arrays of days from 2000 to 2028, whatever range is requested
later.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sources.simulated_market.arrays import Bools, Days, Floats, Ints, to_days, to_flags

HORIZON_START = np.datetime64("2000-01-01")
HORIZON_END = np.datetime64("2028-12-31")
FIRST_WEEKDAY = np.datetime64("2000-01-03")
WEEKDAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class UnknownInputError(KeyError):
    """The symbol, contract or series is not part of the simulated market."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Grid:
    """The grids that the series are made on."""

    sessions: Days
    settlement_days: Days
    fed_days: Days

    @classmethod
    def of(cls, calendar: pd.DataFrame) -> Grid:
        """The days of the horizon from the calendar's flags."""
        days = to_days(calendar["calendar_date"])
        return cls(
            sessions=_within(days[to_flags(calendar["is_nyse_session"])], FIRST_WEEKDAY),
            settlement_days=_within(days[to_flags(calendar["is_settlement_day"])], FIRST_WEEKDAY),
            fed_days=_within(days[to_flags(calendar["is_fed_business_day"])], HORIZON_START),
        )

    @cached_property
    def all_days(self) -> Days:
        """Every calendar day."""
        return np.arange(HORIZON_START, HORIZON_END + 1)

    @cached_property
    def weekdays(self) -> Days:
        """Monday to Friday."""
        return _within(self.all_days[self._weekday < 5], FIRST_WEEKDAY)

    @cached_property
    def months(self) -> Days:
        """Every month of the horizon."""
        return np.arange(HORIZON_START.astype("datetime64[M]"), HORIZON_END.astype("datetime64[M]") + 1)

    @cached_property
    def month_days(self) -> Days:
        """The first day of every month."""
        return self.months.astype("datetime64[D]")

    @cached_property
    def _weekday(self) -> Ints:
        """0 for Monday to 6 for Sunday, by calendar day."""
        return (self.all_days.astype(np.int64) + 3) % 7

    @cached_property
    def session_of_weekday(self) -> Ints:
        """Position of the latest session on or before each weekday; 0 before the first one."""
        return np.maximum(np.searchsorted(self.sessions, self.weekdays, side="right") - 1, 0)

    @cached_property
    def weekday_of_session(self) -> Ints:
        """Position of each session among the weekdays."""
        return np.searchsorted(self.weekdays, self.sessions)

    def weekly(self, name: str) -> Days:
        """All days of one name, such as friday."""
        days: Days = self.all_days[self._weekday == WEEKDAY_NAMES.index(name)]
        return days

    def at_day(self, daily: Floats, days: Days) -> Floats:
        """Values of a calendar-day series on some days of the horizon."""
        values: Floats = daily[np.searchsorted(self.all_days, days)]
        return values

    def monthly(self, daily: Floats) -> Floats:
        """A calendar-day series at the first of each month."""
        return self.at_day(daily, self.month_days)

    def at_weekday(self, weekday_values: Floats, days: Days) -> Floats:
        """Value of a weekday series on the last weekday up to each day."""
        values: Floats = weekday_values[np.maximum(np.searchsorted(self.weekdays, days, side="right") - 1, 0)]
        return values

    def is_fed_day(self, days: Days) -> Bools:
        """Whether each day is a business day of the Federal Reserve."""
        return np.isin(days, self.fed_days)


def _within(days: Days, first: np.datetime64) -> Days:
    return np.unique(days[(days >= first) & (days <= HORIZON_END)])
