"""Yahoo Finance through yfinance: prices of symbols, and the listed strip of 30-day fed funds futures.

In: a symbol (`SPY`, `^RUT`) or a contract (`ZQU26`, at Yahoo `ZQU26.CBT`) and a range of dates. Out: the
body of Yahoo's chart answer as served and, from it, rows in the columns of `raw.equity_prices` or
`raw.fed_funds_futures`. yfinance asks (cookie, crumb, consent) and reads the answer once with everything
explicit; `parse` reads the same bytes again, because yfinance turns a missing volume into 0, drops rows and
hides which field was missing. Caveats: Yahoo's `close` is split-adjusted (and so are its dividends), never
dividend-adjusted. A contract's `settle` is the close of its daily bar, which Yahoo takes from the
settlement; it drops a contract when it expires. For research only: see docs/data-sources.md.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
import warnings
from abc import abstractmethod
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Self
from urllib.parse import urlsplit

import pandas as pd

from sources.protocol import (
    FuturesProvider,
    NotServed,
    Parsed,
    PriceProvider,
    Provider,
    SourceError,
    SourceUnavailable,
    Unreadable,
)
from sources.tabular import CONTRACT_MONTHS
from sources.transport import (
    Body,
    Forbidden,
    NotData,
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
from sources.yahoo_chart import (
    ZONES,
    futures_ticker,
    parse_futures_chart,
    parse_prices_chart,
    price_ticker,
)
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings

CHART_PATH = "/v8/finance/chart/"
# CME lists contracts further out, but they hardly trade and Yahoo has few of them.
STRIP_MONTHS = 24
HELPER_SECONDS = 10.0


class YahooProvider(Provider):
    """Asks Yahoo's chart for one ticker; its two subclasses define the ticker and what is read."""

    name = "yahoo"

    def __init__(self, environ: Mapping[str, str], *, transport: Transport[Any] | None = None) -> None:
        self.url = service_url("ROTATION_YAHOO_URL", environ)
        self.transport: Transport[Any] = transport or Transport(
            "Yahoo", requests_per_second=rate_limit(self.url, environ)
        )
        self._session: Any = None

    @classmethod
    def open(cls, settings: Settings, environ: Mapping[str, str]) -> Self:
        """The provider at Yahoo's address or at ROTATION_YAHOO_URL."""
        return cls(environ)

    @staticmethod
    @abstractmethod
    def ticker(item: str) -> str:
        """An input as Yahoo calls it.

        Raises:
            SourceError: the input cannot be one of Yahoo's.
        """

    def fetch(self, request: Request) -> Payload:
        """Fetch one symbol or contract by range."""
        ticker = self.ticker(request.input)
        if self._session is None:
            self._session = _session(self.url, self.transport)
        trouble, error = self._ask_yfinance(ticker, request)
        if error is not None:
            raise error
        content = self._session.chart_body
        if content is None:
            raise SourceUnavailable(f"Yahoo: {ticker}: yfinance made no request ({trouble})")
        payload = Payload(request, self.name, content, "json", datetime.now(UTC).replace(tzinfo=None))
        parsed = self.parse(payload)
        # Before yfinance's own opinion, which is an error where a range is empty.
        if parsed.frame.empty and not parsed.rejected:
            raise NotServed(f"Yahoo: {request.describe()}: no row in this range; it may be delisted")
        if trouble is not None:
            raise Unreadable(f"Yahoo: {ticker}: yfinance cannot read the answer ({trouble})")
        self._check_fetched(payload, parsed.frame)
        return payload

    def _check_fetched(self, payload: Payload, frame: pd.DataFrame) -> None:
        """Checks that need a fresh answer; none by default."""

    def _ask_yfinance(self, ticker: str, request: Request) -> tuple[str | None, SourceError | None]:
        """Run yfinance; the answer stays in the session. Returns what went wrong in it, or the error to
        raise.
        """
        yf = _yfinance()
        # Every symbol costs a second request for its time zone alone; ours are known, and `parse`
        # checks them.
        yf.cache.get_tz_cache().store(ticker, ZONES[0])
        # Past ranges are cached by process: a retry in the same process would see the old answer.
        yf.data.YfData.cache_get.cache_clear()
        self._session.chart_body = None
        self._session.failure = None
        self._session.refused = 0
        trouble = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yf.Ticker(ticker, session=self._session).history(
                    start=str(request.start),
                    end=str(request.end + timedelta(days=1)),
                    interval="1d",
                    prepost=False,
                    actions=True,
                    auto_adjust=False,
                    back_adjust=False,
                    repair=False,
                    keepna=True,
                    rounding=False,
                    timeout=self.transport.attempt_seconds,
                    raise_errors=True,
                )
        except Exception as raised:
            # yfinance passes on any exception of its parsing; the caller turns the text into
            # an error of ours that names the symbol.
            trouble = f"{type(raised).__name__}: {str(raised)[:120]}"
        return trouble, self._session.failure


class YahooPrices(YahooProvider, PriceProvider):
    """Daily bars with dividends and splits."""

    @staticmethod
    def ticker(item: str) -> str:
        """Yahoo uses the same symbols."""
        return price_ticker(item)

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read the bars of one symbol; 0 where no dividend or split is reported."""
        return parse_prices_chart(payload)

    def _check_fetched(self, payload: Payload, frame: pd.DataFrame) -> None:
        self.require_last_bar(payload, frame)


class YahooFutures(YahooProvider, FuturesProvider):
    """The listed strip; a contract's settlement is the close of its daily bar."""

    @staticmethod
    def ticker(item: str) -> str:
        """`ZQU26` is `ZQU26.CBT`."""
        return futures_ticker(item)

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read the settlements of one contract."""
        return parse_futures_chart(payload)

    def contracts(self, start: date, end: date) -> list[str]:
        """The contracts that are listed at the end of the range, and the one that expired last; Yahoo has
        none older.
        """
        first = pd.Period(max(start, end - timedelta(days=31)), "M")
        months = pd.period_range(first, pd.Period(end, "M") + STRIP_MONTHS, freq="M")
        return [f"ZQ{CONTRACT_MONTHS[month.month - 1]}{month.year % 100:02d}" for month in months]


@cache
def _yfinance() -> Any:
    """yfinance with its caches (time zones, cookies) in a folder of this process; imported only when
    something is fetched.
    """
    import yfinance as yf  # type: ignore[import-untyped]

    folder = tempfile.mkdtemp(prefix="rotation-yfinance-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    yf.set_tz_cache_location(folder)
    return yf


def _session(base: str | None, transport: Transport[Any]) -> Any:
    """A session for yfinance: the chart goes through our transport, everything else gets one short
    attempt.
    """
    from curl_cffi import requests

    class Session(requests.Session[requests.Response]):
        chart_body: bytes | None = None
        failure: SourceError | None = None
        helpers_fail = False
        crumbs_refused = 0
        refused = 0

        def request(self, method: Any, url: str, **options: Any) -> Any:  # type: ignore[override]
            parts = urlsplit(url)
            if not (parts.hostname or "").endswith("yahoo.com") and not (base and url.startswith(base)):
                raise ConnectionError("not an address of Yahoo")
            target = url if base is None else base + url[len(f"{parts.scheme}://{parts.netloc}") :]
            if parts.path.startswith(CHART_PATH):
                return self._chart(method, target, options)
            # Cookie and crumb: yfinance goes on without them after an OSError, and asks again
            # with every symbol.
            if self.helpers_fail:
                raise ConnectionError("the cookie request failed before")
            self.helpers_fail = True
            transport.take_turn()
            answer = super().request(method, target, **{**options, "timeout": HELPER_SECONDS})
            # A first crumb that is refused leads to the form on cookies and a second one.
            refused = parts.path.endswith("/getcrumb") and answer.status_code >= 400
            self.helpers_fail = refused and (answer.status_code == 429 or self.crumbs_refused > 0)
            self.crumbs_refused += refused
            return answer

        def _chart(self, method: Any, target: str, options: dict[str, Any]) -> Any:
            what = f"Yahoo: {target.rsplit('/', 1)[-1].split('?')[0]}"

            def send(seconds: float, body: Body) -> Any:
                answer = requests.Session.request(
                    self, method, target, **{**options, "timeout": seconds, "content_callback": body.take}
                )
                answer.content = body.content
                return answer

            def judge(answer: Any) -> Verdict:
                self.refused += answer.status_code == 401
                if answer.status_code == 401 and self.refused == 1:
                    # yfinance takes a new cookie by its other way and asks once more.
                    return Verdict()
                return judge_chart(
                    what, answer.status_code, answer.headers.get("Retry-After"), answer.content
                )

            try:
                answer = transport.ask(what, send, judge)
            except SourceError as error:
                self.failure = error
                raise
            self.failure = None
            self.chart_body = answer.content
            return answer

    return Session(impersonate="chrome")


def judge_chart(what: str, status: int, retry_after: str | None, content: bytes) -> Verdict:
    """What a chart answer means before it is read."""
    if asks_to_slow_down(content):
        return judge_slow_down(what, retry_after)
    reason = _yahoo_reason(content)
    if status == 404 or (status in (200, 400, 422) and reason):
        return Verdict(NotServed(f"{what}: {reason or 'there is no such symbol'}"))
    if status in (401, 403):
        return Verdict(
            Forbidden(f"{what}: Yahoo refuses this client (status {status}): {reason or 'no reason given'}")
        )
    shared = judge_status(what, status, retry_after)
    if shared.error is not None:
        return shared
    if not content.strip():
        return Verdict(NotData(f"{what}: the answer is empty"))
    if looks_like_a_notice(content):
        return Verdict(NotData(f"{what}: a sentence was returned instead of data; it may be a notice"))
    if looks_like_a_page(content):
        text = "a web page was returned instead of data; it may be a notice, a captcha or a proxy's"
        return Verdict(NotData(f"{what}: {text}"))
    if b"\x00" in content:
        return Verdict(Unreadable(f"{what}: the answer contains NUL bytes; it is not text"))
    return Verdict()


def _yahoo_reason(content: bytes) -> str:
    try:
        document = json.loads(content)
        # An error of the service in front of the chart comes under another name.
        part = document.get("chart") or document["finance"]
        return " ".join(str(part["error"]["description"]).split())[:160]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
