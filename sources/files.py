"""The source `files`: a folder of CSV, gzip or Parquet files, one per input.

In: `prices/<SYMBOL>.csv` (an index `^RUT` is `_RUT`), `fred/<SERIES>.csv`, `futures/<CONTRACT>.csv`, each
also as `.csv.gz` or `.parquet`; columns as in `sources.tabular`. Out: the bytes of the file as it lies
there, whatever range was asked. Other programs drop files here at any time. A file is read when its size
and time stand still for a second, and only if it is the same file after reading as before; else it is tried
again. Names that a writer uses while it writes (`.tmp`, `.part`, a leading dot) are no inputs. Caveat: a
writer that pauses for longer at the end of a line has written, for now, a shorter file; the next run finds
the rest.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path

from market_calendar.sessions import is_session, last_closed_session
from sources.protocol import NotServed, Parsed, SourceError, SourceUnavailable, Unreadable
from sources.tabular import delivery_month, parse_tabular
from warehouse.payloads import Payload, Request

EXTENSIONS = ("csv", "csv.gz", "parquet")
# A file whose last change is younger may still be written.
SETTLED_SECONDS = 1.0
# How long one fetch waits for a file to come to rest; the task tries again after that.
PATIENCE_SECONDS = 5.0


class FilesSource:
    """Serves the files of one folder."""

    name = "files"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def contracts(self, start: date, end: date) -> list[str]:
        """Contracts that have a file; the range does not matter, a file is served whole."""
        found: set[str] = set()
        for path in (self.folder / "futures").glob("*"):
            name, _, extension = path.name.partition(".")
            if extension in EXTENSIONS:
                try:
                    delivery_month(name)
                except ValueError:
                    continue
                found.add(name)
        return sorted(found)

    def last_session(self, symbol: str) -> date | None:
        """Latest session that has closed and has a close in the symbol's file; raises SourceError when the
        file cannot be read.
        """
        now = datetime.now(UTC)
        frame = self.parse(self.fetch(Request("prices", symbol, now.date(), now.date()))).frame
        last = last_closed_session(now)
        days = sorted(
            {stamp.date() for stamp in frame.loc[frame["close"].notna(), "session_date"]}, reverse=True
        )
        return next((day for day in days if day <= last and is_session(day)), None)

    def fetch(self, request: Request) -> Payload:
        """Read the file of one input."""
        path, extension = self._path(request)
        name = f"{request.dataset}/{path.name}"
        try:
            content = _read_settled(path)
        except FileNotFoundError:
            raise SourceUnavailable(
                f"files: {name} was there a moment ago and is gone; it may be replaced"
            ) from None
        except OSError as error:
            raise Unreadable(f"files: {name} cannot be read: {error.strerror}") from None
        if content is None:
            raise SourceUnavailable(
                f"files: {name} is still being written; write under a name ending in .part and rename it when"
                " it is complete"
            )
        return Payload(request, self.name, content, extension, datetime.now(UTC).replace(tzinfo=None))

    def parse(self, payload: Payload) -> Parsed:
        """Parse a file that was fetched."""
        return parse_tabular(payload)

    def _path(self, request: Request) -> tuple[Path, str]:
        stem = request.input.replace("^", "_") if request.dataset == "prices" else request.input
        if "/" in stem or "\\" in stem or stem.startswith("."):
            raise SourceError(f"files: {request.input!r} cannot be the name of a file")
        found = [
            (self.folder / request.dataset / f"{stem}.{extension}", extension) for extension in EXTENSIONS
        ]
        found = [entry for entry in found if entry[0].exists()]
        if not found:
            raise NotServed(
                f"files: {request.dataset}/{request.input} has no file; expected {request.dataset}/{stem}.csv"
                " (or .csv.gz, .parquet)"
            )
        if len(found) > 1:
            raise SourceError(
                f"files: {request.dataset}/{request.input} has more than one file:"
                f" {', '.join(path.name for path, _ in found)}; keep one"
            )
        return found[0]


def _read_settled(path: Path) -> bytes | None:
    """The content once nobody writes it any more; None when it does not come to rest in time."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while True:
        before = _state(path)
        # A time in the future is that of another machine's clock; it says nothing about rest.
        age = time.time() - before[2] / 1e9
        if not 0 <= age < SETTLED_SECONDS:
            content = path.read_bytes()
            if _state(path) == before and len(content) == before[1]:
                return content
        left = ends - time.monotonic()
        if left <= 0:
            return None
        time.sleep(min(max(SETTLED_SECONDS - age, 0.05) if age >= 0 else 0.05, left))


def _state(path: Path) -> tuple[int, int, int]:
    """What changes when a file is replaced, grows or is written again."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
