"""The source `files`: a folder of CSV, gzip or Parquet files, one per input.

In: `prices/<SYMBOL>.csv` (an index `^RUT` is `_RUT`), `fred/<SERIES>.csv`, `futures/<CONTRACT>.csv`, each
also as `.csv.gz` or `.parquet`, in capital or small letters (`sources.file_names`); columns as in
`sources.tabular`. Out: the bytes of the whole file, whatever range was asked, and the names of the files that
no input was found for. Other programs drop files here at any time. A file is read when its size and time have
not changed for a second, three if its last line has no line end, and only if it is the same file after
reading as before; else it is tried again. Names that a writer uses while it writes (`.tmp`, `.part`, a
leading dot) are ignored. Caveat: if a writer pauses for longer, the shorter file is read; the next run reads
the rest.
"""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import ClassVar, Self

import pandas as pd
import yaml

from market_calendar.sessions import is_session, last_closed_session
from sources.file_names import EXTENSIONS, contracts_of, is_passing, series_of, split_name, symbol_of
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
from sources.tabular import (
    Layout,
    delivery_month,
    in_life,
    parse_prices,
    parse_series,
    parse_settlements,
    price_layout,
    read_settlements,
    series_layout,
    settlement_layout,
)
from warehouse.payloads import Payload, Request
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings, SettingsError

MANIFEST = "manifest.yml"
SUBFOLDERS = (
    "prices",
    "futures",
    "fred",
    "fund_holdings",
    "futures_positions",
    "bank_income",
    "bank_margins",
    "size_portfolios",
)
# A file whose last change is younger may still be written; so may one that stops within a line.
SETTLED_SECONDS = 1.0
SETTLED_WITHIN_A_LINE_SECONDS = 3.0
# How long one fetch waits for a file to stop changing; the task tries again after that.
PATIENCE_SECONDS = 5.0


class FilesProvider(Provider):
    """Serves the files of one folder."""

    name = "files"
    serves_ranges = False
    subfolder: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]] = EXTENSIONS

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names: tuple[int, dict[str, list[tuple[Path, str, str]]]] = (-1, {})

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
            content = _read_unchanging(path, extension)
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

    @abstractmethod
    def names_of(self, stem: str) -> tuple[str, ...]:
        """The inputs that a file can be of, by its name alone."""

    def inputs_of(self, path: Path, stem: str) -> tuple[str, ...]:
        """The inputs that a file is of."""
        return self.names_of(stem)

    def known_inputs(self) -> frozenset[str] | None:
        """The inputs that a run may ask for; None where every file is one."""
        return None

    def not_taken(self) -> list[str]:
        """Files of the folder that no input is read from, with what to do."""
        sentences = []
        for path in self._listed():
            if reason := self._why_not_taken(path):
                sentences.append(f"{self._folder.name}/{path.name} is not read: {reason}")
        for path in self._beside():
            if self._is_wanted(path):
                name = path.relative_to(self.folder)
                sentences.append(f"{name} is not read: move it into {self.subfolder}/")
        return sentences

    def _why_not_taken(self, path: Path) -> str:
        """Why a file of the folder is not read; empty when it is."""
        parts = split_name(path.name, self.extensions)
        if path.is_dir():
            return "" if parts else "folders in it are not looked into; move the files up"
        if parts is None:
            return f"it is not a {_spelled(self.extensions)} file"
        names, known = self.inputs_of(path, parts[0]), self.known_inputs()
        if not names:
            return self._unknown(parts[0])
        return "" if known is None or known & set(names) else self._unknown(names[0])

    @abstractmethod
    def _unknown(self, name: str) -> str:
        """What to say of a file that is of no known input."""

    @property
    def _folder(self) -> Path:
        """The folder of this kind of input, whatever the case of its name."""
        exact = self.folder / self.subfolder
        if exact.is_dir() or not self.folder.is_dir():
            return exact
        alike = [path for path in self.folder.iterdir() if path.name.lower() == self.subfolder]
        return min(alike, default=exact)

    def _listed(self) -> list[Path]:
        """What lies in the folder, but for names that writers use while they write."""
        folder = self._folder
        return (
            sorted(path for path in folder.iterdir() if not is_passing(path.name)) if folder.is_dir() else []
        )

    def _beside(self) -> list[Path]:
        """The files that lie beside the three folders, or in a folder of another name."""
        found: list[Path] = []
        for path in self.folder.iterdir():
            if not path.is_dir():
                found.append(path)
            # A disk's own folders (lost+found) may not be looked into.
            elif path.name.lower() not in SUBFOLDERS and os.access(path, os.R_OK | os.X_OK):
                found += [inner for inner in path.iterdir() if not inner.is_dir()]
        return sorted(path for path in found if not is_passing(path.name))

    def _is_wanted(self, path: Path) -> bool:
        """Whether a file beside the folder is of an input; a copy in another folder of what is read is not
        missed.
        """
        parts = split_name(path.name, self.extensions)
        if parts is None:
            return False
        names, known = set(self.inputs_of(path, parts[0])), self.known_inputs()
        wanted = names if known is None else names & known
        return bool(wanted) and (path.parent == self.folder or not wanted & self._read_inputs())

    def _read_inputs(self) -> set[str]:
        """The inputs that have a file in the folder."""
        found: set[str] = set()
        for path in self._listed():
            if parts := split_name(path.name, self.extensions):
                found.update(self.inputs_of(path, parts[0]))
        return found

    def _files_by_name(self) -> dict[str, list[tuple[Path, str, str]]]:
        """Path, stem and extension of the files that can be of an input; listed again when the folder
        changed, not for every input.
        """
        folder = self._folder
        changed = folder.stat().st_mtime_ns if folder.is_dir() else 0
        if self._names[0] != changed:
            found: dict[str, list[tuple[Path, str, str]]] = {}
            for path in self._listed():
                if parts := split_name(path.name, self.extensions):
                    for name in self.names_of(parts[0]):
                        found.setdefault(name, []).append((path, *parts))
            self._names = changed, found
        return self._names[1]

    def _path(self, request: Request) -> tuple[Path, str]:
        item = request.input
        if "/" in item or "\\" in item or item.startswith("."):
            raise SourceError(f"files: {item!r} cannot be the name of a file")
        files = self._files_by_name().get(item, [])
        found = [(path, extension) for path, stem, extension in files if item in self.inputs_of(path, stem)]
        if not found:
            others = ", ".join(f".{extension}" for extension in self.extensions[1:])
            raise NotServed(
                f"files: {request.dataset}/{item} has no file; expected"
                f" {self.subfolder}/{item.replace('^', '_')}.{self.extensions[0]}"
                f"{f' (or {others})' if others else ''}"
            )
        if len(found) > 1:
            raise SourceError(
                f"files: {request.dataset}/{item} has more than one file:"
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

    def names_of(self, stem: str) -> tuple[str, ...]:
        """The symbol of a name."""
        return (symbol_of(stem),)

    def known_inputs(self) -> frozenset[str]:
        """The symbols of `ref.instruments`."""
        return frozenset(reference_frame("instruments")["symbol"])

    def _unknown(self, name: str) -> str:
        return f"{name} is not a symbol of instruments.csv; rename the file, or add the symbol there"

    @staticmethod
    def layout(item: str) -> Layout:
        """That of a file of prices."""
        return price_layout(item)

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read a file of prices."""
        parsed = parse_prices(payload)
        return _doubting(payload, parsed, is_empty=parsed.frame.empty)


class FilesFutures(FilesProvider, FuturesProvider):
    """`futures/<CONTRACT>.csv`; a year of one digit is that of the decade in which the rows lie."""

    subfolder = "futures"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._decades: dict[tuple[Path, tuple[int, int, int]], tuple[str, ...]] = {}

    def contracts(self, start: date, end: date) -> list[str]:
        """Contracts that have a file; the range does not matter, a file is served whole."""
        return sorted(self._read_inputs())

    def names_of(self, stem: str) -> tuple[str, ...]:
        """The contracts of a name."""
        return contracts_of(stem)

    def inputs_of(self, path: Path, stem: str) -> tuple[str, ...]:
        """The contract of a name; of several decades the one in whose life the rows of the file lie."""
        names = self.names_of(stem)
        if len(names) < 2:
            return names
        try:
            key = (path, _state(path))
            if key not in self._decades:
                self._decades[key] = self._decade(path, names)
            return self._decades[key]
        except OSError:
            return ()

    def _decade(self, path: Path, names: tuple[str, ...]) -> tuple[str, ...]:
        parts = split_name(path.name, self.extensions)
        assert parts is not None
        today = datetime.now(UTC)
        request = Request("futures", names[0], today.date(), today.date())
        payload = Payload(request, self.name, path.read_bytes(), parts[1], today.replace(tzinfo=None))
        try:
            days: pd.Series = read_settlements(payload, {}).frame["settlement_date"]
        except Unreadable:
            return ()
        # A contract lives for five years and its namesake is ten years away: at most one holds all rows.
        return tuple(name for name in names if len(days) and in_life(delivery_month(name), days).all())

    def _unknown(self, name: str) -> str:
        if contracts_of(name):
            return "its rows do not show of which decade it is; write the year with two digits, as ZQU24.csv"
        return "its name is not that of a contract; write it as ZQU24.csv for September 2024"

    @staticmethod
    def layout(item: str) -> Layout:
        """That of a file of settlements."""
        return settlement_layout(item)

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read a file of settlements."""
        return parse_settlements(payload)


class FilesSeries(FilesProvider):
    """`fred/<SERIES>.csv`."""

    subfolder = "fred"

    def names_of(self, stem: str) -> tuple[str, ...]:
        """The series of a name."""
        return (series_of(stem),)

    def known_inputs(self) -> frozenset[str]:
        """The series of `ref.fred_series`."""
        return frozenset(reference_frame("fred_series")["series_id"])

    def _unknown(self, name: str) -> str:
        return f"{name} is not a series of fred_series.csv; rename the file, or add the series there"

    @staticmethod
    def layout(item: str) -> Layout:
        """That of a file of observations."""
        return series_layout(item)

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read a file of observations."""
        parsed = parse_series(payload)
        return _doubting(payload, parsed, is_empty=bool(parsed.frame["value"].isna().all()))


def _spelled(extensions: tuple[str, ...]) -> str:
    """`.csv, .csv.gz or .parquet`."""
    *most, last = (f".{extension}" for extension in extensions)
    return f"{', '.join(most)} or {last}" if most else last


class FilesAsServed(FilesProvider):
    """Files as their publisher offers them for download, read by the parser of the live provider.

    A subclass names `subfolder` and `extensions` (the publisher's own first), the inputs that there can be
    (`known_inputs`), and hands `parse` to the live provider's. A run asks for the inputs that have a file
    (`present_inputs`): none of them is required.
    """

    def names_of(self, stem: str) -> tuple[str, ...]:
        """The input of a name, in the spelling of `known_inputs`."""
        known = self.known_inputs() or frozenset()
        return tuple(name for name in known if name.lower() == stem.lower()) or (stem,)

    def present_inputs(self) -> list[str]:
        """The inputs that have a file."""
        return sorted(self._read_inputs() & (self.known_inputs() or frozenset()))

    def _unknown(self, name: str) -> str:
        known = sorted(self.known_inputs() or ())
        return (
            f"{name} is not one of {', '.join(known[:8])}{', …' if len(known) > 8 else ''}; rename the file"
        )


def _doubting(payload: Payload, parsed: Parsed, *, is_empty: bool) -> Parsed:
    """A file without data is read, and said: whoever wrote it meant to write some."""
    if not is_empty or parsed.rejected:
        return parsed
    name = f"{payload.request.dataset}/{payload.request.input}"
    return replace(parsed, doubts=(*parsed.doubts, f"{name}: the file has no row with a value"))


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


def _read_unchanging(path: Path, extension: str) -> bytes | None:
    """The content once the file has stopped changing; None when it does not in time."""
    ends = time.monotonic() + PATIENCE_SECONDS
    seen, since = _state(path), time.monotonic()
    content, needed = b"", SETTLED_SECONDS
    while True:
        before = _state(path)
        if before != seen:
            seen, since, needed = before, time.monotonic(), SETTLED_SECONDS
        # A time in the future is that of another machine's clock; it does not show that the file is complete.
        age = time.time() - before[2] / 1e9
        rest = max(time.monotonic() - since, age) if age >= 0 else time.monotonic() - since
        if rest >= needed or (age < 0 and needed == SETTLED_SECONDS):
            content = path.read_bytes()
            if _state(path) == before and len(content) == before[1]:
                if rest >= SETTLED_WITHIN_A_LINE_SECONDS or not _ends_within_a_line(content, extension):
                    return content
                needed = SETTLED_WITHIN_A_LINE_SECONDS
        left = ends - time.monotonic()
        if left <= 0:
            return None
        time.sleep(min(max(needed - rest, 0.05), left))


def _ends_within_a_line(content: bytes, extension: str) -> bool:
    """Whether a text stops without a line end, where a half number still reads as a number; a compressed or
    a Parquet file shows itself that it is complete.
    """
    return extension == "csv" and content != b"" and not content.endswith((b"\n", b"\r"))


def _state(path: Path) -> tuple[int, int, int]:
    """A value that changes when a file is replaced, grows or is written again."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
