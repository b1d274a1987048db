"""Kenneth R. French's data library: monthly returns of portfolios of US shares formed on size, since 1926.

In: the input `Portfolios_Formed_on_ME`. Out: the zip as served, with one CSV of several blocks, and from its
two monthly blocks one row per weighting, portfolio and month, in per cent, dividends included. Source:
https://mba.tuck.dartmouth.edu/pages/faculty/ken.french/data_library.html. Setting: `ROTATION_FRENCH_URL`,
another address than https://mba.tuck.dartmouth.edu/pages/faculty/ken.french/ftp. The source `files` reads the
same zip, or the CSV out of it, from `size_portfolios/`; the source `simulated` makes one.

The file: some lines of notes, which name the data base behind it; then blocks of a title, a header that
begins with a comma, rows that begin with a month or a year, and an empty line; then the copyright. -99.99
and -999 mean that a return is missing. The whole history is made anew with each update, a month about five
weeks after its end. Other portfolios of the library come under the same columns, so the notes must say that
these are of size. Caveat: a file that lacks months, or begins later, is refused whole: a rank over a century
and a compounded return would be others without a word.
"""

from __future__ import annotations

import io
import math
import re
import statistics
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, ClassVar

import pandas as pd

from sources.files import FilesAsServed
from sources.protocol import Parsed, SourceError, Unreadable
from sources.public_api import PublicApi
from sources.simulated import SimulatedProvider
from sources.simulated_market import SimulatedMarket
from sources.simulated_market.size_portfolios import size_portfolios_zip
from sources.table_text import name_of
from sources.transport import NotData
from warehouse.payloads import Payload, Request

INPUT = "Portfolios_Formed_on_ME"
SUFFIX = "_CSV"
# Column of the file -> portfolio: three shares, quintiles and deciles of the NYSE's sizes.
PORTFOLIOS: Mapping[str, str] = {
    "<= 0": "le_0",
    "Lo 30": "lo_30",
    "Med 40": "med_40",
    "Hi 30": "hi_30",
    "Lo 20": "lo_20",
    "Qnt 2": "qnt_2",
    "Qnt 3": "qnt_3",
    "Qnt 4": "qnt_4",
    "Hi 20": "hi_20",
    "Lo 10": "lo_10",
    "Dec 2": "dec_2",
    "Dec 3": "dec_3",
    "Dec 4": "dec_4",
    "Dec 5": "dec_5",
    "Dec 6": "dec_6",
    "Dec 7": "dec_7",
    "Dec 8": "dec_8",
    "Dec 9": "dec_9",
    "Hi 10": "hi_10",
}
UNUSED = "le_0"
WEIGHTINGS = ("value", "equal")
COLUMNS = ["portfolio_set", "weighting", "portfolio", "month_end", "portfolio_return_pct"]
FIRST_MONTH = "192607"
# "Value Weight Returns -- Monthly"; with Average (and misspelt) and Weighted in other files and years.
_TITLE = re.compile(r"(?:A\w+\s+)?(Value|Equal)\s+Weight(?:ed)?\s+Returns\s+--\s+(\w+)\b.*", re.IGNORECASE)
_OF_SIZE = re.compile(r"\bsize\s+portfolios\b", re.IGNORECASE)
_MONTH = re.compile(r"\d{4}(?:0[1-9]|1[0-2])")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
MISSING = (-99.99, -999.0)
# What reading a damaged zip raises: its directory, the end of its data, an unknown method of compression, a
# flag of encryption, a place or a name that cannot be, and the compressed data itself.
DAMAGED = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error)
# The middle of all absolute monthly returns in per cent is about 3.5; as fractions 0.035.
LEAST_TYPICAL_PCT, MOST_TYPICAL_PCT = 0.5, 25.0
# With more cells left out, what is left is not the file any more.
MOST_LEFT_OUT = 0.01
# A year's figure is its compounded months, but for rounding; where half of the years are far from it, the
# monthly block is of other months or other portfolios.
FAR_FROM_ITS_MONTHS, OTHER_MONTHS, FEWEST_FIGURES = 0.005, 0.01, 100
LARGEST_MEMBER_BYTES = 32 * 1024 * 1024


class FrenchPortfolios(PublicApi):
    """Serves the zip whole, whatever range is asked."""

    name: ClassVar[str] = "french"
    title: ClassVar[str] = "Ken French's data library"
    base_url: ClassVar[str] = "https://mba.tuck.dartmouth.edu/pages/faculty/ken.french/ftp"
    url_setting: ClassVar[str] = "ROTATION_FRENCH_URL"
    serves_ranges: ClassVar[bool] = False

    def fetch(self, request: Request) -> Payload:
        """Fetch the zip."""
        what = f"french: {request.dataset}/{request.input}"
        if request.input != INPUT:
            raise SourceError(f"{what} is not {INPUT}")
        content = self.ask(what, f"{INPUT}{SUFFIX}.zip", {})
        if not zipfile.is_zipfile(io.BytesIO(content)):
            raise NotData(f"{what}: the answer is not a whole zip file; it may be cut short, or a notice")
        return Payload(request, self.name, content, "zip", datetime.now(UTC).replace(tzinfo=None))

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read the two monthly blocks."""
        return parse_portfolios(payload)


class FilesSizePortfolios(FilesAsServed):
    """`size_portfolios/Portfolios_Formed_on_ME_CSV.zip`, or the CSV out of it."""

    subfolder = "size_portfolios"
    extensions: ClassVar[tuple[str, ...]] = ("zip", "csv")

    def known_inputs(self) -> frozenset[str]:
        """The one file."""
        return frozenset({INPUT})

    def names_of(self, stem: str) -> tuple[str, ...]:
        """The input of a name, with or without the `_CSV` of the zip."""
        return super().names_of(stem[: -len(SUFFIX)] if stem.upper().endswith(SUFFIX) else stem)

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read the two monthly blocks."""
        return parse_portfolios(payload)


class SimulatedSizePortfolios(SimulatedProvider):
    """Portfolios of the simulated market."""

    extension: ClassVar[str] = "zip"
    serves_ranges: ClassVar[bool] = False

    def _make(self, market: SimulatedMarket) -> Callable[[str, date, date], bytes]:
        return lambda item, start, end: size_portfolios_zip(market, item, end)

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read the two monthly blocks."""
        return parse_portfolios(payload)


# ---- reading


@dataclass
class _Block:
    """One table of the file: its title, the cells of its header and of its rows."""

    title: str
    header: list[str]
    rows: list[list[str]] = field(default_factory=list)
    other_lines: list[str] = field(default_factory=list)


@dataclass
class _Read:
    """The months of one block, written as 192607: returns by portfolio, and what was rejected."""

    months: dict[str, dict[str, float | None]] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    rejected: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    cells_left_out: int = 0

    @property
    def values(self) -> list[float]:
        """Every return that is there."""
        return [value for row in self.months.values() for value in row.values() if value is not None]


def parse_portfolios(payload: Payload) -> Parsed:
    """Read the file: a row per weighting, portfolio and month; a missing return is NULL.

    Raises:
        Unreadable: it is another file, lacks a block, a column or a month, or is in another unit.
    """
    what = name_of(payload)
    notes, blocks = _blocks(_text(what, payload))
    if not _OF_SIZE.search(notes):
        raise Unreadable(
            f"{what}: the notes before the first block do not say that these are size portfolios; it may be"
            f" another file of the library ({notes.strip()[:80]!r})"
        )
    today = f"{payload.fetched_at_utc:%Y%m}"
    read = {}
    for weighting in WEIGHTINGS:
        block = _monthly(what, blocks, weighting)
        read[weighting] = _returns(block, weighting, today)
        _check(what, block.title, read[weighting])
    value, equal = (read[weighting] for weighting in WEIGHTINGS)
    if value.named != equal.named:
        one = min(value.named ^ equal.named)
        raise Unreadable(f"{what}: the month {one} is in one of the two monthly blocks only")
    if value.months == equal.months:
        raise Unreadable(f"{what}: both weightings have the same returns; one block is there in place of two")
    frame = pd.DataFrame(
        [
            (INPUT, weighting, portfolio, month, value)
            for weighting, found in read.items()
            for month, row in sorted(found.months.items())
            for portfolio, value in row.items()
        ],
        columns=COLUMNS,
    )
    days = pd.to_datetime(frame["month_end"], format="%Y%m") + pd.offsets.MonthEnd(0)
    frame["month_end"] = days.astype("datetime64[us]")
    frame["portfolio_return_pct"] = frame["portfolio_return_pct"].astype("float64")
    rejected = [entry for found in read.values() for entry in found.rejected]
    return Parsed(frame, rejected, doubts=_doubts(what, blocks, value))


def _text(what: str, payload: Payload) -> str:
    """The CSV, out of the zip where it is one.

    Raises:
        Unreadable: there is not exactly one CSV of the right name in it, or it is not whole.
    """
    content = payload.content
    if payload.extension == "zip":
        content = _member(what, content)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(f"{what}: the CSV is not UTF-8 text") from None


def _member(what: str, content: bytes) -> bytes:
    """The one CSV of the zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [entry for entry in archive.infolist() if entry.filename.lower().endswith(".csv")]
            stems = [entry.filename.rpartition("/")[2][:-4] for entry in members]
            if [stem.lower() for stem in stems] != [INPUT.lower()]:
                held = ", ".join(archive.namelist())[:150] or "nothing"
                raise Unreadable(f"{what}: the zip should hold {INPUT}.csv alone and holds {held}")
            if members[0].file_size > LARGEST_MEMBER_BYTES:
                raise Unreadable(f"{what}: {members[0].filename} has {members[0].file_size:,} bytes unpacked")
            with archive.open(members[0]) as stream:
                return stream.read(LARGEST_MEMBER_BYTES)
    except DAMAGED as error:
        raise Unreadable(f"{what}: the zip is damaged or cut short ({str(error)[:80]})") from None


def _blocks(text: str) -> tuple[str, list[_Block]]:
    """The notes before the first block, and the blocks."""
    notes: list[str] = []
    blocks: list[_Block] = []
    title, inside = "", False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if line.lstrip().startswith(",") and len(cells) > 2:
            blocks.append(_Block(title, cells[1:]))
            inside = True
        elif not line.strip():
            inside = False
        elif inside and cells[0][:1].isdigit():
            blocks[-1].rows.append(cells)
        elif inside:
            blocks[-1].other_lines.append(line.strip())
        else:
            title = line.strip()
            if not blocks:
                notes.append(title)
    return " ".join(notes), blocks


def _monthly(what: str, blocks: list[_Block], weighting: str) -> _Block:
    """The monthly block of one weighting.

    Raises:
        Unreadable: there is not exactly one, or its columns differ.
    """
    found = [block for block in blocks if _is_of(block, weighting, "monthly")]
    wanted = f"{weighting.title()} Weight Returns -- Monthly"
    if len(found) != 1:
        titles = "; ".join(block.title for block in blocks)[:200] or "no block"
        number = "is missing" if not found else f"is there {len(found)} times"
        raise Unreadable(f"{what}: block {wanted!r} {number}; there are: {titles}")
    block = found[0]
    if block.header != list(PORTFOLIOS):
        missing = [name for name in PORTFOLIOS if name not in block.header]
        more = [name for name, count in Counter(block.header).items() if name not in PORTFOLIOS or count > 1]
        raise Unreadable(
            f"{what}: block {wanted!r}: the columns differ from those known: missing"
            f" {', '.join(missing) or 'none'}; unknown or twice {', '.join(more)[:100] or 'none'}"
        )
    return block


def _is_of(block: _Block, weighting: str, period: str) -> bool:
    found = _TITLE.fullmatch(block.title)
    return found is not None and (found[1].lower(), found[2].lower()) == (weighting, period)


def _returns(block: _Block, weighting: str, today: str) -> _Read:
    """The rows of a monthly block."""
    read = _Read()
    for line in block.other_lines:
        read.rejected.append(
            ("row_is_a_month_with_its_returns", {"weighting": weighting, "line": line[:200]})
        )
    for cells in block.rows:
        row = {"weighting": weighting, "month": cells[0], **dict(zip(PORTFOLIOS, cells[1:], strict=False))}
        if not _MONTH.fullmatch(cells[0]):
            read.rejected.append(("month_is_a_month", row))
            continue
        month = cells[0]
        read.named.add(month)
        rule = None
        if len(cells) != len(PORTFOLIOS) + 1:
            rule = "row_has_a_return_of_every_portfolio"
        elif month >= today:
            rule = "month_is_over"
        if rule is not None:
            read.rejected.append((rule, row))
            read.cells_left_out += len(PORTFOLIOS)
            continue
        values, broken = _values(cells[1:])
        if month in read.months:
            if values != read.months[month] or broken:
                read.rejected.append(("month_is_served_once", row))
            continue
        for portfolio, cell_rule in broken.items():
            cell = {"weighting": weighting, "month": cells[0], "portfolio": portfolio}
            cell |= {"return": cells[1 + list(PORTFOLIOS.values()).index(portfolio)]}
            read.rejected.append((cell_rule, cell))
        read.cells_left_out += len(broken)
        read.months[month] = values
    return read


def _values(cells: list[str]) -> tuple[dict[str, float | None], dict[str, str]]:
    """The returns of one month by portfolio, and the portfolios whose cell breaks a rule."""
    values: dict[str, float | None] = {}
    broken: dict[str, str] = {}
    for portfolio, cell in zip(PORTFOLIOS.values(), cells, strict=True):
        if not cell:
            values[portfolio] = None
            continue
        number = float(cell) if _NUMBER.fullmatch(cell) else math.nan
        if not math.isfinite(number):
            broken[portfolio] = "return_is_a_finite_number"
        elif number in MISSING:
            values[portfolio] = None
        elif number < -100:
            broken[portfolio] = "return_is_not_below_minus_100_pct"
        else:
            values[portfolio] = number
    return values, broken


def _check(what: str, title: str, read: _Read) -> None:
    """Refuse a block that is not the publisher's, whole and in per cent.

    Raises:
        Unreadable: names the block and what is wrong.
    """
    where = f"{what}: block {title!r}"
    months = sorted(read.named)
    if not months:
        raise Unreadable(f"{where}: it has no month")
    if months[0] != FIRST_MONTH:
        raise Unreadable(f"{where}: it begins with {months[0]}, the publisher's begins with {FIRST_MONTH}")
    every = pd.period_range(_period(months[0]), _period(months[-1]), freq="M").strftime("%Y%m")
    missing = sorted(set(every) - read.named)
    if missing:
        raise Unreadable(f"{where}: {len(missing)} months are missing, the first is {missing[0]}")
    values = read.values
    typical = float(pd.Series(values).abs().median()) if values else math.nan
    if values and not LEAST_TYPICAL_PCT <= typical <= MOST_TYPICAL_PCT:
        raise Unreadable(
            f"{where}: half of the returns are below {typical:.3g} either way, expected about 3.5: they are"
            " not in per cent"
        )
    average = math.fsum(values) / len(values) if values else math.nan
    if average < 0:
        raise Unreadable(
            f"{where}: the returns since {months[0]} are {average:.2f} per cent a month on average, expected"
            " about 1: they have the other sign"
        )
    cells = len(months) * len(PORTFOLIOS)
    if read.cells_left_out > max(MOST_LEFT_OUT * cells, 2 * len(PORTFOLIOS)):
        rules = ", ".join(sorted({rule for rule, _ in read.rejected}))
        raise Unreadable(f"{where}: {read.cells_left_out:,} of {cells:,} returns break a rule ({rules})")
    for name, portfolio in PORTFOLIOS.items():
        if portfolio != UNUSED and all(row.get(portfolio) is None for row in read.months.values()):
            raise Unreadable(f"{where}: column {name!r} has no value")


def _period(month: str) -> pd.Period:
    return pd.Period(f"{month[:4]}-{month[4:]}", "M")


def _doubts(what: str, blocks: list[_Block], value: _Read) -> tuple[str, ...]:
    """Years whose figure in the file is not that of its months, as one sentence.

    Raises:
        Unreadable: most years are far from their months.
    """
    annual = [block for block in blocks if _is_of(block, "value", "annual")]
    if len(annual) != 1 or annual[0].header != list(PORTFOLIOS):
        return ()
    apart, distances = [], []
    for cells in annual[0].rows:
        if not re.fullmatch(r"\d{4}", cells[0]) or len(cells) != len(PORTFOLIOS) + 1:
            continue
        figures, _ = _values(cells[1:])
        months = [value.months.get(f"{cells[0]}{month:02}", {}) for month in range(1, 13)]
        for portfolio, figure in figures.items():
            returns = [row.get(portfolio) for row in months]
            if figure is None or any(found is None for found in returns):
                continue
            grown = math.prod(1 + found / 100 for found in returns if found is not None)
            distance = abs((1 + figure / 100) / grown - 1)
            distances.append(distance)
            if distance > FAR_FROM_ITS_MONTHS:
                apart.append(f"{cells[0]} {portfolio} ({figure:g} %, its months {100 * (grown - 1):.2f} %)")
    if len(distances) >= FEWEST_FIGURES and statistics.median(distances) > OTHER_MONTHS:
        raise Unreadable(
            f"{what}: most yearly returns are far from those of their months, such as {apart[0]}: the monthly"
            " block is of other months, other portfolios or the other weighting"
        )
    if not apart:
        return ()
    more = f" and {len(apart) - 3} more" if len(apart) > 3 else ""
    return (f"{what}: yearly returns are not those of their months: {', '.join(apart[:3])}{more}",)
