"""A server on this machine that speaks Tiingo's end-of-day protocol and can misbehave.

`TiingoServer(feed, key)` answers `/tiingo/daily/<symbol>/prices?startDate&endDate` with the key in the header
`Authorization: Token <key>`. The feed's prices are split-adjusted; what is served is as traded: prices and
dividends times, volumes by the later split factors, with adjusted columns by Tiingo's (CRSP's) formula.
Refusals have the bodies that users have reported: `{"detail": "Error: Ticker 'X' not found"}` with 404,
`{"detail": "Invalid token."}` with 401.
"""

from __future__ import annotations

import json
from urllib.parse import unquote

import pandas as pd

from tests.faults.feed import Feed
from tests.faults.server import Handler, Server

ALLOWANCE = (
    "Error: You have run over your hourly request allocation. Please upgrade at https://api.tiingo.com/pricing"
    " to have your limits increased."
)


class TiingoServer(Server):
    """The server in a thread; a context manager."""

    def __init__(self, feed: Feed, key: str | None = None) -> None:
        super().__init__(feed, key)
        self._http.RequestHandlerClass = TiingoHandler


class TiingoHandler(Handler):
    """Answers one request."""

    def _answer(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes]:
        if self.owner.key is not None and self.headers.get("Authorization") != f"Token {self.owner.key}":
            return _refusal(401, "Invalid token.")
        parts = path.strip("/").split("/")
        if parts[:2] != ["tiingo", "daily"] or parts[3:] != ["prices"]:
            return _refusal(404, "Not found.")
        symbol = unquote(parts[2]).upper()
        frame = None if symbol.startswith("^") else self.owner.feed.frame("prices", symbol)
        if frame is None or frame.empty:
            return _refusal(404, f"Error: Ticker '{symbol}' not found")
        rows = daily_rows(frame)
        inside = rows["date"].between(
            query.get("startDate", "1900-01-01"), query.get("endDate", "2100-01-01T99")
        )
        return 200, "application/json", json.dumps(rows[inside].to_dict("records")).encode()


def daily_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Tiingo's columns from prices on today's count of shares."""
    frame = frame.sort_values("date", ignore_index=True)
    factor = frame["split"].fillna(0.0).where(lambda ratio: ratio > 0, 1.0)
    later = factor[::-1].cumprod()[::-1] / factor
    paid = frame["dividend"].fillna(0.0)
    # CRSP: the return of a day counts the dividend beside the day's close.
    step = frame["close"] / (frame["close"] + paid)
    adjustment = step[::-1].cumprod()[::-1] / step
    served = pd.DataFrame({"date": frame["date"].dt.strftime("%Y-%m-%dT00:00:00.000Z")})
    for name in ("open", "high", "low", "close"):
        served[name] = frame[name] * later
        served[f"adj{name.title()}"] = frame[name] * adjustment
    served["volume"] = (frame["volume"].fillna(0.0) / later).round().astype("int64")
    served["adjVolume"] = frame["volume"].fillna(0.0).round().astype("int64")
    served["divCash"] = paid * later
    served["splitFactor"] = factor
    return served.astype(object).where(served.notna(), None)


def _refusal(status: int, detail: str) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps({"detail": detail}).encode()
