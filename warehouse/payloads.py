"""What a source was asked and what it answered, as kept in landing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class Request:
    """One input of one dataset over a range of dates, both ends included."""

    dataset: str
    input: str
    start: date
    end: date

    def describe(self) -> str:
        """Dataset, input and range as text for messages and the landing index."""
        return f"{self.dataset}/{self.input} {self.start}..{self.end}"


@dataclass(frozen=True)
class Payload:
    """What the source answered, byte for byte."""

    request: Request
    source: str
    content: bytes
    extension: str
    fetched_at_utc: datetime
