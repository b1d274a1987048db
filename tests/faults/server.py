"""A server on this machine that speaks FRED's XML interface, FRED's CSV download and Yahoo's chart
protocol, and can misbehave.

`Server(feed)` listens on a free port of 127.0.0.1. Its answers are made in `yahoo_answers` and
`fred_answers`; as the real ones they come compressed and in chunks where the client takes that.
`server.fault = Fault(...)` makes it misbehave on matching paths: how an answer is sent (refused is a closed
port), or what is in it (a function from body to body).
"""

from __future__ import annotations

import gzip
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.faults.feed import Feed
from tests.faults.fred_answers import FredStyle, fred_api, fred_csv
from tests.faults.yahoo_answers import YahooStyle, chart, error, helper

LONGEST_SILENCE_SECONDS = 8.0
CHUNK_BYTES = 8192


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
    """Faults in a seeded share of all requests; every request counts, attempts of the same one as well. The
    kinds come in turn, in a shuffled order, so that none is left out by chance.
    """

    def __init__(self, kinds: dict[str, Fault], seed: int, share: float = 0.1) -> None:
        self.kinds = kinds
        self.share = share
        self.asked = 0
        self.played: dict[str, int] = dict.fromkeys(kinds, 0)
        self._random = random.Random(seed)
        self._order = self._random.sample(list(kinds), len(kinds))
        self._lock = threading.Lock()

    def draw(self) -> Fault | None:
        """The fault of the next request, or none."""
        with self._lock:
            self.asked += 1
            if self._random.random() >= self.share:
                return None
            name = self._order[sum(self.played.values()) % len(self._order)]
            self.played[name] += 1
            return self.kinds[name]


class Server:
    """The server in a thread; a context manager."""

    def __init__(
        self, feed: Feed, key: str | None = None, certificate: tuple[str, str] | None = None
    ) -> None:
        self.feed = feed
        self.key = key
        self.fred = FredStyle(key)
        self.yahoo = YahooStyle()
        self.fault: Fault | None = None
        self.storm: Storm | None = None
        self.requests: list[tuple[float, str]] = []
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

    def do_POST(self) -> None:
        """The form on cookies; its fields mean nothing here."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        self.owner.requests.append((time.monotonic(), self.path))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        headers: dict[str, str] = {}
        cookies = self.headers.get("Cookie", "")
        found = helper(parts.path, self.command, cookies, self.owner.yahoo)
        if found is None:
            status, kind, body = self._answer(parts.path, query)
        else:
            (status, kind, body), cookie = found
            headers |= {"Set-Cookie": cookie} if cookie else {}
        headers["Content-Type"] = kind
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
        if "Content-Encoding" not in headers and "gzip" in self.headers.get("Accept-Encoding", ""):
            self.send_compressed(status, headers, body)
            return
        self.send_whole(status, headers, body)

    def send_compressed(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """As the providers' own servers send: gzip, in chunks, the end marked by an empty one."""
        packed = gzip.compress(body, compresslevel=1)
        self.send_response(status)
        for name, value in {**headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(packed), CHUNK_BYTES):
            chunk = packed[start : start + CHUNK_BYTES]
            self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

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
            style = self.owner.yahoo
            if style.wants_consent and "GUCS=" not in self.headers.get("Cookie", ""):
                return error(401, "Unauthorized", "Invalid Crumb", "finance")
            return chart(self.owner.feed, unquote(path.rsplit("/", 1)[-1]), query, style)
        if path == "/graph/fredgraph.csv":
            return fred_csv(self.owner.feed, query)
        if path.startswith("/fred/"):
            return fred_api(self.owner.feed, self.owner.fred, path, query)
        return 404, "text/plain", b"nothing here"


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
