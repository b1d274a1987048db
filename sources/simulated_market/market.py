"""The simulated market: payloads of prices, futures and FRED series as CSV.

In: the reference frames. Out: CSV bytes in the layout of `sources.tabular`. The same on every machine and
every day; what is made of it is in the other modules of the package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd

from sources.simulated_market.arrays import Streams, day_texts, position_range, rows_by
from sources.simulated_market.factors import Factors
from sources.simulated_market.fred import FredSeries
from sources.simulated_market.futures import Futures
from sources.simulated_market.grid import Grid
from sources.simulated_market.meetings import read_meetings
from sources.simulated_market.prices import Instruments
from sources.simulated_market.rates import LISTED_MONTHS, Rates

# The column with the day on which a version was published; only series of projected years have it.
PUBLISHED = "published_date"
DEFAULT_SPLITS: Mapping[str, tuple[tuple[date, float], ...]] = {"XLK": ((date(2019, 6, 10), 2.0),)}


class SimulatedMarket:
    """One simulated history of everything, from the reference data and a seed."""

    def __init__(
        self,
        instruments: pd.DataFrame,
        fred_series: pd.DataFrame,
        fomc_meetings: pd.DataFrame,
        calendar: pd.DataFrame,
        seed: int = 20000103,
        splits: Mapping[str, Sequence[tuple[date, float]]] = DEFAULT_SPLITS,
    ) -> None:
        streams = Streams(seed)
        grid = Grid.of(calendar)
        factors = Factors(grid, streams)
        self._rates = Rates(grid, streams, read_meetings(fomc_meetings))
        self._futures = Futures(self._rates)
        self._instruments = Instruments(rows_by(instruments, "symbol"), splits, streams, factors, self._rates)
        self._fred = FredSeries(
            rows_by(fred_series, "series_id"), streams, factors, self._instruments, self._rates
        )

    def prices_csv(self, symbol: str, start: date, end: date) -> bytes:
        """Prices of one symbol as served on `end`: splits up to then are in every row, adjusted closes
        start from there.

        Raises:
            UnknownInputError: the symbol is not among the instruments.
        """
        prices = self._instruments.prices(symbol)
        first, last = position_range(prices.sessions, start, end)
        header = "date,open,high,low,close,adj_close,volume,dividend,split\n"
        if first >= last:
            return header.encode()
        later_splits = np.cumprod(prices.split[:last][::-1])[::-1]
        factor = later_splits / prices.split[:last]  # splits after the row, up to `end`
        close = prices.close[:last] / factor
        dividend = prices.dividend[:last] / factor
        # As vendors adjust: a dividend takes its share of the close before from every close before it.
        kept = np.ones(last)
        kept[:-1] = 1.0 - dividend[1:] / close[:-1]
        adjusted = close * np.cumprod(kept[::-1])[::-1]
        cut = slice(first, last)
        dates = day_texts(prices.sessions[cut])
        numbers = [
            (values[:last] / factor)[cut].tolist()
            for values in (prices.open, prices.high, prices.low, prices.close)
        ]
        numbers.append(adjusted[cut].tolist())
        if prices.is_index:
            volumes = ["" if np.isnan(v) else f"{v:.0f}" for v in prices.volume[cut]]
            rows = zip(dates, *numbers, volumes, strict=True)
            body = "".join(["%s,%.6f,%.6f,%.6f,%.6f,%.6f,%s,,\n" % row for row in rows])
        else:
            volume = np.rint(prices.volume[:last] * factor)[cut].tolist()
            split = np.where(prices.split[cut] == 1.0, 0.0, prices.split[cut]).tolist()
            rows = zip(dates, *numbers, volume, dividend[cut].tolist(), split, strict=True)
            body = "".join(["%s,%.6f,%.6f,%.6f,%.6f,%.6f,%.0f,%.6f,%.1f\n" % row for row in rows])
        return (header + body).encode()

    def futures_csv(self, contract: str, start: date, end: date) -> bytes:
        """Daily settlements of one contract from its listing to its final settlement.

        Raises:
            UnknownInputError: there is no such contract.
        """
        days, settles = self._futures.settlements(contract, start, end)
        rows = zip(day_texts(days), settles.tolist(), strict=True)
        return ("date,settle\n" + "".join(["%s,%.4f\n" % row for row in rows])).encode()

    def contracts(self, start: date, end: date) -> list[str]:
        """Contracts that settle at least once in the range, by delivery month."""
        return self._futures.contracts(start, end)

    def fred_csv(self, series_id: str, start: date, end: date) -> bytes:
        """One FRED series; a day without an observation is a row with a blank. Of a series of projected years
        every version that was published by `end`, each with the day on which it was.

        Raises:
            UnknownInputError: the series is not in the reference list.
        """
        dots = self._fred.projected_years(series_id)
        if dots is not None:
            asked = (dots.published <= np.datetime64(end)) & (dots.years >= np.datetime64(start))
            columns = (dots.years[asked], dots.values[asked], dots.published[asked])
            versions = zip(day_texts(columns[0]), columns[1].tolist(), day_texts(columns[2]), strict=True)
            lines = [f"{year},{value:.1f},{day}\n" for year, value, day in versions]
            return (f"observation_date,{series_id},{PUBLISHED}\n" + "".join(lines)).encode()
        days, values, decimals = self._fred.observations(series_id)
        first, last = position_range(days, start, end)
        pairs = zip(day_texts(days[first:last]), values[first:last].tolist(), strict=True)
        rows = [f"{day},\n" if value != value else f"{day},{value:.{decimals}f}\n" for day, value in pairs]
        return (f"observation_date,{series_id}\n" + "".join(rows)).encode()

    def expected_effr(self, settlement_date: date, months: int = LISTED_MONTHS) -> pd.Series[float]:
        """The path behind one day's strip: DFF up to that day, then the expected rate, by calendar day; for
        checks.

        Raises:
            ValueError: the date is not a weekday of the horizon.
        """
        days, path = self._rates.expected_path(np.datetime64(settlement_date), months)
        return pd.Series(path, index=pd.to_datetime(days))
