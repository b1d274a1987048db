"""The New York Fed's Markets API: the effective federal funds rate with the target range, and SOFR; no key.

In: `EFFR` or `SOFR` and a range of dates. Out: the JSON as served and, from it, rows in the columns of
`raw.second_source_rates`, under the names of the FRED series that hold the same numbers. Source:
https://markets.newyorkfed.org/static/docs/markets-api.html. Setting: `ROTATION_NEWYORKFED_URL`, another
address than https://markets.newyorkfed.org.

One answer about EFFR is that of five FRED series: EFFR and DFF (percentRate), DFEDTARL and DFEDTARU
(targetRateFrom, targetRateTo), and until December 2008, when there was one target and no range, DFEDTAR
(targetRateFrom alone). DFF and the targets have a value on every day of the week: on days between two that
are served, when the Federal Reserve was closed, they keep the earlier one, as on FRED. Rates are in per
cent, newest day first. Caveat: the days after the newest one served stay open, weekends too, because a
change is not known before it is served. A day is asked for with the week before it, so that a range that
begins on a weekend has its value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import pandas as pd

from market_calendar.sessions import fed_business_days_between
from sources.days import is_closed_day, plain_day
from sources.json_text import json_document
from sources.protocol import NotServed, Parsed, SourceError, Unreadable
from sources.public_api import PublicApi
from warehouse.payloads import Payload, Request

PATHS = {"EFFR": "unsecured/effr", "SOFR": "secured/sofr"}
NUMBERS = ("percentRate", "targetRateFrom", "targetRateTo")
COLUMNS = ["series_id", "observation_date", "value"]
# The longest row of days without a rate is four, around Christmas and New Year.
LEAD = timedelta(days=7)
# Since then there is a range, and no rate lay more than 0.05 outside it; farther off one of them is wrong.
RANGE_SINCE = date(2008, 12, 17)
FAR_OUTSIDE = 0.5


class NewYorkFedRates(PublicApi):
    """Serves reference rates and the target range."""

    name: ClassVar[str] = "newyorkfed"
    title: ClassVar[str] = "New York Fed"
    base_url: ClassVar[str] = "https://markets.newyorkfed.org"
    url_setting: ClassVar[str] = "ROTATION_NEWYORKFED_URL"

    def fetch(self, request: Request) -> Payload:
        """Fetch one rate over the range."""
        what = f"New York Fed: {request.input}"
        if request.input not in PATHS:
            raise SourceError(f"{what} is not one of {', '.join(PATHS)}")
        path = f"api/rates/{PATHS[request.input]}/search.json"
        asked = {"startDate": str(request.start - LEAD), "endDate": str(request.end)}
        content = self.ask(what, path, asked)
        payload = Payload(request, self.name, content, "json", datetime.now(UTC).replace(tzinfo=None))
        parsed = self.parse(payload)
        if parsed.frame.empty and not parsed.rejected:
            raise NotServed(f"{what}: no rate between {request.start} and {request.end}")
        return payload

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read an answer: a row per FRED series and day."""
        return parse_rates(payload)


# ---- reading


def parse_rates(payload: Payload) -> Parsed:
    """Read the list of days.

    Raises:
        Unreadable: the list is not there, a day lacks the field of its rate or has the name of another rate.
    """
    item = payload.request.input
    what = f"New York Fed: {item}"
    rows: dict[date, dict[str, Any]] = {}
    rejected: list[tuple[str, dict[str, Any]]] = []
    for row in _rows(what, item, payload.content):
        day = plain_day(row["effectiveDate"])
        rule = "observation_date_is_a_date" if day is None else _broken_rule(item, day, row)
        if rule is None and day in rows and not _same(row, rows[day]):
            rule = "day_is_served_once"
        if rule is not None or day is None:
            rejected.append((str(rule), row))
            continue
        rows[day] = row
    found = sorted(rows.items())
    entries = [
        entry
        for series, fields in SERIES[item].items()
        for entry in _series(series, fields, found)
        if entry[1] >= payload.request.start
    ]
    frame = pd.DataFrame(entries, columns=COLUMNS)
    frame["observation_date"] = pd.to_datetime(frame["observation_date"]).astype("datetime64[us]")
    frame["value"] = frame["value"].astype("float64")
    return Parsed(frame, rejected)


def _rows(what: str, item: str, content: bytes) -> list[dict[str, Any]]:
    document = json_document(what, content)
    rows = document.get("refRates") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unreadable(f"{what}: field refRates is not a list of days")
    for row in rows:
        if row.get("type") != item:
            raise Unreadable(f"{what}: field type reads {str(row.get('type'))[:40]!r}, expected {item!r}")
        if "effectiveDate" not in row:
            raise Unreadable(f"{what}: field effectiveDate is missing; there are {', '.join(row)[:150]}")
    # A single day without a rate is a day without one; a field that no day has was renamed.
    for name, since in FIELDS[item].items():
        due = [row for row in rows if str(row["effectiveDate"]) >= str(since)]
        if due and not any(name in row for row in due):
            raise Unreadable(f"{what}: field {name} is missing; there are {', '.join(due[0])[:150]}")
    return rows


def _broken_rule(item: str, day: date, row: dict[str, Any]) -> str | None:
    """The rule that a day breaks; absent, null and empty mean that there is no rate or target."""
    for name in NUMBERS:
        if row.get(name) not in (None, "") and _number(row[name]) is None:
            return f"{name}_is_a_finite_number"
    # In 2002 there is a rate of a holiday, on FRED too.
    if day >= RANGE_SINCE and is_closed_day(day):
        return "day_is_a_business_day"
    if item != "EFFR" or day < RANGE_SINCE:
        return None
    rate, lower, upper = (_number(row.get(name)) for name in NUMBERS)
    if lower is None and upper is None:
        return None
    if lower is None or upper is None:
        return "target_range_has_both_ends"
    if rate is not None and not lower - FAR_OUTSIDE <= rate <= upper + FAR_OUTSIDE:
        return "rate_is_near_the_target_range"
    return None


def _number(cell: object) -> float | None:
    if isinstance(cell, bool) or not isinstance(cell, (int, float)) or not math.isfinite(cell):
        return None
    return float(cell)


def _same(row: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(row.get(name) == other.get(name) for name in NUMBERS)


def _rate(row: dict[str, Any]) -> float | None:
    return _number(row.get("percentRate"))


def _single_target(row: dict[str, Any]) -> float | None:
    return _number(row.get("targetRateFrom")) if _upper(row) is None else None


def _lower(row: dict[str, Any]) -> float | None:
    return _number(row.get("targetRateFrom")) if _upper(row) is not None else None


def _upper(row: dict[str, Any]) -> float | None:
    return _number(row.get("targetRateTo"))


@dataclass(frozen=True)
class _Rule:
    """How a FRED series is read from a day; `daily`: it has a value on every day of the week."""

    read: Callable[[dict[str, Any]], float | None]
    daily: bool = False


SERIES: Mapping[str, Mapping[str, _Rule]] = {
    "EFFR": {
        "EFFR": _Rule(_rate),
        "DFF": _Rule(_rate, daily=True),
        "DFEDTAR": _Rule(_single_target, daily=True),
        "DFEDTARL": _Rule(_lower, daily=True),
        "DFEDTARU": _Rule(_upper, daily=True),
    },
    "SOFR": {"SOFR": _Rule(_rate)},
}
# Fields, and the first day since which each has always been served.
FIELDS: Mapping[str, Mapping[str, date]] = {
    "EFFR": {"percentRate": date.min, "targetRateFrom": date.min, "targetRateTo": RANGE_SINCE},
    "SOFR": {"percentRate": date.min},
}


def _series(
    series_id: str, rule: _Rule, rows: list[tuple[date, dict[str, Any]]]
) -> Iterator[tuple[str, date, float]]:
    """The days of one series; missing is not a row."""
    values = [(day, value) for day, row in rows if (value := rule.read(row)) is not None]
    for position, (day, value) in enumerate(values):
        yield series_id, day, value
        after = values[position + 1][0] if position + 1 < len(values) else day
        between = [day + timedelta(days=step) for step in range(1, (after - day).days)]
        # A business day that is missing is a hole, and what follows it is not known.
        if rule.daily and between and not fed_business_days_between(between[0], between[-1]):
            yield from ((series_id, closed, value) for closed in between)
