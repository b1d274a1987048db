"""The source `simulated`: a made-up market with the shape of the real one, the same on every machine and
every day.

In: the reference data (symbols, series, meetings, calendar). Out: CSV payloads in the layout of
`sources.tabular`. Sessions later than the last one that has closed are not served, as with a real source.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache

from market_calendar.sessions import last_closed_session
from sources.protocol import NotServed, Parsed
from sources.simulated_market import SimulatedMarket
from sources.tabular import parse_tabular
from warehouse.payloads import Payload, Request
from warehouse.reference_data import reference_frame


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


class SimulatedSource:
    """Serves the simulated market up to the last session that has closed."""

    name = "simulated"

    def contracts(self, start: date, end: date) -> list[str]:
        """Contracts of the simulated strip with settlements in the range."""
        return simulated_market().contracts(start, end)

    def last_session(self, symbol: str) -> date | None:
        """The last session that has closed."""
        return last_closed_session(datetime.now(UTC))

    def fetch(self, request: Request) -> Payload:
        """Make the payload of one input."""
        market = simulated_market()
        make = {"prices": market.prices_csv, "futures": market.futures_csv, "fred": market.fred_csv}[
            request.dataset
        ]
        try:
            content = make(request.input, request.start, request.end)
        except KeyError:
            raise NotServed(
                f"simulated: {request.dataset}/{request.input} is not part of the simulated market"
            ) from None
        return Payload(request, self.name, content, "csv", datetime.now(UTC).replace(tzinfo=None))

    def parse(self, payload: Payload) -> Parsed:
        """Parse a payload that was made by `fetch`."""
        return parse_tabular(payload)
