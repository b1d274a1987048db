"""The source `files`: a folder of CSV, gzip or Parquet files, one per input.

In: `prices/<SYMBOL>.csv` (an index `^RUT` is `_RUT`), `fred/<SERIES>.csv`, `futures/<CONTRACT>.csv`, each
also as `.csv.gz` or `.parquet`; columns as in `sources.tabular`. Out: the bytes of the whole file, whatever
range was asked. Other programs drop files here at any time. A file is read when its size and time have not
changed for a second, and only if it is the same file after reading as before; else it is tried again. Names
that a writer uses while it writes (`.tmp`, `.part`, a leading dot) are ignored. Caveat: if a writer pauses
for longer at the end of a line, the shorter file is read; the next run reads the rest.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import ClassVar, Self

import yaml

from market_calendar.sessions import is_session, last_closed_session
from sources.protocol import (
    FuturesProvider,
    NotServed,
    Parsed,
    PriceProvider,
    Provider,
    SourceError,
    SourceUnavailable,
    Unreadable,
)
from sources.tabular import delivery_month, parse_prices, parse_series, parse_settlements
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings, SettingsError

MANIFEST = "manifest.yml"
EXTENSIONS = ("csv", "csv.gz", "parquet")
# A file whose last change is younger may still be written.
SETTLED_SECONDS = 1.0
# How long one fetch waits for a file to stop changing; the task tries again after that.
PATIENCE_SECONDS = 5.0


class FilesProvider(Provider):
    """Serves the files of one folder."""

    name = "files"
    serves_ranges = False
    subfolder: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def open(cls, settings: Settings, environ: Mapping[str, str]) -> Self:
        """The provider of ROTATION_FILES_DIR."""
        if settings.files_dir is None:
            raise SettingsError(
                "ROTATION_FILES_DIR is not set: the source 'files' reads its data from that folder."
            )
        if not settings.files_dir.is_dir():
            raise SettingsError(
                f"ROTATION_FILES_DIR is not a folder: {settings.files_dir}. Set it to a folder with prices/,"
                " futures/ and fred/."
            )
        read_manifest(settings.files_dir)
        return cls(settings.files_dir)

    def fetch(self, request: Request) -> Payload:
        """Read the file of one input."""
        path, extension = self._path(request)
        name = f"{request.dataset}/{path.name}"
        try:
            content = _read_unchanging(path)
        except FileNotFoundError:
            raise SourceUnavailable(
                f"files: {name} disappeared while it was read; it may be being replaced"
            ) from None
        except OSError as error:
            raise Unreadable(f"files: {name} cannot be read: {error.strerror}") from None
        if content is None:
            raise SourceUnavailable(
                f"files: {name} is still being written; write under a name ending in .part and rename it when"
                " it is complete"
            )
        return Payload(request, self.name, content, extension, datetime.now(UTC).replace(tzinfo=None))

    def _stem(self, item: str) -> str:
        """The name of an input's file without its extension."""
        return item

    def _path(self, request: Request) -> tuple[Path, str]:
        stem = self._stem(request.input)
        if "/" in stem or "\\" in stem or stem.startswith("."):
            raise SourceError(f"files: {request.input!r} cannot be the name of a file")
        found = [
            (self.folder / self.subfolder / f"{stem}.{extension}", extension) for extension in EXTENSIONS
        ]
        found = [entry for entry in found if entry[0].exists()]
        if not found:
            raise NotServed(
                f"files: {request.dataset}/{request.input} has no file; expected"
                f" {self.subfolder}/{stem}.csv (or .csv.gz, .parquet)"
            )
        if len(found) > 1:
            raise SourceError(
                f"files: {request.dataset}/{request.input} has more than one file:"
                f" {', '.join(path.name for path, _ in found)}; keep one"
            )
        return found[0]


class FilesPrices(FilesProvider, PriceProvider):
    """`prices/<SYMBOL>.csv`; an index `^RUT` is `_RUT`."""

    subfolder = "prices"

    def last_session(self, symbol: str) -> date | None:
        """Latest session that has closed and has a close in the symbol's file.

        Raises:
            SourceError: the file is missing or cannot be read.
        """
        now = datetime.now(UTC)
        frame = self.parse(self.fetch(Request("prices", symbol, now.date(), now.date()))).frame
        last = last_closed_session(now)
        days = sorted(
            {stamp.date() for stamp in frame.loc[frame["close"].notna(), "session_date"]}, reverse=True
        )
        return next((day for day in days if day <= last and is_session(day)), None)

    def fully_adjusted_symbols(self) -> frozenset[str]:
        """The symbols that the folder's manifest lists as fully adjusted."""
        return read_manifest(self.folder).fully_adjusted

    def _stem(self, item: str) -> str:
        return item.replace("^", "_")

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read a file of prices."""
        return parse_prices(payload)


class FilesFutures(FilesProvider, FuturesProvider):
    """`futures/<CONTRACT>.csv`."""

    subfolder = "futures"

    def contracts(self, start: date, end: date) -> list[str]:
        """Contracts that have a file; the range does not matter, a file is served whole."""
        found: set[str] = set()
        for path in (self.folder / self.subfolder).glob("*"):
            name, _, extension = path.name.partition(".")
            if extension in EXTENSIONS:
                try:
                    delivery_month(name)
                except ValueError:
                    continue
                found.add(name)
        return sorted(found)

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read a file of settlements."""
        return parse_settlements(payload)


class FilesSeries(FilesProvider):
    """`fred/<SERIES>.csv`."""

    subfolder = "fred"

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read a file of observations."""
        return parse_series(payload)


@dataclass(frozen=True)
class Manifest:
    """What a folder states about its own files."""

    fully_adjusted: frozenset[str] = frozenset()


def read_manifest(folder: Path) -> Manifest:
    """The folder's `manifest.yml`; without one, every close is adjusted for splits only.

    Raises:
        SettingsError: names the entry that cannot be read.
    """
    path = folder / MANIFEST
    if not path.exists():
        return Manifest()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read: {str(error).splitlines()[0]}.") from None
    entries = content.get("fully_adjusted", []) if isinstance(content, dict) else None
    unknown = set(content) - {"fully_adjusted"} if isinstance(content, dict) else set()
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries) or unknown:
        raise SettingsError(
            f"{path} must read `fully_adjusted: [SYMBOL, ...]`, the symbols whose close is adjusted for"
            f" dividends too{'; unknown: ' + ', '.join(map(str, sorted(unknown))) if unknown else ''}."
        )
    return Manifest(frozenset(entries))


def _read_unchanging(path: Path) -> bytes | None:
    """The content once the file has stopped changing; None when it does not in time."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while True:
        before = _state(path)
        # A time in the future is that of another machine's clock; it does not show that the file is complete.
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
    """A value that changes when a file is replaced, grows or is written again."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
