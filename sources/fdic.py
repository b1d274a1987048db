"""The source `fdic`: unrealised gains and losses on securities of all FDIC-insured institutions, by
quarter, from the FDIC's API; and how a quarter of reports is asked for, whatever its fields
(`FdicFinancials`, also the base of `sources.fdic_margins`).

In: a `Request` of the dataset `bank_financials` whose input is a quarter's last day, such as 2024-06-30.
Out: the JSON as served (several pages in one array) and from it one row: fair value and amortised cost of
securities available for sale (SCAF, SCAA) and held to maturity (SCHF, SCHA), summed over the institutions,
in thousands of dollars. Source: FDIC BankFind Suite, https://api.fdic.gov/banks/docs/. Settings:
`ROTATION_FDIC_URL`, another base address than https://api.fdic.gov/banks, and `FDIC_API_KEY`, sent as a
header when there is one. The API leaves a field out where it is null, for some reports all of them: then the
bank has no such value, while a field that is in no report at all is a changed format. Caveats: a quarter is
complete about 55 days after its end, and amended reports change it later.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, ClassVar, Self

import pandas as pd

from sources.json_text import json_document
from sources.protocol import NotServed, Parsed, Provider, SourceError, SourceUnavailable, Unreadable
from sources.text_numbers import is_finite_number
from sources.transport import (
    Body,
    Forbidden,
    NotData,
    Secret,
    Transport,
    Verdict,
    asks_to_slow_down,
    judge_slow_down,
    judge_status,
    looks_like_a_page,
    rate_limit,
    service_url,
)
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings, SettingsError

BASE_URL = "https://api.fdic.gov/banks"
# Field of the API → column; thousands of dollars.
FIELDS = {
    "SCAF": "afs_fair_value_usd_thousand",
    "SCAA": "afs_amortised_cost_usd_thousand",
    "SCHF": "htm_fair_value_usd_thousand",
    "SCHA": "htm_amortised_cost_usd_thousand",
}
SERVED_TWICE = "institution_is_served_once"
PAIRS = (("SCAF", "SCAA"), ("SCHF", "SCHA"))
PAGE_ROWS = 10_000  # the most that the API serves at once; there were about 4,500 institutions in 2024
MAX_PAGES = 10
# Rejected reports may hold so much of what the sound ones hold; with more left out the sum would be wrong.
MOST_LEFT_OUT = 0.01
# Above a billion dollars no portfolio is worth less than half of what it cost, or more than twice.
LARGE, FARTHEST = 1_000_000, 2.0


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; `moved_to` is the address of a redirect that was not followed."""

    status: int
    retry_after: str | None
    content: bytes
    moved_to: str | None = None


class FdicFinancials(Provider):
    """Asks for the reports of one quarter at a time.

    Attributes:
        fields: those that are asked for beside the certificate and the date.
    """

    name: ClassVar[str] = "fdic"
    fields: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        base_url: str | None = None,
        key: Secret | None = None,
        *,
        page_rows: int = PAGE_ROWS,
        transport: Transport[Reply] | None = None,
    ) -> None:
        self.address = f"{(base_url or BASE_URL).rstrip('/')}/financials"
        self.transport: Transport[Reply] = transport or Transport("FDIC", requests_per_second=None)
        self._key = key
        self._page_rows = page_rows
        self._session: Any = None

    @classmethod
    def open(cls, settings: Settings, environ: Mapping[str, str]) -> Self:
        """The provider configured by `ROTATION_FDIC_URL` and `FDIC_API_KEY`."""
        text = environ.get("FDIC_API_KEY", "").strip()
        if text and not (text.isascii() and text.isprintable() and " " not in text):
            raise SettingsError(
                "FDIC_API_KEY contains a blank or a character that is not valid in a key; copy it again."
            )
        url = service_url("ROTATION_FDIC_URL", environ, carries_key=bool(text))
        transport: Transport[Reply] = Transport("FDIC", requests_per_second=rate_limit(url, environ))
        return cls(url, Secret(text) if text else None, transport=transport)

    def fetch(self, request: Request) -> Payload:
        """Fetch every institution's report for one quarter."""
        quarter = quarter_of(request)
        pages: list[bytes] = []
        certificates: set[str] = set()
        received, total = 0, None
        while total is None or received < total:
            body = self._get(request, quarter, offset=received)
            page, served_total = report_rows(f"fdic: {request.dataset}/{request.input}", json.loads(body))
            rows = len(page)
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
            if twice := certificates & _certificates(page):
                raise SourceUnavailable(
                    f"fdic: {request.dataset}/{request.input}: {_overlap(twice)}; fetch again later"
                )
            certificates |= _certificates(page)
            if len(pages) == MAX_PAGES:
                raise SourceError(
                    f"fdic: {request.dataset}/{request.input}: more than {MAX_PAGES} pages ({served_total}"
                    " reports); something other than one quarter was served"
                )
            pages.append(body)
            total, received = served_total, received + rows
        content = pages[0] if len(pages) == 1 else b"[" + b",".join(pages) + b"]"
        return Payload(request, self.name, content, "json", datetime.now(UTC).replace(tzinfo=None))

    def _get(self, request: Request, quarter: date, offset: int) -> bytes:
        where = f"fdic: {request.dataset}/{request.input}"

        def judge(reply: Reply) -> Verdict:
            return judge_page(where, reply)

        content = self.transport.ask(where, self._sender(quarter, offset), judge).content
        if self._key is not None and self._key.reveal().encode() in content:
            raise Unreadable(f"{where}: the answer contains the key; it was not stored")
        return content

    def _sender(self, quarter: date, offset: int) -> Callable[[float, Body], Reply]:
        parameters: dict[str, str | int] = {
            "filters": f"REPDTE:{quarter:%Y%m%d}",
            "fields": ",".join(("CERT", "REPDTE", *self.fields)),
            "sort_by": "CERT",
            "sort_order": "ASC",
            "limit": self._page_rows,
            "offset": offset,
            "format": "json",
        }
        headers = {"Accept": "application/json"}
        if self._key is not None:
            headers["X-Api-Key"] = self._key.reveal()

        def send(seconds: float, body: Body) -> Reply:
            from curl_cffi import requests

            if self._session is None:
                self._session = requests.Session(headers={"User-Agent": "rotation-warehouse"})
            answer = self._session.get(
                self.address,
                params=parameters,
                headers=headers,
                timeout=seconds,
                # The former host answers with a redirect; it would carry a key to another host.
                allow_redirects=self._key is None,
                content_callback=body.take,
            )
            return Reply(
                answer.status_code,
                answer.headers.get("Retry-After"),
                body.content,
                answer.headers.get("Location"),
            )

        return send


class FdicSource(FdicFinancials):
    """Serves the securities of all institutions as one row a quarter."""

    fields: ClassVar[tuple[str, ...]] = tuple(FIELDS)

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Sum the institutions of one quarter; a report that contradicts itself is rejected and named."""
        request = payload.request
        quarter = quarter_of(request)
        where = f"fdic: {request.dataset}/{request.input}"
        rows, total = all_reports(where, payload.content)
        require_fields(where, rows, ("REPDTE", *FIELDS))
        values, rejected = _collect(rows, quarter)
        reports = len(rows)
        if reports != total:
            raise Unreadable(f"{where}: field meta.total says {total} reports, the payload holds {reports}")
        _require_most(where, values, rejected)
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


def judge_page(where: str, reply: Reply) -> Verdict:
    """What an answer means: a page of reports, or an error that says what to do."""
    if asks_to_slow_down(reply.content):
        return judge_slow_down(where, reply.retry_after)
    if reply.status in (401, 403):
        advice = "set FDIC_API_KEY to a free key of api.data.gov"
        return Verdict(Forbidden(f"{where}: access was refused (status {reply.status}); {advice}"))
    if 300 <= reply.status < 400:
        new = (reply.moved_to or "another address").split("/financials")[0].split("?")[0]
        text = f"{where}: the API has moved (status {reply.status}); set ROTATION_FDIC_URL to {new}"
        return Verdict(SourceError(text))
    shared = judge_status(where, reply.status, reply.retry_after)
    if shared.error is not None and not shared.retry:
        return Verdict(SourceError(f"{shared.error}; check ROTATION_FDIC_URL"))
    if shared.error is not None:
        return shared
    if looks_like_a_page(reply.content) or not reply.content.strip():
        text = f"{where}: the server sent a web page or nothing, other than a page of reports"
        return Verdict(NotData(text))
    try:
        report_rows(where, json.loads(reply.content))
    except (UnicodeDecodeError, ValueError, RecursionError, Unreadable) as error:
        reason = str(error)[:120]
        return Verdict(NotData(f"{where}: the server sent something other than a page of reports ({reason})"))
    return Verdict()


def quarter_of(request: Request) -> date:
    """The quarter that a request is for, as its last day."""
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


def all_reports(where: str, content: bytes) -> tuple[list[dict[str, Any]], int]:
    """The reports of a payload, one page or several in an array, and how many there are by its own count."""
    document = json_document(where, content)
    rows: list[dict[str, Any]] = []
    certificates: set[str] = set()
    total = 0
    for page in document if isinstance(document, list) else [document]:
        served, total = report_rows(where, page)
        if twice := certificates & _certificates(served):
            raise Unreadable(f"{where}: {_overlap(twice)}")
        certificates |= _certificates(served)
        rows += served
    return rows, total


def _certificates(rows: list[dict[str, Any]]) -> set[str]:
    return {str(row["CERT"]) for row in rows if row.get("CERT") is not None}


def _overlap(twice: set[str]) -> str:
    return (
        f"{len(twice):,} reports are on two pages, such as that of CERT {min(twice)[:20]}, so as many others"
        " are on none"
    )


def report_rows(where: str, page: Any) -> tuple[list[dict[str, Any]], int]:
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
        # Without any value there are no details.
        row = (item.get("data") or {}) if isinstance(item, dict) else None
        if not isinstance(row, dict):
            raise Unreadable(f"{where}: field data[].data is not an object")
        rows.append(row)
    return rows, total


def _collect(
    rows: list[dict[str, Any]], quarter: date
) -> tuple[dict[str, list[float]], list[tuple[str, dict[str, Any]]]]:
    """The values of each field over the sound reports, and the others with the rule that they break."""
    values: dict[str, list[float]] = {name: [] for name in FIELDS}
    rejected: list[tuple[str, dict[str, Any]]] = []
    seen: dict[str, dict[str, Any]] = {}
    for row in rows:
        rule = _broken_rule(row, quarter)
        certificate = str(row.get("CERT", ""))
        if rule is None and certificate and certificate in seen:
            other = seen[certificate]
            same = all(row.get(name) == other.get(name) for name in FIELDS)
            rule = SERVED_TWICE if same else "institution_has_one_report"
        if rule is not None:
            rejected.append((rule, row))
            continue
        seen[certificate] = row
        for name in FIELDS:
            if row.get(name) is not None:
                values[name].append(row[name])
    return values, rejected


def _require_most(
    where: str, values: dict[str, list[float]], rejected: list[tuple[str, dict[str, Any]]]
) -> None:
    """Refuse a quarter whose rejected reports hold a good part of the securities: their sum would be short.

    A report that is merely there twice takes nothing away. Where none is sound there is no sum either.
    """
    kept = math.fsum(value for found in values.values() for value in found)
    left_out = [(_securities(row), row) for rule, row in rejected if rule != SERVED_TWICE]
    short = math.fsum(amount for amount, _ in left_out)
    if not kept or short <= MOST_LEFT_OUT * kept:
        return
    largest = max(left_out, key=lambda entry: entry[0])[1]
    rules = ", ".join(sorted({rule for rule, _ in rejected if rule != SERVED_TWICE}))
    raise Unreadable(
        f"{where}: {len(left_out):,} reports break a rule ({rules}), the largest of CERT"
        f" {str(largest.get('CERT'))[:20]}; they hold {short / (kept + short):.1%} of the securities, and the"
        " sum without them would be too low"
    )


def _securities(row: dict[str, Any]) -> float:
    """What a report holds, also where its numbers came as text."""
    amounts = []
    for name in FIELDS:
        try:
            amounts.append(abs(float(row.get(name) or 0)))
        except (TypeError, ValueError, OverflowError):
            continue
    return math.fsum(amount for amount in amounts if math.isfinite(amount))


def _broken_rule(row: dict[str, Any], quarter: date) -> str | None:
    """The rule that a report breaks, or None."""
    if not any(name in row for name in ("REPDTE", *FIELDS)):
        return None
    if str(row.get("REPDTE")) != f"{quarter:%Y%m%d}":
        return "report_is_of_the_quarter_asked"
    for name in FIELDS:
        value = row.get(name)
        if value is None:
            continue
        if not isinstance(value, int | float) or not is_finite_number(value):
            return f"{FIELDS[name]}_is_a_finite_number"
        if value < 0:
            return f"{FIELDS[name]}_is_not_negative"
    # A difference with one side unknown would count a whole portfolio as gain or loss, unless that is 0.
    for fair, cost in PAIRS:
        known = [row[name] for name in (fair, cost) if row.get(name) is not None]
        if len(known) == 1 and known[0] != 0:
            return "fair_value_and_cost_come_together"
        if known and max(known) > LARGE and max(known) > FARTHEST * min(known) and len(known) == 2:
            return "fair_value_is_near_cost"
    return None


def require_fields(where: str, rows: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    """Refuse reports of which none has a field: it was renamed or dropped, or its name is not known to the
    API, which leaves such a field out without a word.
    """
    missing = [name for name in names if not any(name in row for row in rows)]
    if rows and missing:
        found = ", ".join(sorted({str(name) for row in rows[:100] for name in row}))[:150]
        raise Unreadable(
            f"{where}: field {', '.join(missing)} is missing in all {len(rows):,} reports; there are {found}"
        )
