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
import contextlib
import json
import re
import shutil
import tempfile
import warnings
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from market_calendar.sessions import is_session, session_close_utc
from sources.protocol import (
    BarNotThere,
    FuturesProvider,
    NotServed,
    Parsed,
    PriceProvider,
    Provider,
    SourceError,
    SourceUnavailable,
    Unreadable,
)
from sources.tabular import CONTRACT_MONTHS, PRICE_COLUMNS, delivery_month, with_previous_adj_close
from sources.transport import (
    Body,
    Forbidden,
    NotData,
    Transport,
    Verdict,
    judge_status,
    looks_like_a_page,
    rate_limit,
    service_url,
)
from warehouse.payloads import Payload, Request
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings

CHART_PATH = "/v8/finance/chart/"
SYMBOL = re.compile(r"\^?[A-Z0-9][A-Z0-9.-]{0,14}")
# Every symbol of the list is quoted in New York or, the Cboe indices, in Chicago; another zone would shift
# the dates.
ZONES = ("America/New_York", "America/Chicago")
# CME lists contracts further out, but they hardly trade and Yahoo has few of them.
STRIP_MONTHS = 24
# Yahoo may be a quarter of an hour late; a last trade earlier than this before the close means a part of a
# session.
COMPLETE_AFTER = timedelta(minutes=10)
HELPER_SECONDS = 10.0


class YahooProvider(Provider):
    """Asks Yahoo's chart for one ticker; what the ticker is and what is read from it say its two classes."""

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
        if trouble is not None:
            raise Unreadable(f"Yahoo: {ticker}: yfinance cannot read the answer ({trouble})")
        if parsed.frame.empty and not parsed.rejected:
            raise NotServed(f"Yahoo: {request.describe()}: no row in this range; it may be delisted")
        self._check_fetched(payload, parsed.frame)
        return payload

    def _check_fetched(self, payload: Payload, frame: pd.DataFrame) -> None:
        """What only a look at the fresh answer can say; nothing where a kind of input has no such check."""

    def _ask_yfinance(self, ticker: str, request: Request) -> tuple[str | None, SourceError | None]:
        """Run yfinance; the answer stays in the session. Returns what it stumbled over, or the error to
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
            # yfinance lets through whatever its parsing meets; the caller turns the text into
            # an error of ours that names the symbol.
            trouble = f"{type(raised).__name__}: {str(raised)[:120]}"
        return trouble, self._session.failure


class YahooPrices(YahooProvider, PriceProvider):
    """Daily bars with dividends and splits."""

    @staticmethod
    def ticker(item: str) -> str:
        """Yahoo's symbols are ours."""
        if not SYMBOL.fullmatch(item):
            raise SourceError(f"Yahoo: {item[:40]!r} cannot be a symbol")
        return item

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read the bars of one symbol; 0 where no dividend or split is reported."""
        return parse_prices_chart(payload)

    def _check_fetched(self, payload: Payload, frame: pd.DataFrame) -> None:
        """A required symbol whose newest session has just closed: its bar must be there, or the fetch is
        tried again later.
        """
        request = payload.request
        if not is_session(request.end):
            return
        instruments = reference_frame("instruments").set_index("symbol")["required"]
        if request.input not in instruments.index or not bool(instruments[request.input]):
            return
        age = payload.fetched_at_utc - session_close_utc(request.end)
        held = frame.loc[frame["close"].notna(), "session_date"]
        if timedelta(0) <= age < timedelta(days=1) and not (held == pd.Timestamp(request.end)).any():
            raise BarNotThere(
                f"Yahoo: {request.input}: the bar of {request.end} is missing or partial {age} after the"
                " close"
            )


class YahooFutures(YahooProvider, FuturesProvider):
    """The listed strip; a contract's settlement is the close of its daily bar."""

    @staticmethod
    def ticker(item: str) -> str:
        """`ZQU26` is `ZQU26.CBT`."""
        try:
            delivery_month(item)
        except ValueError as error:
            text = str(error)
        else:
            return f"{item}.CBT"
        raise SourceError(f"Yahoo: {text}")

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
                raise ConnectionError("the cookie could not be had before")
            self.helpers_fail = True
            transport.take_turn()
            answer = super().request(method, target, **{**options, "timeout": HELPER_SECONDS})
            self.helpers_fail = parts.path.endswith("/getcrumb") and answer.status_code >= 400
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
    reason = _yahoo_reason(content)
    if status == 404 or (status in (200, 400, 422) and reason):
        return Verdict(NotServed(f"{what}: {reason or 'there is no such symbol'}"))
    if status in (401, 403):
        return Verdict(
            Forbidden(f"{what}: Yahoo refuses this client (status {status}): {reason or 'no reason'}")
        )
    shared = judge_status(what, status, retry_after)
    if shared.error is not None:
        return shared
    if not content.strip():
        return Verdict(NotData(f"{what}: the answer is empty"))
    if looks_like_a_page(content):
        text = "a web page came instead of data; it may be a notice, a captcha or a proxy's"
        return Verdict(NotData(f"{what}: {text}"))
    if b"\x00" in content:
        return Verdict(Unreadable(f"{what}: the answer holds NUL bytes; it is no text"))
    return Verdict()


def _yahoo_reason(content: bytes) -> str:
    try:
        document = json.loads(content)
        return " ".join(str(document["chart"]["error"]["description"]).split())[:160]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


# ---- reading


@dataclass
class Chart:
    """One chart answer: its bars by row, the rule that each row breaks (blank where none), its cells as
    served.
    """

    what: str
    result: dict[str, Any]
    zone: ZoneInfo
    frame: pd.DataFrame
    rules: pd.Series
    cells: dict[str, list[Any]]

    def rejected(self, named: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
        """The rows that break a rule, as they were served."""
        return [
            (
                str(self.rules[index]),
                {**named, "date": _text(self.frame.at[index, "session_date"])}
                | {name: cells[index] for name, cells in self.cells.items()},
            )
            for index in self.frame.index[self.rules != ""]
        ]

    def good(self) -> pd.DataFrame:
        """The rows that traded and break no rule."""
        return self.frame[_traded(self.frame) & (self.rules == "")].reset_index(drop=True)


def parse_prices_chart(payload: Payload) -> Parsed:
    """Rows of a symbol's chart: dates in the exchange's zone, prices as served."""
    request = payload.request
    chart = _read_chart(payload, YahooPrices.ticker(request.input), adjusted=True)
    if chart is None:
        return Parsed(_no_prices())
    _mark_partial(chart)
    named = {"symbol": request.input}
    frame = chart.good()
    frame.insert(0, "symbol", request.input)
    frame["dividend"], frame["split"], orphans = _events(
        chart.what, chart.result, frame["session_date"], chart.zone
    )
    rejected = chart.rejected(named) + [
        ("event_has_a_bar", {**named, **entry})
        for entry in orphans
        if str(request.start) <= entry["date"] <= str(request.end)
    ]
    frame = with_previous_adj_close(frame)
    return Parsed(
        frame[["symbol", "session_date", *PRICE_COLUMNS, "previous_adj_close"]],
        rejected,
        _metadata(chart.result),
    )


def parse_futures_chart(payload: Payload) -> Parsed:
    """Rows of a contract's chart: the close of a daily bar is its settlement."""
    contract = payload.request.input
    chart = _read_chart(payload, YahooFutures.ticker(contract), adjusted=False)
    if chart is None:
        blank = pd.DataFrame(
            {"session_date": pd.Series(dtype="datetime64[us]"), "close": pd.Series(dtype="float64")}
        )
        return Parsed(_settlements(contract, blank))
    return Parsed(_settlements(contract, chart.good()), chart.rejected({"contract": contract}))


def _read_chart(payload: Payload, ticker: str, *, adjusted: bool) -> Chart | None:
    """The bars of an answer; None where it has no time stamps. `adjusted`: an adjusted close is expected."""
    what = f"Yahoo: {payload.request.dataset}/{payload.request.input}"
    result = _result(what, payload)
    zone = _check_meta(what, ticker, result)
    if result.get("timestamp") is None:
        return None
    stamps = _field(what, result, "timestamp", list)
    columns = _columns(what, result, len(stamps), adjusted)
    moments = pd.to_numeric(pd.Series(stamps, dtype=object), errors="coerce").astype("float64")
    local = pd.to_datetime(moments, unit="s", utc=True, errors="coerce").dt.tz_convert(zone)
    frame = pd.DataFrame({"session_date": local.dt.tz_localize(None).dt.normalize().astype("datetime64[us]")})
    rules = pd.Series(np.where(frame["session_date"].isna(), "session_date_is_a_date", ""), dtype=object)
    for name, cells in columns.items():
        served = pd.Series(cells, dtype=object)
        number = served.map(lambda cell: isinstance(cell, (int, float)) and not isinstance(cell, bool))
        values = pd.to_numeric(served.where(number), errors="coerce").astype("float64")
        wrong = served.notna() & ~number | _not_finite(served, values, number)
        rules[wrong & (rules == "")] = f"{name}_is_a_finite_number"
        frame[name] = values
    last = len(frame) - 1
    if (
        last > 0
        and frame["session_date"].iloc[last] == frame["session_date"].iloc[last - 1]
        and _traded(frame).iloc[last]
    ):
        # Right after the close Yahoo serves the day twice, the live quote last; the volume alone differs.
        rules.iloc[last - 1] = rules.iloc[last - 1] or "daily_bar_stands_beside_the_live_one"
    return Chart(what, result, zone, frame, rules, columns)


def _traded(frame: pd.DataFrame) -> pd.Series:
    return frame[["open", "high", "low", "close"]].notna().any(axis=1)


def _result(what: str, payload: Payload) -> dict[str, Any]:
    document: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        document = json.loads(payload.content.decode("utf-8-sig"))
    if document is None:
        raise Unreadable(f"{what}: the answer is no JSON; it may be cut short")
    results = _field(what, _field(what, document, "chart", dict), "result", list)
    if len(results) != 1 or not isinstance(results[0], dict):
        raise Unreadable(f"{what}: field chart.result holds {len(results)} results, expected one")
    result: dict[str, Any] = results[0]
    return result


def _field(what: str, document: Any, name: str, kind: type) -> Any:
    if not isinstance(document, dict) or name not in document:
        found = ", ".join(map(str, document))[:120] if isinstance(document, dict) else type(document).__name__
        raise Unreadable(f"{what}: field {name} is missing; there are {found}")
    if not isinstance(document[name], kind):
        raise Unreadable(
            f"{what}: field {name} is of type {type(document[name]).__name__}, expected {kind.__name__}"
        )
    return document[name]


def _check_meta(what: str, ticker: str, result: dict[str, Any]) -> ZoneInfo:
    """Symbol, currency, zone and bar length must be those that the numbers are taken for."""
    meta = _field(what, result, "meta", dict)
    expectations: dict[str, tuple[str, ...]] = {
        "symbol": (ticker,),
        "currency": ("USD",),
        "exchangeTimezoneName": ZONES,
        "dataGranularity": ("1d",),
    }
    for name, expected in expectations.items():
        value = _field(what, meta, name, str)
        if value not in expected:
            raise Unreadable(
                f"{what}: field {name} reads {value[:40]!r}, expected {' or '.join(expected)}; the symbol may"
                " be renamed or reused"
            )
    return ZoneInfo(meta["exchangeTimezoneName"])


def _columns(what: str, result: dict[str, Any], count: int, adjusted_expected: bool) -> dict[str, list[Any]]:
    """The arrays of the chart, all of the length of the time stamps."""
    indicators = _field(what, result, "indicators", dict)
    quotes = _field(what, indicators, "quote", list)
    quote = quotes[0] if quotes else {}
    columns = {name: _field(what, quote, name, list) for name in ("open", "high", "low", "close", "volume")}
    adjusted = _field(what, indicators, "adjclose", list) if "adjclose" in indicators else []
    columns["adj_close"] = (
        _field(what, adjusted[0], "adjclose", list)
        if adjusted
        else _missing_adjusted(what, columns, adjusted_expected)
    )
    for name, cells in columns.items():
        if len(cells) != count:
            raise Unreadable(
                f"{what}: field {name} has {len(cells)} values for {count} time stamps; it may be cut short"
            )
    return columns


def _missing_adjusted(what: str, columns: dict[str, list[Any]], expected: bool) -> list[Any]:
    """Futures have no adjusted close. Prices without one would lose the total return unseen."""
    if not expected:
        return columns["close"]
    raise Unreadable(f"{what}: field adjclose is missing")


def _not_finite(served: pd.Series, values: pd.Series, number: pd.Series) -> pd.Series:
    """A null is no value; NaN and infinity, which JSON does not know but Python reads, are wrong ones."""
    literal_nan = served.map(lambda cell: isinstance(cell, float) and cell != cell)
    return pd.Series(
        number.to_numpy() & (literal_nan.to_numpy() | np.isinf(values.to_numpy())), index=served.index
    )


def _mark_partial(chart: Chart) -> None:
    """The last bar is a part of its session when the last trade lies well before the close."""
    frame, rules = chart.frame, chart.rules
    traded_at = chart.result["meta"].get("regularMarketTime")
    if frame.empty or not isinstance(traded_at, (int, float)) or frame["session_date"].isna().iloc[-1]:
        return
    moment = datetime.fromtimestamp(float(traded_at), UTC).replace(tzinfo=None)
    last = frame["session_date"].max().date()
    if not is_session(last):
        return
    close = session_close_utc(last)
    opened = close - timedelta(hours=9)
    if opened < moment < close - COMPLETE_AFTER:
        rules[(frame["session_date"] == pd.Timestamp(last)) & (rules == "")] = "bar_is_of_the_whole_session"


def _events(
    what: str, result: dict[str, Any], dates: pd.Series, zone: ZoneInfo
) -> tuple[pd.Series, pd.Series, list[dict[str, Any]]]:
    """Dividend and split per bar; a capital gain counts as a dividend, except where it is already part of
    the day's.
    """
    events = result.get("events") or {}
    paid: dict[pd.Timestamp, float] = {}
    ratios: dict[pd.Timestamp, float] = {}
    for kind in ("dividends", "capitalGains"):
        for entry in (events.get(kind) or {}).values():
            amount = _field(what, entry, "amount", (int, float))  # type: ignore[arg-type]
            day = _event_day(what, entry, zone)
            before = paid.get(day, 0.0)
            paid[day] = before if kind == "capitalGains" and before >= amount else before + float(amount)
    for entry in (events.get("splits") or {}).values():
        numerator = _field(what, entry, "numerator", (int, float))  # type: ignore[arg-type]
        denominator = _field(what, entry, "denominator", (int, float))  # type: ignore[arg-type]
        if numerator <= 0 or denominator <= 0:
            raise Unreadable(f"{what}: field splits holds the ratio {numerator}:{denominator}")
        ratios[_event_day(what, entry, zone)] = float(numerator) / float(denominator)
    held = set(dates)
    orphans = [{"date": _text(day), "dividend": value} for day, value in paid.items() if day not in held]
    orphans += [{"date": _text(day), "split": value} for day, value in ratios.items() if day not in held]
    return (
        dates.map(paid).fillna(0.0).astype("float64"),
        dates.map(ratios).fillna(0.0).astype("float64"),
        orphans,
    )


def _event_day(what: str, entry: Any, zone: ZoneInfo) -> pd.Timestamp:
    moment = _field(what, entry, "date", (int, float))  # type: ignore[arg-type]
    return pd.Timestamp(datetime.fromtimestamp(float(moment), zone).date())


def _settlements(contract: str, frame: pd.DataFrame) -> pd.DataFrame:
    # Yahoo serves 32-bit floats; the contract's tick is 0.0025, final settlements have three decimals.
    return pd.DataFrame(
        {
            "contract": contract,
            "delivery_month": delivery_month(contract),
            "settlement_date": frame["session_date"],
            "settle": frame["close"].round(4),
        }
    ).reset_index(drop=True)


def _no_prices() -> pd.DataFrame:
    names = ["symbol", "session_date", *PRICE_COLUMNS, "previous_adj_close"]
    frame = pd.DataFrame({name: pd.Series(dtype="float64") for name in names})
    return frame.astype({"symbol": "str", "session_date": "datetime64[us]"})


def _metadata(result: dict[str, Any]) -> dict[str, str]:
    meta = result["meta"]
    return {
        name: str(meta[name]) for name in ("longName", "instrumentType", "fullExchangeName") if meta.get(name)
    }


def _text(day: Any) -> str:
    return "" if pd.isna(day) else str(day.date())
