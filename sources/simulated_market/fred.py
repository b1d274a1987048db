"""FRED series of the simulated market: yields, policy rates, indices, spreads and, from `macro`, the economy.

In: the reference rows of the series, and the parts of the market. Out: dates, values and printed decimals
of one series over its life. A series that has no model of its own is a slow autoregression at a level that
fits its units.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from sources.simulated_market.arrays import (
    SESSIONS_PER_YEAR,
    Days,
    Floats,
    Streams,
    date_or,
    is_missing,
    words,
)
from sources.simulated_market.dots import Dots, Projections
from sources.simulated_market.factors import Factors
from sources.simulated_market.grid import HORIZON_END, HORIZON_START, UnknownInputError
from sources.simulated_market.macro import Macro, Observations
from sources.simulated_market.prices import START_LEVELS, Instruments
from sources.simulated_market.rates import Rates

TREASURY_SERIES = {
    "DGS1MO": 1,
    "DGS3MO": 3,
    "DGS6MO": 6,
    "DGS1": 12,
    "DGS2": 24,
    "DGS3": 36,
    "DGS5": 60,
    "DGS7": 84,
    "DGS10": 120,
    "DGS20": 240,
    "DGS30": 360,
}
CURVE_SPREADS = {"T10Y2Y": (120, 24), "T10Y3M": (120, 3)}
RATE_SHIFTS = {"EFFR": 0.0, "OBFR": -0.01}  # against DFF
INDEX_TWINS = {"SP500": "^GSPC", "NASDAQCOM": "^IXIC", "DJIA": "^DJI"}


class CreditSpread(NamedTuple):
    """A spread in %: its level at ordinary fear, its rise per point of fear, and its own noise."""

    base: float
    slope: float
    sd: float


CREDIT_SPREADS = {
    "BAMLH0A0HYM2": CreditSpread(3.2, 0.15, 0.45),
    "BAMLC0A0CM": CreditSpread(0.95, 0.035, 0.12),
    "BAA10Y": CreditSpread(1.9, 0.04, 0.2),
}


class FredSeries:
    """FRED series of one simulated market."""

    def __init__(
        self,
        rows: Mapping[str, Mapping[str, object]],
        streams: Streams,
        factors: Factors,
        instruments: Instruments,
        rates: Rates,
    ) -> None:
        self._rows = rows
        self._streams = streams
        self._factors = factors
        self._instruments = instruments
        self._rates = rates
        self._grid = rates.grid
        self._macro = Macro(streams, factors, rates)
        self._projections = Projections(streams, rates)

    def observations(self, series_id: str) -> Observations:
        """One series over its life.

        Raises:
            UnknownInputError: the series is not in the reference list.
        """
        if series_id not in self._rows:
            raise UnknownInputError(f"simulated: series {series_id!r} is not in the list of FRED series")
        days, values, decimals = self._makers.get(series_id, self._undescribed)(series_id)
        row = self._rows[series_id]
        first = date_or(row.get("active_from"), HORIZON_START)
        last = date_or(row.get("active_to"), HORIZON_END)
        alive = (days >= first) & (days <= last)
        return Observations(days[alive], values[alive], decimals)

    def projected_years(self, series_id: str) -> Dots | None:
        """The versions of a series whose observations are forecasts of the year that dates them; None for
        every other series.
        """
        row = self._rows.get(series_id, {})
        if row.get("observation_period") != "projected_year":
            return None
        dots = self._projections.by_year
        alive = dots.published >= date_or(row.get("active_from"), HORIZON_START)
        return Dots(dots.published[alive], dots.years[alive], dots.values[alive])

    @cached_property
    def _makers(self) -> dict[str, Callable[[str], Observations]]:
        """What makes each series, by its id."""
        return {
            **self._macro.makers,
            **dict.fromkeys(TREASURY_SERIES, self._treasury_yield),
            **dict.fromkeys(CURVE_SPREADS, self._curve_spread),
            "RRPONTSYD": self._reverse_repo,
            "FEDTARMDLR": self._projections.longer_run,
            "DFF": self._funds_rate,
            "DFEDTAR": self._single_target,
            "DFEDTARL": self._target_range,
            "DFEDTARU": self._target_range,
            "IORB": self._interest_on_reserves,
            **dict.fromkeys(RATE_SHIFTS, self._shifted_funds_rate),
            "SOFR": self._secured_rate,
            "VIXCLS": self._volatility,
            **dict.fromkeys(INDEX_TWINS, self._index_level),
            **dict.fromkeys(CREDIT_SPREADS, self._credit_spread),
        }

    # ---- rates -------------------------------------------------------------------------------------------

    def _treasury_yield(self, series_id: str) -> Observations:
        return self._weekday_series(self._printed_yield(TREASURY_SERIES[series_id]), 2)

    def _curve_spread(self, series_id: str) -> Observations:
        far, near = CURVE_SPREADS[series_id]
        return self._weekday_series(self._printed_yield(far) - self._printed_yield(near), 2)

    def _printed_yield(self, tenor: int) -> Floats:
        return np.round(self._rates.yields[tenor], 2)

    def _reverse_repo(self, series_id: str) -> Observations:
        amount = np.exp(2.0 + self._streams.ar1("reverse repo", len(self._grid.weekdays), 150.0, 1.4))
        return self._weekday_series(np.minimum(amount, 2500.0), 3)

    def _funds_rate(self, series_id: str) -> Observations:
        return Observations(self._grid.all_days, self._rates.dff, 2)

    def _single_target(self, series_id: str) -> Observations:
        """The target before there was a range."""
        lower, upper = self._rates.target_range
        is_range = np.maximum.accumulate(upper > lower)
        return Observations(self._grid.all_days[~is_range], lower[~is_range], 2)

    def _target_range(self, series_id: str) -> Observations:
        lower, upper = self._rates.target_range
        is_range = np.maximum.accumulate(upper > lower)
        edge = lower if series_id == "DFEDTARL" else upper
        return Observations(self._grid.all_days[is_range], edge[is_range], 2)

    def _interest_on_reserves(self, series_id: str) -> Observations:
        return Observations(self._grid.all_days, self._rates.target_range[0] + 0.15, 2)

    def _shifted_funds_rate(self, series_id: str) -> Observations:
        return self._weekday_series(np.maximum(self._weekday_dff + RATE_SHIFTS[series_id], 0.0), 2)

    def _secured_rate(self, series_id: str) -> Observations:
        noise = np.round(self._streams.ar1("sofr", len(self._grid.weekdays), 3.0, 0.02), 2)
        return self._weekday_series(np.maximum(self._weekday_dff - 0.01 + noise, 0.01), 2)

    @cached_property
    def _weekday_dff(self) -> Floats:
        return self._grid.at_day(self._rates.dff, self._grid.weekdays)

    # ---- markets -----------------------------------------------------------------------------------------

    def _volatility(self, series_id: str) -> Observations:
        return self._session_series(self._factors.volatility_index, 2)

    def _index_level(self, series_id: str) -> Observations:
        """The closes of the index where it is an instrument with a whole history, else its factors."""
        twin = INDEX_TWINS[series_id]
        rows = self._instruments.rows
        if twin in rows and is_missing(rows[twin].get("active_from")):
            return self._session_series(self._instruments.prices(twin).close, 2)
        tech = 0.9 if series_id == "NASDAQCOM" else 0.0
        factors = self._factors.log_returns
        log_return = factors["market"] + tech * factors["tech"] - 0.015 / SESSIONS_PER_YEAR
        return self._session_series(START_LEVELS[twin] * np.exp(np.cumsum(log_return)), 2)

    def _credit_spread(self, series_id: str) -> Observations:
        base, slope, sd = CREDIT_SPREADS[series_id]
        noise = self._streams.ar1(f"spread {series_id}", len(self._grid.weekdays), 60.0, sd)
        values = np.maximum(base + slope * (self._factors.fear - 18.0) + noise, base * 0.4)
        return self._weekday_series(values, 2)

    # ---- everything else ---------------------------------------------------------------------------------

    def _undescribed(self, series_id: str) -> Observations:
        """A series without a model: a slow autoregression at a level that fits its units."""
        row = self._rows[series_id]
        units, frequency = words(row, "units"), words(row, "frequency", "observation_period")
        days = self._days_of(frequency)
        noise = self._streams.ar1(f"series {series_id}", len(days), 100.0, 1.0)
        percent = bool(re.search(r"percent|%|^pp$|^$", units))
        if "standard deviation" in units:
            return Observations(days, 0.5 * noise, 2)
        values = (
            np.maximum(3.0 + noise, 0.05)
            if percent
            else 100.0 * np.exp(0.1 * noise + np.arange(len(days)) * 1e-4)
        )
        daily = days is self._grid.weekdays
        return self._weekday_series(values, 2) if daily else Observations(days, values, 2)

    def _days_of(self, frequency: str) -> Days:
        """The days of a frequency in words; weekdays when it is not known."""
        if frequency.startswith("m"):
            return self._grid.month_days
        if frequency.startswith("q"):
            return self._grid.month_days[::3]
        if frequency.startswith("w"):
            named = re.search(r"monday|tuesday|wednesday|thursday|friday|saturday", frequency)
            return self._grid.weekly(named.group(0) if named else "friday")
        return self._grid.weekdays

    def _weekday_series(self, values: Floats, decimals: int) -> Observations:
        """Monday to Friday, blank on the Fed's holidays."""
        weekdays = self._grid.weekdays
        return Observations(weekdays, np.where(self._grid.is_fed_day(weekdays), values, np.nan), decimals)

    def _session_series(self, values: Floats, decimals: int) -> Observations:
        """Monday to Friday, blank when the NYSE is closed."""
        result = np.full(len(self._grid.weekdays), np.nan)
        result[self._grid.weekday_of_session] = values
        return Observations(self._grid.weekdays, result, decimals)
