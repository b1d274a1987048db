"""The issuer's holdings files of iShares funds, one report each: what a fund held at the close of a day.

In: `IWM`, the newest report of a fund, or `IWM_20250630`, that of a day; the funds are those of
`ref.fund_holdings_files`. Out: the CSV as served and, from it, a row per sector in the columns of
`raw.fund_holdings`: the sums of the file's lines. Source: the document service behind the download link of
the product pages, https://www.ishares.com/us/products/239710/ishares-russell-2000-etf; no key. Setting:
`ROTATION_ISHARES_URL`, another address than `ISharesHoldings.base_url`.

A file has a preamble (name of the fund, `Fund Holdings as of,"Sep 04, 2026"`, `"-"` where there is nothing of
that day), a table (Ticker, Name, Sector, Asset Class, Market Value, Weight (%) or Market Weight, ...;
thousands in quotes, `-` for none) and a legal text. Weights are in per cent of net assets, rounded to
hundredths. What is held beside shares is in the sector `Cash and/or Derivatives`; futures have no market
value there. Of a day without a report the service answers with status 200 and a table without a line.

Read are only files that agree with themselves: the name is that of the fund asked for, the day is the one
asked for and not in the future, the weights add up to about 100, and each sector's weight is its share of the
market value. A line that cannot be read goes to the quarantine; if it matters, the sums no longer agree.
Caveat: the newest report is that of the session before, later on some days; one that is older than
`NEWEST_DAYS` is an old answer and refused. The files of the source `files` are the same ones; a file without
a day in its name may hold several reports, one after another.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pandas as pd

from sources.files import FilesAsServed
from sources.protocol import NotServed, Parsed, SourceError, Unreadable
from sources.public_api import PublicApi
from sources.simulated import SimulatedProvider
from sources.simulated_market import SimulatedMarket
from sources.simulated_market.fund_holdings import holdings_csv
from sources.text_dates import MONTHS
from sources.transport import NotData
from warehouse.payloads import Payload, Request
from warehouse.reference_data import reference_frame

PATH = "get-fund-document"
PARAMETERS = {
    "appType": "PRODUCT_PAGE",
    "appSubType": "ISHARES",
    "targetSite": "us-ishares",
    "locale": "en_US",
    "userType": "individual",
    "component": "holdings",
}
CASH = "Cash and/or Derivatives"
AS_OF = "fund holdings as of"
NEEDED = ("Ticker", "Name", "Sector", "Asset Class", "Market Value")
# The funds on S&P indices have two weights; the one by market value is meant by the other funds' one.
WEIGHTS = ("Weight (%)", "Market Weight")
# Holidays and a late publication together; a report that is older is an old answer.
NEWEST_DAYS = 10
# Two thousand weights that are rounded to hundredths add up to 100 within a few tenths.
FARTHEST_TOTAL_PCT, FARTHEST_SECTOR_PP = 1.0, 0.5
# No fund of the list is smaller or larger.
LEAST_USD, MOST_USD = 1e8, 5e12
LEAST_COVERAGE_PCT = 50.0
UNKNOWN_SECTOR_PCT = 0.5
NEW_YORK = ZoneInfo("America/New_York")
COLUMNS = [
    "file_symbol",
    "report_date",
    "sector",
    "sector_weight_pct",
    "sector_value_usd",
    "sector_holdings",
    "report_sha256",
]

_INPUT = re.compile(r"([A-Z]+)(?:_(\d{8}))?")
_FILE = re.compile(r"([A-Z]+)(?:_HOLDINGS|_(\d{8}))?")
_DAY = re.compile(r"([A-Z][a-z]{2})[a-z]* (\d{1,2}), (\d{4})")
_NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
_NONE = ("-", "--", "")


class ISharesHoldings(PublicApi):
    """Serves the newest report of a fund, or that of a day."""

    name: ClassVar[str] = "ishares"
    title: ClassVar[str] = "iShares"
    base_url: ClassVar[str] = (
        "https://www.blackrock.com/varnish-api/blk-one01-product-data/product-data/api/v1"
    )
    url_setting: ClassVar[str] = "ROTATION_ISHARES_URL"
    serves_ranges: ClassVar[bool] = False

    def fetch(self, request: Request) -> Payload:
        """Fetch one report."""
        what = f"iShares: {request.dataset}/{request.input}"
        fund, day = _fund_of(what, request.input)
        asked = {"portfolioId": fund.product_id, **PARAMETERS}
        if day is not None:
            asked["asOfDate"] = f"{day:%Y%m%d}"
        content = self.ask(what, PATH, asked)
        payload = Payload(request, self.name, content, "csv", datetime.now(UTC).replace(tzinfo=None))
        if _has_no_report(content):
            if day is not None:
                raise NotServed(f"{what}: the issuer has no holdings of {day}")
            raise NotData(f"{what}: the answer has a table without a report (Fund Holdings as of reads '-')")
        self.parse(payload)
        return payload

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read a file: a row per report and sector."""
        return parse_holdings(payload)


class FilesFundHoldings(FilesAsServed):
    """`fund_holdings/IWM.csv` (or as downloaded, `IWM_holdings.csv`) and `fund_holdings/IWM_20250630.csv`."""

    subfolder = "fund_holdings"
    extensions = ("csv",)

    def names_of(self, stem: str) -> tuple[str, ...]:
        """The input of a name: a fund of the list, with the day of the report where the name has it."""
        found = _FILE.fullmatch(stem.upper())
        if found is None or found[1] not in funds():
            return ()
        return (f"{found[1]}_{found[2]}" if found[2] else found[1],)

    def known_inputs(self) -> None:
        """Every file with such a name is an input."""
        return None

    def present_inputs(self) -> list[str]:
        """The inputs that have a file."""
        return sorted(self._read_inputs())

    def _unknown(self, name: str) -> str:
        return (
            f"{name} is not one of {', '.join(sorted(funds()))}; name the file IWM.csv, or IWM_20250630.csv"
            " with the day of the report"
        )

    def _is_wanted(self, path: Path) -> bool:
        """A bare symbol beside the folders is of prices; with a day it is of holdings."""
        return "_" in path.name.strip("_") and super()._is_wanted(path)

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """As the issuer's own."""
        return parse_holdings(payload)


class SimulatedFundHoldings(SimulatedProvider):
    """Reports of every fund of the list at the ends of months, in the issuer's layout."""

    def _make(self, market: SimulatedMarket) -> Callable[[str, date, date], bytes]:
        def make(item: str, start: date, end: date) -> bytes:
            return holdings_csv(item, funds()[item].name, start, end)

        return make

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """As the issuer's own."""
        return parse_holdings(payload)


# ---- what can be asked for


@dataclass(frozen=True)
class Fund:
    """A fund whose file is read."""

    symbol: str
    name: str
    product_id: str


@cache
def funds() -> Mapping[str, Fund]:
    """The funds of `ref.fund_holdings_files` by the symbol of the file."""
    rows = reference_frame("fund_holdings_files").to_dict("records")
    found = [Fund(str(row["file_symbol"]), str(row["fund_name"]), str(row["product_id"])) for row in rows]
    return {fund.symbol: fund for fund in found}


def _fund_of(what: str, item: str) -> tuple[Fund, date | None]:
    """The fund of an input, and the day that it names."""
    found = _INPUT.fullmatch(item)
    day = None
    if found is not None and found[2]:
        try:
            day = datetime.strptime(found[2], "%Y%m%d").date()
        except ValueError:
            found = None
    if found is None or found[1] not in funds():
        raise SourceError(
            f"{what} is not a fund of fund_holdings_files.csv; an input is IWM, or IWM_20250630 of a day"
        )
    return funds()[found[1]], day


def _has_no_report(content: bytes) -> bool:
    """Whether an answer says that there is no report of the day."""
    return re.search(rb'(?im)^"?fund holdings as of"?\s*,\s*"?-"?\s*$', content[:4096]) is not None


# ---- reading


@dataclass
class _Sector:
    """The lines of a sector."""

    weights: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class _Report:
    """One report of a file."""

    day: date
    sectors: Mapping[str, _Sector]
    sha256: str


def parse_holdings(payload: Payload) -> Parsed:
    """Read the reports of a file.

    Raises:
        Unreadable: a field is missing, the file is of another fund, another day or another layout, or its
            numbers do not agree with each other.
    """
    request = payload.request
    what = f"{payload.source}: {request.dataset}/{request.input}"
    fund, asked = _fund_of(what, request.input)
    today = payload.fetched_at_utc.replace(tzinfo=UTC).astimezone(NEW_YORK).date()
    rejected: list[tuple[str, dict[str, Any]]] = []
    reports: dict[date, _Report] = {}
    doubts: dict[str, None] = {}
    texts = _sections(what, payload.content)
    single = asked is not None or payload.source == ISharesHoldings.name
    if single and len(texts) != 1:
        raise Unreadable(f"{what}: the file holds {len(texts)} reports; one was asked for")
    for text in texts:
        report = _report(what, fund, text, today, rejected)
        if asked is not None and report.day != asked:
            raise Unreadable(
                f"{what}: field Fund Holdings as of reads {report.day}, and {asked} was asked for: another"
                " day's holdings"
            )
        if single and asked is None and today - report.day > timedelta(days=NEWEST_DAYS):
            raise Unreadable(
                f"{what}: field Fund Holdings as of reads {report.day}, {(today - report.day).days} days ago:"
                " an old answer instead of the newest one"
            )
        held = reports.setdefault(report.day, report)
        if held.sha256 != report.sha256:
            raise Unreadable(f"{what}: the file holds two reports of {report.day} that differ; keep one")
        for sentence in _check_sectors(what, report):
            doubts[sentence] = None
    frame = pd.DataFrame(
        [row for _, report in sorted(reports.items()) for row in _rows(fund, report)], columns=COLUMNS
    )
    frame["report_date"] = pd.to_datetime(frame["report_date"]).astype("datetime64[us]")
    frame["sector_holdings"] = frame["sector_holdings"].astype("int64")
    # The newest report was there when it was fetched; since when, nobody says.
    newest = payload.source == ISharesHoldings.name and asked is None
    seen = pd.Timestamp(payload.fetched_at_utc) if newest else pd.NaT
    frame["_not_before_utc"] = pd.Series(seen, index=frame.index, dtype="datetime64[us]")
    frame["_input"] = request.input
    return Parsed(frame, rejected, doubts=tuple(doubts))


def _rows(fund: Fund, report: _Report) -> Iterator[tuple[Any, ...]]:
    for name, sector in sorted(report.sectors.items()):
        weight, value = math.fsum(sector.weights), math.fsum(sector.values)
        yield fund.symbol, report.day, name, weight, value, len(sector.values), report.sha256


def _sections(what: str, content: bytes) -> list[str]:
    """The text of each report: from the line before its day to that of the next one."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(f"{what}: the file is not text in UTF-8") from None
    if "\x00" in text:
        raise Unreadable(f"{what}: the file is not text in UTF-8")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    starts = []
    for number, line in enumerate(lines):
        if line.lstrip(' "').lower().startswith(AS_OF):
            before = [place for place in range(number) if lines[place].strip()]
            starts.append(before[-1] if before else number)
    if not starts:
        raise Unreadable(
            f"{what}: field Fund Holdings as of is missing; the file is not an iShares holdings file"
        )
    ends = [*starts[1:], len(lines)]
    return ["\n".join(lines[start:end]).strip() for start, end in zip(starts, ends, strict=True)]


def _report(
    what: str, fund: Fund, text: str, today: date, rejected: list[tuple[str, dict[str, Any]]]
) -> _Report:
    """One report; lines that cannot be read are added to the rejected ones."""
    try:
        rows = list(csv.reader(text.split("\n"), strict=True))
    except csv.Error as error:
        raise Unreadable(f"{what}: the file is not CSV ({error}); it may be cut short") from None
    _check_name(what, fund, rows)
    day = _day_of(what, rows, today)
    header_at = next((place for place, row in enumerate(rows) if row[:2] == ["Ticker", "Name"]), None)
    if header_at is None:
        raise Unreadable(f"{what}: the table is missing: no line begins with Ticker,Name")
    header = [cell.strip() for cell in rows[header_at]]
    weight_name = next((name for name in WEIGHTS if name in header), None)
    missing = [name for name in NEEDED if name not in header]
    if weight_name is None:
        missing.append(WEIGHTS[0])
    if missing:
        raise Unreadable(f"{what}: column {missing[0]} is missing; there are {', '.join(header)[:200]}")
    assert weight_name is not None
    sectors: dict[str, _Sector] = defaultdict(_Sector)
    seen: set[tuple[str, ...]] = set()
    ends_at = _end_of_table(what, rows, header_at)
    for row in rows[header_at + 1 : ends_at]:
        line = dict(zip(header, (cell.strip() for cell in row), strict=False))
        rule = "line_has_every_cell" if len(row) != len(header) else _broken_rule(line, weight_name)
        if rule is None and tuple(row) in seen:
            rule = "holding_is_served_once"
        if rule is not None:
            rejected.append((rule, {"file_symbol": fund.symbol, "report_date": str(day), **line}))
            continue
        seen.add(tuple(row))
        sector = sectors[line["Sector"] or "-"]
        sector.weights.append(_number(line[weight_name]))
        sector.values.append(_number(line["Market Value"]))
    if not sectors:
        raise Unreadable(f"{what}: the table of {day} has no line that could be read")
    # The legal text is no part of the report.
    held = json.dumps(rows[:ends_at]).encode()
    return _Report(day, sectors, hashlib.sha256(held).hexdigest())


def _end_of_table(what: str, rows: list[list[str]], header_at: int) -> int:
    """The place behind the table: a line without cells, or the legal text, which has no more than one.

    Raises:
        Unreadable: nothing follows the table: it may lack lines that are too small to be missed in the sums.
    """
    for place in range(header_at + 1, len(rows)):
        if len(rows[place]) <= 1 or not any(cell.strip(" \xa0") for cell in rows[place]):
            return place
    raise Unreadable(f"{what}: the file ends inside the table, before the legal text: it is cut short")


def _check_name(what: str, fund: Fund, rows: list[list[str]]) -> None:
    name = ",".join(rows[0]) if rows else ""
    if _plain(name) != _plain(fund.name):
        raise Unreadable(
            f"{what}: the file is of {name.strip()[:80]!r}, expected {fund.name!r}: another fund's holdings"
        )


def _plain(name: str) -> str:
    return " ".join(re.sub("[®™\xa0]", " ", name).lower().split())


def _day_of(what: str, rows: list[list[str]], today: date) -> date:
    text = next(",".join(row[1:]).strip() for row in rows if row and row[0].strip().lower() == AS_OF)
    found = _DAY.fullmatch(" ".join(text.split()))
    if text in _NONE:
        raise Unreadable(f"{what}: field Fund Holdings as of reads {text!r}: no report of that day")
    try:
        assert found is not None
        day = date(int(found[3]), MONTHS.index(found[1].lower()) + 1, int(found[2]))
    except (AssertionError, ValueError):
        raise Unreadable(
            f"{what}: field Fund Holdings as of reads {text[:40]!r}, expected a day such as 'Sep 04, 2026'"
        ) from None
    if day > today:
        raise Unreadable(
            f"{what}: field Fund Holdings as of reads {day}, which is after the {today} of the fetch"
        )
    if day.weekday() >= 5:
        raise Unreadable(f"{what}: field Fund Holdings as of reads {day}, which is not a weekday")
    return day


def _broken_rule(line: Mapping[str, str], weight_name: str) -> str | None:
    """The rule that a line breaks."""
    value, weight = line["Market Value"], line[weight_name]
    if value not in _NONE and not _NUMBER.fullmatch(value):
        return "market_value_is_a_number"
    if weight not in _NONE and not _NUMBER.fullmatch(weight):
        return "weight_is_a_number"
    # A weight of a hundredth is nothing; a value without one is not said to be nothing.
    if (weight in _NONE and _number(value)) or (value in _NONE and _number(weight)):
        return "weight_and_value_go_together"
    if line["Asset Class"] == "Equity" and min(_number(value), _number(weight)) < 0:
        return "shares_are_not_negative"
    return None


def _number(cell: str) -> float:
    return 0.0 if cell in _NONE else float(cell.replace(",", ""))


def _check_sectors(what: str, report: _Report) -> Iterator[str]:
    """Whether the numbers of a report agree with each other; yields what remains open.

    Raises:
        Unreadable: names the field.
    """
    weights = {name: math.fsum(sector.weights) for name, sector in report.sectors.items()}
    values = {name: math.fsum(sector.values) for name, sector in report.sectors.items()}
    total, value = math.fsum(weights.values()), math.fsum(values.values())
    if abs(total - 100) > FARTHEST_TOTAL_PCT:
        raise Unreadable(
            f"{what}: the weights of {report.day} add up to {total:,.2f}, expected about 100: lines are"
            " missing or twice, or Weight (%) is in another unit"
        )
    if not LEAST_USD <= value <= MOST_USD:
        raise Unreadable(
            f"{what}: Market Value adds up to {value:,.0f} USD on {report.day}, expected {LEAST_USD:,.0f} to"
            f" {MOST_USD:,.0f}: it is in another unit, or lines are missing"
        )
    for name, weight in weights.items():
        share = 100 * values[name] / value
        if abs(share - weight) > FARTHEST_SECTOR_PP:
            raise Unreadable(
                f"{what}: {name} has {weight:,.2f} % by Weight (%) and {share:,.2f} % by Market Value on"
                f" {report.day}: one of the two columns is wrong"
            )
    covered = math.fsum(weight for name, weight in weights.items() if name in _known_sectors())
    if covered < LEAST_COVERAGE_PCT:
        names = ", ".join(sorted(weights))[:200]
        raise Unreadable(
            f"{what}: field Sector has names that sector_funds.csv does not know, for {100 - covered:.0f} %"
            f" of the fund: {names}"
        )
    for name, weight in sorted(weights.items()):
        if name not in _known_sectors() and name != CASH and abs(weight) >= UNKNOWN_SECTOR_PCT:
            yield f"{what}: sector {name!r} ({weight:.1f} % on {report.day}) is not in sector_funds.csv"


@cache
def _known_sectors() -> frozenset[str]:
    return frozenset(reference_frame("sector_funds")["sector"])
