"""A server on this machine that speaks the New York Fed's Markets API and the Treasury's yield curve feed,
and can misbehave.

`SecondSourcesServer(feed)` answers `/api/rates/{unsecured/effr,secured/sofr}/search.json?startDate&endDate`
and `/resource-center/.../pages/xml?data=daily_treasury_yield_curve&field_tdr_date_value[_month]`. As the real
ones do, it sends gzip where the client takes it; the New York Fed's days come newest first, a day's rate on
the next business day, `targetRateFrom` alone while there was a single target; the Treasury's feed knows no
days outside the month or year asked, and a maturity without a yield is empty or left out. The numbers are
those that the feed's FRED series have, so that the two agree; `served` changes them.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

import pandas as pd

from market_calendar.sessions import fed_business_days_between
from sources.treasury import FIELDS
from tests.faults.feed import FIRST, Feed
from tests.faults.server import Handler, Server

FIRST_RANGE = date(2008, 12, 16)
FIRST_SOFR = date(2018, 4, 3)
RATES = {"/api/rates/unsecured/effr/search.json": "EFFR", "/api/rates/secured/sofr/search.json": "SOFR"}
# Maturities of the feed that no series here corresponds to.
OTHER_FIELDS = ("BC_1_5MONTH", "BC_2MONTH", "BC_4MONTH", "BC_3YEAR")
Change = Callable[[str, pd.Series], pd.Series]


class SecondSourcesServer(Server):
    """The server in a thread; a context manager. `served` turns a series' values by day into other ones."""

    def __init__(self, feed: Feed, served: Change | None = None) -> None:
        super().__init__(feed)
        self.served: Change = served or (lambda name, values: values)
        self._http.RequestHandlerClass = SecondSourcesHandler

    def values(self, *names: str) -> pd.Series:
        """The values of the first of the series that the feed has, by business day; empty without any."""
        for name in names:
            frame = self.feed.frame("fred", name)
            if frame is not None:
                values = frame.dropna(subset="value").set_index("date")["value"]
                return self.served(names[0], values[values.index.isin(_business_days())])
        return pd.Series(dtype="float64")


@cache
def _business_days() -> pd.DatetimeIndex:
    return pd.to_datetime(fed_business_days_between(FIRST, date(2028, 12, 29)))


class SecondSourcesHandler(Handler):
    """Answers one request."""

    def _answer(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes]:
        owner = self.owner
        assert isinstance(owner, SecondSourcesServer)
        if path in RATES:
            return reference_rates(owner, RATES[path], query)
        if path.endswith("/interest-rates/pages/xml"):
            return par_curve(owner, query)
        return 404, "text/plain", b"nothing here"

    def send_whole(
        self, status: int, headers: dict[str, str], body: bytes, length: int | None = None
    ) -> None:
        """As every handler, compressed where the client takes that."""
        if length is None and "gzip" in self.headers.get("Accept-Encoding", ""):
            headers, body = headers | {"Content-Encoding": "gzip"}, gzip.compress(body)
        super().send_whole(status, headers, body, length)


def reference_rates(owner: SecondSourcesServer, item: str, query: dict[str, str]) -> tuple[int, str, bytes]:
    """The New York Fed's answer to a search."""
    values = owner.values("EFFR", "DFF") if item == "EFFR" else owner.values("SOFR", "DFF")
    values = values[values.index < pd.Timestamp(owner.feed.as_of)]  # published on the next business day
    inside = values[query.get("startDate", "1900-01-01") : query.get("endDate", "2100-01-01")]
    lower, upper = owner.values("DFEDTARL"), owner.values("DFEDTARU")
    rows = []
    for day, value in inside.items():
        assert isinstance(day, pd.Timestamp)
        if item == "SOFR" and day.date() < FIRST_SOFR:
            continue
        row: dict[str, Any] = {"effectiveDate": f"{day:%Y-%m-%d}", "type": item, "percentRate": value}
        row |= {f"percentPercentile{share}": value for share in (1, 25, 75, 99)}
        row["volumeInBillions"] = 87
        if item == "EFFR":
            bottom = float(lower.get(day, (value // 0.25) * 0.25))
            row["targetRateFrom"] = bottom
            if day.date() >= FIRST_RANGE:
                row["targetRateTo"] = float(upper.get(day, bottom + 0.25))
        rows.append(row | {"revisionIndicator": ""})
    rows.reverse()
    return 200, "application/json", json.dumps({"refRates": rows}).encode()


def par_curve(owner: SecondSourcesServer, query: dict[str, str]) -> tuple[int, str, bytes]:
    """The Treasury's document of a month or a year."""
    if query.get("data") != "daily_treasury_yield_curve":
        return 200, "text/xml", _document([])
    month, year = query.get("field_tdr_date_value_month", ""), query.get("field_tdr_date_value", "")
    period = pd.Period(f"{month[:4]}-{month[4:]}" if month else year, freq="M" if month else "Y")
    curve = {
        name: owner.values(series)[str(period.start_time.date()) : str(period.end_time.date())]
        for name, (series, _) in FIELDS.items()
    }
    chosen = sorted({day for values in curve.values() for day in values.index})
    entries = []
    for number, day in enumerate(chosen):
        cells = [f'<d:Id m:type="Edm.Int32">{7000 + number}</d:Id>'] if number % 2 else []
        cells.append(f'<d:NEW_DATE m:type="Edm.DateTime">{day:%Y-%m-%dT00:00:00}</d:NEW_DATE>')
        middle = curve["BC_2YEAR"].get(day)
        for name in OTHER_FIELDS:
            cells.append(_cell(name, middle))
        cells += [
            cell
            for position, name in enumerate(curve)
            if (cell := _cell(name, curve[name].get(day), position))
        ]
        cells.append(_cell("BC_30YEARDISPLAY", curve["BC_30YEAR"].get(day)))
        entries.append("".join(cells))
    return 200, "text/xml; charset=UTF-8", _document(entries)


def _cell(name: str, value: float | None, position: int = 0) -> str:
    """A maturity; one without a yield is empty, and for every second field left out."""
    if value is None or pd.isna(value):
        return f'<d:{name} m:type="Edm.Double" m:null="true" />' if position % 2 == 0 else ""
    return f'<d:{name} m:type="Edm.Double">{escape(f"{value:.2f}")}</d:{name}>'


def _document(entries: list[str]) -> bytes:
    items = "".join(
        f'<entry><title type="text"></title><updated>2026-08-05T20:00:00Z</updated><author><name /></author>'
        f'<content type="application/xml"><m:properties>{cells}</m:properties></content></entry>\n'
        for cells in entries
    )
    return (
        '<?xml version="1.0" encoding="utf-8" standalone="yes" ?>\n'
        '<feed xml:base="http://data.treasury.gov/Feed.svc/"'
        ' xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices"'
        ' xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
        ' xmlns="http://www.w3.org/2005/Atom">\n<title type="text">DailyTreasuryYieldCurveRateData</title>\n'
        f"{items}</feed>"
    ).encode()
