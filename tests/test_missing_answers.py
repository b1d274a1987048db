"""A source that has nothing, for the moment or for a day: asked again, named, and neither lost nor final.

A few inputs through the real fetch and load steps, against the server on this machine.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yfinance  # type: ignore[import-untyped]

from sources.transport import RateLimited, Transport
from sources.yahoo import YahooPrices
from tests.faults.feed import Feed
from tests.faults.home import LiveHome, live_home
from tests.faults.server import Fault, Server
from tests.faults.tiingo_server import TiingoServer
from tests.faults.yahoo_answers import DELISTED, error
from warehouse.payloads import Request

AS_OF, NEXT, HOLE = date(2024, 7, 16), date(2024, 7, 17), date(2024, 7, 9)
INPUTS = [("prices", "KRE"), ("prices", "JPM"), ("futures", "ZQQ24"), ("futures", "ZQM24")]
GONE = error(404, "Not Found", DELISTED)[2]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(Feed(AS_OF)) as running:
        yield running


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the inputs up to the session, to be copied."""
    folder = tmp_path_factory.mktemp("loaded") / "home"
    with Server(Feed(AS_OF)) as running, pytest.MonkeyPatch.context() as patch:
        made = live_home(patch, folder, running.url)
        made.run(INPUTS, AS_OF)
        assert not made.errors and made.stopped is None
    return folder


@pytest.fixture
def home(loaded: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LiveHome:
    shutil.copytree(loaded, tmp_path / "home")
    made = live_home(monkeypatch, tmp_path / "home", server.url)
    made.runs = 1
    return made


def kinds(home: LiveHome) -> dict[str, str]:
    return {name: entry["kind"] for name, entry in home.errors.items()}


def last_days(home: LiveHome) -> dict[str, date]:
    """The last day held of each input."""
    return dict(
        home.rows(
            "select symbol, max(session_date) from raw.equity_prices group by 1"
            " union all select contract, max(settlement_date) from raw.fed_funds_futures group by 1"
        )
    )


# ---- nothing for an input that was served before


@pytest.mark.parametrize("body", ["delisted", "empty range"])
def test_what_was_served_before_is_asked_for_again_and_missing_not_gone(
    body: str, home: LiveHome, server: Server
) -> None:
    """The next day's answer is loaded as if nothing had been; an expired contract is not waited for."""
    server.feed.as_of = NEXT
    before = last_days(home)
    if body == "delisted":
        server.fault = Fault(on="chart/", status=404, body=lambda _: GONE)
    else:
        server.fault = Fault(on="chart/", status=200, body=without_rows)
    home.run(INPUTS[1:], NEXT, trailing=True, attempts=4)
    assert kinds(home) == dict.fromkeys(("JPM", "ZQQ24"), "NotServedNow") | {"ZQM24": "NotServed"}
    assert "it was served up to 2024-07-16, so it counts as missing" in home.errors["JPM"]["error"]
    assert len(server.paths("chart/JPM")) == 2 and len(server.paths("chart/ZQM24")) == 2
    assert last_days(home) == before
    server.fault = None
    home.run(INPUTS[:3], NEXT, trailing=True)
    assert not home.errors and {last_days(home)[name] for _, name in INPUTS[:3]} == {NEXT}


def without_rows(body: bytes) -> bytes:
    """An empty range: the answer keeps `meta` alone, without its currency."""
    found = json.loads(body)["chart"]["result"]
    if found is None:
        return body
    result = {"meta": found[0]["meta"] | {"currency": None}, "indicators": {"quote": [{}], "adjclose": [{}]}}
    return json.dumps({"chart": {"result": [result], "error": None}}).encode()


def test_a_required_input_is_asked_for_as_often_as_any(home: LiveHome, server: Server) -> None:
    server.feed.as_of = NEXT
    home.run([("prices", "SPY")], AS_OF)
    server.fault = Fault(on="chart/SPY", status=404, body=lambda _: GONE)
    before = len(server.paths("chart/SPY"))
    inputs = [("prices", "SPY"), ("prices", "KRE"), ("prices", "JPM")]
    home.run(inputs, NEXT, trailing=True, attempts=4)
    assert kinds(home) == {"SPY": "NotServedNow"} and len(server.paths("chart/SPY")) == before + 4
    assert home.stopped is not None and "SPY" in home.stopped


def test_it_comes_back_later_in_the_same_run(home: LiveHome, server: Server) -> None:
    server.feed.as_of = NEXT
    server.fault = Fault(on="chart/JPM", status=404, times=1, body=lambda _: GONE)
    home.run([("prices", "KRE"), ("prices", "JPM")], NEXT, trailing=True, attempts=4)
    assert not home.errors and last_days(home)["JPM"] == NEXT
    assert len(server.paths("chart/KRE")) == 1, "what came is not asked for again"


def test_what_was_never_served_is_not_waited_for(home: LiveHome, server: Server) -> None:
    server.fault = Fault(on="chart/IWM", status=404, body=lambda _: GONE)
    home.run([("prices", "IWM")], AS_OF, trailing=True, attempts=4)
    assert kinds(home) == {"IWM": "NotServed"} and len(server.paths("chart/IWM")) == 1


def test_what_has_been_missing_for_long_is_taken_for_gone(home: LiveHome, server: Server) -> None:
    later = date(2024, 8, 16)
    server.feed.as_of = later
    server.fault = Fault(on="chart/JPM", status=404, body=lambda _: GONE)
    home.run([("prices", "JPM")], later, trailing=True, attempts=4)
    assert kinds(home) == {"JPM": "NotServed"} and len(server.paths("chart/JPM")) == 1


# ---- a hole inside an answer


def edited(change: Callable[[dict[str, Any], int], None], day: date = HOLE) -> Callable[[bytes], bytes]:
    """Change one day of a chart answer."""

    def edit(body: bytes) -> bytes:
        document = json.loads(body)
        result = document["chart"]["result"][0]
        days = [datetime.fromtimestamp(stamp, UTC).date() for stamp in result["timestamp"]]
        change(result, days.index(day))
        return json.dumps(document).encode()

    return edit


def columns_of(result: dict[str, Any]) -> list[list[Any]]:
    indicators = result["indicators"]
    return [*indicators["quote"][0].values(), indicators["adjclose"][0]["adjclose"]]


def null(result: dict[str, Any], index: int) -> None:
    for cells in columns_of(result):
        cells[index] = None


def absent(result: dict[str, Any], index: int) -> None:
    for cells in (result["timestamp"], *columns_of(result)):
        del cells[index]


@pytest.mark.parametrize("change", [null, absent])
@pytest.mark.parametrize(("dataset", "item"), [("prices", "KRE"), ("prices", "^GSPC"), ("futures", "ZQU24")])
def test_a_hole_is_asked_for_again_and_named(
    change: Callable[[dict[str, Any], int], None],
    dataset: str,
    item: str,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = live_home(monkeypatch, tmp_path / "home", server.url)
    server.fault = Fault(on="chart/", body=edited(change))
    home.run([(dataset, item)], AS_OF)
    assert len(server.paths("chart/")) == 2 and home.stopped is None
    passed, count, sample = home.rule("every_expected_day_is_served")
    assert (passed, count) == (False, 1) and sample == f"{item} 2024-07-09: 1 day"
    server.fault = None
    home.run([(dataset, item)], AS_OF, trailing=True)
    assert home.rule("every_expected_day_is_served")[0], "the day came with a later answer"


def test_the_second_answer_is_taken_where_it_has_the_day(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = live_home(monkeypatch, tmp_path / "home", server.url)
    server.fault = Fault(on="chart/", times=1, body=edited(null))
    home.run([("prices", "KRE")], AS_OF)
    assert home.rule("every_expected_day_is_served")[0]
    days = {row[0] for row in home.rows("select session_date from raw.equity_prices")}
    assert HOLE in days and not home.errors


def test_a_day_that_is_held_or_a_holiday_is_no_hole(home: LiveHome, server: Server) -> None:
    server.fault = Fault(on="chart/", body=edited(absent))
    home.run([("prices", "KRE"), ("futures", "ZQQ24")], AS_OF, trailing=True)
    assert home.rule("every_expected_day_is_served")[0]
    assert not home.rule("source_still_serves_what_is_held")[0], "that rule names it"


def test_a_hole_of_another_provider_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed(AS_OF)
    frame = feed.frame("prices", "KRE")
    assert frame is not None
    feed.changed["prices", "KRE"] = frame[frame["date"] != str(HOLE)]
    with TiingoServer(feed, "key") as running:
        home = live_home(
            monkeypatch,
            tmp_path / "home",
            running.url,
            ROTATION_PRICES_SOURCE="tiingo",
            ROTATION_TIINGO_URL=running.url,
            TIINGO_API_KEY="key",
        )
        home.run([("prices", "KRE")], AS_OF)
        assert home.rule("every_expected_day_is_served")[2] == "KRE 2024-07-09: 1 day"
        assert len(running.paths("/prices")) == 2


# ---- one evening and the next


def test_the_live_quote_of_the_evening_is_replaced_by_the_daily_bar(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home = live_home(monkeypatch, tmp_path / "home", server.url)
    home.run([("prices", "KRE"), ("prices", "^GSPC")], AS_OF)
    assert "prices: 2 rows are provisional" in caplog.text and "KRE 2024-07-16" in caplog.text
    server.feed.as_of = NEXT
    home.run([("prices", "KRE")], NEXT, trailing=True)
    versions = home.rows(
        "select volume, close from raw.equity_prices where symbol = 'KRE' and session_date = '2024-07-16'"
        " order by known_at_utc"
    )
    assert len(versions) == 2 and versions[0][0] < versions[1][0] and versions[0][1] == versions[1][1]


def yahoo_at(url: str, **options: Any) -> YahooPrices:
    transport: Transport[Any] = Transport("Yahoo", requests_per_second=None, **options)
    return YahooPrices({"ROTATION_YAHOO_URL": url}, transport=transport)


def test_consent_is_given_where_a_chart_is_refused_without_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cookie and crumb are refused; the form on cookies brings others. yfinance keeps both by process."""
    monkeypatch.setattr(yfinance.data.YfData, "_instances", {})
    server.yahoo.wants_consent = True
    provider = yahoo_at(server.url, attempts=1)
    payload = provider.fetch(Request("prices", "KRE", date(2024, 6, 3), AS_OF))
    assert len(provider.parse(payload).frame) > 20
    for path in ("/consent", "/v2/collectConsent", "/copyConsent", "/getcrumb"):
        assert server.paths(path), path


def test_too_many_requests_is_waited_for(server: Server) -> None:
    """Under status 200, with the limits of the transport."""
    provider = yahoo_at(server.url, attempts=3, first_wait_seconds=0.05)
    request = Request("prices", "KRE", date(2024, 6, 3), AS_OF)
    server.fault = Fault(on="chart/", times=2, body=lambda _: b"Edge: Too Many Requests")
    assert len(provider.parse(provider.fetch(request)).frame) > 20
    assert len(server.paths("chart/")) == 3
    server.fault = Fault(on="chart/", body=lambda _: b"Too Many Requests\r\n")
    with pytest.raises(RateLimited, match="too many requests") as caught:
        provider.fetch(request)
    assert caught.value.retryable and len(server.paths("chart/")) == 6
