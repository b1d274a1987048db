"""Ask Databento for fed funds futures: the client makes the request, our transport sends it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, Self
from urllib.parse import urlencode

import pandas as pd

from sources.databento.dbn import (
    DATASET,
    FIRST_DAY,
    SCHEMA,
    ZSTD_MAGIC,
    parse_statistics,
    request_range,
    require_client,
)
from sources.protocol import FuturesProvider, NotServed, Parsed, SourceUnavailable, Unreadable
from sources.tabular import CONTRACT_MONTHS
from sources.transport import (
    Body,
    Forbidden,
    NotData,
    Secret,
    Transport,
    Verdict,
    judge_status,
    looks_like_a_page,
    rate_limit,
    service_url,
)
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings, SettingsError

GATEWAY = "https://hist.databento.com"
# As far ahead as the strip that Yahoo serves, so that the marts see the same contracts from either.
STRIP_MONTHS = 24
# The request filters by the time of receipt; a Friday's final value may come on Monday.
LAST_WORD = timedelta(days=4)
NOT_YET = ("data_end_after_available_end", "data_start_after_available_end", "dataset_unavailable_range")


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    status: int
    retry_after: str | None
    content: bytes


class DatabentoFutures(FuturesProvider):
    """Serves settlements of fed funds futures."""

    name: ClassVar[str] = "databento"

    def __init__(self, key: Secret, url: str | None, transport: Transport[Reply]) -> None:
        self.key = key
        self.gateway = url or GATEWAY
        self.transport = transport
        self._available_until: datetime | None = None
        self._session: Any = None

    @classmethod
    def open(cls, settings: Settings, environ: Mapping[str, str]) -> Self:
        """Read DATABENTO_API_KEY and ROTATION_DATABENTO_URL."""
        require_client()
        text = environ.get("DATABENTO_API_KEY", "").strip()
        if not text:
            raise SettingsError(
                "DATABENTO_API_KEY is not set: the futures of the source 'databento' need a key of"
                " https://databento.com/portal/keys."
            )
        if not text.isascii() or not text.replace("-", "").isalnum():
            raise SettingsError(
                "DATABENTO_API_KEY contains a character that is not valid in a key; copy it again."
            )
        url = service_url("ROTATION_DATABENTO_URL", environ, carries_key=True)
        return cls(Secret(text), url, Transport("Databento", requests_per_second=rate_limit(url, environ)))

    def contracts(self, start: date, end: date) -> list[str]:
        """The contracts from the delivery month of the range's start to two years after its end."""
        months = pd.period_range(
            pd.Period(max(start, FIRST_DAY), "M"), pd.Period(end, "M") + STRIP_MONTHS, freq="M"
        )
        return [f"ZQ{CONTRACT_MONTHS[month.month - 1]}{month.year % 100:02d}" for month in months]

    def fetch(self, request: Request) -> Payload:
        """Fetch one contract; the range is cut to when it was listed and to Databento's first day."""
        what = f"Databento: {request.dataset}/{request.input}"
        symbol, first, last = request_range(request)
        if first > last:
            raise NotServed(
                f"{what}: no settlement in {request.start}..{request.end}: a contract is listed for five"
                f" years before its delivery, and Databento starts on {FIRST_DAY}"
            )
        starts = datetime.combine(first, time())
        ends = min(datetime.combine(last, time()) + LAST_WORD, self._until())
        if starts >= ends:
            raise SourceUnavailable(
                f"{what}: Databento has data until {ends:%Y-%m-%d %H:%M} UTC; asked from {first}"
            )
        content = self._timeseries(what).get_range(
            dataset=DATASET,
            schema=SCHEMA,
            symbols=symbol,
            stype_in="raw_symbol",
            stype_out="instrument_id",
            start=starts.isoformat(),
            end=ends.isoformat(),
        )
        extension = "dbn.zst" if content.startswith(ZSTD_MAGIC) else "dbn"
        payload = Payload(request, self.name, content, extension, datetime.now(UTC).replace(tzinfo=None))
        parsed = self.parse(payload)
        if parsed.frame.empty and not parsed.rejected:
            raise NotServed(f"Databento: {request.describe()}: no settlement in this range")
        return payload

    def _timeseries(self, what: str) -> Any:
        """The client's time series API, its network method replaced.

        The client's own sends by `requests` without a total deadline, a limit of size or a retry, and its
        errors contain the whole answer. The address, the parameters and their checks are the client's.
        """
        from databento.historical.api.timeseries import TimeseriesHttpAPI

        ask = self._ask

        class Timeseries(TimeseriesHttpAPI):
            def _stream(self, url: str, data: dict[str, Any], basic_auth: bool, path: Any = None) -> Any:
                return ask(what, url, data)

        assert hasattr(TimeseriesHttpAPI, "_stream"), "databento changed; its network method has another name"
        return Timeseries(key="held by the transport", gateway=self.gateway)

    def _until(self) -> datetime:
        """Until when the key's licence has data, asked once."""
        if self._available_until is None:
            from databento.historical.api.metadata import MetadataHttpAPI

            what, ask = f"Databento: {DATASET}", self._ask

            class Metadata(MetadataHttpAPI):
                def _get(self, url: str, params: Any = None, basic_auth: bool = False) -> Any:
                    return _Json(what, ask(what, f"{url}?{urlencode(params)}", None))

            assert hasattr(MetadataHttpAPI, "_get"), "databento changed; its network method has another name"
            client = Metadata(key="held by the transport", gateway=self.gateway)
            self._available_until = _end_of(what, client.get_dataset_range(DATASET))
        return self._available_until

    def _ask(self, what: str, url: str, form: dict[str, Any] | None) -> bytes:
        """One request of the client; the key is added only inside the sender."""
        token = base64.b64encode(f"{self.key.reveal()}:".encode()).decode()

        def send(seconds: float, body: Body) -> Reply:
            from curl_cffi import requests

            if self._session is None:
                self._session = requests.Session(headers={"User-Agent": "rotation-warehouse"})
            # A redirect would carry the key to another host.
            answer = self._session.request(
                "GET" if form is None else "POST",
                url,
                data=form,
                headers={"Authorization": f"Basic {token}"},
                timeout=seconds,
                allow_redirects=False,
                content_callback=body.take,
            )
            return Reply(answer.status_code, answer.headers.get("Retry-After"), body.content)

        def judge(reply: Reply) -> Verdict:
            case, reason = _reason(reply.content)
            return judge_answer(what, reply, case, self.key.scrub(reason).replace(token, "***"))

        content = self.transport.ask(what, send, judge).content
        if self.key.reveal().encode() in content or token.encode() in content:
            raise Unreadable(f"{what}: the answer contains the key; it was not stored")
        return content

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read a payload: the final value of each day's settlement."""
        return parse_statistics(payload)


class _Json:
    """What the client uses of an answer of its metadata API."""

    def __init__(self, what: str, content: bytes) -> None:
        self.what, self.content = what, content

    def json(self) -> Any:
        """The document."""
        return _document(self.content)


def _document(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _end_of(what: str, document: Any) -> datetime:
    """The end of the range of the schema, or of the dataset where there is none."""
    found = document if isinstance(document, dict) else {}
    schemas = found.get("schema")
    entry = schemas.get(SCHEMA) if isinstance(schemas, dict) else None
    text = entry.get("end") if isinstance(entry, dict) else found.get("end")
    moment = pd.to_datetime(text, errors="coerce", utc=True) if isinstance(text, str) else pd.NaT
    if pd.isna(moment):
        raise Unreadable(f"{what}: field end of the available range reads {str(text)[:40]!r}, not a time")
    return moment.tz_localize(None).floor("s").to_pydatetime()


def _reason(content: bytes) -> tuple[str, str]:
    """Case and sentence of Databento's errors: `{"detail": {"case": ..., "message": ...}}`, or a text."""
    document = _document(content) if content[:1] == b"{" else None
    detail = document.get("detail") if isinstance(document, dict) else None
    if isinstance(detail, dict):
        return str(detail.get("case", "")), " ".join(str(detail.get("message", "")).split())[:300]
    return "", " ".join(str(detail).split())[:300] if isinstance(detail, str) else ""


def judge_answer(what: str, reply: Reply, case: str, reason: str) -> Verdict:
    """What an answer means before it is read; 206 is data in which a symbol is missing on some days."""
    detail = f" (status {reply.status}): {reason or case or 'no reason'}"
    if reply.status == 401:
        return Verdict(
            Forbidden(f"{what}: Databento does not accept the key (status 401); check DATABENTO_API_KEY")
        )
    if reply.status == 402:
        return Verdict(Forbidden(f"{what}: Databento asks for payment{detail}"))
    if case in NOT_YET:
        return Verdict(SourceUnavailable(f"{what}: Databento does not have this range yet{detail}"))
    if case == "symbology_invalid_request" or reply.status == 404:
        return Verdict(NotServed(f"{what}: Databento has no such contract in this range{detail}"))
    if reply.status == 403:
        return Verdict(Forbidden(f"{what}: the key has no access to this data{detail}"))
    shared = judge_status(what, reply.status, reply.retry_after)
    if shared.error is not None:
        return (
            Verdict(type(shared.error)(f"{shared.error}: {reason}"), shared.retry, shared.wait_seconds)
            if reason
            else shared
        )
    if not reply.content.strip():
        return Verdict(NotData(f"{what}: the answer is empty"))
    if looks_like_a_page(reply.content):
        text = "a web page was returned instead of data; it may be a notice or a proxy's"
        return Verdict(NotData(f"{what}: {text}"))
    return Verdict()
