"""The protocol between a provider and the pipeline: fetch touches the network, parse is pure.

In: a `Request` (kind of input, input, date range). Out: a `Payload` (bytes exactly as served) and, from it, a
`Parsed` frame with typed columns plus the rows that could not be read. A provider is one module in `sources/`
with a class per kind of input that it serves, and one line per class in `sources.registry`.
Caveat: a provider may serve more than was asked (a file is served whole, see `Provider.serves_ranges`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

import pandas as pd

from market_calendar.sessions import is_session, last_closed_session, session_close_utc
from warehouse.payloads import Payload, Request
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings

if TYPE_CHECKING:
    from sources.tabular import Layout


class SourceError(Exception):
    """A source could not serve an input. The message names source and input and says what to do; it never
    contains a secret.
    """

    retryable = False


class NotServed(SourceError):
    """The source has nothing for this input."""


class Unreadable(SourceError):
    """The payload is not what the source's format promises; names the field."""


class SourceUnavailable(SourceError):
    """The source did not answer in time or gave an unusable answer; a later attempt may work."""

    retryable = True


class NotServedNow(SourceUnavailable):
    """The source has nothing for an input that it served a short time ago; it is missing, not gone."""


class BarNotThere(SourceUnavailable):
    """The session has closed, but its bar is missing or partial; a later attempt will find it. `last` is the
    last session of which there is one.
    """

    def __init__(self, message: str, last: date | None = None) -> None:
        super().__init__(message)
        self.last = last


@dataclass(frozen=True)
class Parsed:
    """Typed rows in the columns of the raw table, and the rows that could not be read with the rule that they
    broke.

    `metadata` is what the source states about the input (title, units, frequency); empty if nothing. `doubts`
    are sentences on what the payload leaves open; they become warnings. `noted` are sentences on
    single rows, each with the row that it is about (`KRE 2024-07-16`): provisional, not loaded yet.
    """

    frame: pd.DataFrame
    rejected: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    noted: list[tuple[str, str]] = field(default_factory=list)


class Provider(ABC):
    """A provider of one kind of input."""

    name: ClassVar[str]
    """The provider's own name, as payload, landing, raw and ops carry it: `yahoo`, `fred`, `files`."""
    serves_ranges: ClassVar[bool] = True
    """Whether it serves the range that is asked; False where a payload is always everything there is."""

    @classmethod
    @abstractmethod
    def open(cls, settings: Settings, environ: Mapping[str, str]) -> Self:
        """A provider with its keys and addresses from the settings; touches neither network nor data.

        Raises:
            SettingsError: names the setting that is missing or wrong.
        """

    def present_inputs(self) -> list[str] | None:
        """The inputs that it has, without asking anybody; None where only asking tells."""
        return None

    def not_taken(self) -> list[str]:
        """What lies where this provider reads and is not read: a sentence each, with what to do."""
        return []

    @abstractmethod
    def fetch(self, request: Request) -> Payload:
        """Fetch one input; the only method that may touch the network or the disk.

        Raises:
            SourceError: names provider and input.
        """

    @staticmethod
    def layout(item: str) -> Layout | None:
        """The layout of an input's text file, for a provider whose files grow by lines; else None."""
        return None

    @staticmethod
    @abstractmethod
    def parse(payload: Payload) -> Parsed:
        """Read a payload of this provider; pure, needs neither key nor address.

        Raises:
            Unreadable: names the field.
        """


class PriceProvider(Provider):
    """Serves daily prices of symbols."""

    def last_session(self, symbol: str) -> date | None:
        """The latest session for which a close of the symbol may be expected; None when there is none."""
        return last_closed_session(datetime.now(UTC))

    def require_last_bar(self, payload: Payload, frame: pd.DataFrame) -> None:
        """Require a required symbol's bar of a session that has just closed; without it the fetch is tried
        again later.

        Raises:
            BarNotThere: the session closed less than a day ago, and its bar is missing or partial.
        """
        request = payload.request
        required = reference_frame("instruments").set_index("symbol")["required"]
        if not is_session(request.end) or not bool(required.get(request.input, False)):
            return
        age = payload.fetched_at_utc - session_close_utc(request.end)
        held = frame.loc[frame["close"].notna(), "session_date"]
        if timedelta(0) <= age < timedelta(days=1) and not (held == pd.Timestamp(request.end)).any():
            raise BarNotThere(
                f"{self.name}: {request.input}: the bar of {request.end} is missing or partial {age} after"
                " the close",
                held.max().date() if len(held) else None,
            )

    def fully_adjusted_symbols(self) -> frozenset[str]:
        """Symbols whose close is adjusted for dividends too; every other close is adjusted for splits
        only.
        """
        return frozenset()


class FuturesProvider(Provider):
    """Serves settlements of fed funds futures."""

    @abstractmethod
    def contracts(self, start: date, end: date) -> list[str]:
        """The contracts (`ZQU24`) that it has with settlements in the range."""
