"""The live sources against a server on this machine that plays every row of the fault matrix over real HTTP.

After each fault: the error's type, the time it took, and proof that nothing wrong was written and nothing
good was lost.
"""

from __future__ import annotations

import gzip
import itertools
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import steps
from pipeline.endings import TryAgain
from pipeline.fetch import ATTEMPTS
from sources.fred import VINTAGE_SERIES, FredSource, find_key
from sources.protocol import BarNotThere, PriceProvider, SourceError, SourceUnavailable, Unreadable
from sources.registry import parse_payload
from sources.transport import (
    Forbidden,
    NotData,
    RateLimited,
    Secret,
    Transport,
    Verdict,
    rate_limit,
    seconds_to_wait,
    service_url,
)
from sources.yahoo import YahooFutures, YahooPrices, YahooProvider
from tests.faults.feed import Feed
from tests.faults.home import LiveHome, impatient, live_home
from tests.faults.server import Fault, Server, hang_up, reset, silent, slow, truncated
from tests.model_fixture import empty_warehouse, fill
from warehouse.database import pipeline_database
from warehouse.payloads import Payload, Request
from warehouse.settings import SettingsError
from warehouse.views import ensure_views

AS_OF = date(2024, 7, 16)
START = date(2024, 6, 3)
KEY = "0123456789abcdef0123456789abcdef"
PROVIDERS = {
    "fred_api": ("fred", "UNRATE"),
    "fred_latest": ("fred", "BAA10Y"),
    "fred_csv": ("fred", "NFCI"),
    "prices": ("prices", "KRE"),
    "futures": ("futures", "ZQQ24"),
}


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """What is slow the first time: the simulated market and the imports of the clients."""
    import fredapi
    import yfinance

    assert fredapi and yfinance
    for dataset, item in [*PROVIDERS.values(), ("prices", "JPM")]:
        Feed(AS_OF).frame(dataset, item)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(Feed(AS_OF), key=KEY) as running:
        yield running


def request_of(provider: str, start: date = START) -> Request:
    dataset, item = PROVIDERS[provider]
    return Request(dataset, item, start, AS_OF)


def source_of(provider: str, url: str, **transport: Any) -> FredSource | YahooProvider:
    options = {
        "requests_per_second": None,
        "deadline_seconds": 8.0,
        "attempt_seconds": 6.0,
        "attempts": 1,
        **transport,
    }
    environ = {"ROTATION_FRED_URL": url, "ROTATION_YAHOO_URL": url}
    if provider in ("fred_api", "fred_latest"):
        environ["FRED_API_KEY"] = KEY
    made: Transport[Any] = Transport("test", **options)
    if provider.startswith("fred"):
        return FredSource(environ, transport=made)
    return (YahooFutures if provider == "futures" else YahooPrices)(environ, transport=made)


def read(payload: Payload) -> pd.DataFrame:
    return parse_payload(payload).frame


# ---- the wire: every provider, every way in which an answer can fail to come


def content(text: bytes) -> Callable[[bytes], bytes]:
    return lambda body: text


BOMB = gzip.compress(b"0" * 30_000_000)
HTML = b"<!DOCTYPE html><html><body>We will be right back</body></html>"
CAPTCHA = (
    b"\n<html lang=en><head><title>Are you a robot?</title></head><body><form"
    b" id=captcha></form></body></html>"
)
WIRE: dict[str, tuple[Fault, type[SourceError], bool]] = {
    # name: (fault, error, whether another attempt of the task may help)
    "silent": (Fault(send=silent), SourceUnavailable, True),
    "slow": (Fault(send=slow), SourceUnavailable, True),
    "truncated": (Fault(send=truncated), SourceUnavailable, True),
    "reset": (Fault(send=reset), SourceUnavailable, True),
    "hang_up": (Fault(send=hang_up), SourceUnavailable, True),
    "status_500": (Fault(status=500, body=content(HTML)), SourceUnavailable, True),
    "status_503_wait": (Fault(status=503, headers={"Retry-After": "3600"}), RateLimited, True),
    "status_429": (Fault(status=429, body=content(b"Too Many Requests")), RateLimited, True),
    "status_429_absurd": (
        Fault(status=429, headers={"Retry-After": "99999999999999999999"}),
        RateLimited,
        True,
    ),
    "status_429_garbage": (Fault(status=429, headers={"Retry-After": "-1; soon"}), RateLimited, True),
    "status_302": (Fault(status=304), SourceError, False),
    "html_with_200": (Fault(body=content(HTML)), NotData, True),
    "captcha": (Fault(body=content(CAPTCHA)), NotData, True),
    "sentence": (
        Fault(body=content(b"Will be right back...\n\nThank you for your patience.")),
        NotData,
        True,
    ),
    "empty": (Fault(body=content(b"")), NotData, True),
    "blank": (Fault(body=content(b"\n \n")), NotData, True),
    "nul": (Fault(body=lambda body: body[:50] + b"\x00" + body[50:]), Unreadable, False),
    "bomb": (Fault(headers={"Content-Encoding": "gzip"}, body=content(BOMB)), Unreadable, False),
    "wrong_encoding": (Fault(headers={"Content-Encoding": "gzip"}), SourceUnavailable, True),
    "utf_16": (Fault(body=lambda body: body.decode().encode("utf-16")), Unreadable, False),
    "cut_but_announced_so": (Fault(body=lambda body: body[: len(body) // 2]), Unreadable, False),
    "wrong_type": (Fault(body=content(b"[1, 2, 3]")), Unreadable, False),
    "a_number": (Fault(body=content(b"42")), Unreadable, False),
}
SAME_FOR_CSV = {"cut_but_announced_so"}  # half a CSV is a shorter CSV: see test_a_shorter_csv_loses_nothing


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("name", WIRE)
def test_wire(name: str, provider: str, server: Server) -> None:
    fault, expected, retryable = WIRE[name]
    if provider == "fred_csv" and name in SAME_FOR_CSV:
        pytest.skip("half a CSV is a shorter CSV")
    fault.played = 0
    part = {"prices": "/v8/", "futures": "/v8/", "fred_csv": "/graph/"}.get(provider, "/fred/")
    server.fault = Fault(**{**vars(fault), "on": part})
    short = {"deadline_seconds": 0.6, "attempt_seconds": 0.4} if name in ("silent", "slow") else {}
    source = source_of(provider, server.url, max_bytes=5_000_000, **short)
    started = time.monotonic()
    with pytest.raises(SourceError) as caught:
        source.fetch(request_of(provider))
    seconds = time.monotonic() - started
    assert isinstance(caught.value, expected) and caught.value.retryable is retryable, repr(caught.value)
    assert seconds < 3.5, f"{seconds:.1f} s"
    text = str(caught.value)
    assert PROVIDERS[provider][1] in text and KEY not in text and caught.value.__context__ is None
    if name in ("silent", "truncated", "captcha"):
        server.fault = None
        assert len(read(source_of(provider, server.url).fetch(request_of(provider)))), (
            "and the next answer is read"
        )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_refused(provider: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(SourceUnavailable, match="refused"):
        source_of(provider, f"http://127.0.0.1:{port}").fetch(request_of(provider))
    assert time.monotonic() - started < 2.5


def test_dns_and_tls(server: Server, tmp_path: Path) -> None:
    # A name that cannot be resolved is played by the error that libcurl gives for it: no test asks a
    # name server.
    from curl_cffi import CurlError

    def send(seconds: float, body: Any) -> Any:
        raise CurlError("curl: (6) Could not resolve host: secret.example", 6)

    with pytest.raises(SourceUnavailable, match="host name") as caught:
        Transport[Any]("x", requests_per_second=None, deadline_seconds=0.5).ask(
            "x", send, lambda answer: Verdict()
        )
    assert "secret.example" not in str(caught.value)
    with pytest.raises(SourceUnavailable, match="TLS"):
        source_of("fred_csv", server.url.replace("http://", "https://")).fetch(request_of("fred_csv"))
    certificate = self_signed(tmp_path)
    with (
        Server(Feed(AS_OF), certificate=certificate) as other,
        pytest.raises(SourceUnavailable, match="certificate"),
    ):
        source_of("fred_csv", other.url).fetch(request_of("fred_csv"))


def self_signed(folder: Path) -> tuple[str, str]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(paths[0]), str(paths[1])


@pytest.mark.parametrize(
    ("name", "provider"),
    [*(("reset", provider) for provider in PROVIDERS), ("status_500", "prices"), ("hang_up", "fred_api")],
)
def test_a_passing_trouble_is_tried_again(name: str, provider: str, server: Server) -> None:
    part = {"prices": "/v8/", "futures": "/v8/", "fred_csv": "/graph/"}.get(provider, "/fred/")
    server.fault = Fault(**{**vars(WIRE[name][0]), "on": part, "times": 1, "played": 0})
    payload = source_of(provider, server.url, attempts=3).fetch(request_of(provider))
    assert len(read(payload)) > 1 and server.fault.played == 1


@pytest.mark.parametrize("header", ["1", "date"])
def test_retry_after_is_waited_for(header: str, server: Server) -> None:
    if header == "date":
        header = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    server.fault = Fault(on="/graph/", times=1, status=429, headers={"Retry-After": header})
    started = time.monotonic()
    source_of("fred_csv", server.url, attempts=2).fetch(request_of("fred_csv"))
    assert 0.9 < time.monotonic() - started < 4.0


def test_retry_after_is_read() -> None:
    now = datetime(2024, 7, 16, 12, tzinfo=UTC)
    assert seconds_to_wait(None) is None and seconds_to_wait("soon") is None and seconds_to_wait("-5") is None
    assert seconds_to_wait("120") == 120 and seconds_to_wait("1e9") is None and seconds_to_wait("²") is None
    assert seconds_to_wait("Tue, 16 Jul 2024 12:01:00 GMT", now) == 60
    assert seconds_to_wait("Tue, 16 Jul 2024 11:00:00 GMT", now) is None
    assert seconds_to_wait("Tue, 99 Foo 2024 11:00:00 GMT", now) is None


def test_two_requests_a_second_over_all_processes() -> None:
    name = f"limit-{time.time_ns()}"
    code = (
        "import sys, time; from sources.transport import Transport; t = Transport(sys.argv[1],"
        " requests_per_second=2.0)\nfor _ in range(3): t.take_turn(); print(time.time())"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, name], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    times = sorted(
        float(moment) for process in started for moment in process.communicate(timeout=30)[0].split()
    )
    gaps = [later - before for before, later in itertools.pairwise(times)]
    assert len(times) == 6 and min(gaps) > 0.4 and times[-1] - times[0] > 2.4, gaps


def test_a_source_that_is_down_is_left_alone(server: Server) -> None:
    server.fault = Fault(status=500)
    source = source_of("prices", server.url, attempts=1)
    for _ in range(6):
        with pytest.raises(SourceUnavailable):
            source.fetch(request_of("prices"))
    assert len(server.paths("/v8/")) == 3


# ---- what is in an answer: the error names the field


def edit_json(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def edit(body: bytes) -> bytes:
        document = json.loads(body)
        change(document["chart"]["result"][0])
        return json.dumps(document).encode()

    return edit


def quote_of(result: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = result["indicators"]["quote"][0]
    return found


def renamed(result: dict[str, Any]) -> None:
    quote_of(result)["last"] = quote_of(result).pop("close")


DRIFT: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "close_renamed": ("prices", edit_json(renamed), "close"),
    "volume_missing": ("prices", edit_json(lambda result: quote_of(result).pop("volume")), "volume"),
    "adjclose_missing": (
        "prices",
        edit_json(lambda result: result["indicators"].pop("adjclose")),
        "adjclose",
    ),
    "array_shorter": ("prices", edit_json(lambda result: quote_of(result)["close"].pop()), "close"),
    "array_is_a_text": ("prices", edit_json(lambda result: quote_of(result).update(close="1,2")), "close"),
    "currency": ("prices", edit_json(lambda result: result["meta"].update(currency="GBp")), "currency"),
    "zone": (
        "prices",
        edit_json(lambda result: result["meta"].update(exchangeTimezoneName="Asia/Tokyo")),
        "exchangeTimezoneName",
    ),
    "weekly_bars": (
        "prices",
        edit_json(lambda result: result["meta"].update(dataGranularity="1wk")),
        "dataGranularity",
    ),
    "renamed_symbol": ("prices", edit_json(lambda result: result["meta"].update(symbol="KREX")), "symbol"),
    "other_contract": (
        "futures",
        edit_json(lambda result: result["meta"].update(symbol="ZQU24.CBT")),
        "symbol",
    ),
    "two_results": ("prices", lambda body: body.replace(b'"result": [', b'"result": [{},'), "result"),
    "split_of_zero": (
        "prices",
        edit_json(
            lambda result: result.update(
                events={"splits": {"1": {"date": 1720000000, "numerator": 0, "denominator": 1}}}
            )
        ),
        "splits",
    ),
    "csv_date_renamed": (
        "fred_csv",
        lambda body: body.replace(b"observation_date", b"day"),
        "observation_date",
    ),
    "csv_other_series": ("fred_csv", lambda body: body.replace(b"NFCI", b"ANFCI"), "NFCI"),
    "xml_value_renamed": ("fred_latest", lambda body: body.replace(b" value=", b" amount="), "value"),
    "xml_date_missing": ("fred_latest", lambda body: body.replace(b" date=", b" day="), "date"),
    "xml_count_wrong": (
        "fred_latest",
        lambda body: body.replace(b' count="', b' count="9'),
        "announces",
    ),
    "xml_units_transformed": (
        "fred_latest",
        lambda body: body.replace(b'units="lin"', b'units="pch"'),
        "units",
    ),
    "xml_frequency": (
        "fred_latest",
        lambda body: body.replace(b'frequency_short="D"', b'frequency_short="W"'),
        "frequency",
    ),
    "xml_other_series": ("fred_latest", lambda body: body.replace(b'id="BAA10Y"', b'id="AAA10Y"'), "id"),
    "xml_entities": ("fred_latest", lambda body: b'<!DOCTYPE a [<!ENTITY b "c">]>' + body, "XML"),
    "vintage_date_wrong": (
        "fred_api",
        lambda body: body.replace(b"<vintage_date>", b"<vintage_date>x"),
        "vintage_date",
    ),
}


@pytest.mark.parametrize("name", DRIFT)
def test_schema_drift_names_the_field(name: str, server: Server) -> None:
    provider, change, field = DRIFT[name]
    server.fault = Fault(body=change, on="/v8/" if provider in ("prices", "futures") else "fred")
    with pytest.raises(Unreadable, match=field) as caught:
        source_of(provider, server.url).fetch(request_of(provider, date(2010, 1, 4)))
    assert caught.value.__context__ is None


def test_an_added_column_and_a_bom_do_no_harm(server: Server) -> None:
    for provider, change in (
        ("prices", edit_json(lambda result: quote_of(result).update(vwap=[1.0]))),
        ("fred_latest", lambda body: body.replace(b" value=", b' flag="p" value=')),
        ("fred_csv", lambda body: b"\xef\xbb\xbf" + body),
    ):
        server.fault = None
        good = read(source_of(provider, server.url).fetch(request_of(provider)))
        server.fault = Fault(body=change)
        pd.testing.assert_frame_equal(read(source_of(provider, server.url).fetch(request_of(provider))), good)


# ---- the warehouse behind it: a few inputs through the real fetch and load steps

INPUTS = [("prices", "KRE"), ("prices", "JPM"), ("futures", "ZQQ24"), ("fred", "UNRATE"), ("fred", "BAA10Y")]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the inputs, to be copied."""
    folder = tmp_path_factory.mktemp("loaded") / "home"
    with Server(Feed(AS_OF), key=KEY) as running, pytest.MonkeyPatch.context() as patch:
        made = live_home(patch, folder, running.url, KEY)
        made.run(INPUTS, AS_OF)
        assert not made.errors and made.stopped is None
    return folder


@pytest.fixture
def home(loaded: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LiveHome:
    shutil.copytree(loaded, tmp_path / "home")
    made = live_home(monkeypatch, tmp_path / "home", server.url, KEY)
    made.runs = 1
    return made


# One of each kind of error; the rest of the matrix is played on the sources above, which write nothing
# themselves.
PLAYED_ON_THE_HOME = (
    "truncated",
    "reset",
    "status_500",
    "status_429_absurd",
    "captcha",
    "empty",
    "nul",
    "bomb",
    "cut_but_announced_so",
)


def test_every_wire_fault_leaves_the_home_as_it_was(home: LiveHome, server: Server) -> None:
    before, landed = home.raw(), home.landed()
    assert all(before.values())
    report = {}
    for name, (fault, _, _) in WIRE.items():
        if name not in PLAYED_ON_THE_HOME:
            continue
        server.fault = Fault(**{**vars(fault), "played": 0})
        home.run(INPUTS, AS_OF, trailing=True)
        report[name] = {item: entry["kind"] for item, entry in home.errors.items()}
        assert set(home.errors) == {item for _, item in INPUTS}, name
        assert home.raw() == before and home.landed() == landed, name
    server.fault = None
    home.run(INPUTS, AS_OF, trailing=True)
    assert not home.errors and home.raw() == before


def test_silence_of_one_source_does_not_cost_the_others(
    home: LiveHome, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = home.raw()
    impatient(monkeypatch, deadline=4.0, attempt=2.0)
    server.fault = Fault(send=silent, on="/v8/finance/chart/JPM")
    started = time.monotonic()
    home.run(INPUTS, AS_OF, trailing=True)
    # Wide for a busy machine; without the deadline one request alone would wait 90 s.
    assert time.monotonic() - started < 40
    assert {name: entry["kind"] for name, entry in home.errors.items()} == {"JPM": "SourceUnavailable"}
    assert home.raw() == before


def test_what_never_answers_is_given_up_after_some_attempts(home: LiveHome, server: Server) -> None:
    """An optional input that stays away is missing at last and the run goes on; a required one stops the
    load.
    """
    server.fault = Fault(status=500, on="chart/")
    home.run([("prices", "JPM"), ("fred", "BAA10Y")], AS_OF, trailing=True)
    run = home.context(AS_OF)
    for _ in range(ATTEMPTS - 2):
        with pytest.raises(TryAgain):
            steps.fetch(run.for_batch(0))
    assert [name for name, entry in steps.fetch(run.for_batch(0)).inputs.items() if entry.error] == ["JPM"]
    steps.load(run)
    home.run([("prices", "SPY")], AS_OF)
    assert home.stopped is not None and "SPY" in home.stopped


def rows_of(feed: Feed, dataset: str, item: str) -> pd.DataFrame:
    frame = feed.frame(dataset, item)
    assert frame is not None
    return frame.copy()


def test_bad_rows_are_quarantined_and_the_good_ones_kept(home: LiveHome, server: Server) -> None:
    def spoil(result: dict[str, Any]) -> None:
        quote = quote_of(result)
        quote["close"][3] = float("nan")
        quote["close"][4] = -5.0
        quote["close"][5] = "12.5"
        quote["close"][6] = float("inf")
        quote["high"][7], quote["low"][7] = 1.0, 2.0
        result["timestamp"][14] -= 3 * 86400  # a Monday becomes a Friday: served twice, unequal
        result["timestamp"].append((int(time.time()) // 86400 + 30) * 86400 + 15 * 3600)  # the future
        for cells in (*quote.values(), result["indicators"]["adjclose"][0]["adjclose"]):
            cells.append(cells[-1])

    before = home.raw()
    server.fault = Fault(on="chart/KRE", body=edit_json(spoil))
    home.run([("prices", "KRE"), ("prices", "JPM")], AS_OF)
    assert not home.errors
    after = home.raw()
    assert set(after["raw.equity_prices"]) - set(before["raw.equity_prices"]) == set() and after == before
    rules = home.summary["prices"]["quarantine_by_rule"]
    assert rules["close_is_a_finite_number"]["rows"] == 3
    assert {"close_values_to_be_between", "high_is_not_below_low"} <= set(rules), rules
    assert {"session_had_closed_when_served", "session_date_is_an_nyse_session"} & set(rules), rules
    assert not home.rule("source_still_serves_what_is_held")[0]


def test_history_that_shrinks_is_kept_with_a_warning(home: LiveHome, server: Server) -> None:
    before = home.raw()
    feed = server.feed
    for dataset, item in (("fred", "BAA10Y"), ("prices", "KRE")):
        frame = rows_of(feed, dataset, item)
        feed.changed[dataset, item] = frame[frame["date"] >= "2024-07-01"]
    home.run([("fred", "BAA10Y"), ("prices", "KRE")], AS_OF)
    assert not home.errors and home.raw() == before
    passed, rows, sample = home.rule("source_still_serves_what_is_held")
    assert not passed and rows >= 18 and "2024-06-28" in str(sample)


def test_a_shorter_csv_loses_nothing(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = live_home(monkeypatch, tmp_path / "home", server.url)
    home.run([("fred", "NFCI"), ("fred", "BAA10Y")], AS_OF)
    before = home.raw()
    for cut in range(1, 9):  # within a number, a date, at the end of a line
        server.fault = Fault(on="/graph/", body=lambda body, cut=cut: body[: len(body) // 2 + cut])
        home.run([("fred", "NFCI"), ("fred", "BAA10Y")], AS_OF)
        assert home.raw() == before, "half a number is none"
    assert not home.rule("source_still_serves_what_is_held")[0]


def test_a_series_that_is_gone_keeps_its_rows(home: LiveHome, server: Server) -> None:
    before = home.raw()
    server.fault = Fault(
        on="series_id=UNRATE",
        status=400,
        body=content(b'<error code="400" message="Bad Request.  The series does not exist."/>'),
    )
    home.run(INPUTS, AS_OF, trailing=True)
    assert {name: entry["kind"] for name, entry in home.errors.items()} == {"UNRATE": "NotServed"}
    assert home.raw() == before and home.stopped is None


def test_units_are_watched(home: LiveHome, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    before = home.raw()
    frame = rows_of(server.feed, "fred", "BAA10Y")
    server.feed.changed["fred", "BAA10Y"] = frame.assign(value=frame["value"] * 100)
    server.fred.units["BAA10Y"] = "bp"
    home.run([("fred", "BAA10Y")], AS_OF)
    assert home.raw() == before
    assert home.summary["fred"]["new_rows"] == 0
    warning = " ".join(home.missing)
    assert "FRED changed units of BAA10Y from 'pp' to 'bp'; nothing was loaded" in warning
    assert "ROTATION_ACCEPT_UNITS=BAA10Y" in warning
    monkeypatch.setenv("ROTATION_ACCEPT_UNITS", "BAA10Y")
    home.run([("fred", "BAA10Y")], AS_OF)
    assert home.summary["fred"]["new_rows"] > 20 and not home.rule("series_metadata_is_unchanged")[0]
    assert [
        row[0]
        for row in home.rows(
            "select units from ops.series_metadata where series_id = 'BAA10Y' order by known_at_utc"
        )
    ] == ["pp", "bp"]


def test_a_revision_is_a_new_row(home: LiveHome, server: Server) -> None:
    frame = rows_of(server.feed, "fred", "BAA10Y")
    frame.loc[frame["date"] == "2024-07-10", "value"] = 9.99
    server.feed.changed["fred", "BAA10Y"] = frame
    home.run([("fred", "BAA10Y")], AS_OF, trailing=True)
    found = home.rows(
        "select value from raw.fred_observations where series_id = 'BAA10Y' and observation_date ="
        " '2024-07-10' order by known_at_utc"
    )
    assert len(found) == 2 and found[1] == (9.99,)


def test_revisions_and_the_world_as_of_a_moment(home: LiveHome, server: Server) -> None:
    with pipeline_database(home.settings) as connection:
        assert ensure_views(connection) and not ensure_views(connection)
    assert home.rows("select * from ops.revisions") == []
    frame = rows_of(server.feed, "prices", "KRE")
    frame.loc[frame["date"] == "2024-07-10", "close"] += 0.5
    frame["adj_close"] *= 0.9
    server.feed.changed["prices", "KRE"] = frame
    frame = rows_of(server.feed, "fred", "BAA10Y")
    frame.loc[frame["date"] == "2024-07-10", "value"] = 9.99
    server.feed.changed["fred", "BAA10Y"] = frame
    moment = home.rows("select max(known_at_utc) from raw.equity_prices")[0][0]
    home.run([("prices", "KRE"), ("fred", "BAA10Y")], AS_OF, trailing=True)
    found = home.rows(
        "select table_name, key, column_name, round(new_value - old_value, 6) from ops.revisions order by 1"
    )
    assert [entry[:3] for entry in found] == [
        ("raw.equity_prices", "KRE 2024-07-10", "close"),
        ("raw.fred_observations", "BAA10Y 2024-07-10", "value"),
    ]
    assert found[0][3] == 0.5
    close = "select close from ops.prices_as_of({}) where symbol = 'KRE' and session_date = '2024-07-10'"
    new = home.rows(close.format("timestamp '2024-07-12'"))
    old = home.rows(close.format(f"timestamp '2024-07-12', known_by := timestamp '{moment}'"))
    assert new[0][0] == pytest.approx(old[0][0] + 0.5)
    assert home.rows(close.format("timestamp '2024-07-10 19:59'")) == [], "the session had not closed"
    assert home.rows("select max(settlement_date) from ops.futures_as_of(timestamp '2024-07-10 12:00')") == [
        (date(2024, 7, 9),)
    ]
    assert home.rows("select count(*) from ops.yields_as_of(timestamp '2024-07-10')") == [(0,)], (
        "no yield was loaded here"
    )


# ---- prices: corporate actions


def split(frame: pd.DataFrame, day: str, ratio: float, *, event: bool = True) -> pd.DataFrame:
    """The frame as Yahoo serves it after a split on `day`: everything before restated."""
    frame = frame.copy()
    before = frame["date"] < day
    for name in ("open", "high", "low", "close", "adj_close", "dividend"):
        frame.loc[before, name] = frame.loc[before, name] / ratio
    frame.loc[~before, ["open", "high", "low", "close", "adj_close"]] /= ratio
    if event:
        frame.loc[frame["date"] == day, "split"] = ratio
    return frame


def closes(home: LiveHome, symbol: str) -> pd.Series:
    rows = home.rows(f"""
        select session_date, close from raw.equity_prices where symbol = '{symbol}'
        qualify row_number() over (partition by session_date order by known_at_utc desc) = 1 order by 1
    """)
    return pd.Series([row[1] for row in rows], index=pd.to_datetime([row[0] for row in rows]))


@pytest.mark.parametrize(("ratio", "event"), [(2.0, "in time"), (0.1, "in time"), (2.0, "late")])
def test_a_split_pulls_the_whole_history(
    ratio: float, event: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = date(2024, 7, 10)
    server.feed.as_of = first
    home = live_home(monkeypatch, tmp_path / "home", server.url, ROTATION_HISTORY_START="2024-01-02")
    home.run([("prices", "KRE")], first)
    old = closes(home, "KRE")
    server.feed.as_of = AS_OF
    frame = rows_of(server.feed, "prices", "KRE")
    server.feed.changed["prices", "KRE"] = split(frame, "2024-07-12", ratio, event=event == "in time")
    home.run([("prices", "KRE")], AS_OF, trailing=True)
    assert not home.errors
    new = closes(home, "KRE")
    pd.testing.assert_series_equal(new.reindex(old.index), old / ratio, check_exact=False)
    assert new.pct_change().abs().max() < 0.2, "no cliff"
    assert len(home.rows("select * from raw.equity_prices where symbol = 'KRE'")) == len(old) * 2 + 4, (
        "nothing was deleted"
    )
    assert len(server.paths("chart/KRE")) == 3


def test_a_reused_symbol_is_refused(home: LiveHome, server: Server) -> None:
    before = home.raw()
    other = rows_of(server.feed, "prices", "JPM")
    server.feed.changed["prices", "KRE"] = other
    home.run([("prices", "KRE")], AS_OF, trailing=True)
    assert "prices/KRE" in str(home.stopped or home.missing)
    assert "another company" in str(home.stopped or home.missing)
    assert home.raw() == before


def test_a_new_basis_that_does_not_reach_back_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.feed.as_of = date(2024, 7, 10)
    home = live_home(monkeypatch, tmp_path / "home", server.url, ROTATION_HISTORY_START="2024-01-02")
    home.run([("prices", "KRE")], date(2024, 7, 10))
    before = home.raw()
    server.feed.as_of = AS_OF
    frame = split(rows_of(server.feed, "prices", "KRE"), "2024-07-12", 2.0)
    server.feed.changed["prices", "KRE"] = frame[frame["date"] >= "2024-05-01"]
    home.run([("prices", "KRE")], AS_OF, trailing=True)
    assert "leave a jump" in str(home.stopped or home.missing) and home.raw() == before


def test_a_special_dividend_and_a_delisting(home: LiveHome, server: Server) -> None:
    count = len(home.raw()["raw.equity_prices"])
    frame = rows_of(server.feed, "prices", "KRE")
    frame.loc[frame["date"] == "2024-07-15", "dividend"] = 12.5
    frame.loc[frame["date"] < "2024-07-15", "adj_close"] *= 0.8
    server.feed.changed["prices", "KRE"] = frame
    server.fault = Fault(
        on="chart/JPM",
        status=404,
        body=content(
            b'{"chart": {"result": null, "error": {"code": "Not Found", "description": "No data found, symbol'
            b' may be delisted"}}}'
        ),
    )
    home.run([("prices", "KRE"), ("prices", "JPM")], AS_OF, trailing=True)
    assert home.errors["JPM"]["kind"] == "NotServedNow" and "delisted" in home.errors["JPM"]["error"]
    assert home.stopped is None
    assert len(home.raw()["raw.equity_prices"]) == count + 1, (
        "one new version: the day of the dividend; a changed adj_close is none"
    )
    assert home.rows(
        "select dividend from raw.equity_prices where symbol = 'KRE' and session_date = '2024-07-15' order by"
        " known_at_utc desc limit 1"
    ) == [(12.5,)]


def test_the_last_bar(server: Server) -> None:
    """Partial, doubled by the live quote, missing, and of a session that has not closed."""
    source = source_of("prices", server.url)
    server.yahoo.live = "none"
    good = read(source.fetch(request_of("prices")))
    server.yahoo.live, server.yahoo.traded_at = "instead", datetime(2024, 7, 16, 19, tzinfo=UTC)
    partial = source.parse(source.fetch(request_of("prices")))
    assert [rule for rule, _ in partial.rejected] == ["bar_is_of_the_whole_session"] and len(
        partial.frame
    ) == len(good) - 1
    server.yahoo.live, server.yahoo.traded_at = "beside", None
    twice = source.parse(source.fetch(request_of("prices")))
    assert not twice.rejected and not twice.noted
    pd.testing.assert_frame_equal(twice.frame, good)
    server.yahoo.live = "instead"
    alone = source.parse(source.fetch(request_of("prices")))
    assert [row for _, row in alone.noted] == ["KRE 2024-07-16"]
    assert alone.frame["volume"].iloc[-1] < good["volume"].iloc[-1]

    def nothing(result: dict[str, Any]) -> None:
        for cells in (*quote_of(result).values(), result["indicators"]["adjclose"][0]["adjclose"]):
            cells[-1] = None

    server.fault = Fault(body=edit_json(nothing))
    assert len(read(source.fetch(request_of("prices")))) == len(good) - 1


def test_a_required_bar_that_is_not_there_yet_is_waited_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of("prices", server.url)
    assert isinstance(source, PriceProvider)
    request = Request("prices", "SPY", START, AS_OF)
    payload = source.fetch(request)
    server.feed.as_of = date(2024, 7, 15)
    short = source.fetch(request)
    soon = Payload(request, "yahoo", short.content, "json", datetime(2024, 7, 16, 20, 30))
    with pytest.raises(BarNotThere, match="2024-07-16") as caught:
        source.require_last_bar(soon, read(soon))
    assert caught.value.retryable
    source.require_last_bar(
        Payload(request, "yahoo", payload.content, "json", soon.fetched_at_utc), read(payload)
    )


def test_our_reading_equals_that_of_yfinance(server: Server) -> None:
    """The same bytes by yfinance itself, on a history with dividends and splits."""
    source = source_of("prices", server.url)
    assert isinstance(source, YahooProvider)
    server.feed.changed["prices", "KRE"] = split(rows_of(server.feed, "prices", "KRE"), "2020-06-01", 4.0)
    ours = read(source.fetch(Request("prices", "KRE", date(2015, 1, 2), AS_OF))).set_index("session_date")
    import yfinance as yf

    yf.data.YfData.cache_get.cache_clear()
    theirs = yf.Ticker("KRE", session=source._session).history(
        start="2015-01-02", end="2024-07-17", interval="1d", auto_adjust=False, actions=True
    )
    theirs.index = theirs.index.tz_localize(None)
    names = {
        "Open": "open",
        "High": "high",
        "Low": "low",
        "Close": "close",
        "Adj Close": "adj_close",
        "Dividends": "dividend",
        "Stock Splits": "split",
    }
    assert (ours["split"] > 0).sum() == 1 and (ours["dividend"] > 0).sum() > 30
    pd.testing.assert_frame_equal(
        ours[list(names.values())],
        theirs[list(names)].rename(columns=names),
        check_names=False,
        check_freq=False,
        check_index_type=False,
    )


def test_symbols_and_settings_cannot_lead_elsewhere(server: Server) -> None:
    bad = ["A'); DROP TABLE", "../../etc/passwd", "SPY?x=1", "ß", "spy", "", "A" * 1024, "SPY\nX", "http://x"]
    for text in bad:
        with pytest.raises(SourceError, match="cannot be"):
            source_of("prices", server.url).fetch(Request("prices", text, START, AS_OF))
        with pytest.raises(SourceError):
            source_of("futures", server.url).fetch(Request("futures", text, START, AS_OF))
        if text != "spy":
            with pytest.raises(SourceError, match="cannot be"):
                source_of("fred_api", server.url).fetch(Request("fred", text, START, AS_OF))
    assert not server.requests
    for value in ("ftp://x", "http://user@x", "x", "http://x/?a=b"):
        with pytest.raises(SettingsError):
            service_url("ROTATION_FRED_URL", {"ROTATION_FRED_URL": value})
    with pytest.raises(SettingsError, match="unencrypted"):
        FredSource({"ROTATION_FRED_URL": "http://proxy.example", "FRED_API_KEY": KEY})
    with pytest.raises(SettingsError):
        rate_limit(None, {"ROTATION_REQUESTS_PER_SECOND": "5"})
    assert rate_limit(None, {}) == 2.0 and rate_limit("http://127.0.0.1:1", {}) is None


@pytest.mark.parametrize(("chosen", "expected"), [("", 1.5), ("2", 1.5), ("0.5", 0.5)])
def test_fred_is_asked_less_often_than_it_allows(chosen: str, expected: float) -> None:
    source = FredSource({"ROTATION_REQUESTS_PER_SECOND": chosen})
    assert source.transport.requests_per_second == expected


# ---- FRED: vintages and the key


def test_vintages_come_in_pieces_and_give_every_version(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First print and revision of each observation, whatever the pieces; FRED accepts no more than 2,000
    vintages.
    """
    import sources.fred as fred

    request = Request("fred", "UNRATE", date(2010, 1, 4), AS_OF)
    whole = read(source_of("fred_api", server.url).fetch(request))
    monkeypatch.setattr(fred, "VINTAGES_PER_REQUEST", 17)
    server.requests.clear()
    pd.testing.assert_frame_equal(read(source_of("fred_api", server.url).fetch(request)), whole)
    assert len(server.paths("observations")) >= 10
    monkeypatch.setattr(fred, "VINTAGES_PER_REQUEST", 1500)
    server.fred.max_rows = 200
    pd.testing.assert_frame_equal(read(source_of("fred_api", server.url).fetch(request)), whole)
    feed = server.feed.versions("UNRATE")
    feed = feed[feed["date"] >= "2010-01-04"]
    assert len(whole) == len(feed)
    june = whole[whole["observation_date"] == "2024-06-01"]
    assert (
        june["availability"].tolist() == ["vintage"]
        and str(june["available_at_utc"].iloc[0]) == "2024-07-05 12:30:00"
    )
    april = whole[whole["observation_date"] == "2024-04-01"]
    assert april["value"].diff().iloc[1] == -1.0 and len(april) == 2
    older = whole[whole["observation_date"] < "2014-10-01"].drop_duplicates("observation_date")
    assert set(older["availability"]) == {"assumed"} and (older["available_at_utc"] < "2014-11-15").all()
    assert {"CPIAUCSL", "CPILFESL", "PAYEMS", "ICSA", "UNRATE"} <= VINTAGE_SERIES


def test_more_than_2000_vintages(server: Server) -> None:
    """fredapi alone fails there; the server refuses it as FRED does."""
    server.feed.archive_start = date(2000, 1, 3)
    count = len(server.feed.vintage_dates("ICSA"))
    assert count > 2000
    frame = read(source_of("fred_api", server.url).fetch(Request("fred", "ICSA", date(2000, 1, 3), AS_OF)))
    assert len(frame) == len(server.feed.versions("ICSA").query("date >= '2000-01-03'"))
    assert len(server.paths("observations")) == 2
    from fredapi import Fred

    client = Fred(api_key=KEY)
    client.root_url = f"{server.url}/fred"
    with pytest.raises(ValueError, match="maximum number of vintage"):
        client.get_series_all_releases("ICSA")


def test_our_reading_equals_that_of_fredapi(server: Server) -> None:
    from fredapi import Fred

    client = Fred(api_key=KEY)
    client.root_url = f"{server.url}/fred"
    theirs = client.get_series("BAA10Y", observation_start="2024-06-03", observation_end="2024-07-16")
    ours = read(source_of("fred_latest", server.url).fetch(request_of("fred_latest"))).set_index(
        "observation_date"
    )["value"]
    assert ours.tolist() == pytest.approx(theirs.tolist(), nan_ok=True) and list(ours.index) == list(
        theirs.index
    )
    releases = client.get_series_all_releases("UNRATE", realtime_start="2020-01-01")
    ours = read(source_of("fred_api", server.url).fetch(Request("fred", "UNRATE", date(2010, 1, 4), AS_OF)))
    late = ours[ours["available_at_utc"] >= "2020-01-02"]
    expected = releases[releases["realtime_start"] > pd.Timestamp("2020-01-01")]
    assert len(late) == len(expected) and sorted(late["value"]) == pytest.approx(
        sorted(map(float, expected["value"]))
    )


def test_point_in_time_versions_of_one_load(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several versions that came with one payload: staging takes the one that was out at the cut-off."""
    home = live_home(monkeypatch, tmp_path / "home", server.url, KEY, ROTATION_HISTORY_START="2023-01-03")
    home.run([("fred", "UNRATE")], AS_OF)
    assert (
        staged(home, "2024-05-20", "UNRATE", "2024-04-01")
        == staged(home, "2024-06-20", "UNRATE", "2024-04-01") + 1.0
    )
    versions = home.rows("""
        select value, available_at_utc from raw.fred_observations
            where series_id = 'UNRATE' and observation_date = '2024-06-01' order by 2
    """)
    server.feed.as_of = date(2024, 8, 30)
    home.run([("fred", "UNRATE")], date(2024, 8, 30), trailing=True)
    both = home.rows("""
        select value, available_at_utc from raw.fred_observations
            where series_id = 'UNRATE' and observation_date = '2024-06-01' order by 2
    """)
    assert len(versions) == 1 and len(both) == 2 and both[0] == versions[0]
    for cutoff, expected in (("2024-07-20", both[0][0]), ("2024-08-20", both[1][0])):
        assert staged(home, cutoff, "UNRATE", "2024-06-01") == expected
    count = len(home.raw()["raw.fred_observations"])
    home.run([("fred", "UNRATE")], date(2024, 8, 30), trailing=True)
    assert len(home.raw()["raw.fred_observations"]) == count, "the same versions again add nothing"


def test_a_home_that_began_without_a_key(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = live_home(monkeypatch, tmp_path / "home", server.url, ROTATION_HISTORY_START="2023-01-03")
    home.run([("fred", "UNRATE")], AS_OF)
    assert {row[0] for row in home.rows("select availability from raw.fred_observations")} == {"assumed"}
    today = staged(home, "2024-07-20", "UNRATE", "2024-06-01")
    monkeypatch.setenv("FRED_API_KEY", KEY)
    home.run([("fred", "UNRATE")], AS_OF)
    assert staged(home, "2024-07-20", "UNRATE", "2024-06-01") == pytest.approx(today + 1.0), "the first print"


def staged(home: LiveHome, cutoff: str, series: str, day: str) -> float:
    import duckdb

    sql = (
        Path(__file__)
        .resolve()
        .parent.parent.joinpath("transforms/staging/fred_observations.sql")
        .read_text()
    )
    with duckdb.connect() as connection:
        connection.execute(f"attach '{home.settings.warehouse}' as pipeline (read_only)")
        connection.execute(f"set variable cutoff_utc = timestamp '{cutoff}'")
        connection.execute("create schema ref; create view ref.fred_series as from pipeline.ref.fred_series")
        row = connection.execute(
            f"select value from ({sql}) where series_id = ? and observation_date = ?", [series, day]
        ).fetchone()
    assert row is not None
    return float(row[0])


def test_the_key_is_found_and_never_shown(server: Server) -> None:
    assert find_key({}) is None and find_key({"AIRFLOW_CONN_FRED_DEFAULT": "fred://host"}) is None
    found = [
        find_key({"FRED_API_KEY": f" {KEY} "}),
        find_key({"AIRFLOW_CONN_FRED_DEFAULT": json.dumps({"conn_type": "http", "password": KEY})}),
        find_key({"AIRFLOW_CONN_FRED_DEFAULT": f"http://:{KEY}@api.stlouisfed.org"}),
    ]
    for secret in found:
        assert (
            secret is not None
            and secret.reveal() == KEY
            and KEY not in repr(secret)
            and KEY not in f"{secret}"
        )
    for bad in ("ab cd", "ab\ncd", "schlüssel"):
        with pytest.raises(SettingsError) as caught:
            find_key({"FRED_API_KEY": bad})
        assert bad not in str(caught.value)
    assert "k ey" not in Secret("k ey").scrub("k ey k%20ey k+ey") and "%20" not in Secret("k ey").scrub(
        "k%20ey"
    )


def test_a_refused_key_is_no_secret_told(server: Server) -> None:
    """The server repeats the key in its error, in a page and in the data; it is in no message, cause,
    context or local variable.
    """
    wrong = "wrong-key-0123456789"
    source = FredSource(
        {"ROTATION_FRED_URL": server.url, "FRED_API_KEY": wrong},
        transport=Transport("t", requests_per_second=None),
    )
    with pytest.raises(Forbidden, match="FRED_API_KEY") as caught:
        source.fetch(request_of("fred_api"))
    assert not caught.value.retryable
    told = f"<html>{KEY}</html>".encode()
    errors = [caught.value]
    for fault in (
        Fault(status=500, body=content(told)),
        Fault(body=content(told)),
        Fault(status=400, body=content(b'<error message="no %s"/>' % KEY.encode())),
        Fault(body=lambda body: body.replace(b'title="', b'title="' + KEY.encode())),
    ):
        server.fault = fault
        with pytest.raises(SourceError) as raised:
            source_of("fred_api", server.url).fetch(request_of("fred_api"))
        errors.append(raised.value)
    for error in errors:
        assert error.__cause__ is None and error.__context__ is None
        trace, shown = error.__traceback__, [str(error), repr(error)]
        while trace is not None:
            if "/sources/" in trace.tb_frame.f_code.co_filename:
                shown += [repr(value) for name, value in trace.tb_frame.f_locals.items() if name != "content"]
            trace = trace.tb_next
        assert not any(secret in text for text in shown for secret in (KEY, wrong)), error


# ---- futures


def test_the_strip_and_what_has_expired(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts = source_of("futures", server.url).contracts(date(2000, 1, 3), AS_OF)  # type: ignore[union-attr]
    assert contracts[:3] == ["ZQM24", "ZQN24", "ZQQ24"] and contracts[-1] == "ZQN26" and len(contracts) == 26
    home = live_home(monkeypatch, tmp_path / "home", server.url)
    home.run([("futures", "ZQM24"), ("futures", "ZQN24")], AS_OF)
    before = home.raw()["raw.fed_funds_futures"]
    server.fault = Fault(on="ZQM24", status=404)
    home.run([("futures", "ZQM24"), ("futures", "ZQN24")], AS_OF, trailing=True)
    assert home.errors["ZQM24"]["kind"] == "NotServed" and home.stopped is None
    assert home.raw()["raw.fed_funds_futures"] == before
    assert max(row[2] for row in before if row[0] == "ZQM24") == date(2024, 6, 28)


def test_two_sources_that_disagree_on_a_settlement(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sources.simulated import simulated_market

    folder = tmp_path / "files"
    (folder / "futures").mkdir(parents=True)
    text = simulated_market().futures_csv("ZQQ24", START, date(2024, 7, 12)).decode().splitlines()
    text[-1] = f"{text[-1].split(',')[0]},90.0"
    (folder / "futures" / "ZQQ24.csv").write_text("\n".join(text) + "\n")
    live = live_home(monkeypatch, tmp_path / "home", server.url)
    monkeypatch.setenv("ROTATION_FUTURES_SOURCE", "files")
    monkeypatch.setenv("ROTATION_FILES_DIR", str(folder))
    from warehouse.settings import Settings, environment

    files = LiveHome(Settings.from_environment(environment()))
    files.run([("futures", "ZQQ24"), ("prices", "KRE")], AS_OF)
    assert (
        files.summary["futures"]["new_rows"] == len(text) - 1 and files.summary["prices"]["source"] == "yahoo"
    )
    monkeypatch.delenv("ROTATION_FUTURES_SOURCE")
    live.runs = 1
    live.run([("futures", "ZQQ24")], AS_OF)
    rules = live.summary["futures"]["quarantine_by_rule"]
    assert rules["settlement_agrees_with_the_other_source"]["rows"] == 1
    assert live.summary["futures"]["new_rows"] == 2, "the days after the file's end; equal ones are no news"
    assert live.rows("select settle from raw.fed_funds_futures where settlement_date = '2024-07-12'") == [
        (90.0,)
    ]


def test_a_final_settlement_is_checked_against_the_month_average() -> None:
    import yaml

    path = Path(__file__).resolve().parent.parent / "expectations/staging/fed_funds_futures.yml"
    queries = {query["name"]: query["sql"] for query in yaml.safe_load(path.read_text())["queries"]}
    days = pd.date_range("2024-06-01", "2024-08-31")
    calendar = pd.DataFrame({"calendar_date": days, "is_settlement_day": days.dayofweek < 5})
    rates = pd.DataFrame({"observation_date": days[days < "2024-08-20"], "series_id": "DFF", "value": 5.33})
    futures = pd.DataFrame(
        [
            ("ZQM24", "2024-06-01", "2024-06-28", 94.67),
            ("ZQN24", "2024-07-01", "2024-07-31", 94.0),
            ("ZQN24", "2024-07-01", "2024-07-30", 93.0),
            ("ZQQ24", "2024-08-01", "2024-08-30", 90.0),
        ],
        columns=["contract", "delivery_month", "settlement_date", "settle"],
    )
    with empty_warehouse() as connection:
        fill(connection, "ref.calendar", calendar)
        fill(connection, "staging.fred_observations", rates)
        fill(connection, "staging.fed_funds_futures", futures)
        found = connection.execute(queries["final_settlement_is_the_month_average"]).fetchall()
    assert [(row[0], row[1], row[2]) for row in found] == [("ZQN24", date(2024, 7, 31), 94.0)], (
        "August has no whole month of rates yet"
    )


def test_nothing_is_imported_or_asked_before_a_fetch() -> None:
    code = (
        "import sys; from sources.yahoo import YahooFutures; s = YahooFutures({}); s.contracts.__doc__;"
        "print([m for m in ('yfinance', 'fredapi', 'curl_cffi') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ".", "PATH": ""},
    )
    assert result.stdout.strip() == "[]"
