"""A server on this machine that serves a zip as Kenneth R. French's data library does, and can misbehave.

`FrenchServer(as_of)` answers `/.../Portfolios_Formed_on_ME_CSV.zip` with a zip of one CSV whose blocks,
titles, notes and copyright are those of the real file (read in copies of 2017 and 2024 and in descriptions
of the file of July 2026); the numbers are made up and reach the month that was out on `as_of`. `served` turns
the text of the CSV into another one, `member` is its name in the zip. Other paths are not found, as there.
"""

from __future__ import annotations

import functools
import io
import zipfile
from collections.abc import Callable
from datetime import date

from sources.french import INPUT
from sources.simulated import simulated_market
from sources.simulated_market.size_portfolios import NOTES, size_portfolios_zip
from tests.faults.feed import Feed
from tests.faults.server import Handler, Server

REAL_NOTES = """This file was created using the 202607 CRSP database.  It contains
value- and equal-weighted returns for size portfolios.  Each record contains returns for:

Negative (not used)  30%  40%  30%     5 Quintiles    10 Deciles

The portfolios are constructed at the end of Jun.  The annual returns are from January
to December.

Missing data are indicated by -99.99 or -999.
"""


@functools.cache
def csv_text(as_of: date) -> str:
    """The text of the CSV that is out on a day."""
    with zipfile.ZipFile(io.BytesIO(size_portfolios_zip(simulated_market(), INPUT, as_of))) as archive:
        text = archive.read(f"{INPUT}.csv").decode().replace("\r\n", "\n")
    assert NOTES in text
    text = text.replace(NOTES, REAL_NOTES)
    return text.replace("Made up; nobody's copyright", "Copyright 2026 Eugene F. Fama and Kenneth R. French")


def zipped(text: str | bytes, member: str = f"{INPUT}.csv") -> bytes:
    """The text as the one member of a zip, with the line ends of the real one."""
    content = text if isinstance(text, bytes) else text.replace("\n", "\r\n").encode()
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        # A member with a name and a time of its own is not compressed unless it says so.
        archive.writestr(zipfile.ZipInfo(member), content, zipfile.ZIP_DEFLATED)
    return held.getvalue()


class FrenchServer(Server):
    """The server in a thread; a context manager."""

    def __init__(
        self,
        as_of: date,
        served: Callable[[str], str | bytes] | None = None,
        member: str = f"{INPUT}.csv",
    ) -> None:
        super().__init__(Feed(as_of))
        self.as_of = as_of
        self.served = served or (lambda text: text)
        self.member = member
        self._http.RequestHandlerClass = FrenchHandler


class FrenchHandler(Handler):
    """Answers one request."""

    def _answer(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes]:
        owner = self.owner
        assert isinstance(owner, FrenchServer)
        if path.rpartition("/")[2] == f"{INPUT}_CSV.zip":
            body = zipped(owner.served(csv_text(owner.as_of)), owner.member)
            return 200, "application/x-zip-compressed", body
        return (
            404,
            "text/html",
            b"<!DOCTYPE html><html><body>404 - File not found.</body></html>",
        )
