"""The protocol between a provider and the pipeline: fetch touches the network, parse is pure.

In: a `Request` (dataset, input, date range). Out: a `Payload` (bytes exactly as served) and, from it, a
`Parsed` frame with typed columns plus the rows that could not be read. A provider is one module with a
class that has these methods; it is registered in `sources.registry`. Caveat: a source may serve more than
was asked (a file is served whole).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

import pandas as pd

from warehouse.payloads import Payload, Request


class SourceError(Exception):
    """A source could not serve an input. The message names source and input and says what to do; never a
    secret.
    """

    retryable = False


class NotServed(SourceError):
    """The source has nothing for this input."""


class Unreadable(SourceError):
    """The payload is not what the source's format promises; names the field."""


class SourceUnavailable(SourceError):
    """The source did not answer in time or not sensibly; a later attempt may work."""

    retryable = True


@dataclass(frozen=True)
class Parsed:
    """Typed rows in the columns of the raw table, and the rows that could not be read with the rule that
    they broke.

    `metadata` is what the source says about the input (title, units, frequency); empty where it says nothing.
    """

    frame: pd.DataFrame
    rejected: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


class Source(Protocol):
    """One provider."""

    name: str

    def contracts(self, start: date, end: date) -> list[str]:
        """Fed funds futures contracts with settlements in the range."""
        ...

    def last_session(self, symbol: str) -> date | None:
        """Latest session for which the source has a close of the symbol; None when it has none."""
        ...

    def fetch(self, request: Request) -> Payload:
        """Fetch one input; raises SourceError. The only method that may touch the network or the disk."""
        ...

    def parse(self, payload: Payload) -> Parsed:
        """Read a payload of this source; pure; raises Unreadable that names the field."""
        ...
