"""A server on this machine that speaks FRED's XML interface, FRED's CSV download and Yahoo's chart
protocol, and can misbehave.

`Server(feed)` listens on a free port of 127.0.0.1. `server.fault = Fault(...)` makes it misbehave on
matching paths: how an answer is sent (refused is a closed port), or what is in it (a function from body to
body).
"""

from __future__ import annotations

import json
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo

import pandas as pd

from market_calendar.sessions import is_session, previous_session, session_close_utc
from tests.faults.feed import Feed
from warehouse.reference_data import reference_frame

NEW_YORK = ZoneInfo("America/New_York")
MAX_VINTAGES = 2000
LONGEST_SILENCE_SECONDS = 8.0


@dataclass
class Fault:
    """How to misbehave on paths that hold `on`, `times` times (None: always)."""

    on: str = ""
    times: int | None = None
    send: Callable[[Handler, int, dict[str, str], bytes], None] | None = None
    body: Callable[[bytes], bytes] | None = None
    status: int | None = None
    headers: dict[str, str] | None = None
    played: int = 0

    def due(self, path: str) -> bool:
        """Whether this request gets it."""
        return self.on in path and (self.times is None or self.played < self.times)


class Storm:
    """Faults in a seeded share of all requests; every request counts, attempts of the same one as well."""

    def __init__(self, kinds: dict[str, Fault], seed: int, share: float = 0.1) -> None:
        self.kinds = kinds
        self.share = share
        self.asked = 0
        self.played: dict[str, int] = dict.fromkeys(kinds, 0)
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def draw(self) -> Fault | None:
        """The fault of the next request, or none."""
        with self._lock:
            self.asked += 1
            hit, name = self._random.random() < self.share, self._random.choice(list(self.kinds))
            if not hit:
                return None
            self.played[name] += 1
            return self.kinds[name]


class Server:
    """The server in a thread; a context manager."""

    def __init__(
        self, feed: Feed, key: str | None = None, certificate: tuple[str, str] | None = None
    ) -> None:
        self.feed = feed
        self.key = key
        self.fault: Fault | None = None
        self.storm: Storm | None = None
        self.requests: list[tuple[float, str]] = []
        self.units: dict[str, str] = {}
        self.max_rows = 100_000
        self.releases: dict[int, list[str]] = {}
        self.closing = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.owner = self  # type: ignore[attr-defined]
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
            self.scheme = "https"
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hung up is no news
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        """The address to point the clients at."""
        return f"{self.scheme}://127.0.0.1:{self._http.server_address[1]}"

    def paths(self, part: str = "") -> list[str]:
        """The paths that were asked for."""
        return [path for _, path in self.requests if part in path]

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(timeout=5)


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

    @property
    def owner(self) -> Server:
        """The server that this handler belongs to."""
        owner: Server = self.server.owner  # type: ignore[attr-defined]
        return owner

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.owner.requests.append((time.monotonic(), self.path))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        status, kind, body = self._answer(parts.path, query)
        headers = {"Content-Type": kind}
        storm = self.owner.storm
        fault = storm.draw() if storm is not None else self.owner.fault
        if fault is not None and fault.due(self.path):
            fault.played += 1
            status = fault.status or status
            headers |= fault.headers or {}
            body = fault.body(body) if fault.body else body
            if fault.send:
                fault.send(self, status, headers, body)
                return
        self.send_whole(status, headers, body)

    def send_whole(
        self, status: int, headers: dict[str, str], body: bytes, length: int | None = None
    ) -> None:
        """Headers and body as they are; `length` may lie."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _answer(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes]:
        if path.startswith("/v8/finance/chart/"):
            return chart(self.owner.feed, unquote(path.rsplit("/", 1)[-1]), query)
        if path == "/v1/test/getcrumb":
            return 200, "text/plain", b"crumb"
        if path == "/graph/fredgraph.csv":
            return fred_csv(self.owner.feed, query)
        if path.startswith("/fred/"):
            return fred_api(self.owner, path, query)
        return 404, "text/plain", b"nothing here"


# ---- Yahoo


def chart(feed: Feed, ticker: str, query: dict[str, str]) -> tuple[int, str, bytes]:
    """Yahoo's answer to /v8/finance/chart/<ticker>."""
    futures = ticker.endswith(".CBT")
    frame = feed.frame("futures", ticker.removesuffix(".CBT")) if futures else feed.frame("prices", ticker)
    if frame is None or frame.empty:
        error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
        return 404, "application/json", json.dumps({"chart": {"result": None, "error": error}}).encode()
    if futures:
        frame = frame.rename(columns={"settle": "close"})
        frame = frame.assign(
            open=frame["close"], high=frame["close"], low=frame["close"], volume=1.0, dividend=0.0, split=0.0
        )
    opened = (frame["date"] + pd.Timedelta(hours=9.5)).dt.tz_localize(NEW_YORK)
    stamps = opened.map(lambda moment: int(moment.timestamp()))
    inside = (stamps >= int(query.get("period1", 0))) & (stamps < int(query.get("period2", 2**40)))
    frame, stamps = frame[inside], stamps[inside]
    last = feed.as_of if is_session(feed.as_of) else previous_session(feed.as_of)
    meta = {
        "currency": "USD",
        "symbol": ticker,
        "exchangeName": "PCX",
        "fullExchangeName": "NYSEArca",
        "instrumentType": "FUTURE" if futures else "ETF",
        "regularMarketTime": int(session_close_utc(last).replace(tzinfo=UTC).timestamp()),
        "gmtoffset": -18000,
        "timezone": "EST",
        "exchangeTimezoneName": "America/New_York",
        "regularMarketPrice": 1.0,
        "priceHint": 2,
        "dataGranularity": "1d",
        "range": "",
        "longName": f"Name of {ticker}",
        "validRanges": ["1d", "5d", "1mo", "max"],
    }
    columns = {name: _cells(frame[name]) for name in ("open", "high", "low", "close", "volume")}
    indicators: dict[str, Any] = {"quote": [columns]}
    if not futures:
        indicators["adjclose"] = [{"adjclose": _cells(frame["adj_close"])}]
    result = {"meta": meta, "timestamp": stamps.tolist(), "indicators": indicators}
    events: dict[str, Any] = {}
    for stamp, amount in zip(stamps, frame["dividend"].fillna(0.0), strict=True):
        if amount:
            events.setdefault("dividends", {})[str(stamp)] = {"amount": amount, "date": int(stamp)}
    for stamp, ratio in zip(stamps, frame["split"].fillna(0.0), strict=True):
        if ratio and ratio != 1:
            entry = {"date": int(stamp), "numerator": ratio, "denominator": 1.0, "splitRatio": f"{ratio}:1"}
            events.setdefault("splits", {})[str(stamp)] = entry
    if events:
        result["events"] = events
    return 200, "application/json", json.dumps({"chart": {"result": [result], "error": None}}).encode()


def _cells(values: pd.Series) -> list[float | None]:
    return [None if pd.isna(value) else float(value) for value in values]


# ---- FRED


def fred_csv(feed: Feed, query: dict[str, str]) -> tuple[int, str, bytes]:
    """FRED's public CSV download."""
    series_id = query.get("id", "")
    frame = feed.frame("fred", series_id)
    if frame is None:
        return 404, "text/html", b"<html><body>Not found</body></html>"
    frame = frame[frame["date"].between(query.get("cosd", "1900-01-01"), query.get("coed", "2100-01-01"))]
    lines = [f"observation_date,{series_id}"] + [
        f"{day:%Y-%m-%d},{'' if pd.isna(value) else value}"
        for day, value in zip(frame["date"], frame["value"], strict=True)
    ]
    return 200, "text/csv", ("\n".join(lines) + "\n").encode()


def fred_api(owner: Server, path: str, query: dict[str, str]) -> tuple[int, str, bytes]:
    """FRED's XML interface: series, series/observations, series/vintagedates."""
    feed, series_id = owner.feed, query.get("series_id", "")
    if owner.key is not None and query.get("api_key") != owner.key:
        return _error(
            400, f"Bad Request.  The value for variable api_key is not registered: {query.get('api_key')}"
        )
    if path == "/fred/release/dates":
        return release_dates(owner.releases, query)
    frame = feed.frame("fred", series_id)
    if frame is None:
        return _error(400, "Bad Request.  The series does not exist.")
    if path == "/fred/series":
        row = reference_frame("fred_series").set_index("series_id").loc[series_id]
        attributes = {
            "id": series_id,
            "realtime_start": str(feed.as_of),
            "realtime_end": str(feed.as_of),
            "title": str(row["title"]),
            "observation_start": str(frame["date"].min().date()),
            "observation_end": str(frame["date"].max().date()),
            "frequency": str(row["frequency"]).title(),
            "frequency_short": str(row["frequency"])[0].upper(),
            "units": owner.units.get(series_id, str(row["units"])),
            "units_short": "u",
            "seasonal_adjustment": "n",
            "last_updated": "",
        }
        return _xml("seriess", {"count": "1"}, [("series", attributes, "")])
    if path == "/fred/series/vintagedates":
        dates = [f"{day:%Y-%m-%d}" for day in feed.vintage_dates(series_id)]
        return _xml(
            "vintage_dates",
            {"count": str(len(dates)), "limit": "10000"},
            [("vintage_date", {}, day) for day in dates],
        )
    return _observations(owner, series_id, query, frame)


def release_dates(releases: dict[int, list[str]], query: dict[str, str]) -> tuple[int, str, bytes]:
    """FRED's dates of one release; those to come are there when asked for."""
    number = query.get("release_id", "")
    if not number.isdigit() or int(number) not in releases:
        return _error(400, "Bad Request.  The release does not exist.")
    first, last = query.get("realtime_start", "1776-07-04"), query.get("realtime_end", "9999-12-31")
    if query.get("include_release_dates_with_no_data") != "true":
        last = min(last, f"{pd.Timestamp.now():%Y-%m-%d}")
    dates = sorted(
        (day for day in releases[int(number)] if first <= day <= last),
        reverse=query.get("sort_order", "asc") == "desc",
    )
    limit = int(query.get("limit", "10000"))
    return _xml(
        "release_dates",
        {
            "realtime_start": first,
            "realtime_end": last,
            "order_by": "release_date",
            "sort_order": query.get("sort_order", "asc"),
            "count": str(len(dates)),
            "offset": "0",
            "limit": str(limit),
        },
        [("release_date", {"release_id": number}, day) for day in dates[:limit]],
    )


def _observations(
    owner: Server, series_id: str, query: dict[str, str], frame: pd.DataFrame
) -> tuple[int, str, bytes]:
    feed = owner.feed
    if "realtime_start" in query:
        start = pd.Timestamp(max(query["realtime_start"], "1776-07-04"))
        end = pd.Timestamp(min(query.get("realtime_end", "9999-12-31"), "2200-01-01"))
        inside = [day for day in feed.vintage_dates(series_id) if start <= day <= end]
        if len(inside) > MAX_VINTAGES:
            return _error(
                400,
                f"Bad Request.  There are {len(inside)} vintage dates in the specified real-time period. "
                f"This exceeds the maximum number of vintage dates allowed ({MAX_VINTAGES}).",
            )
        rows = feed.versions(series_id)
        until = rows.groupby("date")["realtime_start"].shift(-1) - pd.Timedelta(days=1)
        rows = rows.assign(realtime_end=until.fillna(pd.Timestamp("2200-01-01")))
        rows = rows[(rows["realtime_start"] <= end) & (rows["realtime_end"] >= start)]
        # As FRED does: the real-time period of a row is clipped to the one that was asked.
        rows = rows.assign(realtime_start=rows["realtime_start"].clip(lower=start))
    else:
        rows = frame.assign(realtime_start=pd.Timestamp(feed.as_of))
    first, last = query.get("observation_start", "1776-07-04"), query.get("observation_end", "2200-01-01")
    rows = rows[rows["date"].between(first, last)]
    total = len(rows)
    rows = rows.head(owner.max_rows)
    children = [
        (
            "observation",
            {
                "realtime_start": f"{start:%Y-%m-%d}",
                "realtime_end": "9999-12-31",
                "date": f"{day:%Y-%m-%d}",
                "value": "." if pd.isna(value) else repr(float(value)),
            },
            "",
        )
        for start, day, value in zip(rows["realtime_start"], rows["date"], rows["value"], strict=True)
    ]
    return _xml(
        "observations",
        {"units": "lin", "count": str(total), "offset": "0", "limit": str(owner.max_rows)},
        children,
    )


def _xml(
    root: str, attributes: dict[str, str], children: list[tuple[str, dict[str, str], str]]
) -> tuple[int, str, bytes]:
    def tag(name: str, values: dict[str, str]) -> str:
        return "<" + " ".join([name, *(f"{key}={quoteattr(value)}" for key, value in values.items())])

    lines = ['<?xml version="1.0" encoding="utf-8" ?>', tag(root, attributes) + ">"]
    lines += [tag(name, values) + (f">{text}</{name}>" if text else "/>") for name, values, text in children]
    return 200, "text/xml", "\n".join([*lines, f"</{root}>"]).encode()


def _error(code: int, message: str) -> tuple[int, str, bytes]:
    return (
        code,
        "text/xml",
        f'<?xml version="1.0"?><error code="{code}" message={quoteattr(message)}/>'.encode(),
    )


# ---- ways to misbehave on the wire


def silent(handler: Handler, status: int, headers: dict[str, str], body: bytes) -> None:
    """Say nothing until the client is gone."""
    handler.owner.closing.wait(LONGEST_SILENCE_SECONDS)
    handler.close_connection = True


def slow(handler: Handler, status: int, headers: dict[str, str], body: bytes) -> None:
    """Headers at once, then a byte a second."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    for position in range(int(LONGEST_SILENCE_SECONDS)):
        try:
            handler.wfile.write(body[position : position + 1])
            handler.wfile.flush()
        except OSError:
            break
        if handler.owner.closing.wait(1.0):
            break
    handler.close_connection = True


def truncated(handler: Handler, status: int, headers: dict[str, str], body: bytes) -> None:
    """Announce the whole body, send half, close."""
    handler.send_whole(status, headers, body[: len(body) // 2], length=len(body))
    handler.close_connection = True


def reset(handler: Handler, status: int, headers: dict[str, str], body: bytes) -> None:
    """Half of the body, then a TCP reset."""
    handler.send_whole(status, headers, body[: len(body) // 2], length=len(body))
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def hang_up(handler: Handler, status: int, headers: dict[str, str], body: bytes) -> None:
    """Close without a word."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)
