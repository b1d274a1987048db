"""HTTP of the live sources: one total deadline per request, bounded retries, a shared rate limit, typed
errors without secrets.

In: a name for messages and a function that sends one attempt. Out: its answer, or an error of this module
or of `sources.protocol`. The libraries above (fredapi, yfinance) bring no deadline and no retry of their
own, and fredapi keeps the key in `exc.__context__`: errors are therefore raised outside every `except`
block, with nothing attached. Retried are GET requests only, after 429, 5xx, time-outs and broken
connections. Caveat: the rate limit is shared by the processes of one user on one machine, not by several
machines.
"""

from __future__ import annotations

import email.utils
import fcntl
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote, quote_plus, urlsplit

from sources.protocol import SourceError, SourceUnavailable, Unreadable
from warehouse.settings import SettingsError

SHORT_NOTICE_BYTES = 1000
SENTENCE = re.compile(rb"(\xef\xbb\xbf)?\s*[A-Za-z][A-Za-z'-]*([\s!.:;]|\Z)")
LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Requests a second. FRED answers 429 above two a second as it counts them, so it is asked less often.
MOST_REQUESTS_PER_SECOND, FRED_REQUESTS_PER_SECOND = 2.0, 1.5
MAX_BYTES = 64 * 1024 * 1024
# The errors of libcurl in plain words; its own texts may contain the URL.
CURL_REASONS = {
    5: "the proxy cannot be resolved",
    6: "the host name cannot be resolved",
    7: "the connection was refused",
    18: "the answer was cut short",
    23: "the answer could not be stored",
    28: "it did not answer in time",
    35: "the TLS handshake failed",
    52: "the connection was closed without an answer",
    55: "the connection broke",
    56: "the connection was reset",
    60: "its certificate cannot be verified",
    61: "the answer cannot be decompressed",
    63: "the answer is too large",
    92: "the connection broke",
    95: "the connection broke",
}
FINAL_CURL_ERRORS = (60, 63)
R = TypeVar("R")


class RateLimited(SourceUnavailable):
    """The source asks to wait longer than the deadline allows."""


class NotData(SourceUnavailable):
    """An answer with status 200 that is a web page, a sentence or nothing: a notice, a captcha, a proxy's
    page.
    """


class Forbidden(SourceError):
    """The source refuses the key or the client; another attempt would not help."""


class Secret:
    """A value that is never shown: not in a repr, a message, a pickle or JSON."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")

    def reveal(self) -> str:
        """The value itself, for the request alone."""
        return self._value

    def scrub(self, text: str) -> str:
        """The text without the value, also where it was quoted for a URL."""
        for form in {self._value, quote(self._value, safe=""), quote_plus(self._value)}:
            text = text.replace(form, "***")
        return text


@dataclass(frozen=True)
class Verdict:
    """What an answer means: None as the error accepts it; a retryable error may be tried again after
    `wait_seconds`.
    """

    error: SourceError | None = None
    retry: bool = False
    wait_seconds: float | None = None


@dataclass
class Body:
    """Collects a body and stops at a size, counted after decompression."""

    limit: int
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    too_large: bool = False

    def take(self, chunk: bytes) -> int:
        """libcurl's write callback; another number than the chunk's length ends the transfer."""
        self.size += len(chunk)
        if self.size > self.limit:
            self.too_large = True
            return 0xFFFFFFFF  # CURL_WRITEFUNC_ERROR
        self.parts.append(bytes(chunk))
        return len(chunk)

    @property
    def content(self) -> bytes:
        """Everything received so far."""
        return b"".join(self.parts)


class Transport(Generic[R]):
    """Sends requests of one provider one after the other."""

    def __init__(
        self,
        provider: str,
        *,
        requests_per_second: float | None = 2.0,
        deadline_seconds: float = 90.0,
        attempt_seconds: float = 30.0,
        attempts: int = 4,
        first_wait_seconds: float = 1.0,
        max_bytes: int = MAX_BYTES,
        failures_before_rest: int = 3,
        rest_seconds: float = 60.0,
    ) -> None:
        self.provider = provider
        self.requests_per_second = requests_per_second
        self.deadline_seconds = deadline_seconds
        self.attempt_seconds = attempt_seconds
        self.attempts = attempts
        self.first_wait_seconds = first_wait_seconds
        self.max_bytes = max_bytes
        self.failures_before_rest = failures_before_rest
        self.rest_seconds = rest_seconds
        self._failures = 0
        self._last_failure = ""
        self._rest_until = 0.0

    def ask(self, what: str, send: Callable[[float, Body], R], judge: Callable[[R], Verdict]) -> R:
        """Send until an answer is accepted, the attempts or the deadline are spent; raises SourceError."""
        answer, error = self._ask(what, send, judge)
        if error is not None:
            raise error
        assert answer is not None
        return answer

    def _ask(
        self, what: str, send: Callable[[float, Body], R], judge: Callable[[R], Verdict]
    ) -> tuple[R | None, SourceError | None]:
        started = time.monotonic()
        ends = started + self.deadline_seconds
        if started < self._rest_until:
            return None, SourceUnavailable(
                f"{what}: not requested, because {self.provider} has just failed {self._failures} times"
                f" in a row (the last was {self._last_failure})"
            )
        error: SourceError | None = None
        for attempt in range(1, self.attempts + 1):
            self._take_turn(ends)
            left = ends - time.monotonic()
            if left <= 0.05:
                break
            answer, verdict = self._attempt(what, send, judge, min(left, self.attempt_seconds))
            error = verdict.error
            if error is None:
                self._failures = 0
                return answer, None
            if not verdict.retry:
                break
            # Half of the wait is random, so that parallel batches do not retry together.
            wait = self.first_wait_seconds * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.0)
            if verdict.wait_seconds is not None:
                wait = max(wait, verdict.wait_seconds)
            left = ends - time.monotonic()
            if verdict.wait_seconds is not None and wait >= left:
                error = RateLimited(
                    f"{what}: {self.provider} asks to wait {verdict.wait_seconds:.0f} s, but only"
                    f" {max(left, 0.0):.0f} s are left"
                )
                break
            if attempt == self.attempts or wait >= left:
                break
            time.sleep(wait)
        if error is None:
            error = SourceUnavailable(
                f"{what}: the rate limit allowed no request within {self.deadline_seconds:.0f} s"
            )
        self._count_failure(error)
        return None, error

    def _attempt(
        self, what: str, send: Callable[[float, Body], R], judge: Callable[[R], Verdict], seconds: float
    ) -> tuple[R | None, Verdict]:
        from curl_cffi import CurlError

        body = Body(self.max_bytes)
        code: int | None = None
        try:
            answer = send(seconds, body)
        except CurlError as raised:
            code = int(getattr(raised, "code", 0) or 0)
        if body.too_large:
            text = (
                f"{what}: the answer is larger than {self.max_bytes / 1e6:.0f} MB after decompression;"
                " that is not expected"
            )
            return None, Verdict(Unreadable(text))
        if code is not None:
            reason = CURL_REASONS.get(code, f"the request failed (curl error {code})")
            if code == 28:
                reason += f" ({seconds:.1f} s)"
            return None, Verdict(
                SourceUnavailable(f"{what}: {self.provider}: {reason}"), retry=code not in FINAL_CURL_ERRORS
            )
        return answer, judge(answer)

    def _count_failure(self, error: SourceError) -> None:
        """Do not ask a source that is down for every input in turn: after some failures in a row it gets a
        pause.
        """
        if not error.retryable or isinstance(error, NotData):
            return
        self._failures += 1
        self._last_failure = str(error)
        if self._failures >= self.failures_before_rest:
            self._rest_until = time.monotonic() + self.rest_seconds

    def take_turn(self) -> None:
        """Wait until another request is allowed."""
        self._take_turn(time.monotonic() + self.deadline_seconds)

    def _take_turn(self, ends: float) -> None:
        if self.requests_per_second is None:
            return
        gap = 1.0 / self.requests_per_second
        with _locked(_turn_file(self.provider)) as handle:
            text = handle.read().strip()
            now = time.time()
            # A turn far in the future was written by another clock.
            last = float(text) if text else 0.0
            turn = max(now, last + gap) if last < now + 3600 else now
            if turn - now > max(ends - time.monotonic(), 0.0):
                time.sleep(max(ends - time.monotonic(), 0.0))
                return
            handle.seek(0)
            handle.truncate()
            handle.write(repr(turn))
            handle.flush()
        time.sleep(max(turn - time.time(), 0.0))


def _turn_file(provider: str) -> Path:
    folder = Path(tempfile.gettempdir()) / f"rotation-warehouse-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"turn-{provider.lower()}"


@contextmanager
def _locked(path: Path) -> Iterator[Any]:
    with os.fdopen(
        os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+", encoding="utf-8"
    ) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle


def judge_status(what: str, status: int, retry_after: str | None) -> Verdict:
    """The part of the judgement that every provider shares: 429 and 5xx may be tried again, other statuses
    from 300 on may not.
    """
    if status < 300:
        return Verdict()
    if status == 429:
        text = f"{what}: too many requests (status 429)"
        return Verdict(RateLimited(text), retry=True, wait_seconds=seconds_to_wait(retry_after))
    # 423 is among FRED's own: what is asked for is locked for the moment.
    if status in (408, 423, 425) or status >= 500:
        text = f"{what}: the server answered with status {status}"
        return Verdict(SourceUnavailable(text), retry=True, wait_seconds=seconds_to_wait(retry_after))
    if status in (401, 403):
        return Verdict(Forbidden(f"{what}: access was refused (status {status})"))
    return Verdict(SourceError(f"{what}: the server answered with status {status}"))


def asks_to_slow_down(content: bytes) -> bool:
    """Whether a body says "Too Many Requests", whatever its status: as text, a page or an error in JSON.

    Only a short body or the beginning of a page counts, so that the words in data mean nothing.
    """
    text = content[:4096].lower()
    if b"too many requests" not in text:
        return False
    return len(content) <= SHORT_NOTICE_BYTES or looks_like_a_page(content)


def judge_slow_down(what: str, retry_after: str | None) -> Verdict:
    """The judgement on an answer that asks to slow down."""
    error = RateLimited(f"{what}: the answer is a notice of too many requests")
    return Verdict(error, retry=True, wait_seconds=seconds_to_wait(retry_after))


def seconds_to_wait(header: str | None, now: datetime | None = None) -> float | None:
    """Retry-After as seconds from now: a number or a date; None when absent, negative or not readable."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return seconds if seconds >= 0 else None


def looks_like_a_page(content: bytes) -> bool:
    """Whether a body is HTML: a notice or a captcha that came with status 200."""
    start = content[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in start[:512]


def looks_like_a_notice(content: bytes) -> bool:
    """Whether a body is a short sentence in plain text ("Will be right back..."), as no format begins; the
    first line of a CSV has a comma behind its first word.
    """
    return len(content) <= SHORT_NOTICE_BYTES and SENTENCE.match(content) is not None


def service_url(name: str, environ: Mapping[str, str], *, carries_key: bool = False) -> str | None:
    """The setting that points a client at another host, checked; None when it is not set."""
    text = environ.get(name, "").strip().rstrip("/")
    if not text:
        return None
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise SettingsError(f"{name} is not an address; write it as https://host or http://127.0.0.1:8000.")
    if carries_key and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise SettingsError(f"{name} would send the key unencrypted; use https, or a loopback address.")
    return text


def rate_limit(
    url: str | None, environ: Mapping[str, str], at_most: float = MOST_REQUESTS_PER_SECOND
) -> float | None:
    """Requests a second: what the source allows, or fewer by ROTATION_REQUESTS_PER_SECOND; none against a
    server on this machine.
    """
    text = environ.get("ROTATION_REQUESTS_PER_SECOND", "").strip()
    if text:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value <= MOST_REQUESTS_PER_SECOND:
            raise SettingsError(
                f"ROTATION_REQUESTS_PER_SECOND={text!r} must be a number above 0 and at most"
                f" {MOST_REQUESTS_PER_SECOND:g}."
            )
        return min(value, at_most)
    return None if url and urlsplit(url).hostname in LOOPBACK else at_most
