"""Which bar of Yahoo's chart is a day's final one: shapes as they were recorded, written anew.

Each case is an answer with its stamps, its `regularMarketTime` and the moment at which it was fetched.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from market_calendar.sessions import session_close_utc, sessions_between, settlement_days_between
from sources.protocol import NotServed, Parsed, Unreadable
from sources.transport import RateLimited, looks_like_a_notice
from sources.yahoo import YahooFutures, YahooPrices, judge_chart
from tests.faults.feed import Feed
from tests.faults.yahoo_answers import YahooStyle, chart
from warehouse.payloads import Payload, Request

NEW_YORK = ZoneInfo("America/New_York")
CHICAGO = ZoneInfo("America/Chicago")
DAY = date(2024, 7, 16)
LATER = datetime(2026, 11, 1, 12)


def at(day: date, clock: str, zone: ZoneInfo = NEW_YORK) -> datetime:
    """A moment as naive UTC."""
    local = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone)
    return local.astimezone(UTC).replace(tzinfo=None)


def answer(
    symbol: str,
    stamps: list[datetime],
    *,
    fetched: datetime = LATER,
    closes: list[float | None] | None = None,
    **meta: Any,
) -> Payload:
    """A chart answer with one bar per stamp."""
    contract = symbol.startswith("ZQ")
    values = closes or [94.0 + number / 100 for number in range(len(stamps))]
    known = {
        "currency": "USD",
        "symbol": f"{symbol}.CBT" if contract else symbol,
        "exchangeTimezoneName": "America/New_York",
        "gmtoffset": -14400,
        "dataGranularity": "1d",
        **meta,
    }
    if isinstance(known.get("regularMarketTime"), datetime):
        known["regularMarketTime"] = int(known["regularMarketTime"].replace(tzinfo=UTC).timestamp())
    quote: dict[str, Any] = {name: values for name in ("open", "high", "low", "close")}
    quote["volume"] = [None if value is None else 1000 + number for number, value in enumerate(values)]
    result = {
        "meta": known,
        "timestamp": [int(stamp.replace(tzinfo=UTC).timestamp()) for stamp in stamps],
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": values}]},
    }
    content = json.dumps({"chart": {"result": [result], "error": None}}).encode()
    request = Request("futures" if contract else "prices", symbol, date(2024, 1, 2), DAY)
    return Payload(request, "yahoo", content, "json", fetched)


def days_of(parsed: Parsed) -> list[date]:
    column = "settlement_date" if "settlement_date" in parsed.frame else "session_date"
    return list(parsed.frame[column].dt.date)


def rules_of(parsed: Parsed) -> list[str]:
    return [rule for rule, _ in parsed.rejected]


def daily(last: date, clock: str, count: int = 8) -> list[datetime]:
    """Stamps of the last sessions up to a day."""
    days = [day for day in settlement_days_between(last - timedelta(days=30), last) if day <= last]
    return [at(day, clock) for day in days[-count:]]


# ---- a contract's bar before its settlement


@pytest.mark.parametrize("clock", ["07:50:00", "10:30:00", "14:59:00"])
@pytest.mark.parametrize("fetched", [at(DAY, "07:50"), at(DAY, "16:30"), at(DAY, "22:00"), LATER])
def test_a_contract_in_progress_is_no_settlement_whatever_the_hour(clock: str, fetched: datetime) -> None:
    moment = at(DAY, clock)
    stamps = [*daily(date(2024, 7, 15), "00:00"), moment]
    parsed = YahooFutures.parse(answer("ZQU24", stamps, fetched=fetched, regularMarketTime=moment))
    assert days_of(parsed)[-1] == date(2024, 7, 15) and len(parsed.frame) == 8
    assert rules_of(parsed) == ["settlement_was_due_when_served"]
    assert [row for _, row in parsed.noted] == ["ZQU24 2024-07-16"]
    assert "not loaded, because the day's settlement was not due" in parsed.noted[0][0]


def test_a_contract_stamped_as_a_day_counts_once_the_settlement_is_due() -> None:
    """Also of a contract that has not traded since the morning; the answer of another week shows nothing."""
    stamps = daily(DAY, "00:00")
    for fetched, traded, taken in (
        (at(DAY, "16:59"), at(DAY, "16:59"), False),
        (at(DAY, "17:01"), at(DAY, "16:59"), True),
        (at(DAY, "22:00"), at(DAY, "21:59"), True),
        (at(DAY, "22:00"), at(DAY, "07:50"), True),
        (at(date(2024, 7, 17), "07:00"), at(date(2024, 7, 17), "06:59"), True),
        (LATER, at(DAY, "07:50"), False),
    ):
        parsed = YahooFutures.parse(answer("ZQZ25", stamps, fetched=fetched, regularMarketTime=traded))
        assert (days_of(parsed)[-1] == DAY) is taken, (fetched, traded)


@pytest.mark.parametrize(
    ("clock", "taken", "rule"),
    [
        ("16:45:00", True, ""),
        ("18:30:00", False, "bar_is_of_its_own_trading_day"),
        ("23:10:00", False, "bar_is_of_its_own_trading_day"),
    ],
)
def test_a_live_quote_of_a_contract_alone(clock: str, taken: bool, rule: str) -> None:
    """After the settlement it is provisional; in the evening it belongs to the next trading day."""
    moment = at(DAY, clock)
    stamps = [*daily(date(2024, 7, 15), "00:00"), moment]
    parsed = YahooFutures.parse(answer("ZQU24", stamps, fetched=at(DAY, "23:30"), regularMarketTime=moment))
    assert (DAY in days_of(parsed)) is taken and [*rules_of(parsed), ""][0] == rule
    assert [row for _, row in parsed.noted] == ["ZQU24 2024-07-16"]


def test_the_settlement_is_taken_and_the_evenings_quote_left_out() -> None:
    moment = at(DAY, "21:59:30")
    stamps, closes = [*daily(DAY, "00:00"), moment], [94.0] * 7 + [94.675, 94.71]
    parsed = YahooFutures.parse(
        answer("ZQU24", stamps, closes=closes, fetched=at(DAY, "22:00"), regularMarketTime=moment)
    )
    assert not parsed.rejected and not parsed.noted
    assert days_of(parsed)[-1] == DAY and parsed.frame["settle"].iloc[-1] == 94.675


def test_the_day_after_thanksgiving_settles_early() -> None:
    friday = date(2024, 11, 29)
    stamps = daily(friday, "00:00")
    traded = at(friday, "13:15")
    parsed = YahooFutures.parse(
        answer("ZQF25", stamps, fetched=at(friday, "18:30"), regularMarketTime=traded, gmtoffset=-18000)
    )
    assert days_of(parsed)[-1] == friday and not parsed.rejected


# ---- shares, funds and indices


@pytest.mark.parametrize("symbol", ["KRE", "CFG"])
def test_a_thin_symbols_daily_bar_is_whole_once_the_session_is_over(symbol: str) -> None:
    for clock in ("10:05", "15:20", "15:49"):
        traded = at(DAY, clock)
        for fetched, whole in (
            (at(DAY, "15:55"), False),
            (at(DAY, "16:10"), False),  # Yahoo may be a quarter of an hour late
            (at(DAY, "18:00"), True),
            (at(date(2024, 7, 17), "08:00"), True),
            (LATER, True),
        ):
            parsed = YahooPrices.parse(
                answer(symbol, daily(DAY, "09:30"), fetched=fetched, regularMarketTime=traded)
            )
            assert (DAY in days_of(parsed)) is whole, (clock, fetched)
            assert rules_of(parsed) == ([] if whole else ["bar_is_of_the_whole_session"])


def test_a_live_quote_of_the_session_itself_is_a_part_of_it() -> None:
    moment = at(DAY, "11:30:05")
    stamps = [*daily(date(2024, 7, 15), "09:30"), moment]
    for fetched in (moment, LATER):
        parsed = YahooPrices.parse(answer("KRE", stamps, fetched=fetched, regularMarketTime=moment))
        assert rules_of(parsed) == ["bar_is_of_the_whole_session"] and DAY not in days_of(parsed)


@pytest.mark.parametrize(
    ("symbol", "day", "clock"),
    [
        ("KRE", DAY, "16:00:01"),
        ("^GSPC", DAY, "17:05:00"),
        ("QQQ", date(2024, 7, 3), "13:00:01"),  # a half day
        ("IWM", date(2024, 11, 29), "13:00:00"),  # the day after Thanksgiving
        ("SPY", date(2024, 3, 11), "16:00:01"),  # the first day of summer time
        ("SPY", date(2024, 11, 4), "16:00:01"),  # the first day of winter time
    ],
)
def test_the_daily_bar_wins_and_a_live_quote_alone_is_provisional(symbol: str, day: date, clock: str) -> None:
    moment = at(day, clock)
    before = [stamp for stamp in daily(day, "09:30", 9) if stamp.date() < day]
    alone = YahooPrices.parse(
        answer(symbol, [*before, moment], fetched=at(day, "19:00"), regularMarketTime=moment)
    )
    assert days_of(alone)[-1] == day and not alone.rejected
    assert [row for _, row in alone.noted] == [f"{symbol} {day}"] and "provisional" in alone.noted[0][0]
    stamps = [*before, at(day, "09:30"), moment]
    closes: list[float | None] = [100.0] * len(stamps)
    both = YahooPrices.parse(
        answer(symbol, stamps, closes=closes, fetched=at(day, "19:00"), regularMarketTime=moment)
    )
    assert not both.rejected and not both.noted
    assert both.frame["volume"].iloc[-1] == 1000 + len(stamps) - 2, "the volume of the daily bar"
    closes[-1] = 103.0
    other = YahooPrices.parse(
        answer(symbol, stamps, closes=closes, fetched=at(day, "19:00"), regularMarketTime=moment)
    )
    assert rules_of(other) == ["live_bar_agrees_with_the_daily_one"]
    assert other.frame["close"].iloc[-1] == 100.0


def test_the_first_bar_of_a_symbol_is_its_daily_bar() -> None:
    parsed = YahooPrices.parse(
        answer("KRE", [at(DAY, "09:30")], fetched=at(DAY, "19:00"), regularMarketTime=at(DAY, "16:00:01"))
    )
    assert days_of(parsed) == [DAY] and not parsed.noted


# ---- days


@pytest.mark.parametrize("season", [date(2024, 2, 20), DAY, date(2024, 3, 15), date(2024, 11, 8)])
def test_days_are_those_of_the_exchanges_zone(season: date) -> None:
    """Over the change of the clocks as well, and for an index that is quoted in Chicago."""
    sessions = sessions_between(season - timedelta(days=20), season)
    parsed = YahooPrices.parse(
        answer("KRE", [at(day, "09:30") for day in sessions], regularMarketTime=at(season, "16:00"))
    )
    assert days_of(parsed) == sessions
    stamps = [at(day, "08:30", CHICAGO) for day in sessions]
    parsed = YahooPrices.parse(
        answer(
            "^VIX",
            stamps,
            exchangeTimezoneName="America/Chicago",
            gmtoffset=-18000,
            regularMarketTime=at(season, "16:15"),
        )
    )
    assert days_of(parsed) == sessions


def test_a_shift_of_all_days_is_refused_by_name() -> None:
    midnight = daily(DAY, "00:00", 12)
    chicago = {"exchangeTimezoneName": "America/Chicago", "gmtoffset": -18000}
    for item, count in (("ZQU24", 12), ("ZQZ24", 1), ("ZQF25", 3)):
        with pytest.raises(Unreadable, match="stamped 23:00 in America/Chicago") as caught:
            YahooFutures.parse(answer(item, midnight[-count:], **chicago))
        assert item in str(caught.value)
    with pytest.raises(Unreadable, match="every day is one day early"):
        YahooPrices.parse(answer("KRE", [stamp - timedelta(days=1) for stamp in daily(DAY, "09:30", 12)]))
    with pytest.raises(Unreadable, match="every day is one day late"):
        YahooPrices.parse(answer("^GSPC", [stamp + timedelta(days=1) for stamp in daily(DAY, "09:30", 12)]))
    with pytest.raises(Unreadable, match="gmtoffset reads 3600"):
        YahooPrices.parse(answer("KRE", daily(DAY, "09:30"), gmtoffset=3600))


@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_few_bars_of_the_evening_before_their_day_are_named(count: int) -> None:
    """Stamped an hour early, as by a clock that was not changed: each would be a day early."""
    stamps = daily(date(2024, 3, 20), "00:00", 13)
    early = [stamp - timedelta(hours=1) for stamp in stamps[:count]]
    parsed = YahooFutures.parse(answer("ZQU24", [*early, *stamps[count:]]))
    assert rules_of(parsed) == ["bar_is_of_its_own_trading_day"] * count
    assert days_of(parsed) == days_of(YahooFutures.parse(answer("ZQU24", stamps)))[count:]


def test_a_holiday_row_of_an_index_and_a_sunday_row_of_a_contract_are_no_shift() -> None:
    holiday = at(date(2024, 7, 4), "09:30")
    parsed = YahooPrices.parse(answer("^VIX", sorted([*daily(DAY, "09:30", 12), holiday])))
    assert date(2024, 7, 4) in days_of(parsed), "the gate names it"
    sunday = at(date(2024, 7, 14), "00:00")
    parsed = YahooFutures.parse(answer("ZQU24", sorted([*daily(DAY, "00:00", 12), sunday])))
    assert len(parsed.frame) == 13
    closes: list[float | None] = [94.0] * 6 + [None] + [94.0] * 5
    parsed = YahooFutures.parse(answer("ZQU24", daily(DAY, "00:00", 12), closes=closes))
    assert len(parsed.frame) == 11 and not parsed.rejected, "null rows stand on holidays"


# ---- nothing, and too much


def test_an_empty_range_is_not_served() -> None:
    content = chart(Feed(DAY), "KRE", {"period1": "1", "period2": "2"}, YahooStyle())[2]
    document = json.loads(content)["chart"]["result"][0]
    assert document["indicators"]["quote"] == [{}] and document["meta"]["currency"] is None
    parsed = YahooPrices.parse(Payload(Request("prices", "KRE", DAY, DAY), "yahoo", content, "json", LATER))
    assert parsed.frame.empty and not parsed.rejected
    with pytest.raises(Unreadable, match="currency"):
        YahooPrices.parse(answer("KRE", daily(DAY, "09:30"), currency=None))


SLOW_DOWN = {
    "text": b"Too Many Requests\r\n",
    "edge": b"Edge: Too Many Requests",
    "page": b"<!DOCTYPE html><html><head><title>429 Too Many Requests</title></head><body>"
    + b"x" * 3000
    + b"</body></html>",
    "finance": b'{"finance":{"result":null,"error":{"code":"Too Many Requests","description":"Limit"}}}',
    "chart": b'{"chart":{"result":null,"error":{"code":"too many requests","description":null}}}',
}


@pytest.mark.parametrize("name", SLOW_DOWN)
@pytest.mark.parametrize("status", [200, 400, 403, 404, 429])
def test_too_many_requests_is_a_limit_whatever_the_status(name: str, status: int) -> None:
    verdict = judge_chart("Yahoo: KRE", status, "7", SLOW_DOWN[name])
    assert isinstance(verdict.error, RateLimited) and verdict.retry and verdict.wait_seconds == 7


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        (b"Rate limited. Try after a while.", True),
        (b"\n Unavailable", True),
        (b"\xef\xbb\xbfService Unavailable\n", True),
        (b"observation_date,DGS2\n2024-07-15,4.46\n", False),
        (b"DATE,DGS2\n2024-07-15,4.46\n", False),
        (b"date,VALUE and more\n", False),
        (b'{"chart": 1}', False),
        (b"<feed/>", False),
        (b"42", False),
        (b"Words " * 200, False),
    ],
)
def test_a_sentence_is_no_data(text: bytes, notice: bool) -> None:
    assert looks_like_a_notice(text) is notice


def test_the_words_in_data_are_no_limit() -> None:
    body = json.dumps(
        {"chart": {"result": [{"meta": {"longName": "Too Many Requests Inc"}, "x": "y" * 1000}]}}
    )
    assert judge_chart("Yahoo: KRE", 200, None, body.encode()).error is None
    for status, text in (
        (404, "No data found, symbol may be delisted"),
        (400, "Data doesn't exist for startDate"),
    ):
        found = judge_chart(
            "Yahoo: KRE", status, None, b'{"chart":{"error":{"code":"x","description":"%s"}}}' % text.encode()
        )
        assert isinstance(found.error, NotServed) and text in str(found.error)
    refused = judge_chart(
        "Yahoo: KRE",
        401,
        None,
        b'{"finance":{"error":{"code":"Unauthorized","description":"Invalid Crumb"}}}',
    )
    assert "Invalid Crumb" in str(refused.error)


def test_the_close_of_a_half_day_counts() -> None:
    """At 13:05 New York the session is over for a calendar that knows it."""
    day = date(2024, 7, 3)
    assert session_close_utc(day) == at(day, "13:00")
    moment = at(day, "13:00:01")
    parsed = YahooPrices.parse(
        answer(
            "KRE",
            [*daily(date(2024, 7, 2), "09:30"), moment],
            fetched=at(day, "13:20"),
            regularMarketTime=moment,
        )
    )
    assert pd.Timestamp(day) in set(parsed.frame["session_date"])
