"""The source `simulated`: a made-up market with the shape of the real one, the same on every machine and
every day.

In: the reference data (symbols, series, meetings, calendar). Out: CSV payloads in the layout of
`sources.tabular`. Sessions later than the last one that has closed are not served, as with a real source.
"""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from typing import ClassVar, Self

import pandas as pd

from market_calendar.release_rules import new_york_to_utc, parse_rule
from sources.protocol import FuturesProvider, NotServed, Parsed, PriceProvider, Provider
from sources.simulated_market import SimulatedMarket
from sources.simulated_market.market import PUBLISHED
from sources.tabular import parse_prices, parse_series, parse_settlements
from warehouse.payloads import Payload, Request
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings


@cache
def simulated_market() -> SimulatedMarket:
    """The one simulated market of this process."""
    return SimulatedMarket(
        instruments=reference_frame("instruments"),
        fred_series=reference_frame("fred_series"),
        fomc_meetings=reference_frame("fomc_meetings"),
        # As generated: each day is drawn after the one before it, so a closure would make another
        # market of all that follows.
        calendar=reference_frame("calendar", announced=False),
    )


class SimulatedProvider(Provider):
    """Serves the simulated market up to the last session that has closed."""

    name = "simulated"
    extension: ClassVar[str] = "csv"

    @classmethod
    def open(cls, settings: Settings, environ: Mapping[str, str]) -> Self:
        """Needs no setting."""
        return cls()

    @abstractmethod
    def _make(self, market: SimulatedMarket) -> Callable[[str, date, date], bytes]:
        """The method of the market that makes this kind of input."""

    def fetch(self, request: Request) -> Payload:
        """Make the payload of one input."""
        try:
            content = self._make(simulated_market())(request.input, request.start, request.end)
        except KeyError:
            raise NotServed(
                f"simulated: {request.dataset}/{request.input} is not part of the simulated market"
            ) from None
        return Payload(request, self.name, content, self.extension, datetime.now(UTC).replace(tzinfo=None))


class SimulatedPrices(SimulatedProvider, PriceProvider):
    """Daily prices of every instrument."""

    def _make(self, market: SimulatedMarket) -> Callable[[str, date, date], bytes]:
        return market.prices_csv

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read prices that were made by `fetch`."""
        return parse_prices(payload)


class SimulatedFutures(SimulatedProvider, FuturesProvider):
    """Settlements of the simulated strip."""

    def contracts(self, start: date, end: date) -> list[str]:
        """Contracts of the simulated strip with settlements in the range."""
        return simulated_market().contracts(start, end)

    def _make(self, market: SimulatedMarket) -> Callable[[str, date, date], bytes]:
        return market.futures_csv

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read settlements that were made by `fetch`."""
        return parse_settlements(payload)


class SimulatedSeries(SimulatedProvider):
    """Observations of every FRED series."""

    def _make(self, market: SimulatedMarket) -> Callable[[str, date, date], bytes]:
        return market.fred_csv

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read observations that were made by `fetch`; versions of projections are dated, like FRED's."""
        parsed = parse_series(payload)
        header = payload.content.partition(b"\n")[0].decode()
        if PUBLISHED not in header.split(","):
            return parsed
        rows = pd.read_csv(io.BytesIO(payload.content), parse_dates=[PUBLISHED])
        series = reference_frame("fred_series").set_index("series_id")
        clock = parse_rule(str(series.at[payload.request.input, "release_rule"])).clock_time
        assert clock is not None, f"{payload.request.input}: its release rule has no clock time"
        moments = new_york_to_utc(rows[PUBLISHED].to_numpy().astype("datetime64[D]"), clock)
        available = pd.Series(moments, index=rows.index)
        return replace(parsed, frame=parsed.frame.assign(available_at_utc=available, availability="vintage"))
