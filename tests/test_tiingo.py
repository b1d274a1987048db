"""Tiingo's prices against a server on this machine that speaks its protocol over real HTTP: what is right,
what an answer can lack, and how one can fail to come.
"""

from __future__ import annotations

import gzip
import json
import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest

from sources.protocol import BarNotThere, NotServed, SourceError, SourceUnavailable, Unreadable
from sources.tiingo import TiingoPrices, parse_prices
from sources.transport import Forbidden, NotData, RateLimited, Secret, Transport
from sources.yahoo import YahooPrices
from tests.faults.feed import Feed
from tests.faults.server import Fault, chart, hang_up, reset, silent, slow, truncated
from tests.faults.tiingo_server import ALLOWANCE, TiingoServer, daily_rows
from tests.faults.yahoo_answers import YahooStyle
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings, SettingsError

AS_OF = date(2024, 7, 16)
START = date(2024, 6, 3)
KEY = "0123456789abcdef0123456789abcdef01234567"
PAGE = b"<!DOCTYPE html><html><body>We will be right back</body></html>"
BOMB = gzip.compress(b" " * 30_000_000)
# A made-up fund: two for one on 20 June, a dividend before and one after it, all on today's count of shares.
FUND, SPLIT_DAY = "KRE", date(2024, 6, 20)
DIVIDENDS = {date(2024, 6, 12): 0.5, date(2024, 7, 2): 0.25}


def fund() -> pd.DataFrame:
    days = pd.bdate_range(START, AS_OF)
    days = days[~days.isin(pd.to_datetime(["2024-06-19", "2024-07-04"]))]
    close = pd.Series([50.0 + number * 0.25 for number in range(len(days))])
    return pd.DataFrame(
        {
            "date": days,
            "open": close - 0.125,
            "high": close + 0.5,
            "low": close - 0.5,
            "close": close,
            "adj_close": close,
            "volume": 2_000_000.0,
            "dividend": [DIVIDENDS.get(day.date(), 0.0) for day in days],
            "split": [2.0 if day.date() == SPLIT_DAY else 0.0 for day in days],
        }
    )


@pytest.fixture
def server() -> Iterator[TiingoServer]:
    feed = Feed(AS_OF, changed={("prices", FUND): fund()})
    with TiingoServer(feed, key=KEY) as running:
        yield running


def tiingo(url: str, key: str = KEY, **options: Any) -> TiingoPrices:
    made = {
        "requests_per_second": None,
        "deadline_seconds": 8.0,
        "attempt_seconds": 6.0,
        "attempts": 1,
        "max_bytes": 5_000_000,
        **options,
    }
    return TiingoPrices(Secret(key), url, Transport("test", **made))


def request_of(symbol: str = FUND, start: date = START, end: date = AS_OF) -> Request:
    return Request("prices", symbol, start, end)


def by_day(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index(frame["session_date"].dt.date)


# ---- what is right


def test_prices_are_split_adjusted_and_not_dividend_adjusted(server: TiingoServer) -> None:
    payload = tiingo(server.url).fetch(request_of())
    served = {row["date"][:10]: row for row in json.loads(payload.content)}
    before_split = fund().set_index("date").loc["2024-06-18", "close"]
    assert served["2024-06-18"]["close"] == 2 * before_split, "the server serves what was traded"
    assert (payload.source, payload.extension) == ("tiingo", "json")
    rows = by_day(parse_prices(payload).frame)
    expected = by_day(fund().rename(columns={"date": "session_date"}))
    for name in ("open", "high", "low", "close", "volume", "dividend", "split"):
        assert (rows[name] == expected[name]).all(), name
    assert rows.loc[SPLIT_DAY, "split"] == 2.0 and rows.loc[date(2024, 6, 12), "dividend"] == 0.5
    assert rows["previous_adj_close"].iloc[1] == rows["adj_close"].iloc[0]


def test_every_range_is_on_todays_basis(server: TiingoServer) -> None:
    """A range that ends before the split holds the same closes as one that spans it."""
    whole = by_day(parse_prices(tiingo(server.url).fetch(request_of())).frame)
    for start, end in (
        (START, date(2024, 6, 14)),
        (date(2024, 6, 18), date(2024, 6, 21)),
        (SPLIT_DAY, AS_OF),
    ):
        part = by_day(parse_prices(tiingo(server.url).fetch(request_of(start=start, end=end))).frame)
        assert part.index.min() == start and part.index.max() == end
        assert (part["close"] == whole.loc[part.index, "close"]).all()
        assert (part["dividend"] == whole.loc[part.index, "dividend"]).all()
    assert not [path for path in server.paths() if "endDate" in path]


def test_an_answer_that_ends_before_a_split_is_refused(server: TiingoServer) -> None:
    """A proxy that cut the range off would leave the closes on the old basis unseen."""
    server.fault = Fault(body=lambda body: json.dumps(json.loads(body)[:8]).encode())
    with pytest.raises(Unreadable, match="adjClose of 2024-06-12, the last day served"):
        tiingo(server.url).fetch(request_of())


def test_the_same_instrument_from_yahoo_and_from_tiingo(server: TiingoServer) -> None:
    first = parse_prices(tiingo(server.url).fetch(request_of())).frame
    query = {"period1": "0", "period2": str(2**40)}
    moment = datetime(2024, 7, 17)
    body = chart(server.feed, FUND, query, YahooStyle(live="none"))[2]
    second = YahooPrices.parse(Payload(request_of(), "yahoo", body, "json", moment)).frame
    for name in ("session_date", "open", "high", "low", "close", "volume", "dividend", "split"):
        assert first[name].to_list() == second[name].to_list(), name
    returns = [
        (frame["close"] + frame["dividend"]) / frame["close"].shift(1) - 1 for frame in (first, second)
    ]
    assert returns[0].dropna().to_list() == returns[1].dropna().to_list() and len(returns[0]) == 30
    # Independently: the total return is that of Tiingo's adjClose.
    adjusted = first["adj_close"] / first["adj_close"].shift(1) - 1
    assert (adjusted - returns[0]).abs().max() < 1e-12


def test_reverse_split_and_two_splits(server: TiingoServer) -> None:
    frame = fund().assign(split=0.0)
    frame.loc[frame["date"] == "2024-06-10", "split"] = 3.0
    frame.loc[frame["date"] == "2024-07-01", "split"] = 0.1
    server.feed.changed["prices", FUND] = frame
    raw = daily_rows(frame)
    assert raw["close"].iloc[0] == pytest.approx(50.0 * 0.3) and raw["volume"].iloc[0] == round(2e6 / 0.3)
    rows = parse_prices(tiingo(server.url).fetch(request_of())).frame
    assert rows["close"].to_list() == pytest.approx(frame["close"].to_list(), rel=1e-14)
    assert rows["volume"].to_list() == pytest.approx(frame["volume"].to_list(), rel=1e-6)


def test_a_required_symbol_waits_for_its_newest_session(server: TiingoServer) -> None:
    body = json.dumps(daily_rows(Feed(date(2024, 7, 15)).frame("prices", "SPY")).to_dict("records")).encode()
    source = tiingo(server.url)
    server.fault = Fault(body=lambda _: body)

    class Evening(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2024, 7, 16, 21, 0, tzinfo=UTC)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sources.tiingo.datetime", Evening)
        with pytest.raises(BarNotThere, match="SPY: the bar of 2024-07-16 is missing or partial"):
            source.fetch(request_of("SPY"))
    assert source.fetch(request_of("SPY")).source == "tiingo", "years later it is only missing"


# ---- settings


def test_the_key_and_the_address_are_settings() -> None:
    settings = Settings.from_environment({"ROTATION_SOURCE": "live"})
    with pytest.raises(SettingsError, match="TIINGO_API_KEY is not set"):
        TiingoPrices.open(settings, {})
    with pytest.raises(SettingsError, match="TIINGO_API_KEY contains") as caught:
        TiingoPrices.open(settings, {"TIINGO_API_KEY": "two words"})
    assert "two words" not in str(caught.value)
    for address in ("ftp://x", "http://example.org", "https://user@example.org"):
        with pytest.raises(SettingsError, match="ROTATION_TIINGO_URL"):
            TiingoPrices.open(settings, {"TIINGO_API_KEY": KEY, "ROTATION_TIINGO_URL": address})
    source = TiingoPrices.open(settings, {"TIINGO_API_KEY": KEY})
    assert source.url == "https://api.tiingo.com" and source.transport.requests_per_second == 2.0
    assert KEY not in repr(vars(source))


# ---- how an answer can fail to come, and what can be wrong in it


def content(body: bytes) -> Callable[[bytes], bytes]:
    return lambda _: body


def edit(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[bytes], bytes]:
    def apply(body: bytes) -> bytes:
        rows = json.loads(body)
        change(rows)
        return json.dumps(rows).encode()

    return apply


def detail(text: str) -> Callable[[bytes], bytes]:
    return content(json.dumps({"detail": text}).encode())


FAULTS: dict[str, tuple[Fault, type[SourceError], str]] = {
    # name: fault, error, what its message says
    "silent": (Fault(send=silent), SourceUnavailable, "did not answer in time"),
    "slow": (Fault(send=slow), SourceUnavailable, "did not answer in time"),
    "truncated": (Fault(send=truncated), SourceUnavailable, "cut short"),
    "reset": (Fault(send=reset), SourceUnavailable, "broke|reset"),
    "hang_up": (Fault(send=hang_up), SourceUnavailable, "without an answer"),
    "status_500": (Fault(status=500, body=content(PAGE)), SourceUnavailable, "status 500"),
    "status_401": (Fault(status=401, body=detail("Invalid token.")), Forbidden, "TIINGO_API_KEY"),
    "status_403": (Fault(status=403, body=content(PAGE)), Forbidden, "TIINGO_API_KEY"),
    "status_404": (Fault(status=404, body=detail("Not found.")), NotServed, "Not found"),
    "status_302": (
        Fault(status=302, headers={"Location": "https://example.org/"}),
        SourceError,
        "status 302",
    ),
    "status_429": (Fault(status=429, body=detail(ALLOWANCE)), RateLimited, "hourly request allocation"),
    "status_429_bare": (Fault(status=429, body=content(b"")), RateLimited, "too many requests"),
    "status_429_wait": (Fault(status=429, headers={"Retry-After": "3600"}), RateLimited, "3600 s"),
    "allowance_with_200": (Fault(body=content(ALLOWANCE.encode())), RateLimited, "hourly request allocation"),
    "ticker_with_200": (Fault(body=detail("Error: Ticker 'KRE' not found")), NotServed, "not found"),
    "refusal_with_200": (Fault(body=detail("Error: invalid date")), SourceError, "invalid date"),
    "page_with_200": (Fault(body=content(PAGE)), NotData, "web page"),
    "nothing": (Fault(body=content(b"")), NotData, "empty"),
    "empty_list": (Fault(body=content(b"[]")), NotServed, "no row in this range"),
    "half_but_announced_so": (Fault(body=lambda body: body[: len(body) // 2]), Unreadable, "not JSON"),
    "an_object": (Fault(body=content(b'{"prices": []}')), Unreadable, "list of days"),
    "a_number": (Fault(body=content(b"42")), Unreadable, "list of days"),
    "nested": (Fault(body=content(b"[" * 100_000)), Unreadable, "not JSON"),
    "bomb": (Fault(headers={"Content-Encoding": "gzip"}, body=content(BOMB)), Unreadable, "larger than"),
    "key_repeated": (Fault(body=lambda body: body + KEY.encode()), Unreadable, "contains the key"),
    "key_in_the_reason": (Fault(status=404, body=detail(f"Error: {KEY}")), NotServed, r"\*\*\*"),
    "field_missing": (
        Fault(body=edit(lambda rows: rows[3].pop("divCash"))),
        Unreadable,
        "field divCash is missing",
    ),
    "close_renamed": (
        Fault(body=edit(lambda rows: rows[0].update(last=rows[0].pop("close")))),
        Unreadable,
        "field close",
    ),
    "factor_zero": (
        Fault(body=edit(lambda rows: rows[5].update(splitFactor=0))),
        Unreadable,
        "splitFactor of 2024-06-10",
    ),
    "factor_null": (
        Fault(body=edit(lambda rows: rows[5].update(splitFactor=None))),
        Unreadable,
        "splitFactor",
    ),
    "factor_without_a_date": (
        Fault(body=edit(lambda rows: [row.update(date="soon") for row in rows if row["splitFactor"] != 1])),
        Unreadable,
        "splitFactor of a day is not one positive number with a date",
    ),
    "factors_disagree": (
        Fault(body=edit(lambda rows: rows.append({**rows[5], "splitFactor": 2.0}))),
        Unreadable,
        "splitFactor of 2024-06-10",
    ),
    "split_left_out": (
        Fault(body=edit(lambda rows: [row.update(splitFactor=1.0) for row in rows])),
        Unreadable,
        "adjClose contradicts divCash and splitFactor on 2024-06-20",
    ),
    "split_on_another_day": (
        Fault(body=edit(lambda rows: (rows[12].update(splitFactor=1.0), rows[14].update(splitFactor=2.0)))),
        Unreadable,
        "adjClose contradicts divCash and splitFactor on 2024-06-20",
    ),
    "dividend_left_out": (
        Fault(body=edit(lambda rows: [row.update(divCash=0.0) for row in rows[-10:]])),
        Unreadable,
        "adjClose contradicts divCash and splitFactor on 2024-07-02",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str, server: TiingoServer, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    fault, expected, says = FAULTS[name]
    server.fault = Fault(**{**vars(fault), "played": 0})
    caplog.set_level(logging.DEBUG)
    short = {"deadline_seconds": 0.6, "attempt_seconds": 0.4} if name in ("silent", "slow") else {}
    started = time.monotonic()
    with pytest.raises(expected, match=says) as caught:
        tiingo(server.url, **short).fetch(request_of())
    assert time.monotonic() - started < 3.5
    assert type(caught.value) is expected and FUND in str(caught.value)
    assert caught.value.retryable is issubclass(expected, SourceUnavailable)
    printed = capfd.readouterr()
    for text in (str(caught.value), caplog.text, printed.out, printed.err, *server.paths()):
        assert KEY not in text
    assert caught.value.__context__ is None and caught.value.__cause__ is None
    server.fault = None
    assert len(parse_prices(tiingo(server.url).fetch(request_of())).frame) == 30, (
        "and the next answer is read"
    )


def test_a_wrong_key_an_index_and_a_name_that_cannot_be(server: TiingoServer) -> None:
    with pytest.raises(Forbidden, match="status 401"):
        tiingo(server.url, key="f" * 40).fetch(request_of())
    asked = len(server.requests)
    with pytest.raises(NotServed, match="serves no indices"):
        tiingo(server.url).fetch(request_of("^RUT"))
    with pytest.raises(SourceError, match="cannot be a symbol"):
        tiingo(server.url).fetch(request_of("../KRE"))
    assert len(server.requests) == asked
    with pytest.raises(NotServed, match="Ticker 'NOPE' not found"):
        tiingo(server.url).fetch(request_of("NOPE"))


def test_an_allowance_is_not_asked_for_again(server: TiingoServer) -> None:
    server.fault = Fault(status=429, body=detail(ALLOWANCE))
    with pytest.raises(RateLimited):
        tiingo(server.url, attempts=4).fetch(request_of())
    assert len(server.requests) == 1
    server.fault = Fault(status=500, times=1)
    assert tiingo(server.url, attempts=2, first_wait_seconds=0.01).fetch(request_of())
    assert len(server.requests) == 3


ROWS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no_date": (lambda row: row.update(date="03/06/2024"), "session_date_is_a_date"),
    "a_time": (lambda row: row.update(date="2024-06-05T13:30:00.000Z"), "session_date_is_a_date"),
    "an_impossible_day": (lambda row: row.update(date="2024-06-31T00:00:00.000Z"), "session_date_is_a_date"),
    "close_is_a_text": (lambda row: row.update(close="50.1"), "close_is_a_finite_number"),
    "close_is_nan": (lambda row: row.update(close=float("nan")), "close_is_a_finite_number"),
    "volume_is_infinite": (lambda row: row.update(volume=float("inf")), "volume_is_a_finite_number"),
    "dividend_is_true": (lambda row: row.update(divCash=True), "dividend_is_a_finite_number"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_cannot_be_read_is_rejected(name: str, server: TiingoServer) -> None:
    change, rule = ROWS[name]
    server.fault = Fault(body=edit(lambda rows: change(rows[2])))
    parsed = parse_prices(tiingo(server.url).fetch(request_of()))
    assert [found for found, _ in parsed.rejected] == [rule] and len(parsed.frame) == 29
    assert parsed.rejected[0][1]["symbol"] == FUND and "splitFactor" in parsed.rejected[0][1]


def test_rows_that_say_nothing_or_say_it_twice(server: TiingoServer) -> None:
    blank = dict.fromkeys(("open", "high", "low", "close"))
    server.fault = Fault(body=edit(lambda rows: (rows[2].update(blank), rows.append(dict(rows[4])))))
    parsed = parse_prices(tiingo(server.url).fetch(request_of()))
    # A day that is there twice is the load's to judge; a day without a price is none.
    assert not parsed.rejected and len(parsed.frame) == 30
    assert parsed.frame["session_date"].duplicated().sum() == 1


def test_plain_dates_are_read_too(server: TiingoServer) -> None:
    server.fault = Fault(body=edit(lambda rows: [row.update(date=row["date"][:10]) for row in rows]))
    assert len(parse_prices(tiingo(server.url).fetch(request_of())).frame) == 30
