"""The FDIC's reports of margins and deposits against a local server that speaks its API, from files and from
the simulated market: what is asked, what is read, and what is refused.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from datasets.bank_margins import BankMargins
from datasets.base import Reach
from expectations.gate import check_rows
from sources.fdic import Reply
from sources.fdic_margins import COLUMNS, FdicMargins, FilesBankMargins, SimulatedBankMargins
from sources.protocol import NotServed, SourceError, SourceUnavailable, Unreadable
from sources.simulated_market.bank_margins import BETAS
from sources.transport import Forbidden, NotData, RateLimited, Secret, Transport
from tests.bank_margin_world import reports, simulated_rows
from tests.faults.fdic_server import FdicServer, answer
from tests.faults.server import Fault, hang_up
from warehouse.catalog import load_catalog
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings

QUARTER = "2024-06-30"
DAY = "20240630"
MOMENT = datetime(2024, 9, 16)
Rows = list[dict[str, Any]]


def request(quarter: str = QUARTER) -> Request:
    day = date.fromisoformat(quarter)
    return Request("bank_margins", quarter, day, date(2024, 9, 16))


def provider_at(url: str, attempts: int = 1, seconds: float = 5.0, **options: Any) -> FdicMargins:
    transport: Transport[Reply] = Transport(
        "FDIC",
        requests_per_second=None,
        attempts=attempts,
        first_wait_seconds=0.01,
        deadline_seconds=seconds,
        attempt_seconds=seconds,
    )
    return FdicMargins(f"{url}/banks", transport=transport, **options)


def parse(rows: Rows, total: int | None = None, quarter: str = QUARTER) -> Any:
    content = answer(rows, len(rows) if total is None else total)
    return FdicMargins.parse(Payload(request(quarter), "fdic", content, "json", MOMENT))


def parse_csv(text: str | bytes, source: str = "files") -> Any:
    content = text.encode() if isinstance(text, str) else text
    return FilesBankMargins.parse(Payload(request(), source, content, "csv", MOMENT))


def changed(number: int = -1, **values: Any) -> Rows:
    """The quarter's reports with other values in one of them; None leaves the key out."""
    rows = reports(QUARTER)
    rows[number] |= values
    return rows


# --- what is asked and what comes of it ----------------------------------------------------------------


def test_a_quarter_is_asked_for_with_its_fields_and_read_by_bank() -> None:
    with FdicServer({DAY: reports(QUARTER)}) as server:
        provider = provider_at(server.url)
        payload = provider.fetch(request())
        (path,) = server.paths()
    assert path.startswith("/banks/financials?filters=REPDTE%3A20240630&fields=CERT%2CREPDTE%2CASSET")
    assert {"EDEPDOM", "DEPIDOM", "NIM", "ERNAST", "DEPDOM", "IBA"} <= set(
        json.loads(payload.content)["meta"]["parameters"]["fields"].split(",")
    )
    parsed = provider.parse(payload)
    assert parsed.rejected == [] and parsed.doubts == ()
    frame, expected = parsed.frame, pd.DataFrame(reports(QUARTER))
    assert frame["quarter_end"].unique().tolist() == [pd.Timestamp(QUARTER)]
    assert frame["cert"].tolist() == expected["CERT"].tolist()
    for field, column in COLUMNS.items():
        assert frame[column].tolist() == expected[field].tolist()


def test_two_pages_of_the_largest_size_are_one_quarter() -> None:
    rows = [{**reports(QUARTER, 2)[1], "CERT": number} for number in range(1, 14_029)]
    with FdicServer({DAY: rows}) as server:
        provider = provider_at(server.url)
        payload = provider.fetch(request())
        assert ["offset=0" in path for path in server.paths()] == [True, False]
    began = time.perf_counter()
    assert len(provider.parse(payload).frame) == 14_028
    assert time.perf_counter() - began < 5


def test_a_key_that_is_left_out_is_null_for_that_bank_alone() -> None:
    parsed = parse(changed(0, EDEPDOM=None, ERNAST=None))
    assert parsed.rejected == []
    assert parsed.frame["deposit_interest_ytd_usd_thousand"].isna().tolist() == [True] + [False] * 39
    assert parsed.frame["earning_assets_usd_thousand"].isna().sum() == 1


def test_branches_and_reports_without_details_are_no_banks() -> None:
    rows = [*reports(QUARTER), {**reports(QUARTER)[-1], "CERT": 900, "IBA": 1}, {"CERT": 901}]
    parsed = parse(rows)
    assert len(parsed.frame) == 40 and parsed.rejected == []


def test_without_the_flag_of_branches_it_says_so() -> None:
    parsed = parse([{name: row[name] for name in row if name != "IBA"} for row in reports(QUARTER)])
    assert len(parsed.frame) == 40
    assert "branches of foreign banks" in parsed.doubts[0]


@pytest.mark.parametrize("field", [*COLUMNS, "REPDTE"])
def test_a_field_that_no_report_has_is_a_changed_format(field: str) -> None:
    """The API drops a name that it does not know without a word; so a renamed field is missing everywhere."""
    with FdicServer({DAY: [{**row, field: None, f"{field}_NEW": 1} for row in reports(QUARTER)]}) as server:
        provider = provider_at(server.url)
        payload = provider.fetch(request())
    with pytest.raises(Unreadable, match=f"fdic: bank_margins/{QUARTER}: field {field} is missing in all 40"):
        provider.parse(payload)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"REPDTE": "20240331"}, "report_is_of_the_quarter_asked"),
        ({"REPDTE": "20990630"}, "report_is_of_the_quarter_asked"),
        ({"CERT": "0"}, "cert_is_a_certificate_number"),
        ({"CERT": True}, "cert_is_a_certificate_number"),
        ({"CERT": 101}, "institution_has_one_report"),
        ({"ASSET": "12,345"}, "assets_usd_thousand_is_a_finite_number"),
        ({"ASSET": True}, "assets_usd_thousand_is_a_finite_number"),
        ({"NIM": float("nan")}, "net_interest_income_ytd_usd_thousand_is_a_finite_number"),
        ({"NIM": float("inf")}, "net_interest_income_ytd_usd_thousand_is_a_finite_number"),
        ({"DEPDOM": -1}, "domestic_deposits_usd_thousand_is_not_negative"),
        ({"EDEPDOM": -1}, "deposit_interest_ytd_usd_thousand_is_not_negative"),
        ({"EDEPDOM": 2.5}, "deposit_interest_ytd_usd_thousand_is_in_whole_thousands"),
        ("ASSET", "domestic_deposits_usd_thousand_fits_assets_usd_thousand"),
        ("DEPDOM", "interest_bearing_deposits_usd_thousand_fits_domestic_deposits_usd_thousand"),
    ],
)
def test_a_bad_report_of_a_small_bank_is_named_and_the_rest_counts(values: Any, rule: str) -> None:
    rows = reports(QUARTER)
    # The unit of one field alone: thousands where the others are dollars.
    rows[0] |= {values: rows[0][values] // 1000} if isinstance(values, str) else values
    parsed = parse(rows)
    assert [found for found, _ in parsed.rejected] == [rule]
    assert len(parsed.frame) == 39


@pytest.mark.parametrize("field", ["NIM", "EDEPDOM", "ERNAST", "DEPIDOM", "DEPDOM"])
def test_another_unit_of_one_field_of_a_large_bank_refuses_the_quarter(field: str) -> None:
    rows = reports(QUARTER)
    rows[-1][field] *= 1000
    with pytest.raises(Unreadable, match=r"1 reports break a rule .*, the largest of CERT 139; they hold"):
        parse(rows)


def test_numbers_as_text_refuse_the_quarter() -> None:
    rows = [{**row, "ASSET": str(row["ASSET"])} for row in reports(QUARTER)]
    with pytest.raises(
        Unreadable, match=r"40 reports break a rule \(assets_usd_thousand_is_a_finite_number\)"
    ):
        parse(rows)


def test_a_bank_that_is_served_twice_counts_once_and_two_versions_of_a_large_one_refuse_the_quarter() -> None:
    rows = [*reports(QUARTER), reports(QUARTER)[-1]]
    parsed = parse(rows)
    assert len(parsed.frame) == 40
    assert [rule for rule, _ in parsed.rejected] == ["institution_is_served_once"]
    rows[-1] = {**rows[-1], "NIM": 1}
    with pytest.raises(Unreadable, match="institution_has_one_report"):
        parse(rows)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (answer(reports(QUARTER), 40)[:-30], "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[]", "there is no report in it"),
        (answer([], 0), "there is no report in it"),
        (b"[1]", "a page is not an object"),
        (b'{"meta": {"total": "40"}, "data": []}', "meta.total is not a count"),
        (answer(reports(QUARTER), 41), "says 41 reports, the payload holds 40"),
        (answer(reports(QUARTER)[:20], 40), "says 40 reports, the payload holds 20"),
    ],
)
def test_a_body_that_is_no_answer(content: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=f"bank_margins/{QUARTER}: .*{said}"):
        FdicMargins.parse(Payload(request(), "fdic", content, "json", MOMENT))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=404), SourceError),
        (Fault(status=403), Forbidden),
        (Fault(status=429, headers={"Retry-After": "1"}), RateLimited),
        (Fault(status=503), SourceUnavailable),
        (Fault(body=lambda body: b"<!doctype html><html>maintenance</html>"), NotData),
        (Fault(body=lambda body: b""), NotData),
        (Fault(body=lambda body: body[: len(body) // 2]), NotData),
        (Fault(body=lambda body: b"\xff" + body), NotData),
        (Fault(body=lambda body: b"[" * 100_000), NotData),
        (Fault(body=lambda body: b'{"meta": {"total": 40}, "rows": []}'), NotData),
        (Fault(body=lambda body: body + b" " * (65 << 20)), Unreadable),
        (Fault(send=hang_up), SourceUnavailable),
    ],
)
def test_an_answer_that_fails_is_an_error_that_names_the_input(
    fault: Fault, error: type[SourceError]
) -> None:
    with FdicServer({DAY: reports(QUARTER)}) as server:
        server.fault = fault
        with pytest.raises(error, match=f"fdic: bank_margins/{QUARTER}") as caught:
            provider_at(server.url).fetch(request())
    assert caught.type is error


def test_a_busy_server_is_asked_again_and_then_answers() -> None:
    with FdicServer({DAY: reports(QUARTER)}) as server:
        server.fault = Fault(status=503, times=2)
        assert len(FdicMargins.parse(provider_at(server.url, attempts=3).fetch(request())).frame) == 40


def test_a_redirect_is_not_followed_with_a_key() -> None:
    with FdicServer({DAY: reports(QUARTER)}) as server:
        new = f"{server.url}/elsewhere/financials"
        server.fault = Fault(status=301, headers={"Location": new})
        with pytest.raises(SourceError, match=r"has moved .status 301.; set ROTATION_FDIC_URL"):
            provider_at(server.url, key=Secret("secret-key")).fetch(request())


def test_a_quarter_without_reports_is_not_served() -> None:
    with FdicServer({}) as server, pytest.raises(NotServed, match="no reports yet"):
        provider_at(server.url).fetch(request())


# --- files ---------------------------------------------------------------------------------------------


def csv_of(rows: Rows) -> str:
    return pd.DataFrame(rows).to_csv(index=False)


def test_the_apis_csv_reads_as_its_json() -> None:
    rows = changed(3, EDEPDOM=None)
    table = parse_csv(csv_of(rows))
    assert table.rejected == []
    # pandas writes the column with a blank as decimals: 12.0
    pd.testing.assert_frame_equal(table.frame, parse(rows).frame)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not name the fields"),
        ("a,b\n1,2\n", "does not name the fields"),
        (csv_of(reports(QUARTER)).replace("EDEPDOM", "EDEP"), "field EDEPDOM is missing in all 40"),
        (csv_of(reports(QUARTER)) + "1,2\n", "line 42 has 2 fields, the first line 9"),
        (csv_of(reports(QUARTER)).encode("utf-16"), "not UTF-8"),
        (csv_of(reports("2024-03-31")), "report_is_of_the_quarter_asked"),
        (csv_of([{**row, "ASSET": f"{row['ASSET']:,}"} for row in reports(QUARTER)]), "finite_number"),
    ],
)
def test_a_file_that_is_none(text: str | bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=f"files: bank_margins/{QUARTER}: .*{said}"):
        parse_csv(text)


def test_a_run_asks_for_the_quarters_that_have_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "bank_margins"
    folder.mkdir()
    for quarter in ("2023-12-31", "2024-03-31", "2030-03-31"):
        (folder / f"{quarter}.json").write_bytes(answer(reports(quarter), 40))
    (folder / "2024-03-30.json").write_text("{}")
    (folder / "2024-06-30.csv").write_text(csv_of(reports(QUARTER)))
    environ = {"ROTATION_SOURCE": "files", "ROTATION_FILES_DIR": str(tmp_path)}
    settings = Settings.from_environment(environ)
    provider = FilesBankMargins.open(settings, {})
    with duckdb.connect() as connection:
        asked = BankMargins().inputs(
            connection, settings, provider, Reach(date(2024, 9, 16), date(2024, 9, 16)), {}
        )
    assert asked == ["2023-12-31", "2024-03-31", "2024-06-30"], "no quarter before its reports are known"
    assert len(provider.parse(provider.fetch(request())).frame) == 40
    assert provider.not_taken() == [
        "bank_margins/2024-03-30.json is not read: 2024-03-30 is not one of 1984-03-31, 1984-06-30,"
        " 1984-09-30, 1984-12-31, 1985-03-31, 1985-06-30, 1985-09-30, 1985-12-31, …; rename the file"
    ]


# --- the simulated market ------------------------------------------------------------------------------


def test_simulated_quarters_are_small_and_the_same_every_time() -> None:
    provider = SimulatedBankMargins()
    payload = provider.fetch(request())
    assert payload.content == SimulatedBankMargins().fetch(request()).content
    assert len(payload.content) < 20_000
    with pytest.raises(NotServed, match="not over"):
        provider.fetch(Request("bank_margins", "2024-12-31", date(2000, 1, 1), date(2024, 9, 16)))
    with pytest.raises(NotServed):
        provider.fetch(Request("bank_margins", "1999-09-30", date(1999, 1, 1), date(2024, 9, 16)))


def test_simulated_banks_have_every_size_and_begin_and_end() -> None:
    rows = simulated_rows()
    counts = rows.groupby("quarter_end")["cert"].nunique()
    assert counts.between(50, 60).all() and counts.nunique() > 3
    assert len(BETAS) == 5


# --- what continues what is held -----------------------------------------------------------------------


def frame_of(*quarters: str, change: Callable[[Rows], None] | None = None) -> pd.DataFrame:
    """Rows as loaded of some quarters, the last of them changed."""
    frames = []
    for quarter in quarters:
        rows = reports(quarter)
        if change is not None and quarter == quarters[-1]:
            change(rows)
        frames.append(parse(rows, quarter=quarter).frame)
    return pd.concat(frames, ignore_index=True).assign(source="fdic")


@pytest.fixture
def empty() -> Any:
    with duckdb.connect() as connection:
        connection.execute("create schema raw")
        connection.execute(load_catalog()["raw.bank_margins"].ddl())
        yield connection


def times(factor: float, *fields: str) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        for row in rows:
            for field in fields:
                row[field] = round(row[field] * factor)

    return change


def halve(rows: Rows) -> None:
    del rows[::2]


def double(rows: Rows) -> None:
    rows += [{**row, "CERT": row["CERT"] + 1000} for row in copy.deepcopy(rows)]


def of_the_quarter(rows: Rows) -> None:
    """Interest of the quarter alone, as EDEPDOMQ, a little less than in the quarter before."""
    for row in rows:
        row["EDEPDOM"] = round(row["DEPDOM"] * 0.0198 / 4)


MONEY = tuple(COLUMNS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            times(1000, *MONEY),
            "20,000,000 bn USD, expected 2,500 to 100,000: the amounts are",
        ),
        (times(0.001, *MONEY), "20 bn USD, expected 2,500"),
        (halve, "20 banks hold assets of .* after 40 banks with 20,000"),
        (double, "80 banks hold assets of 40,000 bn USD, after 40"),
        (times(1.4, "ASSET"), "reports are missing or wrong"),
        (times(0.001, "EDEPDOM"), "interest or deposits are in another unit"),
        (times(0.0, "EDEPDOM"), "interest or deposits are in another unit"),
        (of_the_quarter, "grew by the factor 0.99 .* it is not that since the start of the year"),
    ],
)
def test_a_quarter_that_does_not_continue_the_one_before_is_refused(
    empty: duckdb.DuckDBPyConnection, change: Callable[[Rows], None], said: str
) -> None:
    dataset, before, now = BankMargins(), "2024-03-31", QUARTER
    with_both = frame_of(before, now, change=change)
    found = dataset.broken_continuity(empty, with_both)
    assert set(found) == {now}
    assert pd.Series([found[now]]).str.contains(f"fdic: bank_margins/{now}: .*{said}").all(), found[now]
    # The same with the quarter before in the warehouse.
    added = {"availability": "assumed", "run_id": "r", "payload_sha256": "x"}
    held = frame_of(before).assign(available_at_utc=MOMENT, known_at_utc=MOMENT, **added)
    empty.register("held", held)
    empty.execute("insert into raw.bank_margins by name from held")
    assert dataset.broken_continuity(empty, frame_of(now, change=change)) == found


def test_quarters_that_continue_are_taken_over_the_turn_of_the_year(
    empty: duckdb.DuckDBPyConnection,
) -> None:
    quarters = ("2023-06-30", "2023-09-30", "2023-12-31", "2024-03-31", QUARTER)
    assert BankMargins().broken_continuity(empty, frame_of(*quarters)) == {}


def test_the_simulated_history_continues(empty: duckdb.DuckDBPyConnection) -> None:
    assert BankMargins().broken_continuity(empty, simulated_rows()) == {}


def test_one_bank_in_another_unit_goes_to_the_quarantine(empty: duckdb.DuckDBPyConnection) -> None:
    dataset = BankMargins()

    def change(rows: Rows) -> None:
        for field in MONEY:
            rows[2][field] *= 1000

    rows = frame_of("2024-03-31", QUARTER, change=change)
    rows = rows.assign(known_at_utc=MOMENT, payload_sha256="x")
    rows = dataset.with_context(empty, dataset.with_availability(rows))
    gate = check_rows(load_catalog()["raw.bank_margins"], rows, empty)
    assert rows.loc[gate.broken, "cert"].tolist() == [102]
    assert set(gate.first_rule[gate.broken]) == {"assets_are_in_the_unit_of_the_quarter_before"}


def test_reports_count_as_known_75_days_after_the_quarter() -> None:
    dataset = BankMargins()
    rows = dataset.with_availability(frame_of(QUARTER).assign(known_at_utc=datetime(2024, 8, 30)))
    # 13 September 2024 is a Friday, noon in New York.
    assert rows["available_at_utc"].unique().tolist() == [pd.Timestamp("2024-09-13 16:00:00")]


def test_the_live_plan_asks_for_what_is_missing_and_what_may_be_amended() -> None:
    settings = Settings.from_environment({"ROTATION_SOURCE": "live", "ROTATION_HISTORY_START": "2022-01-03"})
    with duckdb.connect() as connection:
        asked = BankMargins().inputs(
            connection,
            settings,
            FdicMargins(),
            Reach(date(2024, 9, 12), date(2024, 9, 12)),
            {name: date.fromisoformat(name) for name in ("2022-03-31", "2023-06-30", "2024-03-31")},
        )
    assert asked[0] == "2022-06-30" and asked[-1] == "2024-03-31"
    assert "2022-03-31" not in asked and "2023-06-30" not in asked
