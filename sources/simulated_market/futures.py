"""Settlement prices of the simulated fed funds futures strip.

In: the rates. Out: contracts (ZQ, a month code and two digits of the year) and their daily settlements.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cached_property

import numpy as np

from sources.simulated_market.arrays import Days, Floats, Ints, position_range
from sources.simulated_market.grid import UnknownInputError
from sources.simulated_market.rates import FIRST_MONTH, LISTED_MONTHS, MONTH_COUNT, Rates, month_numbers

MONTH_CODES = "FGHJKMNQUVXZ"
TICK, FINAL_TICK = 0.005, 0.0025


class Futures:
    """The strip of one simulated market."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._days = rates.grid.settlement_days

    def contracts(self, start: date, end: date) -> list[str]:
        """Contracts that settle at least once in the range, by delivery month."""
        first, last = position_range(self._days, start, end)
        if first >= last:
            return []
        months = range(int(self._month[first]), int(self._month[last - 1]) + LISTED_MONTHS + 1)
        return [f"ZQ{MONTH_CODES[month % 12]}{(1970 + month // 12) % 100:02d}" for month in months]

    def settlements(self, contract: str, start: date, end: date) -> tuple[Days, Floats]:
        """Days and prices at which one contract settled, from its listing to its final settlement.

        Raises:
            UnknownInputError: there is no such contract.
        """
        month = _contract_month(contract)
        first, last = position_range(self._days, start, end)
        offset = month - self._month[first:last]
        listed = np.flatnonzero((offset >= 0) & (offset <= LISTED_MONTHS)) + first
        return self._days[listed], self._prices[listed, month - FIRST_MONTH]

    @cached_property
    def _month(self) -> Ints:
        """Month of each settlement day, counted from 1970-01."""
        return month_numbers(self._days)

    @cached_property
    def _prices(self) -> Floats:
        """Settlement prices, settlement days x months, rounded to the tick; the last day of a month is the
        final one.
        """
        rows = np.searchsorted(self._rates.grid.weekdays, self._days)
        price = 100.0 - self._rates.expected_month_average[rows]
        settle: Floats = np.rint(price / TICK) * TICK
        current = self._month - FIRST_MONTH
        index = np.arange(len(rows))
        settle[index, current] = np.rint(price[index, current] / FINAL_TICK) * FINAL_TICK
        last = np.flatnonzero(np.append(current[1:] != current[:-1], True))
        total = np.zeros(MONTH_COUNT)
        month_of_day = month_numbers(self._rates.grid.all_days) - FIRST_MONTH
        np.add.at(total, month_of_day, np.rint(self._rates.dff * 100.0))
        days_in_month = np.maximum(np.bincount(month_of_day, minlength=MONTH_COUNT), 1)
        settle[last, current[last]] = np.round(100.0 - (total / days_in_month / 100.0)[current[last]], 3)
        return settle


def _contract_month(contract: str) -> int:
    """Delivery month, counted from 1970-01."""
    matched = re.fullmatch(r"ZQ([FGHJKMNQUVXZ])(\d{2})", contract)
    month = (30 + int(matched[2])) * 12 + MONTH_CODES.index(matched[1]) if matched else -1
    if not FIRST_MONTH <= month < FIRST_MONTH + MONTH_COUNT:
        raise UnknownInputError(f"simulated: contract {contract!r} is not one of ZQF00 to ZQZ30")
    return month
