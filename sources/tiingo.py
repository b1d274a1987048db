"""Tiingo: daily prices of US shares and funds by its end-of-day API, with a key.

In: a symbol (`SPY`) and a range of dates. Out: the JSON array as served and, from it, rows in the columns of
`raw.equity_prices`. Source: https://www.tiingo.com/documentation/end-of-day. Settings: `TIINGO_API_KEY`, and
`ROTATION_TIINGO_URL` for another base address than https://api.tiingo.com.

Tiingo's open, high, low, close, volume and `divCash` are as traded; `splitFactor` (2.0 for two for one)
is on the first day at the new count. Prices and dividends are divided, volumes multiplied, by the factors
of all later days, so that close and dividend are on today's basis, as Yahoo serves them. A request therefore
never has an end date: the answer always reaches to the newest day and holds every factor that matters; what
lies outside the range asked is left out when it is read. `adjClose` carries the same splits and dividends, so
each day's step of it is compared with `divCash` and `splitFactor`. Caveat: Tiingo serves no indices (^RUT).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Self
from urllib.parse import quote

import numpy as np
import pandas as pd

from sources.json_text import json_document
from sources.protocol import NotServed, Parsed, PriceProvider, SourceError, Unreadable
from sources.tabular import PRICE_COLUMNS, with_previous_adj_close
from sources.transport import (
    Body,
    Forbidden,
    NotData,
    RateLimited,
    Secret,
    Transport,
    Verdict,
    judge_status,
    looks_like_a_notice,
    looks_like_a_page,
    rate_limit,
    service_url,
)
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings, SettingsError

API_URL = "https://api.tiingo.com"
SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9.-]{0,14}")
# `2023-01-03T00:00:00.000Z`: a calendar day in the exchange's terms, despite the letter Z.
DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(T00:00:00(\.0+)?(Z|\+00:00))?")
# Column -> field, for what is taken from the answer as a number.
FIELDS = {
    **{name: name for name in ("open", "high", "low", "close", "volume")},
    "adj_close": "adjClose",
    "dividend": "divCash",
    "split": "splitFactor",
}
# How far a step of adjClose may lie from the one that divCash and splitFactor imply, and how finely adjClose
# is rounded. SPY's quarterly dividend is 0.3 % of its price.
STEP_TOLERANCE, ADJ_CLOSE_ROUNDING_USD = 5e-4, 1e-4


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    status: int
    retry_after: str | None
    content: bytes


class TiingoPrices(PriceProvider):
    """Serves prices of shares and funds."""

    name: ClassVar[str] = "tiingo"

    def __init__(self, key: Secret, url: str | None, transport: Transport[Reply]) -> None:
        self.key = key
        self.url = url or API_URL
        self.transport = transport
        self._session: Any = None

    @classmethod
    def open(cls, settings: Settings, environ: Mapping[str, str]) -> Self:
        """Read TIINGO_API_KEY and ROTATION_TIINGO_URL."""
        text = environ.get("TIINGO_API_KEY", "").strip()
        if not text:
            raise SettingsError(
                "TIINGO_API_KEY is not set: the prices of the source 'tiingo' need the key of"
                " https://www.tiingo.com/account/api/token."
            )
        if not text.isascii() or not text.isalnum():
            raise SettingsError(
                "TIINGO_API_KEY contains a character that is not valid in a key; copy it again."
            )
        url = service_url("ROTATION_TIINGO_URL", environ, carries_key=True)
        return cls(Secret(text), url, Transport("Tiingo", requests_per_second=rate_limit(url, environ)))

    def fetch(self, request: Request) -> Payload:
        """Fetch one symbol from the start of the range to the newest day."""
        what = f"Tiingo: {request.dataset}/{request.input}"
        if request.input.startswith("^"):
            raise NotServed(f"{what}: Tiingo serves no indices; take them from Yahoo or from files")
        if not SYMBOL.fullmatch(request.input):
            raise SourceError(f"Tiingo: {request.input[:40]!r} cannot be a symbol")

        def judge(reply: Reply) -> Verdict:
            return judge_prices(what, reply, self.key)

        content = self.transport.ask(what, self._sender(request), judge).content
        if self.key.reveal().encode() in content:
            raise Unreadable(f"{what}: the answer contains the key; it was not stored")
        payload = Payload(request, self.name, content, "json", datetime.now(UTC).replace(tzinfo=None))
        parsed = self.parse(payload)
        if parsed.frame.empty and not parsed.rejected:
            raise NotServed(f"Tiingo: {request.describe()}: no row in this range")
        self.require_last_bar(payload, parsed.frame)
        return payload

    def _sender(self, request: Request) -> Callable[[float, Body], Reply]:
        def send(seconds: float, body: Body) -> Reply:
            from curl_cffi import requests

            if self._session is None:
                self._session = requests.Session(headers={"User-Agent": "rotation-warehouse"})
            # A redirect would carry the key to another host.
            answer = self._session.get(
                f"{self.url}/tiingo/daily/{quote(request.input.lower())}/prices",
                params={"startDate": str(request.start), "format": "json"},
                headers={"Authorization": f"Token {self.key.reveal()}", "Accept": "application/json"},
                timeout=seconds,
                allow_redirects=False,
                content_callback=body.take,
            )
            return Reply(answer.status_code, answer.headers.get("Retry-After"), body.content)

        return send

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read a payload: split-adjusted prices, volumes and dividends, the split on its day."""
        return parse_prices(payload)


def judge_prices(what: str, reply: Reply, key: Secret) -> Verdict:
    """What an answer means before it is read. Tiingo sends errors as JSON or as plain text, some of
    them with status 200.
    """
    reason = key.scrub(_reason(reply.content))
    if "run over your" in reason:
        # An hour's or a month's allowance: another attempt in this request would only cost one more.
        return Verdict(RateLimited(f"{what}: Tiingo's allowance for this key is used up: {reason}"))
    if reply.status in (401, 403):
        text = f"{what}: Tiingo does not accept the key (status {reply.status}); check TIINGO_API_KEY"
        return Verdict(Forbidden(text))
    if reply.status == 404 or re.search(r"[Tt]icker .*not found", reason):
        return Verdict(NotServed(f"{what}: {reason or 'there is no such symbol'}"))
    shared = judge_status(what, reply.status, reply.retry_after)
    if shared.error is not None:
        return shared
    if not reply.content.strip():
        return Verdict(NotData(f"{what}: the answer is empty"))
    if looks_like_a_notice(reply.content):
        return Verdict(NotData(f"{what}: a sentence was returned instead of data; it may be a notice"))
    if looks_like_a_page(reply.content):
        text = "a web page was returned instead of data; it may be a notice, a captcha or a proxy's"
        return Verdict(NotData(f"{what}: {text}"))
    if reason:
        return Verdict(SourceError(f"{what}: Tiingo refuses the request: {reason}"))
    return Verdict()


def _reason(content: bytes) -> str:
    """Tiingo's message in an answer that is not data."""
    text = content[:600].decode("utf-8", "replace").strip()
    if text.startswith("{"):
        try:
            text = str(json.loads(content)["detail"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""
    return " ".join(text.split())[:200] if text.startswith(("Error", "You have", "Not found")) else ""


# ---- reading


def parse_prices(payload: Payload) -> Parsed:
    """Read the array of days.

    Raises:
        Unreadable: the array is not one of days, a field is missing, or adjClose contradicts divCash and
            splitFactor.
    """
    request = payload.request
    what = f"Tiingo: {request.dataset}/{request.input}"
    rows = _rows(what, payload.content)
    days = [DAY.fullmatch(row["date"]) if isinstance(row["date"], str) else None for row in rows]
    frame = pd.DataFrame(
        {"session_date": pd.to_datetime([day.group(1) if day else "" for day in days], errors="coerce")}
    ).astype("datetime64[us]")
    rules = pd.Series(np.where(frame["session_date"].isna(), "session_date_is_a_date", ""), dtype=object)
    for name, field in FIELDS.items():
        served = pd.Series([row[field] for row in rows], dtype=object)
        number = served.map(lambda cell: isinstance(cell, (int, float)) and not isinstance(cell, bool))
        values = pd.to_numeric(served.where(number), errors="coerce").astype("float64")
        wrong = served.notna() & ~number | number & ~np.isfinite(values.to_numpy())
        rules[wrong & (rules == "")] = f"{name}_is_a_finite_number"
        frame[name] = values
    frame = _split_adjusted(what, frame)
    bad = rules != ""
    _check_adjusted_close(what, frame[~bad].sort_values("session_date", kind="stable"))
    frame = frame[frame[["open", "high", "low", "close"]].notna().any(axis=1) | bad]
    asked = frame["session_date"].between(pd.Timestamp(request.start), pd.Timestamp(request.end))
    rejected: list[tuple[str, dict[str, Any]]] = [
        (str(rules[index]), {"symbol": request.input, **rows[index]})
        for index in frame.index[bad[frame.index] & (asked | frame["session_date"].isna())]
    ]
    frame = frame[asked & ~bad[frame.index]].reset_index(drop=True)
    frame.insert(0, "symbol", request.input)
    frame["split"] = frame["split"].where(frame["split"] != 1.0, 0.0)
    return Parsed(with_previous_adj_close(frame[["symbol", "session_date", *PRICE_COLUMNS]]), rejected)


def _rows(what: str, content: bytes) -> list[dict[str, Any]]:
    document = json_document(what, content)
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        raise Unreadable(f"{what}: the answer is not a list of days but of type {type(document).__name__}")
    for row in document:
        missing = [name for name in ("date", *FIELDS.values()) if name not in row]
        if missing:
            found = ", ".join(map(str, row))[:150]
            raise Unreadable(f"{what}: field {', '.join(missing)} is missing; there are {found}")
    return document


def _split_adjusted(what: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Bring prices, volume and dividend of each day to the count of shares of the newest day."""
    factors = frame.groupby("session_date")["split"].agg(["min", "max"])
    fine = (factors["min"] > 0) & (factors["min"] == factors["max"])
    lost = frame.loc[frame["session_date"].isna(), "split"] != 1.0
    if not fine.all() or frame["split"].isna().any() or lost.any():
        day = "a day" if fine.all() else str(factors.index[~fine][0].date())
        raise Unreadable(
            f"{what}: field splitFactor of {day} is not one positive number with a date; the prices before it"
            " have no known basis"
        )
    upto = factors["max"][::-1].cumprod()[::-1]
    later = frame["session_date"].map(upto / factors["max"])
    adjusted = frame.copy()
    for name in ("open", "high", "low", "close", "dividend"):
        adjusted[name] = frame[name] / later
    adjusted["volume"] = frame["volume"] * later
    return adjusted


def _check_adjusted_close(what: str, frame: pd.DataFrame) -> None:
    """Refuse prices whose adjClose implies other splits and dividends than splitFactor and divCash.

    On split-adjusted prices adjClose moves as close does, except on the day of a dividend. Two formulas for
    that day are in use, the reinvestment at the day's own close (CRSP) and the deduction from the close
    before; a step may follow either.
    """
    frame = frame[(frame["close"] > 0) & (frame["adj_close"] > 0)].drop_duplicates("session_date")
    if frame.empty:
        return
    days = frame["session_date"].dt.date.to_list()
    close, adjusted = frame["close"].to_numpy(), frame["adj_close"].to_numpy()
    paid = frame["dividend"].fillna(0.0).to_numpy()[1:]
    allowed = STEP_TOLERANCE + ADJ_CLOSE_ROUNDING_USD / adjusted
    if abs(adjusted[-1] / close[-1] - 1) > allowed[-1]:
        raise Unreadable(
            f"{what}: field adjClose of {days[-1]}, the last day served, differs from close: the"
            " answer lacks later splits or dividends"
        )
    step = adjusted[:-1] / adjusted[1:] / (close[:-1] / close[1:])
    implied = close[1:] / (close[1:] + paid)
    distance = np.minimum(abs(step / implied - 1), abs(step - (1 - paid / close[:-1])))
    wrong = np.flatnonzero(distance > allowed[:-1] + ADJ_CLOSE_ROUNDING_USD / adjusted[1:])
    if wrong.size:
        raise Unreadable(
            f"{what}: field adjClose contradicts divCash and splitFactor on {days[wrong[0] + 1]}: beyond the"
            f" move of the price it steps by {step[wrong[0]]:.5f}, they imply {implied[wrong[0]]:.5f}"
        )
