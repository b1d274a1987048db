"""The Treasury's daily par yield curve, from its XML feed; no key.

In: the input `par_yield_curve` and a range of dates. Out: JSON with the documents as served, one per month
or, for a long range, per year, and from it rows in the columns of `raw.second_source_rates`, under the names
of the FRED series of the same maturity (BC_2YEAR is DGS2). Source:
https://home.treasury.gov/treasury-daily-interest-rate-xml-feed. Setting: `ROTATION_TREASURY_URL`, another
address than https://home.treasury.gov.

Yields are in per cent; a maturity that is empty or left out has none that day. FRED's series are those of the
Board's H.15, which takes them from this curve: they agree to the last digit but for corrections that one of
the two made later. Caveat: the feed gives no date of publication; a correction is a new version here.
"""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, ClassVar

import pandas as pd

from sources.days import is_closed_day
from sources.fred_answers import xml_root
from sources.protocol import NotServed, Parsed, SourceError, Unreadable
from sources.public_api import PublicApi
from warehouse.payloads import Payload, Request

PATH = "resource-center/data-chart-center/interest-rates/pages/xml"
CURVE = "par_yield_curve"
# Field of the feed -> FRED series, and the first day since which the field has always been served.
FIELDS: Mapping[str, tuple[str, date]] = {
    "BC_1MONTH": ("DGS1MO", date(2001, 7, 31)),
    "BC_3MONTH": ("DGS3MO", date(1990, 1, 2)),
    "BC_6MONTH": ("DGS6MO", date(1990, 1, 2)),
    "BC_1YEAR": ("DGS1", date(1990, 1, 2)),
    "BC_2YEAR": ("DGS2", date(1990, 1, 2)),
    "BC_5YEAR": ("DGS5", date(1990, 1, 2)),
    "BC_7YEAR": ("DGS7", date(1990, 1, 2)),
    "BC_10YEAR": ("DGS10", date(1990, 1, 2)),
    "BC_20YEAR": ("DGS20", date(1993, 10, 1)),
    "BC_30YEAR": ("DGS30", date(2006, 2, 9)),
}
DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(T00:00:00)?")
# A range of at most so many months is asked month by month, a longer one year by year.
MOST_MONTHS = 6
COLUMNS = ["series_id", "observation_date", "value"]


class TreasuryYields(PublicApi):
    """Serves the par yield curve."""

    name: ClassVar[str] = "treasury"
    title: ClassVar[str] = "Treasury"
    base_url: ClassVar[str] = "https://home.treasury.gov"
    url_setting: ClassVar[str] = "ROTATION_TREASURY_URL"

    def fetch(self, request: Request) -> Payload:
        """Fetch the months or years of the range."""
        what = f"Treasury: {request.input}"
        if request.input != CURVE:
            raise SourceError(f"{what} is not one of {CURVE}")
        documents = []
        for name, period in periods(request.start, request.end):
            named = f"{what} of {period}"
            content = self.ask(named, PATH, {"data": "daily_treasury_yield_curve", name: period})
            xml_root(named, content)
            documents.append({"period": period, "body": content.decode("utf-8-sig")})
        bundle = json.dumps({"documents": documents}, indent=0, ensure_ascii=False).encode()
        payload = Payload(request, self.name, bundle, "json", datetime.now(UTC).replace(tzinfo=None))
        parsed = self.parse(payload)
        if parsed.frame.empty and not parsed.rejected:
            raise NotServed(f"{what}: no yield between {request.start} and {request.end}")
        return payload

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read the documents: a row per FRED series and day."""
        return parse_curve(payload)


def periods(start: date, end: date) -> list[tuple[str, str]]:
    """Parameter and value of the requests for a range: its months, or its years when they are many."""
    months = pd.period_range(start, end, freq="M")
    if len(months) <= MOST_MONTHS:
        return [("field_tdr_date_value_month", f"{month.year}{month.month:02d}") for month in months]
    return [("field_tdr_date_value", str(year)) for year in range(start.year, end.year + 1)]


# ---- reading


def parse_curve(payload: Payload) -> Parsed:
    """Read the documents of a payload.

    Raises:
        Unreadable: a document is not XML, has another form, or a maturity is in none of its days.
    """
    request = payload.request
    what = f"Treasury: {request.input}"
    bodies: list[str] | None
    try:
        bodies = [str(entry["body"]) for entry in json.loads(payload.content)["documents"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        bodies = None
    if bodies is None:
        raise Unreadable(f"{what}: the landed payload has a format that this version does not write")
    entries: list[tuple[str, date, float]] = []
    rejected: list[tuple[str, dict[str, Any]]] = []
    days: list[tuple[date, dict[str, str]]] = []
    for row in (row for body in bodies for row in _days(what, xml_root(what, body.encode()))):
        day = _day(row["NEW_DATE"])
        if day is None:
            rejected.append(("observation_date_is_a_date", row))
            continue
        days.append((day, row))
        if not request.start <= day <= request.end:
            continue
        if is_closed_day(day):
            # A row without a yield is how the feed lists some holidays.
            if any(row.get(name) for name in FIELDS):
                rejected.append(("day_is_a_business_day", row))
            continue
        for name, (series_id, _) in FIELDS.items():
            text = row.get(name, "")
            value = _number(text)
            if text and value is None:
                rejected.append((f"{name}_is_a_finite_number", {"NEW_DATE": row["NEW_DATE"], name: text}))
            elif value is not None:
                entries.append((series_id, day, value))
    _require_fields(what, days)
    frame = pd.DataFrame(entries, columns=COLUMNS)
    frame["observation_date"] = pd.to_datetime(frame["observation_date"]).astype("datetime64[us]")
    frame["value"] = frame["value"].astype("float64")
    return Parsed(frame.sort_values(COLUMNS[:2], kind="stable", ignore_index=True), rejected)


def _days(what: str, root: ET.Element) -> list[dict[str, str]]:
    """Field and text of every day of a document; its root is <feed>, or <pre> in the feed's other form."""
    if _local(root.tag) not in ("feed", "pre"):
        raise Unreadable(f"{what}: element <{_local(root.tag)[:40]}> is not <feed>")
    rows = []
    for entry in (child for child in root if _local(child.tag) == "entry"):
        properties = next((part for part in entry.iter() if _local(part.tag) == "properties"), None)
        if properties is None:
            raise Unreadable(f"{what}: an <entry> has no element <properties>")
        row = {_local(part.tag): (part.text or "").strip() for part in properties}
        if "NEW_DATE" not in row:
            raise Unreadable(f"{what}: field NEW_DATE is missing; there are {', '.join(row)[:150]}")
        rows.append(row)
    return rows


def _require_fields(what: str, days: list[tuple[date, dict[str, str]]]) -> None:
    """Refuse documents in which a maturity is on no day although it has long been served: a new name."""
    for name, (_, since) in FIELDS.items():
        rows = [row for day, row in days if day >= since]
        if rows and not any(name in row for row in rows):
            raise Unreadable(f"{what}: field {name} is missing; there are {', '.join(rows[0])[:150]}")


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


def _day(text: str) -> date | None:
    found = DAY.fullmatch(text)
    try:
        return date.fromisoformat(found.group(1)) if found else None
    except ValueError:
        return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
