"""The FDIC source against a local HTTP server: paging, what the numbers mean, and every way in which an
answer can fail.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import pandas as pd
import pytest

from datasets.bank_financials import BankFinancials, quarter_inputs
from sources.fdic import BASE_URL, FdicSource, Reply
from sources.protocol import NotServed, SourceError, SourceUnavailable, Unreadable
from sources.transport import NotData, Secret, Transport
from warehouse.catalog import load_catalog
from warehouse.landing import land, read_landed
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings, SettingsError

QUARTER = date(2024, 6, 30)
SETTINGS = Settings.from_environment({"ROTATION_SOURCE": "live"})
REQUEST = Request("bank_financials", "2024-06-30", QUARTER, QUARTER)
Answer = Callable[[BaseHTTPRequestHandler, dict[str, str]], None]


def report(certificate: int, *without: str, **values: Any) -> dict[str, Any]:
    """A report as the API sends it; `without` names fields that it leaves out, as it does with nulls."""
    row = {"CERT": certificate, "REPDTE": "20240630", "SCAF": 90, "SCAA": 100, "SCHF": 40, "SCHA": 50}
    row |= {"ID": f"{certificate}_20240630"} | values
    return {"data": {name: row[name] for name in row if name not in without}, "score": 0}


LARGE = {"SCAF": 90_000, "SCAA": 100_000, "SCHF": 40_000, "SCHA": 50_000}


def page(rows: list[dict[str, Any]], total: int | None = None) -> bytes:
    count = len(rows) if total is None else total
    meta = {"total": count, "parameters": {"filters": "REPDTE:20240630"}, "index": {"name": "risview"}}
    return json.dumps({"meta": meta, "data": rows, "totals": {"count": count}}).encode()


@dataclass
class Server:
    url: str = ""
    answer: Answer | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, length: int | None = None) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            state.asked.append({"path": parts.path, **query})
            state.headers.append(dict(self.headers))
            assert state.answer is not None
            state.answer(self, query)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    state.url = f"http://127.0.0.1:{listener.server_address[1]}/banks"
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    yield state
    listener.shutdown()
    listener.server_close()
    thread.join()


def source_of(server: Server, attempts: int = 1, seconds: float = 5.0, **options: Any) -> FdicSource:
    transport: Transport[Reply] = Transport(
        "FDIC",
        requests_per_second=None,
        attempts=attempts,
        first_wait_seconds=0.01,
        deadline_seconds=seconds,
        attempt_seconds=seconds,
    )
    return FdicSource(server.url, transport=transport, **options)


def parse(content: bytes) -> Any:
    return FdicSource().parse(Payload(REQUEST, "fdic", content, "json", pd.Timestamp("2024-09-01")))


# --- what is asked and what comes of it ----------------------------------------------------------------


def test_one_quarter_is_asked_as_the_api_documents_it(server: Server) -> None:
    body = page([report(1), report(2, SCAF=200, SCAA=190)])
    server.answer = lambda handler, query: send(handler, body)
    payload = source_of(server).fetch(REQUEST)
    assert payload.content == body and payload.extension == "json" and payload.source == "fdic"
    (asked,) = server.asked
    assert asked["path"] == "/banks/financials"
    assert asked["filters"] == "REPDTE:20240630"
    assert {"REPDTE", "SCHF", "SCHA", "SCAF", "SCAA"} <= set(asked["fields"].split(","))
    assert (asked["limit"], asked["offset"], asked["format"]) == ("10000", "0", "json")
    assert "X-Api-Key" not in server.headers[0]


def test_the_institutions_are_summed() -> None:
    content = page(
        [
            report(1, SCAF=3_000_000, SCAA=3_204_000, SCHF=1_000_000, SCHA=1_309_000),
            report(2, SCAF=100, SCAA=200, SCHF=None, SCHA=None),  # holds nothing to maturity
            report(3, SCAF=None, SCAA=None, SCHF=None, SCHA=None),
        ]
    )
    parsed = parse(content)
    assert parsed.rejected == []
    row = parsed.frame.iloc[0]
    assert row["quarter_end"] == pd.Timestamp(QUARTER) and row["institutions"] == 3
    assert row["afs_fair_value_usd_thousand"] == 3_000_100
    assert row["afs_fair_value_usd_thousand"] - row["afs_amortised_cost_usd_thousand"] == -204_100
    assert row["htm_fair_value_usd_thousand"] - row["htm_amortised_cost_usd_thousand"] == -309_000


def test_what_nobody_reported_is_unknown_and_not_nothing() -> None:
    parsed = parse(page([report(1, SCHF=None, SCHA=None)]))
    assert pd.isna(parsed.frame["htm_fair_value_usd_thousand"].iloc[0])


def test_pages_are_followed_and_parse_like_one(server: Server, tmp_path: Any) -> None:
    rows = [report(number, SCAF=number) for number in range(1, 8)]

    def answer(handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        offset, limit = int(query["offset"]), int(query["limit"])
        send(handler, page(rows[offset : offset + limit], total=len(rows)))

    server.answer = answer
    source = source_of(server, page_rows=3)
    payload = source.fetch(REQUEST)
    assert [asked["offset"] for asked in server.asked] == ["0", "3", "6"]
    pd.testing.assert_frame_equal(source.parse(payload).frame, parse(page(rows)).frame)
    # Landed and read again it is the same payload.
    again = read_landed(tmp_path, land(tmp_path, payload))
    assert again.content == payload.content
    pd.testing.assert_frame_equal(source.parse(again).frame, source.parse(payload).frame)


def test_key_and_address_come_from_the_environment_and_the_key_stays_out_of_the_address(
    server: Server,
) -> None:
    server.answer = lambda handler, query: send(handler, page([report(1)]))
    FdicSource.open(SETTINGS, {"ROTATION_FDIC_URL": server.url + "/", "FDIC_API_KEY": "key-1"}).fetch(REQUEST)
    assert server.headers[0]["X-Api-Key"] == "key-1"
    assert "key-1" not in json.dumps(server.asked)
    assert FdicSource.open(SETTINGS, {}).address == f"{BASE_URL}/financials"


def test_quarters_of_a_range() -> None:
    assert quarter_inputs(date(2023, 12, 31), date(2024, 8, 1)) == ["2023-12-31", "2024-03-31", "2024-06-30"]
    assert quarter_inputs(date(2024, 1, 1), date(2024, 3, 30)) == []


# --- answers that fail ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_may_be_asked_again(server: Server, status: int) -> None:
    server.answer = lambda handler, query: send(handler, b"busy", status)
    with pytest.raises(SourceUnavailable, match=str(status)) as raised:
        source_of(server).fetch(REQUEST)
    assert raised.value.retryable


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "FDIC_API_KEY"), (403, "FDIC_API_KEY"), (404, "ROTATION_FDIC_URL")]
)
def test_a_refusal_is_final_and_says_what_to_set(server: Server, status: int, advice: str) -> None:
    server.answer = lambda handler, query: send(handler, b"{}", status)
    with pytest.raises(SourceError, match=advice) as raised:
        source_of(server, key=Secret("secret-key")).fetch(REQUEST)
    assert not raised.value.retryable and "secret-key" not in str(raised.value)


def test_no_answer_in_time(server: Server) -> None:
    server.answer = lambda handler, query: time.sleep(0.6)
    with pytest.raises(SourceUnavailable, match="in time"):
        source_of(server, seconds=0.2).fetch(REQUEST)


def test_an_answer_that_drips_is_given_up(server: Server) -> None:
    def answer(handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 20))
        handler.end_headers()
        for _ in range(40):
            handler.wfile.write(b" " * (1 << 16))
            handler.wfile.flush()
            time.sleep(0.1)

    server.answer = answer
    with pytest.raises(SourceUnavailable, match="in time"):
        source_of(server, seconds=0.3).fetch(REQUEST)


def test_nobody_listens() -> None:
    with pytest.raises(SourceUnavailable, match="connection was refused"):
        source_of(Server(url="http://127.0.0.1:9/banks")).fetch(REQUEST)


def test_a_busy_server_is_asked_again_in_the_same_request(server: Server) -> None:
    answers = iter([(b"busy", 429), (b"busy", 503), (b"Too Many Requests", 200), (page([report(1)]), 200)])

    def answer(handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        body, status = next(answers)
        send(handler, body, status)

    server.answer = answer
    assert source_of(server, attempts=4).fetch(REQUEST).content == page([report(1)])
    assert len(server.asked) == 4


def test_the_former_host_redirects_and_a_key_does_not_follow(server: Server) -> None:
    def answer(handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        if handler.path.startswith("/banks/"):
            send(handler, page([report(1)]))
            return
        handler.send_response(301)
        handler.send_header("Location", server.url + handler.path.removeprefix("/old"))
        handler.send_header("Content-Length", "5")
        handler.end_headers()
        handler.wfile.write(b"moved")

    server.answer = answer
    old = Server(url=server.url.replace("/banks", "/old"))
    payload = source_of(old).fetch(REQUEST)
    assert payload.content == page([report(1)]), "nothing of the redirect is in the payload"
    asked = len(server.asked)
    with pytest.raises(SourceError, match=f"has moved .status 301.; set ROTATION_FDIC_URL to {server.url}$"):
        source_of(old, key=Secret("secret-key")).fetch(REQUEST)
    assert len(server.asked) == asked + 1


def test_a_quarter_on_two_pages_of_the_largest_size(server: Server) -> None:
    rows = [report(number) for number in range(1, 14_029)]

    def answer(handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        offset, limit = int(query["offset"]), int(query["limit"])
        send(handler, page(rows[offset : offset + limit], total=len(rows)))

    server.answer = answer
    source = source_of(server)
    frame = source.parse(source.fetch(REQUEST)).frame
    assert [asked["offset"] for asked in server.asked] == ["0", "10000"]
    assert frame["institutions"].tolist() == [14_028]


def test_an_answer_that_was_cut_short(server: Server) -> None:
    body = page([report(1)])
    server.answer = lambda handler, query: send(handler, body[:-20], length=len(body))
    with pytest.raises(SourceUnavailable):
        source_of(server).fetch(REQUEST)


@pytest.mark.parametrize("body", [b"<html>maintenance</html>", b"", b"\xff\xfe", b"[]", b'{"data": []}'])
def test_an_answer_that_is_no_page(server: Server, body: bytes) -> None:
    server.answer = lambda handler, query: send(handler, body)
    with pytest.raises(NotData, match="other than a page"):
        source_of(server).fetch(REQUEST)


def test_a_quarter_without_reports_is_not_served(server: Server) -> None:
    server.answer = lambda handler, query: send(handler, page([]))
    with pytest.raises(NotServed, match="55 days"):
        source_of(server).fetch(REQUEST)


def test_pages_that_end_early_or_change_underway(server: Server) -> None:
    server.answer = lambda handler, query: send(
        handler, page([report(1)] if query["offset"] == "0" else [], total=5)
    )
    with pytest.raises(SourceUnavailable, match="ended after 1 of 5"):
        source_of(server, page_rows=1).fetch(REQUEST)
    server.answer = lambda handler, query: send(handler, page([report(1)], total=5 + int(query["offset"])))
    with pytest.raises(SourceUnavailable, match="changed from 5 to 6"):
        source_of(server, page_rows=1).fetch(REQUEST)


@pytest.mark.parametrize("address", ["not an address", "ftp://example.org", "http://"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(SettingsError, match="ROTATION_FDIC_URL"):
        FdicSource.open(SETTINGS, {"ROTATION_FDIC_URL": address})


def test_a_key_goes_over_https_only() -> None:
    environ = {"ROTATION_FDIC_URL": "http://example.org/banks", "FDIC_API_KEY": "key-1"}
    with pytest.raises(SettingsError, match="unencrypted"):
        FdicSource.open(SETTINGS, environ)


def test_an_answer_that_repeats_the_key_is_not_stored(server: Server) -> None:
    server.answer = lambda handler, query: send(handler, page([report(1, NAME="key-1")]))
    with pytest.raises(Unreadable, match="contains the key"):
        source_of(server, key=Secret("key-1")).fetch(REQUEST)


@pytest.mark.parametrize("item", ["2024-06-29", "2024Q2", "", "../2024"])
def test_an_input_that_is_no_quarter(item: str) -> None:
    with pytest.raises(SourceError, match="not a quarter"):
        FdicSource().fetch(Request("bank_financials", item, QUARTER, QUARTER))


# --- reports that contradict themselves ----------------------------------------------------------------


def test_a_value_that_is_left_out_is_null_for_that_bank() -> None:
    parsed = parse(
        page(
            [
                report(1),
                report(2, "SCHF", "SCHA", SCAF=200, SCAA=190),  # holds nothing to maturity
                report(3, "SCAF", SCAA=0),  # a fair value of nothing
                report(4, "REPDTE", "SCAF", "SCAA", "SCHF", "SCHA"),  # a foreign branch without details
                {"score": 0},
            ]
        )
    )
    assert parsed.rejected == []
    row = parsed.frame.iloc[0]
    assert row["institutions"] == 5
    assert (row["afs_fair_value_usd_thousand"], row["afs_amortised_cost_usd_thousand"]) == (290, 290)
    assert (row["htm_fair_value_usd_thousand"], row["htm_amortised_cost_usd_thousand"]) == (80, 100)


def test_a_value_that_is_left_out_beside_its_other_half_is_named() -> None:
    parsed = parse(page([report(1, **LARGE), report(2, "SCHF"), report(3, "REPDTE")]))
    assert [rule for rule, _ in parsed.rejected] == [
        "fair_value_and_cost_come_together",
        "report_is_of_the_quarter_asked",
    ]
    assert parsed.frame["institutions"].tolist() == [1]


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"REPDTE": "20240331"}, "report_is_of_the_quarter_asked"),
        ({"SCHF": "40"}, "htm_fair_value_usd_thousand_is_a_finite_number"),
        ({"SCHF": True}, "htm_fair_value_usd_thousand_is_a_finite_number"),
        ({"SCHF": float("nan")}, "htm_fair_value_usd_thousand_is_a_finite_number"),
        ({"SCAA": -1}, "afs_amortised_cost_usd_thousand_is_not_negative"),
        ({"SCHF": None}, "fair_value_and_cost_come_together"),
        ({"SCAA": None}, "fair_value_and_cost_come_together"),
        ({"CERT": 1} | LARGE, "institution_is_served_once"),
        ({"CERT": "1"} | LARGE, "institution_is_served_once"),
        ({"CERT": 1}, "institution_has_one_report"),
    ],
)
def test_a_bad_report_is_named_and_the_rest_counts(values: dict[str, Any], rule: str) -> None:
    parsed = parse(page([report(1, **LARGE), report(2, **values)]))
    ((found, row),) = parsed.rejected
    assert found == rule and row["CERT"] == values.get("CERT", 2)
    assert parsed.frame["institutions"].tolist() == [1]
    assert parsed.frame["afs_fair_value_usd_thousand"].tolist() == [90_000]


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"SCAF": "90000"}, "afs_fair_value_usd_thousand_is_a_finite_number"),
        ({"SCHF": None}, "fair_value_and_cost_come_together"),
        ({"REPDTE": "20240331"}, "report_is_of_the_quarter_asked"),
        ({"CERT": 1, "SCAF": 1_900_000, "SCAA": 2_000_000}, "institution_has_one_report"),
        ({"SCAF": 1, "SCAA": 2_000_000}, "fair_value_is_near_cost"),
        ({"SCHF": 5_000_000}, "fair_value_is_near_cost"),
    ],
)
def test_a_bad_report_of_a_large_bank_is_not_left_out_of_the_sum(values: dict[str, Any], rule: str) -> None:
    with pytest.raises(Unreadable, match=rf"1 reports break a rule \({rule}\), the largest of CERT"):
        parse(page([report(1, **LARGE), report(2, **(LARGE | values))]))


def test_a_quarter_of_bad_reports_gives_no_row() -> None:
    parsed = parse(page([report(1, SCHF="x")]))
    assert parsed.frame.empty and len(parsed.rejected) == 1


# --- sums that do not continue the others ---------------------------------------------------------------


def sums(quarter: str, cost_bn: float = 5_300.0, loss_bn: float = 512.0, banks: int = 4_500) -> pd.DataFrame:
    half = cost_bn * 1e6 / 2
    row = {"quarter_end": pd.Timestamp(quarter), "institutions": banks}
    row |= {"afs_fair_value_usd_thousand": half - loss_bn * 4e5, "afs_amortised_cost_usd_thousand": half}
    row |= {"htm_fair_value_usd_thousand": half - loss_bn * 6e5, "htm_amortised_cost_usd_thousand": half}
    return pd.DataFrame([row])


def refused(*rows: pd.DataFrame, held: pd.DataFrame | None = None) -> dict[str, str]:
    table = load_catalog()["raw.bank_financials"]
    with duckdb.connect() as connection:
        connection.execute("create schema raw")
        connection.execute(table.ddl().replace(" not null", ""))
        if held is not None:
            connection.execute("insert into raw.bank_financials by name select * from held")
        return dict(BankFinancials().broken_continuity(connection, pd.concat(rows, ignore_index=True)))


def test_quarters_as_they_were_are_loaded() -> None:
    """The largest changes since 2020: securities grew by a tenth in a quarter, losses from 0 to 469 bn in a
    year.
    """
    assert not refused(
        sums("2020-03-31", 4_200, -80),
        sums("2020-06-30", 4_700, -100),
        sums("2022-03-31", 6_300, 250),
        sums("2022-06-30", 6_200, 470),
        sums("2024-06-30", 5_300, 513.7),
        sums("2024-09-30", 5_400, 364.4),
        sums("2024-12-31", 5_350, 481.2),
    )


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (sums("2020-06-30", 5_300_000, 100_000), "the amounts are in another unit, or most reports"),
        (sums("2020-06-30", 5.3, 0.1), "the amounts are in another unit, or most reports"),
        (sums("2024-06-30", 5_300, 256), "bank_reported_losses.csv has -512.9"),
        (sums("2024-06-30", 5_300, -512), "bank_reported_losses.csv has -512.9"),
        (sums("2020-06-30", 2_700, 50, 2_250), "2,250 banks hold securities of 2,700 bn USD, after 4,500"),
        (sums("2020-06-30", 5_200, 50, 3_900), "3,900 banks hold"),
        (sums("2020-06-30", 9_000, 50), "9,000 bn USD"),
    ],
)
def test_a_sum_in_another_unit_or_without_half_of_the_banks_is_refused(
    wrong: pd.DataFrame, reason: str
) -> None:
    """On a first load beside the quarter before, and against the one that is held."""
    before = sums("2020-03-31")
    name = str(wrong["quarter_end"].iloc[0].date())
    assert reason in refused(before, wrong).pop(name)
    assert reason in refused(wrong, held=before)[name]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"nothing", "not JSON"),
        (b"3", "not an object"),
        (b'{"meta": {"total": "2"}, "data": []}', "meta.total"),
        (b'{"meta": {"total": 1}, "data": {}}', "data is not a list"),
        (b'{"meta": {"total": 1}, "data": [1]}', "data"),
        (b'{"meta": {"total": 1}, "data": [{"data": "x"}]}', "not an object"),
        (page([report(1)], total=2), "meta.total says 2"),
        (page([report(1, "SCHF"), report(2, "SCHF")]), "SCHF is missing in all 2 reports"),
        (page([report(1, "REPDTE")]), "REPDTE is missing in all 1 reports"),
        (page([{"data": {"CERT": 1}}, {"data": {}}]), "REPDTE, SCAF, SCAA, SCHF, SCHA"),
    ],
)
def test_a_payload_that_is_not_the_format_names_the_field(content: bytes, names: str) -> None:
    with pytest.raises(Unreadable, match=names):
        parse(content)
