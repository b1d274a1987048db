"""Reading Yahoo's chart answer: bars, dividends and splits of a symbol, settlements of a contract.

In: the body as served. Out: rows in the columns of `raw.equity_prices` or `raw.fed_funds_futures`, and the
rows that break a rule. Dates are those of the exchange's zone; what the last bar is, `sources.yahoo_days`
decides. The daily bar is taken before the live quote; a live quote alone is taken once its session is over,
and named as provisional.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from sources.json_text import json_document
from sources.protocol import Parsed, SourceError, Unreadable
from sources.tabular import PRICE_COLUMNS, delivery_month, with_previous_adj_close
from sources.yahoo_days import (
    LIVE_DIFFERS,
    NEXT_DAY,
    NEXT_DAY_BEGINS,
    PARTIAL_SESSION,
    Answer,
    LastDay,
    check_days,
    check_zone,
    future_rule,
    last_day,
    market_time,
    share_is_partial,
)
from warehouse.payloads import Payload

SYMBOL = re.compile(r"\^?[A-Z0-9][A-Z0-9.-]{0,14}")
# Every symbol of the list is quoted in New York or, the Cboe indices, in Chicago; another zone would shift
# the dates.
ZONES = ("America/New_York", "America/Chicago")
# A live quote beside the daily bar repeats its close; where it does not, one of them is wrong.
SAME_CLOSE = 0.001
PROVISIONAL = (
    "provisional, because Yahoo served the live quote and not the daily bar yet; the next run replaces it"
)
NOT_DUE = "not loaded, because the day's settlement was not due when Yahoo answered; the next run asks again"


def price_ticker(item: str) -> str:
    """A symbol as Yahoo calls it: the same.

    Raises:
        SourceError: it cannot be a symbol.
    """
    if not SYMBOL.fullmatch(item):
        raise SourceError(f"Yahoo: {item[:40]!r} cannot be a symbol")
    return item


def futures_ticker(item: str) -> str:
    """A contract as Yahoo calls it: `ZQU26` is `ZQU26.CBT`.

    Raises:
        SourceError: it is not a contract.
    """
    try:
        delivery_month(item)
    except ValueError as error:
        raise SourceError(f"Yahoo: {error}") from None
    return f"{item}.CBT"


@dataclass
class Chart:
    """One chart answer: its bars by row, the rule that each row breaks (blank where none), its cells as
    served.
    """

    what: str
    result: dict[str, Any]
    zone: ZoneInfo
    answer: Answer
    local: pd.Series
    frame: pd.DataFrame
    rules: pd.Series
    left_out: pd.Series
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
        kept = _traded(self.frame) & (self.rules == "") & ~self.left_out
        return self.frame[kept].reset_index(drop=True)

    def mark_day(self, day: pd.Timestamp, rule: str) -> None:
        """Let the rows of one day break a rule."""
        self.rules[(self.frame["session_date"] == day) & (self.rules == "")] = rule


def parse_prices_chart(payload: Payload) -> Parsed:
    """Rows of a symbol's chart: dates in the exchange's zone, prices as served."""
    request = payload.request
    chart = _read_chart(payload, price_ticker(request.input), adjusted=True)
    if chart is None:
        return Parsed(_no_prices())
    noted = _judge_last_share(chart, request.input)
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
        noted=noted,
    )


def parse_futures_chart(payload: Payload) -> Parsed:
    """Rows of a contract's chart: the close of a daily bar is its settlement."""
    contract = payload.request.input
    chart = _read_chart(payload, futures_ticker(contract), adjusted=False)
    if chart is None:
        blank = pd.DataFrame(
            {"session_date": pd.Series(dtype="datetime64[us]"), "close": pd.Series(dtype="float64")}
        )
        return Parsed(_settlements(contract, blank))
    noted = _judge_last_settlement(chart, contract)
    rejected = chart.rejected({"contract": contract})
    return Parsed(_settlements(contract, chart.good()), rejected, noted=noted)


def _read_chart(payload: Payload, ticker: str, *, adjusted: bool) -> Chart | None:
    """The bars of an answer; None where it has no time stamps. `adjusted`: an adjusted close is expected."""
    what = f"Yahoo: {payload.request.dataset}/{payload.request.input}"
    result = _result(what, payload)
    zone = _check_meta(what, ticker, result)
    if not result.get("timestamp"):
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
    left_out = pd.Series(False, index=frame.index)
    answer = Answer(market_time(result["meta"]), payload.fetched_at_utc)
    chart = Chart(what, result, zone, answer, local, frame, rules, left_out, columns)
    _check_calendar(chart, futures=not adjusted)
    return chart


def _check_calendar(chart: Chart, *, futures: bool) -> None:
    """The days of the daily bars must be those of the exchange."""
    check_zone(chart.what, chart.result["meta"], chart.zone)
    traded = _traded(chart.frame)
    last = last_day(chart.local, traded, chart.answer)
    daily = chart.local[traded]
    if last is not None and last.live is not None:
        daily = daily.drop(index=last.live)
    check_days(chart.what, daily, chart.zone, futures=futures)
    # A few bars of the evening before their day are not refused with the rest: each would be a day early.
    early = daily[daily.dt.hour >= NEXT_DAY_BEGINS.hour].index
    chart.rules[early] = chart.rules[early].where(chart.rules[early] != "", NEXT_DAY)


def _traded(frame: pd.DataFrame) -> pd.Series:
    return frame[["open", "high", "low", "close"]].notna().any(axis=1)


def _result(what: str, payload: Payload) -> dict[str, Any]:
    document = json_document(what, payload.content)
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
    """Symbol, currency, zone and bar length must be the expected ones."""
    meta = _field(what, result, "meta", dict)
    expectations: dict[str, tuple[str, ...]] = {
        "symbol": (ticker,),
        "currency": ("USD",),
        "exchangeTimezoneName": ZONES,
        "dataGranularity": ("1d",),
    }
    if not result.get("timestamp") and meta.get("currency") is None:
        # Without a bar in the range Yahoo knows no currency either.
        del expectations["currency"]
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
    """Futures have no adjusted close. Prices without one would silently lose the total return."""
    if not expected:
        return columns["close"]
    raise Unreadable(f"{what}: field adjclose is missing")


def _not_finite(served: pd.Series, values: pd.Series, number: pd.Series) -> pd.Series:
    """A null means no value; NaN and infinity, which JSON does not allow but Python reads, are wrong."""
    literal_nan = served.map(lambda cell: isinstance(cell, float) and cell != cell)
    return pd.Series(
        number.to_numpy() & (literal_nan.to_numpy() | np.isinf(values.to_numpy())), index=served.index
    )


def _judge_last_share(chart: Chart, symbol: str) -> list[tuple[str, str]]:
    """Mark a partial last bar and leave out the live quote beside the daily bar; what is provisional."""
    last = last_day(chart.local, _traded(chart.frame), chart.answer)
    if last is None:
        return []
    if share_is_partial(last, chart.answer):
        chart.mark_day(pd.Timestamp(last.day), PARTIAL_SESSION)
        return []
    if last.live is not None and not last.live_alone:
        _leave_out_live(chart, last)
        return []
    return [(PROVISIONAL, f"{symbol} {last.day}")] if last.live_alone else []


def _leave_out_live(chart: Chart, last: LastDay) -> None:
    """The daily bar is taken; a live quote with another close is named."""
    assert last.live is not None
    daily, live = chart.frame["close"][last.row], chart.frame["close"][last.live]
    chart.left_out[last.live] = True
    if pd.notna(daily) and pd.notna(live) and abs(live / daily - 1) > SAME_CLOSE:
        chart.rules[last.live] = chart.rules[last.live] or LIVE_DIFFERS


def _judge_last_settlement(chart: Chart, contract: str) -> list[tuple[str, str]]:
    """Mark a last bar that is not the day's settlement yet; what to say about it."""
    last = last_day(chart.local, _traded(chart.frame), chart.answer)
    if last is None:
        return []
    if last.live is not None and not last.live_alone:
        # Of the next trading day in the evening, of this one before: never the settlement.
        chart.left_out[last.live] = True
    named = f"{contract} {last.day}"
    if rule := future_rule(last, chart.local, chart.answer):
        chart.mark_day(pd.Timestamp(last.day), rule)
        return [(NOT_DUE, named)]
    return [(PROVISIONAL, named)] if last.live_alone else []


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
