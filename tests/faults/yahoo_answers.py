"""Yahoo's answers in the shapes that were recorded, written anew: the chart, its errors, cookie, crumb and
consent.

In: a feed, a ticker and the query. Out: status, content type and body. Shares are stamped 09:30 New York,
futures 00:00; the bar of the feed's last session is, as on its evening, the live quote at `regularMarketTime`
(close + 1 s, 17:05 for an index, "now" for a future). A share's holidays are absent, a future has null rows
on them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from market_calendar.sessions import is_session, previous_session, session_close_utc
from tests.faults.feed import Feed

NEW_YORK = ZoneInfo("America/New_York")
JSON = "application/json;charset=utf-8"
DELISTED = "No data found, symbol may be delisted"
COLUMNS = ("open", "high", "low", "close", "volume")
Answer = tuple[int, str, bytes]


@dataclass
class YahooStyle:
    """What differs from evening to evening.

    Attributes:
        live: the live quote stands `instead` of the last session's daily bar, `beside` it, or there is
            `none`.
        sunday_row: a future has a row on the last Sunday.
        wants_consent: a chart is refused until the form on cookies was sent.
        traded_at: `regularMarketTime` of every answer; None: as the kind of instrument has it.
    """

    live: str = "instead"
    sunday_row: bool = False
    wants_consent: bool = False
    traded_at: datetime | None = None


def error(status: int, code: str, description: str, part: str = "chart") -> Answer:
    """An error as Yahoo words it; `finance` is the part of the service in front of the chart."""
    found = {part: {"result": None, "error": {"code": code, "description": description}}}
    return status, JSON, json.dumps(found).encode()


def chart(feed: Feed, ticker: str, query: dict[str, str], style: YahooStyle | None = None) -> Answer:
    """Yahoo's answer to /v8/finance/chart/<ticker>."""
    style = style or YahooStyle()
    futures = ticker.endswith(".CBT")
    frame = feed.frame("futures", ticker.removesuffix(".CBT")) if futures else feed.frame("prices", ticker)
    if frame is None or frame.empty:
        return error(404, "Not Found", DELISTED)
    rows = _future_rows(frame, style) if futures else _share_rows(frame)
    last = feed.as_of if is_session(feed.as_of) else previous_session(feed.as_of)
    traded_at = style.traded_at or _traded_at(ticker, last)
    if not futures:
        rows = _with_live_quote(rows, last, traded_at, style.live)
    first, end = int(query.get("period1", 0)), int(query.get("period2", 2**40))
    rows = rows[(rows["stamp"] >= first) & (rows["stamp"] < end)]
    meta = _meta(ticker, frame, last, traded_at)
    if rows.empty:
        # Recorded of an empty range: no stamps, blank indicators, and no currency.
        blank: dict[str, Any] = {"quote": [{}], "adjclose": [{}]}
        return _whole({"meta": meta | {"currency": None}, "indicators": blank})
    quote = {name: _cells(rows[name]) for name in COLUMNS}
    indicators = {"quote": [quote], "adjclose": [{"adjclose": _cells(rows["adj_close"])}]}
    result = {"meta": meta, "timestamp": rows["stamp"].tolist()}
    if events := _events(rows):
        result["events"] = events
    return _whole(result | {"indicators": indicators})


def _whole(result: dict[str, Any]) -> Answer:
    return 200, JSON, json.dumps({"chart": {"result": [result], "error": None}}).encode()


def _share_rows(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(stamp=_stamps(frame["date"], 9.5))


def _future_rows(frame: pd.DataFrame, style: YahooStyle) -> pd.DataFrame:
    """Every weekday: open, high, low and close alike, an adjusted close, nulls where nothing settled."""
    days = pd.bdate_range(frame["date"].min(), frame["date"].max())
    if style.sunday_row and len(sundays := days[days.dayofweek == 0]):
        days = days.union([sundays[-1] - pd.Timedelta(days=1)])
    rows = frame.set_index("date").reindex(days).rename_axis("date").reset_index()
    if style.sunday_row:
        rows["settle"] = rows["settle"].where(rows["date"].dt.dayofweek != 6, rows["settle"].bfill())
    close = rows["settle"]
    rows = rows.assign(open=close, high=close, low=close, close=close, adj_close=close)
    rows = rows.assign(volume=close.notna().map({True: 1.0, False: None}), dividend=0.0, split=0.0)
    return rows.assign(stamp=_stamps(rows["date"], 0.0))


def _stamps(days: pd.Series, hours: float) -> pd.Series:
    local = (days + pd.Timedelta(hours=hours)).dt.tz_localize(NEW_YORK)
    return local.map(lambda moment: int(moment.timestamp())).astype("int64")


def _with_live_quote(rows: pd.DataFrame, last: date, traded_at: datetime, live: str) -> pd.DataFrame:
    """The last session as on its evening; the volume of the live quote is not final."""
    today = rows["date"] == pd.Timestamp(last)
    if live == "none" or not today.any():
        return rows
    quote = rows[today].assign(stamp=int(traded_at.timestamp()))
    quote["volume"] = (quote["volume"] * 0.96).round()
    return pd.concat([rows if live == "beside" else rows[~today], quote], ignore_index=True)


def _traded_at(ticker: str, last: date) -> datetime:
    """`regularMarketTime` on the evening of the session."""
    if ticker.endswith(".CBT"):
        return datetime.combine(last, time(18, 40, 12), tzinfo=NEW_YORK)
    if ticker.startswith("^"):
        return datetime.combine(last, time(17, 5), tzinfo=NEW_YORK)
    close = session_close_utc(last).replace(tzinfo=UTC)
    return datetime.fromtimestamp(close.timestamp() + 1, tz=UTC)


def _meta(ticker: str, frame: pd.DataFrame, last: date, traded_at: datetime) -> dict[str, Any]:
    """The fields of `meta`; a future has no longName, and its offset follows the season as every one does."""
    futures, index = ticker.endswith(".CBT"), ticker.startswith("^")
    column = "settle" if futures else "close"
    price = float(frame[column].dropna().iloc[-1])
    kind = "FUTURE" if futures else "INDEX" if index else "ETF"
    exchange = {"FUTURE": ("CBT", "CBOT"), "INDEX": ("SNP", "SNP"), "ETF": ("PCX", "NYSEArca")}[kind]
    offset = traded_at.astimezone(NEW_YORK).utcoffset()
    assert offset is not None
    meta: dict[str, Any] = {
        "currency": "USD",
        "symbol": ticker,
        "exchangeName": exchange[0],
        "fullExchangeName": exchange[1],
        "instrumentType": kind,
        "firstTradeDate": int(pd.Timestamp(frame["date"].min()).timestamp()),
        "regularMarketTime": int(traded_at.timestamp()),
        "hasPrePostMarketData": kind == "ETF",
        "gmtoffset": int(offset.total_seconds()),
        "timezone": traded_at.astimezone(NEW_YORK).tzname(),
        "exchangeTimezoneName": "America/New_York",
        "regularMarketPrice": price,
        "fiftyTwoWeekHigh": price * 1.2,
        "fiftyTwoWeekLow": price * 0.8,
        "regularMarketDayHigh": price,
        "regularMarketDayLow": price,
        "regularMarketVolume": 1_000_000,
        "longName": f"Name of {ticker}",
        "shortName": f"Short name of {ticker}"[:30],
        "chartPreviousClose": price,
        "priceHint": 4 if futures else 2,
        "currentTradingPeriod": _trading_period(kind, last),
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
    }
    if futures:
        del meta["longName"]
    return meta


def _trading_period(kind: str, last: date) -> dict[str, Any]:
    """Pre, regular and post: a future's regular one is the whole day."""
    clocks = {
        "pre": (time(4, 0), time(9, 30)),
        "regular": (time(9, 30), time(16, 0)),
        "post": (time(16, 0), time(20, 0)),
    }
    if kind == "FUTURE":
        clocks = {name: (time(0, 0), time(23, 59)) for name in clocks}
    found = {}
    for name, (start, end) in clocks.items():
        begins, ends = (datetime.combine(last, clock, tzinfo=NEW_YORK) for clock in (start, end))
        offset = begins.utcoffset()
        assert offset is not None
        found[name] = {
            "timezone": begins.tzname(),
            "start": int(begins.timestamp()),
            "end": int(ends.timestamp()),
            "gmtoffset": int(offset.total_seconds()),
        }
    return found


def _events(rows: pd.DataFrame) -> dict[str, Any]:
    events: dict[str, Any] = {}
    for stamp, amount in zip(rows["stamp"], rows["dividend"].fillna(0.0), strict=True):
        if amount:
            events.setdefault("dividends", {})[str(stamp)] = {"amount": amount, "date": int(stamp)}
    for stamp, ratio in zip(rows["stamp"], rows["split"].fillna(0.0), strict=True):
        if ratio and ratio != 1:
            up, down = (ratio, 1.0) if ratio > 1 else (1.0, 1 / ratio)
            entry = {
                "date": int(stamp),
                "numerator": up,
                "denominator": down,
                "splitRatio": f"{up:g}:{down:g}",
            }
            events.setdefault("splits", {})[str(stamp)] = entry
    return events


def _cells(values: pd.Series) -> list[float | None]:
    return [None if pd.isna(value) else float(value) for value in values]


# ---- cookie, crumb and consent

CONSENT_PAGE = (
    b'<!DOCTYPE html><html lang="en-GB"><body><form method="post" class="consent-form">'
    b'<input type="hidden" name="csrfToken" value="t0ken"><input type="hidden" name="sessionId" value="3_s">'
    b'<button type="submit" name="agree" value="agree">Accept all</button></form></body></html>'
)
COOKIE = "A3=d=made-up&S=made-up; Path=/; Max-Age=31557600; HttpOnly"
CONSENTED = "GUCS=made-up; Path=/"


def helper(path: str, method: str, cookies: str, style: YahooStyle) -> tuple[Answer, str] | None:
    """The answer on the way to a crumb and the cookie that it sets; None for another path."""
    if path in ("", "/"):
        # fc.yahoo.com has no page, only the cookie.
        return (404, "text/html", b"<html><body>Not Found on Accelerator</body></html>"), COOKIE
    if path == "/consent":
        return (200, "text/html; charset=utf-8", CONSENT_PAGE), ""
    if path == "/v2/collectConsent":
        sent = method == "POST"
        return (200 if sent else 405, "text/html", b"<html><body>Thank you</body></html>"), ""
    if path == "/copyConsent":
        return (200, "text/html", b"<html><body></body></html>"), CONSENTED
    if path == "/v1/test/getcrumb":
        if style.wants_consent and "GUCS=" not in cookies:
            return (401, JSON, error(401, "Unauthorized", "Invalid Cookie", "finance")[2]), ""
        return (200, "text/plain;charset=utf-8", b"Cr.umb/1"), ""
    return None
