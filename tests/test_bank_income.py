"""Banks' net interest income: the SEC's protocol against a local server, what is refused, how quarters follow
from what filings state, and the published figures of two banks.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from datasets.bank_income import BankIncome
from datasets.base import Reach
from sources.protocol import NotServed, SourceError, Unreadable
from sources.registry import open_provider
from sources.sec import FilesConcepts, SecConcepts, SimulatedConcepts, filers
from tests.faults.failed_requests import FAILED_REQUESTS, MAX_BYTES
from tests.faults.home import impatient
from tests.faults.sec_server import BAC, CONCEPT, PUBLISHED, WFC, SecServer, document, fact
from tests.faults.server import Fault
from tests.model_fixture import build, empty_warehouse, fill, fill_reference
from warehouse.catalog import load_catalog
from warehouse.payloads import Payload, Request
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings, SettingsError

CONTACT = "Jane Doe jane@example.org"
SETTINGS = Settings.from_environment({"ROTATION_SOURCE": "live", "ROTATION_SEC_CONTACT": CONTACT})
SILENT = Settings.from_environment({"ROTATION_SOURCE": "live"})
START, END = date(2020, 1, 2), date(2024, 8, 2)
REQUEST = Request("bank_income", "BAC", START, END)
MOMENT = datetime(2024, 8, 2, 22, 0)
FACTS = PUBLISHED[BAC, CONCEPT]


def provider(server: SecServer, settings: Settings = SETTINGS) -> SecConcepts:
    return SecConcepts.open(settings, {"ROTATION_SEC_URL": server.url})


def served(content: Any, item: str = "BAC", source: str = "sec") -> Payload:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Payload(Request("bank_income", item, START, END), source, body, "json", MOMENT)


def known(*facts: dict[str, Any]) -> Payload:
    return served(document(BAC, list(facts)))


# --- what is asked and read --------------------------------------------------------------------------------


def test_a_concept_is_asked_for_with_the_contact_and_read_by_period_and_filing() -> None:
    with SecServer() as server:
        payload = provider(server).fetch(REQUEST)
        assert server.paths() == [f"/api/xbrl/companyconcept/CIK0000070858/us-gaap/{CONCEPT}.json"]
        assert server.agents == [f"rotation-warehouse {CONTACT}"]
    frame = SecConcepts.parse(payload).frame
    assert len(frame) == 4 and set(frame["form"]) == {"10-Q"}
    quarter = frame[frame["period_start"] == pd.Timestamp("2024-04-01")].iloc[0]
    assert quarter["amount_usd"] == 13_702e6 and quarter["filed_on"] == pd.Timestamp("2024-07-30")
    assert quarter["accession_number"] == "0000070858-24-000208" and quarter["concept"] == CONCEPT


def test_without_a_contact_nothing_is_fetched_and_it_is_said_what_to_set() -> None:
    with SecServer() as server:
        source = provider(server, SILENT)
        assert source.present_inputs() == []
        (sentence,) = source.not_taken()
        assert "Set ROTATION_SEC_CONTACT to a name and an e-mail address" in sentence
        with pytest.raises(SourceError, match="ROTATION_SEC_CONTACT"):
            source.fetch(REQUEST)
        assert server.agents == []
    assert provider(server).not_taken() == [] and len(provider(server).present_inputs()) == 22


@pytest.mark.parametrize("contact", ["nobody", "Jane\nDoe jane@example.org", "Jané jane@example.org"])
def test_a_contact_that_cannot_be_sent_is_refused(contact: str) -> None:
    settings = Settings.from_environment({"ROTATION_SOURCE": "live", "ROTATION_SEC_CONTACT": contact})
    with pytest.raises(SettingsError, match="ROTATION_SEC_CONTACT must be a name and an e-mail address"):
        SecConcepts.open(settings, {})


def test_the_sec_is_asked_less_than_ten_times_a_second() -> None:
    rate = SecConcepts.open(SETTINGS, {}).transport.requests_per_second
    assert rate is not None and rate < 10


def test_a_concept_that_is_not_used_is_left_out_and_none_at_all_is_not_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = {"BAC": (BAC, ("InterestIncomeOther", CONCEPT)), "WFC": (WFC, ("InterestIncomeOther",))}
    monkeypatch.setattr("sources.sec.filers", lambda: both)
    with SecServer() as server:
        payload = provider(server).fetch(REQUEST)
        assert len(server.paths()) == 2 and len(SecConcepts.parse(payload).frame) == 4
        with pytest.raises(NotServed, match="nothing was filed under InterestIncomeOther; name the concept"):
            provider(server).fetch(Request("bank_income", "WFC", START, END))


def test_a_symbol_that_is_no_filer_is_named() -> None:
    with SecServer() as server, pytest.raises(SourceError, match="XYZ: the symbol is not in bank_filers"):
        provider(server).fetch(Request("bank_income", "XYZ", START, END))


def test_every_bank_among_the_instruments_has_its_number() -> None:
    instruments = reference_frame("instruments")
    banks = set(instruments.loc[instruments["role"] == "bank", "symbol"])
    assert set(filers()) == banks
    numbers = [cik for cik, _ in filers().values()]
    assert len(set(numbers)) == len(numbers)


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"start": None}, "an_amount_is_of_a_period"),
        ({"start": "01/04/2024"}, "start_end_and_filed_are_dates"),
        ({"end": "2024-06-31"}, "start_end_and_filed_are_dates"),
        ({"filed": 20240730}, "start_end_and_filed_are_dates"),
        ({"start": "2022-01-01"}, "a_period_is_at_most_a_year"),
        ({"start": "2024-07-01"}, "a_period_is_at_most_a_year"),
        ({"filed": "2024-06-28"}, "a_report_is_filed_after_its_period"),
        ({"filed": "2024-09-30"}, "a_report_is_not_filed_in_the_future"),
        ({"val": "13702000000"}, "val_is_a_finite_number"),
        ({"val": None}, "val_is_a_finite_number"),
        ({"val": True}, "val_is_a_finite_number"),
        ({"val": float("nan")}, "val_is_a_finite_number"),
        ({"val": float("-inf")}, "val_is_a_finite_number"),
        ({"val": 13_702_000_000_000}, "val_is_in_dollars"),
        ({"accn": "70858"}, "accn_is_a_number_of_a_filing"),
        ({"form": ""}, "form_is_named"),
    ],
)
def test_a_wrong_fact_is_named_and_the_others_are_read(changes: dict[str, Any], rule: str) -> None:
    parsed = SecConcepts.parse(known(*FACTS, {**FACTS[3], "accn": "0000070858-24-000300", **changes}))
    assert [name for name, _ in parsed.rejected] == [rule]
    assert len(parsed.frame) == 4


def test_a_period_that_a_filing_states_twice_counts_once_or_not_at_all() -> None:
    again = {**FACTS[3], "frame": "CY2024Q2I"}
    assert len(SecConcepts.parse(known(*FACTS, again)).frame) == 4
    other = {**FACTS[3], "val": 13_703_000_000}
    parsed = SecConcepts.parse(known(*FACTS, other))
    assert {name for name, _ in parsed.rejected} == {"a_filing_states_a_period_once"}
    assert len(parsed.rejected) == 2 and len(parsed.frame) == 3


def test_a_negative_amount_is_possible() -> None:
    assert SecConcepts.parse(known({**FACTS[3], "val": -12_000_000})).frame["amount_usd"].tolist() == [-12e6]


@pytest.mark.parametrize("name", ["start", "end", "val", "accn", "form", "filed"])
def test_a_field_that_no_fact_has_was_renamed(name: str) -> None:
    facts = [{("renamed" if key == name else key): cell for key, cell in entry.items()} for entry in FACTS]
    with pytest.raises(Unreadable, match=f"sec: bank_income/BAC: field {name} is missing in all 4 facts"):
        SecConcepts.parse(known(*facts))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"[{", "not JSON in UTF-8; it may be cut short"),
        (b"\xff\xfe{}", "not JSON in UTF-8"),
        (b"[]", "holds no concept"),
        (b"[1]", "not a company concept"),
        (document(WFC, FACTS), "field cik reads '72971', expected 70858"),
        (document(BAC, FACTS, taxonomy="ifrs-full"), "field taxonomy reads 'ifrs-full', expected us-gaap"),
        (
            document(BAC, FACTS, "InterestIncomeExpenseAfterProvisionForLoanLoss"),
            "field tag reads 'InterestIncomeExpenseAfterProvisionForLoanLoss', expected InterestIncomeExp",
        ),
        (document(BAC, FACTS, units={"EUR": FACTS}), "field units has no list of USD; there are EUR"),
        (document(BAC, FACTS, units=None), "field units has no list of USD; there are none"),
        (document(BAC, FACTS, units={"USD": [1]}), "field units.USD is not a list of facts"),
        (
            document(BAC, [{**entry, "val": str(entry["val"])} for entry in FACTS]),
            "4 of 4 facts break a rule",
        ),
    ],
)
def test_an_answer_of_another_form_is_refused_by_name(content: Any, named: str) -> None:
    with pytest.raises(Unreadable, match=named):
        SecConcepts.parse(served(content))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(status=404), NotServed),
        *FAILED_REQUESTS,
    ],
)
def test_a_failed_request_has_the_error_of_its_class(
    monkeypatch: pytest.MonkeyPatch, fault: Fault, expected: type[Exception]
) -> None:
    impatient(monkeypatch, deadline=3.0, attempt=1.5, max_bytes=MAX_BYTES)
    fault.played = 0
    with SecServer() as server:
        server.fault = fault
        with pytest.raises(expected, match="sec: bank_income/BAC") as caught:
            provider(server).fetch(REQUEST)
    assert caught.type is expected


def test_a_body_that_is_cut_off_is_fetched_and_refused_when_it_is_read() -> None:
    with SecServer() as server:
        server.fault = Fault(body=lambda body: body[: len(body) // 2])
        with pytest.raises(Unreadable, match="sec: bank_income/BAC: the answer is not JSON"):
            provider(server).parse(provider(server).fetch(REQUEST))


# --- the kind of input -------------------------------------------------------------------------------------


@pytest.fixture
def warehouse() -> duckdb.DuckDBPyConnection:
    con = empty_warehouse("2024-08-02")
    fill_reference(con)
    con.execute("create schema raw")
    con.execute(load_catalog()["raw.bank_income"].ddl())
    return con


def asked(con: duckdb.DuckDBPyConnection, source: Any) -> list[str]:
    return BankIncome().inputs(con, SETTINGS, source, Reach(END, END), {})


def test_all_banks_are_asked_for_with_a_contact_and_none_without(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    with SecServer() as server:
        assert asked(warehouse, provider(server)) == sorted(filers())
        assert asked(warehouse, provider(server, SILENT)) == []


def test_files_are_asked_for_where_there_are_any_and_read_as_served(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    settings = Settings.from_environment({"ROTATION_SOURCE": "files", "ROTATION_FILES_DIR": str(tmp_path)})
    source = open_provider(settings, "bank_income")
    assert isinstance(source, FilesConcepts) and asked(warehouse, source) == []
    folder = tmp_path / "bank_income"
    folder.mkdir()
    (folder / "bac.json").write_text(json.dumps(document(BAC, FACTS, cik="0000070858")) + "\n")
    assert asked(warehouse, source) == ["BAC"]
    assert len(source.parse(source.fetch(REQUEST)).frame) == 4
    with pytest.raises(Unreadable, match="files: bank_income/WFC: field cik reads '70858'"):
        FilesConcepts.parse(served(document(BAC, FACTS), "WFC", "files"))


def test_an_amount_is_available_on_the_evening_of_its_filing() -> None:
    rows = BankIncome().with_availability(SecConcepts.parse(known(*FACTS)).frame)
    assert set(rows["available_at_utc"].astype(str)) == {"2024-07-30 21:30:00"}
    assert set(rows["availability"]) == {"vintage"}


def test_another_unit_or_bank_is_refused_whole(warehouse: duckdb.DuckDBPyConnection) -> None:
    dataset = BankIncome()
    rows = SecConcepts.parse(known(*FACTS)).frame
    assert dataset.broken_continuity(warehouse, rows) == {}
    for factor in (1e-6, 1e3):
        changed = rows.assign(amount_usd=rows["amount_usd"] * factor, source="files")
        assert dataset.broken_continuity(warehouse, changed)["BAC"].startswith(
            "files: bank_income/BAC: field"
        )
    held = dataset.with_availability(rows).assign(
        source="sec", known_at_utc=MOMENT, run_id="r", payload_sha256="p"
    )
    warehouse.register("held", held)
    warehouse.execute("insert into raw.bank_income by name select * from held")
    thousandth = rows.assign(amount_usd=rows["amount_usd"] / 1e3)
    assert "13,930,000,000 are held" in dataset.broken_continuity(warehouse, thousandth)["BAC"]
    assert dataset.broken_continuity(warehouse, rows.assign(amount_usd=rows["amount_usd"] * 1.5)) == {}


def test_simulated_filings_are_readable_and_never_ahead_of_their_day() -> None:
    source = SimulatedConcepts()
    assert source.present_inputs() == sorted(filers())
    for symbol in source.present_inputs():
        parsed = source.parse(source.fetch(Request("bank_income", symbol, START, END)))
        assert not parsed.rejected and parsed.frame["filed_on"].max() <= pd.Timestamp(END)
        assert BankIncome().broken_continuity(empty(), parsed.frame) == {}


def empty() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("create schema raw")
    con.execute(load_catalog()["raw.bank_income"].ddl())
    return con


# --- the mart ----------------------------------------------------------------------------------------------


def mart(rows: pd.DataFrame, session: str) -> pd.DataFrame:
    con = empty_warehouse(session)
    fill(con, "raw.bank_income", BankIncome().with_availability(rows).assign(known_at_utc=MOMENT))
    build(con, "staging.bank_income_filings")
    return build(con, "marts.bank_income").set_index(["symbol", "quarter_end"])


def test_the_published_quarters_come_out_as_they_were_published() -> None:
    """Commentary of July 2024: net interest income of Bank of America -3 %, of Wells Fargo -9 %."""
    parts = [SecConcepts.parse(known(*FACTS)).frame]
    parts.append(SecConcepts.parse(served(document(WFC, PUBLISHED[WFC, CONCEPT]), "WFC")).frame)
    found = mart(pd.concat(parts), "2024-08-02")
    june = pd.Timestamp("2024-06-30")
    assert found.loc[("BAC", june), "net_interest_income_usd"] == 13_702e6
    assert found.loc[("WFC", june), "net_interest_income_usd"] == 11_923e6
    assert round(found.loc[("BAC", june), "change_on_year_pct"]) == -3
    assert round(found.loc[("WFC", june), "change_on_year_pct"]) == -9
    assert mart(parts[0], "2024-07-29").empty, "the press release of 16 July is no filing"


def test_quarters_agree_with_a_computation_by_another_route() -> None:
    """The simulated filings of some banks, by pandas: the latest filing of each period, quarters as stated,
    the fourth as the year less nine months known at the year's filing.
    """
    source, session = SimulatedConcepts(), "2024-08-02"
    frames = [
        source.parse(source.fetch(Request("bank_income", symbol, START, END))).frame
        for symbol in ("BAC", "JPM", "WFC", "ZION")
    ]
    rows = pd.concat(frames, ignore_index=True)
    found = mart(rows, session)
    assert len(found) > 200 and found["is_restated"].sum() > 0
    expected: dict[tuple[str, pd.Timestamp], float] = {}
    for symbol, facts in rows.sort_values("filed_on").groupby("symbol"):
        for filed, filing in facts.groupby("filed_on"):
            before = facts[facts["filed_on"] <= filed]
            for row in filing.itertuples():
                days = (row.period_end - row.period_start).days
                if days < 100:
                    expected[str(symbol), row.period_end] = row.amount_usd
                elif days > 350:
                    nine = before[
                        (before["period_start"] == row.period_start)
                        & (before["period_end"] == pd.Timestamp(row.period_end.year, 9, 30))
                    ]
                    if len(nine):
                        expected[str(symbol), row.period_end] = row.amount_usd - nine["amount_usd"].iloc[-1]
    values = found["net_interest_income_usd"].to_dict()
    assert values == expected
    for (symbol, quarter), change in found["change_on_year_pct"].items():
        before = values.get((symbol, quarter - pd.DateOffset(years=1) + pd.offsets.MonthEnd(0)))
        if before is None:
            assert pd.isna(change)
        else:
            assert change == pytest.approx(100 * (values[symbol, quarter] / before - 1), rel=1e-12)


def test_a_row_of_an_earlier_session_knows_no_later_filing() -> None:
    """Every session between two filings has the same rows, and each later filing is seen from its own day."""
    facts = [
        fact("2023-10-01", "2023-12-31", 14_000, "0000070858-24-000001", "2024-02-20", "10-K"),
        fact("2023-10-01", "2023-12-31", 14_100, "0000070858-24-000002", "2024-05-01", "10-K/A"),
    ]
    rows = SecConcepts.parse(known(*facts)).frame
    december = ("BAC", pd.Timestamp("2023-12-31"))
    assert mart(rows, "2024-02-16").empty
    for session, amount, form in (
        ("2024-02-20", 14_000e6, "10-K"),
        ("2024-04-30", 14_000e6, "10-K"),
        ("2024-05-01", 14_100e6, "10-K/A"),
    ):
        row = mart(rows, session).loc[december]
        assert (row["net_interest_income_usd"], row["form"]) == (amount, form)
        assert row["first_print_usd"] == 14_000e6 and row["is_restated"] == (amount != 14_000e6)
