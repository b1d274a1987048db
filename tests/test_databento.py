"""Databento's settlements by its own client, against a server on this machine that speaks its protocol over
real HTTP: what is right, which of a day's records counts, and how an answer can fail.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import logging
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import databento_dbn
import pandas as pd
import pytest
import zstandard

from sources.databento import DatabentoFutures
from sources.protocol import NotServed, SourceError, SourceUnavailable, Unreadable
from sources.transport import Forbidden, NotData, RateLimited, Secret, Transport
from tests.faults.databento_server import (
    FINAL_ACTUAL,
    PRELIMINARY_ACTUAL,
    DatabentoServer,
    instrument_id,
    refusal,
    statistic,
)
from tests.faults.feed import Feed
from tests.faults.server import Fault, hang_up, reset, silent, slow, truncated
from tests.test_live_sources import self_signed
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings, SettingsError

AS_OF = date(2024, 7, 16)
START = date(2024, 6, 3)
CONTRACT = "ZQU24"
KEY = "db-0123456789abcdef0123456789abcd"
TOKEN = base64.b64encode(f"{KEY}:".encode()).decode()
PAGE = b"<!DOCTYPE html><html><body>We will be right back</body></html>"
DAY = pd.Timestamp("2024-07-09")


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """What is slow the first time: the simulated market and the import of the client."""
    import databento

    assert databento and Feed(AS_OF).frame("futures", CONTRACT) is not None


@pytest.fixture
def server() -> Iterator[DatabentoServer]:
    with DatabentoServer(Feed(AS_OF), key=KEY) as running:
        yield running


def source_at(url: str, key: str = KEY, **options: Any) -> DatabentoFutures:
    made = {
        "requests_per_second": None,
        "deadline_seconds": 8.0,
        "attempt_seconds": 6.0,
        "attempts": 1,
        "max_bytes": 5_000_000,
        **options,
    }
    return DatabentoFutures(Secret(key), url, Transport("test", **made))


def request_of(contract: str = CONTRACT, start: date = START, end: date = AS_OF) -> Request:
    return Request("futures", contract, start, end)


def expected(contract: str = CONTRACT, start: date = START, end: date = AS_OF) -> pd.DataFrame:
    frame = Feed(AS_OF).frame("futures", contract)
    assert frame is not None
    return frame[frame["date"].between(pd.Timestamp(start), pd.Timestamp(end))].reset_index(drop=True)


def settles(payload: Payload) -> dict[str, float]:
    frame = DatabentoFutures.parse(payload).frame
    return {
        str(day.date()): value for day, value in zip(frame["settlement_date"], frame["settle"], strict=True)
    }


# ---- what is right


def test_settlements_as_they_were(server: DatabentoServer) -> None:
    payload = source_at(server.url).fetch(request_of())
    assert (payload.source, payload.extension) == ("databento", "dbn.zst")
    frame = DatabentoFutures.parse(payload).frame
    assert list(frame.columns) == ["contract", "delivery_month", "settlement_date", "settle"]
    assert frame["settlement_date"].to_list() == expected()["date"].to_list()
    assert frame["settle"].to_list() == expected()["settle"].to_list(), "to the last bit"
    assert set(frame["contract"]) == {CONTRACT} and set(frame["delivery_month"]) == {
        pd.Timestamp("2024-09-01")
    }
    form = server.forms[0]
    assert (form["symbols"], form["schema"], form["stype_in"]) == ("ZQU4", "statistics", "raw_symbol")
    assert form["end"] == "2024-07-18T00:00:00", "not beyond what the licence has"


def test_the_clients_own_reading_is_the_same(server: DatabentoServer) -> None:
    """The bytes that are kept are DBN: the client makes a frame of them, with the same final settlements."""
    import databento

    payload = source_at(server.url).fetch(request_of())
    frame = databento.DBNStore.from_bytes(payload.content).to_df()
    final = frame[(frame["stat_type"] == 3) & (frame["stat_flags"] == FINAL_ACTUAL)]
    assert final["price"].to_list() == expected()["settle"].to_list()
    assert set(final["symbol"]) == {"ZQU4"}


def test_the_unchanged_client_is_served_by_the_same_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ours asks is what the client asks when nothing of it is replaced; it speaks TLS only."""
    import databento

    certificate = self_signed_for_requests(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate[0])
    with DatabentoServer(Feed(AS_OF), key=KEY, certificate=certificate) as secure:
        client = databento.Historical(key=KEY, gateway=secure.url)
        window = {"start": "2024-06-03T00:00:00", "end": "2024-07-18T00:00:00"}
        store = client.timeseries.get_range("GLBX.MDP3", symbols="ZQU4", schema="statistics", **window)
        assert client.metadata.get_dataset_range("GLBX.MDP3")["end"].startswith("2024-07-18")
        unchanged = secure.forms[0]
        with pytest.raises(databento.BentoClientError, match="symbology_invalid_request"):
            client.timeseries.get_range("GLBX.MDP3", symbols="ZQX9", schema="statistics", **window)
    with DatabentoServer(Feed(AS_OF), key=KEY) as plain:
        payload = source_at(plain.url).fetch(request_of())
        assert plain.forms[0] == unchanged and payload.content == store.raw


def self_signed_for_requests(folder: Path) -> tuple[str, str]:
    """A certificate with the address as alternative name, which `requests` asks for."""
    import datetime as clock
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    _, key_path = self_signed(folder)
    key: Any = serialization.load_pem_private_key(Path(key_path).read_bytes(), None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = clock.datetime.now(clock.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(2)
        .not_valid_before(now - clock.timedelta(days=1))
        .not_valid_after(now + clock.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "with-name.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return str(path), key_path


def test_a_raw_symbol_is_one_contract_in_its_own_decade(server: DatabentoServer) -> None:
    for contract, start, end in (
        ("ZQU14", date(2000, 1, 3), date(2024, 7, 16)),
        ("ZQU24", date(2000, 1, 3), date(2024, 7, 16)),
    ):
        payload = source_at(server.url).fetch(request_of(contract, start, end))
        form = server.forms[-1]
        assert form["symbols"] == "ZQU4"
        days = DatabentoFutures.parse(payload).frame["settlement_date"]
        assert days.to_list() == expected(contract, date(2010, 6, 6))["date"].to_list()
    assert [form["start"][:10] for form in server.forms] == ["2010-06-06", "2019-09-01"]
    assert [form["end"][:10] for form in server.forms] == ["2014-10-04", "2024-07-18"]


def test_ranges_without_a_settlement(server: DatabentoServer) -> None:
    source = source_at(server.url)
    for contract, start, end, says in (
        ("ZQU14", date(2020, 1, 2), AS_OF, "no settlement in 2020-01-02"),
        ("ZQM10", date(2000, 1, 3), date(2010, 6, 5), "Databento starts on 2010-06-06"),
        ("ZQU24", date(2024, 7, 13), date(2024, 7, 14), "no settlement in this range"),
    ):
        with pytest.raises(NotServed, match=says):
            source.fetch(request_of(contract, start, end))
    with pytest.raises(SourceError, match="'SPY' is no"):
        source.fetch(request_of("SPY"))
    with pytest.raises(SourceUnavailable, match="has data until 2024-07-18"):
        source.fetch(request_of(start=date(2024, 7, 18), end=date(2024, 7, 18)))


def test_contracts_of_a_range() -> None:
    source = source_at("http://127.0.0.1:1")
    found = source.contracts(date(2000, 1, 3), AS_OF)
    assert found[0] == "ZQM10" and found[-1] == "ZQN26" and len(found) == 14 * 12 + 2 + 24
    assert source.contracts(AS_OF, AS_OF)[0] == "ZQN24" and len(source.contracts(AS_OF, AS_OF)) == 25


# ---- which of a day's records counts


def of_day(minutes: float, price: float, flags: int, **other: Any) -> Any:
    received = DAY + pd.Timedelta(hours=19, minutes=minutes)
    return statistic(instrument_id(CONTRACT), DAY, received, round(price * 1e9), flags, **other)


DELETE = databento_dbn.StatUpdateAction.DELETE
WORDS: dict[str, tuple[list[Any], float | None]] = {
    # records of one day -> the settlement that counts
    "preliminary alone": ([of_day(0, 94.6, PRELIMINARY_ACTUAL)], 94.6),
    "final after preliminary": ([of_day(0, 94.6, PRELIMINARY_ACTUAL), of_day(180, 94.7, FINAL_ACTUAL)], 94.7),
    "preliminary after final": ([of_day(0, 94.7, FINAL_ACTUAL), of_day(10, 94.6, PRELIMINARY_ACTUAL)], 94.7),
    "a corrected final": ([of_day(0, 94.7, FINAL_ACTUAL), of_day(900, 94.705, FINAL_ACTUAL)], 94.705),
    "records out of order": ([of_day(900, 94.705, FINAL_ACTUAL), of_day(0, 94.7, FINAL_ACTUAL)], 94.705),
    "theoretical after actual": ([of_day(0, 94.7, FINAL_ACTUAL), of_day(5, 94.8, 1)], 94.7),
    "theoretical alone": ([of_day(0, 94.8, 1)], 94.8),
    "rounded to the tick beside exact": ([of_day(0, 94.6733, FINAL_ACTUAL), of_day(0, 94.675, 7)], 94.6733),
    "rounded and later": ([of_day(0, 94.6733, FINAL_ACTUAL), of_day(60, 94.685, 7)], 94.685),
    "intraday": ([of_day(0, 94.7, FINAL_ACTUAL), of_day(5, 94.9, FINAL_ACTUAL | 8)], 94.7),
    "intraday alone": ([of_day(0, 94.9, FINAL_ACTUAL | 8)], None),
    "flags not set": ([of_day(0, 94.7, 128), of_day(5, 94.72, 255)], 94.72),
    "deleted": ([of_day(0, 94.7, FINAL_ACTUAL), of_day(5, 94.7, FINAL_ACTUAL, action=DELETE)], None),
    "deleted and sent again": (
        [of_day(0, 94.7, 3), of_day(5, 0, 3, action=DELETE), of_day(9, 94.6, PRELIMINARY_ACTUAL)],
        94.6,
    ),
    "the same moment": ([of_day(0, 94.7, 3, sequence=8), of_day(0, 94.6, 3, sequence=7)], 94.7),
}


@pytest.mark.parametrize("name", WORDS)
def test_the_last_word_on_a_day(name: str, server: DatabentoServer) -> None:
    records, settle = WORDS[name]
    server.records = lambda served: [r for r in served if r.ts_ref != DAY.value] + records
    parsed = DatabentoFutures.parse(source_at(server.url).fetch(request_of()))
    found = parsed.frame.set_index(parsed.frame["settlement_date"].dt.date)["settle"].to_dict()
    assert found.get(DAY.date()) == settle and not parsed.rejected
    assert len(found) == len(expected()) - (settle is None)


def test_records_that_cannot_be_read_are_rejected(server: DatabentoServer) -> None:
    number = instrument_id(CONTRACT)
    wrong = [
        statistic(number, DAY, DAY + pd.Timedelta(hours=19), 2**63 - 1, 3),
        statistic(number, DAY + pd.Timedelta(hours=3), DAY + pd.Timedelta(hours=19), 94_700_000_000, 3),
    ]
    server.records = lambda served: [r for r in served if r.ts_ref != DAY.value] + wrong
    parsed = DatabentoFutures.parse(source_at(server.url).fetch(request_of()))
    assert [rule for rule, _ in parsed.rejected] == ["settle_is_a_finite_number", "settlement_date_is_a_date"]
    assert parsed.rejected[1][1]["ts_ref"] == (DAY + pd.Timedelta(hours=3)).value
    assert parsed.rejected[0][1]["contract"] == CONTRACT and json.dumps(parsed.rejected)
    assert len(parsed.frame) == len(expected()) - 1


# ---- settings


def test_the_key_the_address_and_the_client_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.from_environment({"ROTATION_SOURCE": "live"})
    with pytest.raises(SettingsError, match="DATABENTO_API_KEY is not set"):
        DatabentoFutures.open(settings, {})
    with pytest.raises(SettingsError, match="DATABENTO_API_KEY contains") as caught:
        DatabentoFutures.open(settings, {"DATABENTO_API_KEY": "two words"})
    assert "two words" not in str(caught.value)
    with pytest.raises(SettingsError, match="ROTATION_DATABENTO_URL"):
        DatabentoFutures.open(
            settings, {"DATABENTO_API_KEY": KEY, "ROTATION_DATABENTO_URL": "http://example.org"}
        )
    source = DatabentoFutures.open(settings, {"DATABENTO_API_KEY": KEY})
    assert source.gateway == "https://hist.databento.com" and KEY not in repr(vars(source))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "databento" else find_spec(name, *rest),
    )
    with pytest.raises(SettingsError, match=r"requirements-databento\.lock"):
        DatabentoFutures.open(settings, {"DATABENTO_API_KEY": KEY})


# ---- how an answer can fail to come, and what can be wrong in it


def content(body: bytes) -> Callable[[bytes], bytes]:
    return lambda _: body


def says(status: int, case: str, message: str) -> Fault:
    return Fault(status=status, body=content(refusal(status, case, message)[2]))


def truncated_stream(body: bytes) -> bytes:
    return zstandard.compress(zstandard.decompress(body)[:-5])


BOMB = zstandard.compress(b"DBN\x03" + b"\x00" * 80_000_000)
AFTER_THE_END = "The dataset GLBX.MDP3 has data available up to '2024-07-15'."
FAULTS: dict[str, tuple[Fault, type[SourceError], str]] = {
    "silent": (Fault(send=silent), SourceUnavailable, "did not answer in time"),
    "slow": (Fault(send=slow), SourceUnavailable, "did not answer in time"),
    "truncated": (Fault(send=truncated), SourceUnavailable, "cut short"),
    "reset": (Fault(send=reset), SourceUnavailable, "broke|reset"),
    "hang_up": (Fault(send=hang_up), SourceUnavailable, "without an answer"),
    "status_400": (says(400, "bad_request", "Invalid start."), SourceError, "Invalid start"),
    "status_401": (
        says(401, "auth_authentication_failed", f"no {KEY}"),
        Forbidden,
        "check DATABENTO_API_KEY",
    ),
    "status_402": (says(402, "account_insufficient_funds", "Add a card."), Forbidden, "payment.*Add a card"),
    "status_403": (
        says(403, "license_not_found_unauthorized", "A license is required."),
        Forbidden,
        "has no access.*license",
    ),
    "status_403_key": (says(403, "x", f"no {KEY} and {TOKEN}"), Forbidden, r"no \*\*\* and \*\*\*"),
    "status_404": (Fault(status=404, body=content(b'{"detail":"Not Found"}')), NotServed, "Not Found"),
    "not_listed": (
        says(422, "symbology_invalid_request", "None of the symbols could be resolved"),
        NotServed,
        "could be resolved",
    ),
    "not_yet": (
        says(422, "data_end_after_available_end", AFTER_THE_END),
        SourceUnavailable,
        "available up to",
    ),
    "status_422": (says(422, "data_schema_invalid", "No such schema."), SourceError, "No such schema"),
    "status_429": (Fault(status=429, body=content(b"")), RateLimited, "too many requests"),
    "status_429_wait": (Fault(status=429, headers={"Retry-After": "600"}), RateLimited, "600 s"),
    "status_500": (Fault(status=500, body=content(PAGE)), SourceUnavailable, "status 500"),
    "status_504": (says(504, "x", "The gateway timed out."), SourceUnavailable, "timed out"),
    "status_302": (Fault(status=302, headers={"Location": "https://example.org"}), SourceError, "status 302"),
    "page_with_200": (Fault(status=200, body=content(PAGE)), NotData, "web page"),
    "nothing": (Fault(body=content(b"")), NotData, "empty"),
    "json_with_200": (Fault(body=content(b"[1, 2]")), Unreadable, "not readable DBN"),
    "half_of_the_zstd": (
        Fault(body=lambda body: body[: len(body) // 2]),
        Unreadable,
        "cannot be decompressed",
    ),
    "half_a_record": (Fault(body=truncated_stream), Unreadable, "within a record"),
    "not_zstd_after_all": (
        Fault(body=lambda body: body[:4] + b"\xff" * 99),
        Unreadable,
        "cannot be decompressed",
    ),
    "metadata_broken": (
        Fault(body=lambda body: zstandard.compress(b"DBN\x03" + b"\xff" * 99)),
        Unreadable,
        "not readable DBN",
    ),
    "bomb": (Fault(body=content(BOMB)), Unreadable, "larger than"),
    "too_large": (Fault(body=lambda body: body + b"x" * 6_000_000), Unreadable, "larger than"),
    "key_repeated": (Fault(body=lambda body: body + KEY.encode()), Unreadable, "contains the key"),
    "token_repeated": (Fault(body=lambda body: body + TOKEN.encode()), Unreadable, "contains the key"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str, server: DatabentoServer, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    fault, kind, text = FAULTS[name]
    server.fault = Fault(**{**vars(fault), "played": 0, "on": "timeseries"})
    caplog.set_level(logging.DEBUG)
    short = {"deadline_seconds": 0.6, "attempt_seconds": 0.4} if name in ("silent", "slow") else {}
    started = time.monotonic()
    with pytest.raises(kind, match=text) as caught:
        source_at(server.url, **short).fetch(request_of())
    assert time.monotonic() - started < 3.5
    assert type(caught.value) is kind and CONTRACT in str(caught.value)
    assert caught.value.retryable is issubclass(kind, SourceUnavailable)
    printed = capfd.readouterr()
    for found in (str(caught.value), caplog.text, printed.out, printed.err, *server.paths()):
        assert KEY not in found and TOKEN not in found
    assert caught.value.__context__ is None and caught.value.__cause__ is None
    server.fault = None
    assert len(settles(source_at(server.url).fetch(request_of()))) == len(expected()), (
        "the next answer is read"
    )


METADATA: dict[str, tuple[dict[str, Any], str]] = {
    "another symbol": ({"symbols": ["ZQV4"]}, "field symbols"),
    "another dataset": ({"dataset": "XNAS.ITCH"}, "field dataset"),
    "another schema": ({"schema": databento_dbn.Schema.TRADES}, "field schema"),
    "cut by a limit": ({"limit": 5}, "field limit"),
    "another instrument": ({"mappings": []}, "field instrument_id"),
}


@pytest.mark.parametrize("name", METADATA)
def test_an_answer_to_another_question_is_refused(name: str, server: DatabentoServer) -> None:
    server.metadata, text = METADATA[name]
    with pytest.raises(Unreadable, match=text):
        source_at(server.url).fetch(request_of())


def test_a_symbol_that_is_not_found_and_an_answer_without_records(server: DatabentoServer) -> None:
    server.metadata = {"partial": [], "not_found": ["ZQU4"], "mappings": []}
    server.records = lambda served: []
    with pytest.raises(NotServed, match="no settlement in this range"):
        source_at(server.url).fetch(request_of())


def test_bytes_that_are_not_compressed_or_in_several_frames_are_read(server: DatabentoServer) -> None:
    server.compress = lambda body: body
    payload = source_at(server.url).fetch(request_of())
    assert payload.extension == "dbn" and len(settles(payload)) == len(expected())
    server.compress = lambda body: zstandard.compress(body[:700]) + zstandard.compress(body[700:])
    payload = source_at(server.url).fetch(request_of())
    assert payload.extension == "dbn.zst" and len(settles(payload)) == len(expected())


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"end": 5}', b'{"end": "soon"}', b"nothing", b'{"schema": []}']
)
def test_the_available_range_must_be_readable(body: bytes, server: DatabentoServer) -> None:
    server.fault = Fault(on="metadata", body=content(body))
    with pytest.raises(Unreadable, match="field end of the available range"):
        source_at(server.url).fetch(request_of())


def test_a_passing_trouble_is_tried_again_and_the_range_is_asked_once(server: DatabentoServer) -> None:
    source = source_at(server.url, attempts=3, first_wait_seconds=0.01)
    server.fault = Fault(on="timeseries", times=2, send=reset)
    source.fetch(request_of())
    source.fetch(request_of())
    assert len(server.paths("timeseries")) == 4 and len(server.paths("metadata")) == 1
    with pytest.raises(Forbidden, match="status 401"):
        source_at(server.url, key="db-ffffffffffffffffffffffffffffff").fetch(request_of())
