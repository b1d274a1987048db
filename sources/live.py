"""The source `live`: FRED series from FRED, prices and fed funds futures from Yahoo; which is asked follows
from the dataset.

Nothing is imported or contacted before the first fetch. Caveat: sessions are known from the calendar, not
from the source, so a run right after the close may find that the bar of the day is not there yet; it says
so and is tried again.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from market_calendar.sessions import last_closed_session
from sources.protocol import Parsed
from warehouse.payloads import Payload, Request
from warehouse.settings import environment

if TYPE_CHECKING:
    from sources.fred import FredSource
    from sources.yahoo import YahooSource


class LiveSource:
    """Dispatches a request to the provider of its dataset."""

    name = "live"

    def __init__(self, environ: dict[str, str] | None = None) -> None:
        self._environ = environment() if environ is None else environ

    @cached_property
    def _fred(self) -> FredSource:
        from sources.fred import FredSource

        source = FredSource(self._environ)
        if source.key is None:
            print(
                "▸ FRED: no key was found, so the public CSV download is used: latest values, no vintages",
                flush=True,
            )
        return source

    @cached_property
    def _yahoo(self) -> YahooSource:
        from sources.yahoo import YahooSource

        return YahooSource(self._environ)

    def contracts(self, start: date, end: date) -> list[str]:
        """Fed funds futures contracts that are listed at the end of the range."""
        return self._yahoo.contracts(start, end)

    def last_session(self, symbol: str) -> date | None:
        """The last session that has closed."""
        return last_closed_session(datetime.now(UTC))

    def fetch(self, request: Request) -> Payload:
        """Fetch one input from its provider."""
        return (self._fred if request.dataset == "fred" else self._yahoo).fetch(request)

    def parse(self, payload: Payload) -> Parsed:
        """Read a payload of its provider; needs neither key nor address."""
        if payload.request.dataset == "fred":
            from sources.fred import parse_fred

            return parse_fred(payload)
        from sources.yahoo import parse_chart

        return parse_chart(payload)
