"""Macro series that are not prices or rates of a market: labour, prices, bank balance sheets, conditions.

In: the policy rate, the yields and the fear of the market. Out: dates, values and printed decimals of one
series.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from sources.simulated_market.arrays import Days, Floats, Streams, smooth
from sources.simulated_market.factors import Factors
from sources.simulated_market.rates import Rates


class Observations(NamedTuple):
    """Dates, values (NaN = blank) and printed decimals of one series."""

    days: Days
    values: Floats
    decimals: int


class Growth(NamedTuple):
    """A level that grows: where it starts, growth per year and noise per observation, both in %."""

    level: float
    yearly_pct: float
    sd_pct: float


MONTHLY_GROWTH = {"BUSLOANS": Growth(1001.0, 4.0, 0.6), "TTLCONS": Growth(780_000.0, 4.0, 0.9)}
QUARTERLY_GROWTH = {"GDPC1": Growth(13_900.0, 2.3, 0.6)}
WEEKLY_GROWTH = {
    "TOTBKCR": Growth(4750.0, 5.2, 0.15),
    "DPSACBW027SBOG": Growth(3550.0, 6.0, 0.25),
    "DPSSCBW027NBOG": Growth(1350.0, 5.4, 0.35),
    "DPSLCBW027NBOG": Growth(1850.0, 6.4, 0.35),
    "TASSCBW027SBOG": Growth(390.0, 3.8, 0.3),
    "TASLCBW027SBOG": Growth(640.0, 6.0, 0.4),
}


class Macro:
    """Macro series of one simulated market."""

    def __init__(self, streams: Streams, factors: Factors, rates: Rates) -> None:
        self._streams = streams
        self._factors = factors
        self._rates = rates
        self._grid = rates.grid

    @cached_property
    def makers(self) -> dict[str, Callable[[str], Observations]]:
        """What makes each series, by its id."""
        return {
            "UNRATE": self._unemployment_rate,
            "PAYEMS": self._payrolls,
            "CPIAUCSL": self._consumer_prices,
            "CPILFESL": self._consumer_prices,
            **dict.fromkeys(MONTHLY_GROWTH, self._monthly_level),
            **dict.fromkeys(WEEKLY_GROWTH, self._weekly_level),
            **dict.fromkeys(QUARTERLY_GROWTH, self._quarterly_level),
            "DTWEXBGS": self._dollar,
            "HOUST": self._housing_starts,
            "MTSDS133FMS": self._deficit,
            "EXPINF1YR": self._expected_inflation,
            "DRTSCILM": self._lending_standards,
            "DRTSCIS": self._lending_standards,
            "ICSA": self._initial_claims,
            "MORTGAGE30US": self._mortgage_rate,
            "NFCI": self._financial_conditions,
            "STLFSI4": self._financial_conditions,
        }

    @cached_property
    def _unemployment(self) -> Floats:
        """Unemployment rate in % by month: high while policy is easy, as a central bank would have it, plus
        noise.
        """
        policy = self._grid.monthly(self._rates.policy_rate)
        ease = smooth(smooth(policy, 60.0, start=5.0) - policy, 9.0)
        return np.maximum(5.2 + 0.7 * ease + self._streams.ar1("unemployment", len(policy), 30.0, 0.3), 3.3)

    def _unemployment_rate(self, series_id: str) -> Observations:
        return Observations(self._grid.month_days, self._unemployment, 1)

    def _payrolls(self, series_id: str) -> Observations:
        month_days = self._grid.month_days
        change = 125.0 - 600.0 * np.diff(self._unemployment, prepend=self._unemployment[0])
        noise = self._streams.stream("payrolls").standard_normal(len(month_days))
        return Observations(month_days, 130700.0 + np.cumsum(change + 50.0 * noise), 0)

    def _consumer_prices(self, series_id: str) -> Observations:
        """Headline or core prices: inflation is high before policy tightens."""
        count = len(self._grid.months)
        policy = self._grid.monthly(self._rates.policy_rate)
        later = policy[np.minimum(np.arange(count) + 9, count - 1)]
        earlier = policy[np.maximum(np.arange(count) - 3, 0)]
        core = series_id == "CPILFESL"
        trend = 2.3 + (0.5 if core else 0.75) * np.clip(later - earlier, -2.5, 5.0)
        noise = self._streams.stream(f"cpi {series_id}").standard_normal(count) * (0.05 if core else 0.14)
        values = (179.3 if core else 169.3) * np.exp(np.cumsum(trend / 1200.0 + noise / 100.0))
        return Observations(self._grid.month_days, values, 3)

    def _expected_inflation(self, series_id: str) -> Observations:
        """Expected inflation of the year ahead in %: steadier than that of the year behind."""
        prices = self._consumer_prices("CPIAUCSL").values
        before = np.concatenate([np.full(12, prices[0] / 1.023), prices[:-12]])
        inflation = 100.0 * (prices / before - 1.0)
        noise = self._streams.ar1("expected inflation", len(prices), 6.0, 0.15)
        return Observations(self._grid.month_days, 1.3 + 0.4 * smooth(inflation, 4.0, start=2.3) + noise, 3)

    def _monthly_level(self, series_id: str) -> Observations:
        return self._level(series_id, MONTHLY_GROWTH[series_id], self._grid.month_days, 12.0)

    def _weekly_level(self, series_id: str) -> Observations:
        return self._level(series_id, WEEKLY_GROWTH[series_id], self._grid.weekly("wednesday"), 52.18)

    def _quarterly_level(self, series_id: str) -> Observations:
        return self._level(series_id, QUARTERLY_GROWTH[series_id], self._grid.month_days[::3], 4.0)

    def _level(self, series_id: str, growth: Growth, days: Days, per_year: float) -> Observations:
        steps = growth.yearly_pct / 100.0 / per_year
        shocks = self._streams.stream(f"level {series_id}").standard_normal(len(days))
        noise = shocks * growth.sd_pct / 100.0
        return Observations(days, growth.level * np.exp(np.cumsum(steps + noise)), 4)

    def _lending_standards(self, series_id: str) -> Observations:
        """Net share of banks that tighten their standards, by quarter."""
        quarters = self._grid.month_days[::3]
        noise = self._streams.ar1(f"standards {series_id}", len(quarters), 3.0, 7.0)
        fear = self._grid.at_weekday(self._factors.fear, quarters)
        return Observations(quarters, np.clip(4.0 + 2.2 * (fear - 19.0) + noise, -30.0, 90.0), 1)

    def _initial_claims(self, series_id: str) -> Observations:
        days = self._grid.weekly("saturday")
        month = np.searchsorted(self._grid.month_days, days, side="right") - 1
        unemployment = self._unemployment[month]
        noise = self._streams.ar1("claims", len(days), 3.0, 0.04)
        fear = self._grid.at_weekday(self._factors.fear, days)
        claims = (60e3 + 42e3 * unemployment + 2.5e3 * (fear - 18.0)) * np.exp(noise)
        return Observations(days, np.rint(np.maximum(claims, 150e3) / 1000.0) * 1000.0, 0)

    def _housing_starts(self, series_id: str) -> Observations:
        """Thousands a year: fewer where the ten-year yield has risen over the year before."""
        month_days = self._grid.month_days
        ten_year = self._grid.at_weekday(self._rates.yields[120], month_days)
        before = np.concatenate([np.full(12, ten_year[0]), ten_year[:-12]])
        noise = self._streams.ar1("housing starts", len(month_days), 40.0, 0.2)
        level = 1400.0 * np.exp(noise - 0.08 * (ten_year - before))
        return Observations(month_days, np.rint(np.clip(level, 450.0, 2500.0)), 0)

    def _deficit(self, series_id: str) -> Observations:
        """The federal balance of a month in millions: a surplus in April, deficits that grow."""
        month_days = self._grid.month_days
        month = month_days.astype("datetime64[M]").astype(np.int64) % 12 + 1
        size = 1.05 ** (np.arange(len(month_days)) / 12.0)
        season = np.where(month == 4, 120_000.0, np.where(np.isin(month, (1, 6, 9)), 10_000.0, -55_000.0))
        noise = 15_000.0 * self._streams.stream("deficit").standard_normal(len(month_days))
        return Observations(month_days, np.rint(size * (season + noise)), 0)

    def _dollar(self, series_id: str) -> Observations:
        """The dollar against other currencies: dearer when fear is high; blank on the Fed's holidays."""
        weekdays = self._grid.weekdays
        noise = self._streams.ar1("dollar", len(weekdays), 500.0, 0.07)
        values = 112.0 * np.exp(noise + 0.002 * (self._factors.fear - 19.0))
        return Observations(weekdays, np.where(self._grid.is_fed_day(weekdays), values, np.nan), 4)

    def _mortgage_rate(self, series_id: str) -> Observations:
        days = self._grid.weekly("thursday")
        noise = self._streams.ar1("mortgage", len(days), 30.0, 0.12)
        ten_year = self._grid.at_weekday(self._rates.yields[120], days)
        return Observations(days, np.maximum(ten_year + 1.7 + noise, 2.4), 2)

    def _financial_conditions(self, series_id: str) -> Observations:
        days = self._grid.weekly("friday")
        noise = self._streams.ar1(f"conditions {series_id}", len(days), 20.0, 0.08)
        fear = self._grid.at_weekday(self._factors.fear, days)
        return Observations(days, -0.5 + 0.05 * (fear - 15.0) + noise, 4)
