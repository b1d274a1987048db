"""The source `fdic`: unrealised gains and losses on securities of all FDIC-insured institutions, by
quarter, from the FDIC's API.

In: a `Request` of the dataset `bank_financials` whose input is a quarter's last day, such as 2024-06-30.
Out: the JSON as served (several pages in one array) and from it one row: fair value and amortised cost of
securities available for sale (SCAF, SCAA) and held to maturity (SCHF, SCHA), summed over the institutions,
in thousands of dollars. Source: FDIC BankFind Suite, https://api.fdic.gov/banks/docs/. Settings:
`ROTATION_FDIC_URL`, another base address than https://api.fdic.gov/banks, and `FDIC_API_KEY`, sent as a
header when there is one. Caveats: a quarter is complete about 55 days after its end, and amended reports
change it later.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Self

import pandas as pd
import requests

from sources.protocol import NotServed, Parsed, Provider, SourceError, SourceUnavailable, Unreadable
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings

BASE_URL = "https://api.fdic.gov/banks"
# Field of the API → column; thousands of dollars.
FIELDS = {
    "SCAF": "afs_fair_value_usd_thousand",
    "SCAA": "afs_amortised_cost_usd_thousand",
    "SCHF": "htm_fair_value_usd_thousand",
    "SCHA": "htm_amortised_cost_usd_thousand",
}
PAIRS = (("SCAF", "SCAA"), ("SCHF", "SCHA"))
PAGE_ROWS = 10_000  # the most that the API serves at once; there were about 4,500 institutions in 2024
MAX_PAGES = 10
MAX_BYTES = 64 * 1024 * 1024
CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 10.0, 60.0, 180.0


class FdicSource(Provider):
    """Serves one quarter at a time."""

    name = "fdic"

    def __init__(
        self,
        base_url: str = BASE_URL,
        api_key: str | None = None,
        *,
        page_rows: int = PAGE_ROWS,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self.address = f"{base_url.rstrip('/')}/financials"
        self._api_key = api_key
        self._page_rows = page_rows
        self._timeout = (connect_seconds, read_seconds)
        self._total_seconds = total_seconds

    @classmethod
    def open(cls, settings: Settings, environ: Mapping[str, str]) -> Self:
        """The provider configured by `ROTATION_FDIC_URL` and `FDIC_API_KEY`."""
        return cls(
            environ.get("ROTATION_FDIC_URL", "").strip() or BASE_URL,
            environ.get("FDIC_API_KEY", "").strip() or None,
        )

    def fetch(self, request: Request) -> Payload:
        """Fetch every institution's securities for one quarter."""
        quarter = _quarter_of(request)
        pages: list[bytes] = []
        received, total = 0, None
        while total is None or received < total:
            body = self._get(request, quarter, offset=received)
            rows, served_total = _shape(request, body)
            if served_total == 0:
                raise NotServed(
                    f"fdic: {request.dataset}/{request.input}: no reports yet; a quarter comes about 55 days"
                    " after its end"
                )
            if total is not None and served_total != total:
                raise SourceUnavailable(
                    f"fdic: {request.dataset}/{request.input}: the number of reports changed from {total} to"
                    f" {served_total} between two pages; fetch again later"
                )
            if not rows:
                raise SourceUnavailable(
                    f"fdic: {request.dataset}/{request.input}: the pages ended after {received} of"
                    f" {served_total} reports"
                )
            if len(pages) == MAX_PAGES:
                raise SourceError(
                    f"fdic: {request.dataset}/{request.input}: more than {MAX_PAGES} pages ({served_total}"
                    " reports); something other than one quarter was served"
                )
            pages.append(body)
            total, received = served_total, received + rows
        content = pages[0] if len(pages) == 1 else b"[" + b",".join(pages) + b"]"
        return Payload(request, self.name, content, "json", datetime.now(UTC).replace(tzinfo=None))

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Sum the institutions of one quarter; a report that contradicts itself is rejected and named."""
        request = payload.request
        quarter = _quarter_of(request)
        where = f"fdic: {request.dataset}/{request.input}"
        try:
            document = json.loads(payload.content)
        except (UnicodeDecodeError, ValueError) as error:
            raise Unreadable(f"{where}: the payload is not JSON ({error})") from None
        pages = document if isinstance(document, list) else [document]
        values: dict[str, list[float]] = {name: [] for name in FIELDS}
        rejected: list[tuple[str, dict[str, Any]]] = []
        seen: set[Any] = set()
        reports, total = 0, 0
        for page in pages:
            rows, total = _rows(where, page)
            reports += len(rows)
            for row in rows:
                rule = _broken_rule(where, row, quarter)
                certificate = row.get("CERT")
                if rule is None and certificate is not None and certificate in seen:
                    rule = "institution_is_served_once"
                if rule is not None:
                    rejected.append((rule, row))
                    continue
                seen.add(certificate)
                for name in FIELDS:
                    if row[name] is not None:
                        values[name].append(row[name])
        if reports != total:
            raise Unreadable(f"{where}: field meta.total says {total} reports, the payload holds {reports}")
        frame = pd.DataFrame(
            {
                "quarter_end": pd.Series([quarter], dtype="datetime64[us]"),
                "institutions": pd.Series([reports - len(rejected)], dtype="int64"),
                # No bank reported it: unknown, not zero.
                **{
                    FIELDS[name]: pd.Series([math.fsum(found) if found else None], dtype="float64")
                    for name, found in values.items()
                },
            }
        )
        return Parsed(frame.iloc[:0] if reports == len(rejected) else frame, rejected)

    def _get(self, request: Request, quarter: date, offset: int) -> bytes:
        where = f"fdic: {request.dataset}/{request.input}"
        parameters: dict[str, str | int] = {
            "filters": f"REPDTE:{quarter:%Y%m%d}",
            "fields": ",".join(("CERT", "REPDTE", *FIELDS)),
            "sort_by": "CERT",
            "sort_order": "ASC",
            "limit": self._page_rows,
            "offset": offset,
            "format": "json",
        }
        headers = {"Accept": "application/json", "User-Agent": "rotation-warehouse"}
        if self._api_key:
            headers["X-Api-Key"] = self._api_key
        try:
            with requests.get(
                self.address, params=parameters, headers=headers, timeout=self._timeout, stream=True
            ) as response:
                _require_ok(where, response.status_code)
                return self._read(where, response)
        except requests.Timeout:
            raise SourceUnavailable(f"{where}: no answer in time; try later") from None
        except (
            requests.exceptions.InvalidURL,
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidSchema,
        ):
            raise SourceError(
                f"{where}: ROTATION_FDIC_URL is not an address; write it as {BASE_URL}"
            ) from None
        except requests.RequestException as error:
            # The class says what happened (refused, reset, cut short); the text may repeat the whole address.
            raise SourceUnavailable(
                f"{where}: the connection failed ({type(error).__name__}); try later"
            ) from None

    def _read(self, where: str, response: requests.Response) -> bytes:
        """The body, within the limits of size and time."""
        deadline = time.monotonic() + self._total_seconds
        body = bytearray()
        for chunk in response.iter_content(1 << 16):
            body += chunk
            if len(body) > MAX_BYTES:
                raise SourceError(
                    f"{where}: the answer is larger than {MAX_BYTES >> 20} MB; check ROTATION_FDIC_URL"
                )
            if time.monotonic() > deadline:
                raise SourceUnavailable(
                    f"{where}: the answer was not complete after {self._total_seconds:g} s"
                )
        return bytes(body)


def _require_ok(where: str, status: int) -> None:
    """Refuse every status but 200."""
    if status == 429 or status >= 500:
        raise SourceUnavailable(f"{where}: the server answered {status}; try later")
    if status in (401, 403):
        raise SourceError(
            f"{where}: access refused ({status}); set FDIC_API_KEY to a free key of api.data.gov"
        )
    if status != 200:
        raise SourceError(f"{where}: the server answered {status}; check ROTATION_FDIC_URL")


def _quarter_of(request: Request) -> date:
    try:
        quarter = date.fromisoformat(request.input)
    except ValueError:
        quarter = None
    if quarter is None or not pd.Timestamp(quarter).is_quarter_end:
        raise SourceError(
            f"fdic: {request.dataset}/{request.input}: the input is not a quarter; write its last day as"
            " 2024-06-30"
        )
    return quarter


def _shape(request: Request, body: bytes) -> tuple[int, int]:
    """Rows of a page and reports in all, for paging; an answer that is not a page is the server's fault."""
    where = f"fdic: {request.dataset}/{request.input}"
    try:
        rows, total = _rows(where, json.loads(body))
    except (UnicodeDecodeError, ValueError, Unreadable) as error:
        raise SourceUnavailable(
            f"{where}: the server sent something other than a page of reports ({str(error)[:120]})"
        ) from None
    return len(rows), total


def _rows(where: str, page: Any) -> tuple[list[dict[str, Any]], int]:
    """The reports of one page and the number of reports in all pages."""
    if not isinstance(page, dict):
        raise Unreadable(f"{where}: a page is not an object")
    meta = page.get("meta")
    total = meta.get("total") if isinstance(meta, dict) else None
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        raise Unreadable(f"{where}: field meta.total is not a count: {total!r}")
    items = page.get("data")
    if not isinstance(items, list):
        raise Unreadable(f"{where}: field data is not a list")
    rows = []
    for item in items:
        row = item.get("data") if isinstance(item, dict) else None
        if not isinstance(row, dict):
            raise Unreadable(f"{where}: field data[].data is not an object")
        rows.append(row)
    return rows, total


def _broken_rule(where: str, row: dict[str, Any], quarter: date) -> str | None:
    """The rule that a report breaks, or None; a field that is missing altogether makes the payload
    Unreadable.
    """
    missing = [name for name in ("REPDTE", *FIELDS) if name not in row]
    if missing:
        raise Unreadable(f"{where}: field {', '.join(missing)} is missing")
    if str(row["REPDTE"]) != f"{quarter:%Y%m%d}":
        return "report_is_of_the_quarter_asked"
    for name in FIELDS:
        value = row[name]
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return f"{FIELDS[name]}_is_a_finite_number"
        if value < 0:
            return f"{FIELDS[name]}_is_not_negative"
    # A difference with one side unknown would count a whole portfolio as gain or loss.
    if any((row[fair] is None) != (row[cost] is None) for fair, cost in PAIRS):
        return "fair_value_and_cost_come_together"
    return None
