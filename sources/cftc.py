"""The source `cftc`: positions in futures by kind of trader, from the Traders in Financial Futures report of
the Commodity Futures Trading Commission, futures only; no key.

In: the CFTC's code of a contract (`239742`) and a range of dates. Out: the JSON array as served and, from it,
rows in the columns of `raw.futures_positions`. Source: https://publicreporting.cftc.gov, data set gpe5-46if
(Socrata; https://dev.socrata.com/docs/queries/). Setting: `ROTATION_CFTC_URL`, another address.

Every value is a text; a code may have blanks behind it; some fields end in `_all` and others do not. A
field that a row lacks is missing there, one that no row has was renamed. The report is a closed account:
long, short and spreading positions of the five kinds of trader add up to the open interest on both sides, and
a row in which they do not is named, since one of its columns is wrong. Caveats: `files` reads the same JSON
from `futures_positions/<CODE>.json`; the same contract with options (data set yw9f-hnsv) is another report
and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar

import pandas as pd

from sources.days import plain_day
from sources.files import FilesAsServed
from sources.json_text import json_document
from sources.protocol import NotServed, Parsed, SourceError, Unreadable
from sources.public_api import PublicApi
from sources.simulated import SimulatedProvider
from sources.simulated_market import SimulatedMarket
from sources.simulated_market.futures_positions import SIMULATED_CODES, positions_json
from warehouse.payloads import Payload, Request
from warehouse.reference_data import reference_frame

PATH = "resource/gpe5-46if.json"
CODE = re.compile(r"[0-9A-Z]{5}[0-9A-Z+]")
DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(T00:00:00(\.0+)?)?")
WHOLE = re.compile(r"-?\d{1,12}(\.0+)?")
# Twenty years of weeks are 1,040 rows.
MOST_ROWS = 5_000
CODE_FIELD, DAY_FIELD = "cftc_contract_market_code", "report_date_as_yyyy_mm_dd"
OPEN_INTEREST = "open_interest_all"
# Column -> field.
KEPT: Mapping[str, str] = {
    "open_interest_contracts": OPEN_INTEREST,
    "leveraged_long_contracts": "lev_money_positions_long",
    "leveraged_short_contracts": "lev_money_positions_short",
    "leveraged_spread_contracts": "lev_money_positions_spread",
    "asset_manager_long_contracts": "asset_mgr_positions_long",
    "asset_manager_short_contracts": "asset_mgr_positions_short",
    "asset_manager_spread_contracts": "asset_mgr_positions_spread",
}
TRADERS = ("dealer_positions", "asset_mgr_positions", "lev_money_positions", "other_rept_positions")
SPREADS = tuple(f"{trader}_spread" for trader in TRADERS)
# What adds up to the open interest: a spread is long in one month and short in another.
SIDES = {
    side: (*(f"{trader}_{side}" for trader in TRADERS), *SPREADS, f"nonrept_positions_{side}")
    for side in ("long", "short")
}
FIELDS = (OPEN_INTEREST, *dict.fromkeys((*SIDES["long"], *SIDES["short"])))
# What is left over when the reportable positions are taken off: it was negative in single old reports.
MAY_BE_NEGATIVE = frozenset({"nonrept_positions_long", "nonrept_positions_short"})
# They add up to the contract; a consolidated market is rounded.
ADDS_UP_WITHIN = 0.001
# With more rows broken the column, not a row, is wrong.
MOST_BROKEN = 0.1
# Reports come a week apart, a few days more around holidays. A contract that rested for years has no gap.
LONGEST_WEEK, LONGEST_GAP = timedelta(days=11), timedelta(days=400)
KIND_FIELD = "futonly_or_combined"


class CftcPositions(PublicApi):
    """Serves the positions in one contract at a time."""

    name: ClassVar[str] = "cftc"
    title: ClassVar[str] = "CFTC"
    base_url: ClassVar[str] = "https://publicreporting.cftc.gov"
    url_setting: ClassVar[str] = "ROTATION_CFTC_URL"

    def fetch(self, request: Request) -> Payload:
        """Fetch the reports on one contract in the range, oldest first."""
        what = f"cftc: {request.dataset}/{request.input}"
        if not CODE.fullmatch(request.input):
            raise SourceError(f"{what}: the input is not a code of a contract; write it as 239742")
        asked = {
            "$where": (
                f"{CODE_FIELD} = '{request.input}' AND {DAY_FIELD} between"
                f" '{request.start}T00:00:00.000' and '{request.end}T00:00:00.000'"
            ),
            "$order": DAY_FIELD,
            "$limit": str(MOST_ROWS),
        }
        content = self.ask(what, PATH, asked)
        payload = Payload(request, self.name, content, "json", datetime.now(UTC).replace(tzinfo=None))
        parsed = self.parse(payload)
        if parsed.frame.empty and not parsed.rejected:
            raise NotServed(f"{what}: no report between {request.start} and {request.end}")
        if len(parsed.frame) + len(parsed.rejected) >= MOST_ROWS:
            raise SourceError(f"{what}: {MOST_ROWS:,} rows or more; something other than one contract came")
        return payload

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read an answer: a row per report."""
        return parse_positions(payload)


class FilesPositions(FilesAsServed):
    """`futures_positions/<CODE>.json`, as the CFTC serves it."""

    subfolder = "futures_positions"
    extensions = ("json",)

    def known_inputs(self) -> frozenset[str]:
        """The contracts of `ref.positioned_contracts`."""
        return frozenset(reference_frame("positioned_contracts")["contract_market_code"])

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read a file."""
        return parse_positions(payload)


class SimulatedPositions(SimulatedProvider):
    """Made-up positions in some contracts, as the CFTC would serve them."""

    extension = "json"

    def present_inputs(self) -> list[str]:
        """The contracts that are made."""
        return sorted(SIMULATED_CODES)

    def _make(self, market: SimulatedMarket) -> Callable[[str, date, date], bytes]:
        return positions_json

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read what was made by `fetch`."""
        return parse_positions(payload)


# ---- reading


def parse_positions(payload: Payload) -> Parsed:
    """Read the list of reports on one contract.

    Raises:
        Unreadable: there is no list, a row is of another contract or of another report, a field is missing
            everywhere, or most rows break a rule.
    """
    request = payload.request
    where = f"{payload.source}: {request.dataset}/{request.input}"
    rows = _rows(where, request.input, payload.content)
    kept: dict[date, dict[str, Any]] = {}
    rejected: list[tuple[str, dict[str, Any]]] = []
    for row in rows:
        day = _day(row.get(DAY_FIELD))
        rule = "report_date_is_a_date" if day is None else _broken_rule(row, day, payload.fetched_at_utc)
        if rule is None and day in kept:
            if _numbers(kept[day]) == _numbers(row):
                continue
            rule = "report_is_served_once"
        if rule is not None or day is None:
            rejected.append((str(rule), row))
        else:
            kept[day] = row
    if len(rejected) > max(1.0, MOST_BROKEN * len(rows)):
        rules = ", ".join(sorted({rule for rule, _ in rejected}))
        raise Unreadable(
            f"{where}: {len(rejected):,} of {len(rows):,} reports break a rule ({rules}); a field means"
            " something else than it did, or is in another unit"
        )
    days = sorted(kept)
    frame = pd.DataFrame(
        {
            "contract_market_code": pd.Series([request.input] * len(days), dtype="str"),
            "report_date": pd.Series(pd.to_datetime(days)).astype("datetime64[us]"),
            **{
                column: pd.array([_number(_cell(kept[day], name)) for day in days], dtype="Int64")
                for column, name in KEPT.items()
            },
        }
    )
    doubts = [*_gaps(where, days)]
    if rows and not any(KIND_FIELD in row for row in rows):
        doubts.append(f"{where}: field {KIND_FIELD} is in no report, so options may be counted too")
    return Parsed(frame, rejected, doubts=tuple(doubts))


def _gaps(where: str, days: list[date]) -> Iterator[str]:
    """Weeks that have no report inside the answer: a page of it may be missing."""
    for before, day in pairwise(days):
        if LONGEST_WEEK < day - before <= LONGEST_GAP:
            yield f"{where}: no report between {before} and {day}; reports are weekly"


def _rows(where: str, code: str, content: bytes) -> list[dict[str, Any]]:
    document = json_document(where, content)
    if isinstance(document, dict) and document.get("error"):
        raise Unreadable(f"{where}: the answer is an error ({str(document.get('code'))[:60]})")
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        raise Unreadable(f"{where}: the answer is not a list of reports")
    for row in document:
        served = row.get(CODE_FIELD)
        if not isinstance(served, str) or served.strip() != code:
            raise Unreadable(f"{where}: field {CODE_FIELD} reads {str(served)[:40]!r}, expected {code!r}")
        kind = str(row.get(KIND_FIELD, "FutOnly")).strip()
        if kind != "FutOnly":
            raise Unreadable(f"{where}: field {KIND_FIELD} reads {kind[:40]!r}, expected 'FutOnly'")
    # A single report without a field lacks it; a field that no report has was renamed.
    missing = [name for name in FIELDS if document and not any(_has(row, name) for row in document)]
    if document and not any(DAY_FIELD in row for row in document):
        missing.insert(0, DAY_FIELD)
    if missing:
        found = ", ".join(name for name in document[0] if "position" in name or "date" in name)[:200]
        raise Unreadable(
            f"{where}: field {', '.join(missing)} is missing in all {len(document):,} reports; there are"
            f" {found}"
        )
    return document


def _has(row: dict[str, Any], name: str) -> bool:
    return name in row or f"{name}_all" in row


def _cell(row: dict[str, Any], name: str) -> object:
    """A field, whose name may end in `_all`; None and a blank are missing."""
    cell = row.get(name, row.get(f"{name}_all"))
    return None if isinstance(cell, str) and not cell.strip() else cell


def _number(cell: object) -> int | None:
    """A whole number that came as text or as a number; None where it is neither."""
    if isinstance(cell, bool) or not isinstance(cell, (str, int, float)):
        return None
    text = str(cell).strip()
    return int(text.partition(".")[0]) if WHOLE.fullmatch(text) else None


def _numbers(row: dict[str, Any]) -> list[int | None]:
    return [_number(_cell(row, name)) for name in FIELDS]


def _day(text: object) -> date | None:
    found = DAY.fullmatch(text.strip()) if isinstance(text, str) else None
    return plain_day(found[1]) if found else None


def _broken_rule(row: dict[str, Any], day: date, fetched: datetime) -> str | None:
    """The rule that a report breaks."""
    if day > fetched.date():
        return "report_is_not_of_a_day_to_come"
    if day.weekday() >= 5:
        return "report_is_of_a_weekday"
    values = dict(zip(FIELDS, _numbers(row), strict=True))
    for name, value in values.items():
        if value is None and _cell(row, name) is not None:
            return f"{name}_is_a_whole_number"
        if value is not None and value < 0 and name not in MAY_BE_NEGATIVE:
            return f"{name}_is_not_negative"
    total = values[OPEN_INTEREST]
    if total is None:
        return "open_interest_is_there"
    for parts in SIDES.values():
        found = [values[name] for name in parts]
        given = [value for value in found if value is not None]
        # With a part missing the rest is at most the whole.
        off = sum(given) - total if len(given) < len(found) else abs(sum(given) - total)
        if off > max(2.0, ADDS_UP_WITHIN * total):
            return "positions_add_up_to_the_open_interest"
    return None
