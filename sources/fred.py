"""FRED: with a key through fredapi and its XML interface, without one through the public CSV download.

In: a series and a range of observation dates. Out: a payload and, from it, rows in the columns of
`raw.fred_observations`. With a key a payload is JSON: the bodies of the requests that fredapi made
(metadata, vintage dates, observations), as served. Series that are revised (`VINTAGE_SERIES`) and
projections are asked by real-time period, so that every version comes with the day on which it was
published; `available_at_utc` is that day at the release's usual clock time. A value that was there when the
archive of the series began was published earlier: it keeps the release rule's time and stays `assumed`
(projected years do not: each projection names them anew). Source:
https://fred.stlouisfed.org/docs/api/fred/. Caveat: FRED clips a version's real-time start to the period
that was asked, so a version that is dated with the first day of a period counts as a continuation unless
its value differs.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, unquote, urlencode, urlsplit

from sources.fred_answers import (
    PROJECTED_PERIODS,
    TooManyRows,
    check_answer,
    observation_period,
    parse_fred,
    xml_root,
)
from sources.protocol import NotServed, Parsed, Provider, SourceError, Unreadable
from sources.transport import (
    FRED_REQUESTS_PER_SECOND,
    Body,
    Forbidden,
    NotData,
    Secret,
    Transport,
    Verdict,
    asks_to_slow_down,
    judge_slow_down,
    judge_status,
    looks_like_a_notice,
    looks_like_a_page,
    rate_limit,
    service_url,
)
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings, SettingsError

if TYPE_CHECKING:
    from fredapi import Fred  # type: ignore[import-untyped]

LOG = logging.getLogger(__name__)
API_URL = "https://api.stlouisfed.org/fred"
CSV_URL = "https://fred.stlouisfed.org/graph/fredgraph.csv"
# Revised after the first print, and read by their first print somewhere. A weekly index that is revised as
# a whole (NFCI) is not here: each of its 700 vintages restates 2,700 weeks. Projections come on top.
VINTAGE_SERIES = frozenset({"CPIAUCSL", "CPILFESL", "ICSA", "PAYEMS", "UNRATE"})
# FRED accepts 2,000 vintage dates and 100,000 rows a request.
VINTAGES_PER_REQUEST = 1500
# A longer request is the first load; a shorter one a trailing window, for which only the versions since its
# start are asked.
TRAILING_LIMIT_DAYS = 400
ERROR = re.compile(rb"\s*(<\?xml[^>]*>)?\s*<error\b")
SERIES_NAME = re.compile(r"[A-Za-z0-9_]{1,60}")


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    status: int
    retry_after: str | None
    content: bytes


def has_vintages(series_id: str) -> bool:
    """Whether a series is asked for with every version that was published."""
    return series_id in VINTAGE_SERIES or observation_period(series_id) in PROJECTED_PERIODS


def find_key(environ: Mapping[str, str]) -> Secret | None:
    """FRED_API_KEY, else the password of the Airflow connection `fred_default`: of its variable, else, in a
    task, as Airflow keeps it.
    """
    text = environ.get("FRED_API_KEY", "").strip()
    if not text:
        text = _key_of_connection(environ.get("AIRFLOW_CONN_FRED_DEFAULT", "").strip())
    if not text:
        text = _key_kept_by_airflow()
    if not text:
        return None
    if not text.isascii() or not text.isprintable() or " " in text:
        raise SettingsError(
            "The FRED key contains a blank or a character that is not valid in a key; copy it again from"
            " fredaccount.stlouisfed.org."
        )
    return Secret(text)


def _key_of_connection(text: str) -> str:
    """The password of a connection in Airflow's JSON or URI form; it is read here because `dags test`
    prints what Airflow reads.
    """
    if not text:
        return ""
    if text.startswith("{"):
        try:
            entry = json.loads(text)
        except ValueError:
            entry = {}
        if not isinstance(entry, dict):
            return ""
        extra = entry.get("extra") or {}
        return str(entry.get("password") or (extra.get("api_key") if isinstance(extra, dict) else "") or "")
    try:
        return unquote(urlsplit(text).password or "")
    except ValueError:
        return ""


def _key_kept_by_airflow() -> str:
    """The password of `fred_default` in Airflow's metadata or secrets backend; blank outside a task. It is
    passed on to nothing else.

    `airflow dags test` runs its tasks in its own process and, where it logs for debugging, prints what they
    are given: there it is not read.
    """
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    channel = getattr(runner, "SUPERVISOR_COMMS", None)
    if channel is None or type(channel).__name__.startswith("InProcess"):
        return ""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = Connection.get("fred_default")
    except AirflowNotFoundException:
        return ""
    return str(connection.password or connection.extra_dejson.get("api_key") or "").strip()


class FredSource(Provider):
    """Serves FRED series; with a key also their vintages."""

    name = "fred"

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        transport: Transport[Reply] | None = None,
        key: Secret | None = None,
    ) -> None:
        self.key = key if key is not None else find_key(environ)
        url = service_url("ROTATION_FRED_URL", environ, carries_key=self.key is not None)
        self.api_url = f"{url}/fred" if url else API_URL
        self.csv_url = f"{url}/graph/fredgraph.csv" if url else CSV_URL
        self.transport: Transport[Reply] = transport or Transport(
            "FRED", requests_per_second=rate_limit(url, environ, FRED_REQUESTS_PER_SECOND)
        )
        self._session: Any = None
        self._said = False

    @classmethod
    def open(cls, settings: Settings, environ: Mapping[str, str]) -> Self:
        """The provider with the key of the environment or of Airflow, or without one."""
        return cls(environ)

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read a payload of either kind."""
        return parse_fred(payload)

    def fetch(self, request: Request) -> Payload:
        """Fetch one series; the result was read once by fredapi and once by `parse`."""
        if not SERIES_NAME.fullmatch(request.input):
            raise SourceError(f"FRED: {request.input!r} cannot be the name of a series")
        if self.key is None:
            self._log_missing_key()
            content, extension = self._fetch_csv(request), "csv"
        else:
            content, extension = self._fetch_by_api(request), "json"
        payload = Payload(request, self.name, content, extension, datetime.now(UTC).replace(tzinfo=None))
        parsed = parse_fred(payload)
        if parsed.frame.empty and not parsed.rejected and not _may_be_empty(payload):
            raise NotServed(f"FRED: {request.describe()}: no observation in this range")
        return payload

    # ---- without a key

    def _log_missing_key(self) -> None:
        if not self._said:
            LOG.info("FRED: no key was found, so the public CSV download is used: latest values, no vintages")
        self._said = True

    def _fetch_csv(self, request: Request) -> bytes:
        what = f"FRED: {request.input}"
        dates = {"id": request.input, "cosd": str(request.start)}
        # The years that a projection names lie behind the session.
        if observation_period(request.input) != "projected_year":
            dates["coed"] = str(request.end)
        query = urlencode(dates)

        def judge(answer: Reply) -> Verdict:
            reply = _as_stated(answer)
            if asks_to_slow_down(reply.content):
                return judge_slow_down(what, reply.retry_after)
            if reply.status == 404:
                return Verdict(NotServed(f"{what}: there is no such series"))
            shared = judge_status(what, reply.status, reply.retry_after)
            return shared if shared.error else _judge_content(what, reply.content)

        return self.transport.ask(what, self._sender(f"{self.csv_url}?{query}", None), judge).content

    # ---- with a key

    def _fetch_by_api(self, request: Request) -> bytes:
        series_id = request.input
        client = _client(self, series_id)
        client.get_series_info(series_id)
        full = (request.end - request.start).days > TRAILING_LIMIT_DAYS
        dated = has_vintages(series_id)
        if not dated:
            _read(
                client.get_series,
                series_id,
                observation_start=str(request.start),
                observation_end=str(request.end),
            )
        elif full:
            dates = [
                moment.date() for moment in _read(client.get_series_vintage_dates, series_id) or [] if moment
            ]
            if not dates:
                raise Unreadable(f"FRED: {series_id}: field vintage_date: no date could be read")
            client.observation_start = request.start
            for first, last in _pieces(dates, VINTAGES_PER_REQUEST):
                _all_releases(client, series_id, first, last, dates)
        else:
            _read(
                client.get_series_all_releases,
                series_id,
                realtime_start=str(request.start - timedelta(days=1)),
            )
        bundle = {
            "series_id": series_id,
            "kind": ("vintages" if full else "trailing vintages") if dated else "latest",
            "requests": client.recorded,
        }
        return json.dumps(bundle, indent=0, ensure_ascii=False).encode()

    def ask_api(self, series_id: str, path: str) -> bytes:
        """One request of fredapi, its URL without the key; the key is added only inside the sender."""
        what = f"FRED: {series_id}"
        assert self.key is not None
        key = self.key

        def judge(answer: Reply) -> Verdict:
            reply = _as_stated(answer)
            if asks_to_slow_down(reply.content):
                return judge_slow_down(what, reply.retry_after)
            if reply.status in (400, 403, 404) and not looks_like_a_page(reply.content):
                return Verdict(_api_error(what, reply, key))
            shared = judge_status(what, reply.status, reply.retry_after)
            return shared if shared.error else _judge_content(what, reply.content)

        content = self.transport.ask(what, self._sender(f"{self.api_url}/{path}", key), judge).content
        if key.reveal().encode() in content:
            raise Unreadable(f"{what}: the answer contains the key; it was not stored")
        return content

    def _sender(self, url: str, key: Secret | None) -> Callable[[float, Body], Reply]:
        def send(seconds: float, body: Body) -> Reply:
            from curl_cffi import requests

            if self._session is None:
                self._session = requests.Session(headers={"User-Agent": "rotation-warehouse"})
            secret = "" if key is None else "&api_key=" + quote(key.reveal(), safe="")
            # A redirect would carry the key to another host.
            answer = self._session.get(
                url + secret, timeout=seconds, allow_redirects=False, content_callback=body.take
            )
            return Reply(answer.status_code, answer.headers.get("Retry-After"), body.content)

        return send


def _client(source: FredSource, series_id: str) -> Any:
    """A fredapi client whose requests go through our transport and are recorded.

    Only the method that touches the network is replaced: it opened the URL with urllib, without a time-out,
    and left the key in the context of its exceptions. URLs and reading of the answers are fredapi's.
    """
    from fredapi import Fred

    class Client(Fred):  # type: ignore[misc]
        def __init__(self) -> None:
            # Not Fred's own constructor: it requires the key, and installs a process-wide opener
            # where a proxy is set.
            self.api_key = None
            self.proxies = None
            self.root_url = source.api_url
            self.observation_start: date | None = None
            self.recorded: list[dict[str, str]] = []

        def _Fred__fetch_data(self, url: str) -> ET.Element:  # noqa: N802 (the name that Fred's own methods call)
            path = url.removeprefix(f"{source.api_url}/")
            if self.observation_start is not None and path.startswith("series/observations"):
                path += f"&observation_start={self.observation_start}"
            content = source.ask_api(series_id, path)
            root = xml_root(f"FRED: {series_id}", content)
            check_answer(series_id, root)
            self.recorded.append({"path": path, "body": content.decode("utf-8")})
            return root

        def _parse(self, date_str: str, format: str | None = "%Y-%m-%d") -> datetime:
            # The same result as fredapi's, in a tenth of the time; a long series has 16,000 of them.
            return datetime.strptime(date_str, "%Y-%m-%d") if format else super()._parse(date_str, format)

    assert hasattr(Fred, "_Fred__fetch_data"), "fredapi changed; its network method has another name"
    return Client()


def _read(method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call fredapi; where it cannot read a value of an answer whose shape is right, `parse` judges the
    row.
    """
    try:
        return method(*arguments, **named)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _all_releases(client: Fred, series_id: str, first: date, last: date, dates: list[date]) -> None:
    """One piece of the real-time history, halved while it has more rows than FRED sends at once."""
    end = "9999-12-31" if last == dates[-1] else str(_next(dates, last) - timedelta(days=1))
    try:
        _read(client.get_series_all_releases, series_id, realtime_start=str(first), realtime_end=end)
        return
    except TooManyRows:
        inside = [day for day in dates if first <= day <= last]
    if len(inside) < 2:
        raise Unreadable(
            f"FRED: {series_id}: the vintage of {first} alone has more rows than FRED sends at once"
        )
    for start, stop in _pieces(inside, (len(inside) + 1) // 2):
        _all_releases(client, series_id, start, stop, dates)


def _pieces(dates: list[date], size: int) -> list[tuple[date, date]]:
    chunks = [dates[start : start + size] for start in range(0, len(dates), size)]
    return [(chunk[0], chunk[-1]) for chunk in chunks]


def _next(dates: list[date], day: date) -> date:
    return dates[dates.index(day) + 1]


def _as_stated(reply: Reply) -> Reply:
    """The answer with the status that FRED's own error in it states, where it comes under status 200."""
    if reply.status >= 300 or not ERROR.match(reply.content[:1000]):
        return reply
    try:
        code = ET.fromstring(reply.content).get("code") or ""
    except ET.ParseError:
        return reply
    return replace(reply, status=int(code)) if code.isascii() and code.isdigit() else reply


def _judge_content(what: str, content: bytes) -> Verdict:
    if not content.strip():
        return Verdict(NotData(f"{what}: the answer is empty"))
    if looks_like_a_notice(content):
        return Verdict(NotData(f"{what}: a sentence was returned instead of data; it may be a notice"))
    if looks_like_a_page(content):
        return Verdict(
            NotData(
                f"{what}: a web page was returned instead of data; it may be a notice, a captcha or a proxy's"
            )
        )
    if b"\x00" in content:
        return Verdict(Unreadable(f"{what}: the answer contains NUL bytes; it is not text"))
    return Verdict()


def _api_error(what: str, reply: Reply, key: Secret) -> SourceError:
    try:
        message = ET.fromstring(reply.content).get("message") or ""
    except ET.ParseError:
        message = ""
    message = key.scrub(" ".join(message.split()))[:200]
    if "api_key" in message or reply.status == 403:
        # FRED's own message on keys is left out: it could quote the key in a form that is not known here.
        return Forbidden(f"{what}: FRED does not accept the key (status {reply.status}); check FRED_API_KEY")
    if "does not exist" in message or reply.status == 404:
        return NotServed(f"{what}: {message or 'there is no such series'}")
    return SourceError(f"{what}: FRED refuses the request (status {reply.status}): {message or 'no reason'}")


def _may_be_empty(payload: Payload) -> bool:
    """A trailing window of vintages without a new version means no change, not a missing series."""
    return payload.extension == "json" and json.loads(payload.content).get("kind") == "trailing vintages"
