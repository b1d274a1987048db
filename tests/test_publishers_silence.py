"""Answers of the five publishers that are well formed and wrong: each of them is refused, or named.

Siblings of faults that were found on prices, rates and FRED's series: a page that is missing, columns that
are exchanged, another sign, one amount in another unit, a report that ends too early, an input that stops.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import duckdb
import pandas as pd
import pytest

from datasets.bank_income import BankIncome, last_quarter_due
from datasets.bank_margins import BankMargins
from datasets.base import Dataset
from datasets.futures_positions import FuturesPositions
from datasets.size_portfolios import SizePortfolios
from sources.cftc import CftcPositions
from sources.fdic_margins import FdicMargins
from sources.french import INPUT, FrenchPortfolios
from sources.ishares import ISharesHoldings
from sources.protocol import SourceUnavailable, Unreadable
from sources.sec import SecConcepts
from sources.transport import Forbidden
from tests.bank_margin_world import reports
from tests.faults.cftc_server import PUBLISHED as POSITIONS
from tests.faults.cftc_server import report, weekly
from tests.faults.fdic_server import FdicServer, answer
from tests.faults.french_server import csv_text
from tests.faults.home import impatient
from tests.faults.ishares_server import report as holdings
from tests.faults.sec_server import BAC, CONCEPT, SecServer, document, fact
from tests.faults.server import Fault
from warehouse.catalog import load_catalog
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings

START, END = date(2024, 1, 1), date(2024, 7, 16)
MOMENT = datetime(2024, 7, 19, 22, 0)
QUARTER = "2024-03-31"
LIVE = {"ROTATION_SOURCE": "live", "ROTATION_SEC_CONTACT": "Jane Doe jane@example.org"}


def payload(dataset: str, item: str, content: Any, source: str, extension: str = "json") -> Payload:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Payload(Request(dataset, item, START, END), source, body, extension, MOMENT)


def positions(rows: list[dict[str, Any]]) -> Any:
    return CftcPositions.parse(payload("futures_positions", "239742", rows, "cftc"))


def income(content: Any) -> Any:
    return SecConcepts.parse(payload("bank_income", "BAC", content, "sec"))


def portfolios(text: str) -> Any:
    return FrenchPortfolios.parse(payload("size_portfolios", INPUT, text.encode(), "french", "csv"))


def margins(*pages: bytes) -> Any:
    return FdicMargins.parse(payload("bank_margins", QUARTER, b"[" + b",".join(pages) + b"]", "fdic"))


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("create schema raw; attach ':memory:' as pipeline; create schema pipeline.raw")
        for kind in (FuturesPositions, BankIncome, BankMargins, SizePortfolios):
            ddl = load_catalog()[kind.table].ddl()
            connection.execute(ddl)
            connection.execute(ddl.replace(kind.table, f"pipeline.{kind.table}", 1))
        yield connection


def hold(connection: duckdb.DuckDBPyConnection, dataset: Dataset, rows: pd.DataFrame, source: str) -> None:
    """The rows as if they had been loaded."""
    added: dict[str, Any] = {"source": source, "known_at_utc": MOMENT, "run_id": "r", "payload_sha256": "p"}
    held = dataset.with_availability(rows).assign(**added)
    connection.register("held", held)
    for name in (dataset.table, f"pipeline.{dataset.table}"):
        connection.execute(f"insert into {name} by name select * from held")


# --- CFTC --------------------------------------------------------------------------------------------------

WEEKS = weekly(date(2024, 1, 2), END)


def exchanged(row: dict[str, Any]) -> dict[str, Any]:
    """Leveraged funds and asset managers in each other's columns: both sides still add up."""
    other = dict(row)
    for side in ("long", "short", "spread"):
        one, two = f"lev_money_positions_{side}", f"asset_mgr_positions_{side}"
        other[one], other[two] = row[two], row[one]
    return other


def test_a_page_that_is_missing_inside_is_named_and_a_contract_that_rested_is_not() -> None:
    parsed = positions(WEEKS[:8] + WEEKS[16:])
    assert parsed.doubts == (
        "cftc: futures_positions/239742: no report between 2024-02-20 and 2024-04-23; reports are weekly",
    )
    assert positions(WEEKS).doubts == ()
    assert (
        positions(weekly(date(2008, 8, 5), date(2008, 9, 16)) + weekly(date(2017, 7, 11), END)).doubts == ()
    )


def test_the_order_in_which_reports_come_does_not_matter() -> None:
    assert positions(WEEKS[::-1]).frame.equals(positions(WEEKS).frame)


def test_without_the_field_that_tells_options_apart_it_is_said() -> None:
    [doubt] = positions([report("2024-07-09", futonly_or_combined=None)]).doubts
    assert "field futonly_or_combined is in no report, so options may be counted too" in doubt


@pytest.mark.parametrize("text", ["56,438", "NaN", "inf", "1e5", "56438.5", math.nan, math.inf, True])
def test_a_cell_that_is_no_whole_number_is_rejected(text: Any) -> None:
    parsed = positions([report("2023-12-26", lev_money_positions_long=text), *WEEKS])
    assert [rule for rule, _ in parsed.rejected] == ["lev_money_positions_long_is_a_whole_number"]


def test_columns_that_are_exchanged_or_ten_times_as_large_do_not_continue_what_is_held(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    dataset = FuturesPositions()
    hold(warehouse, dataset, positions(WEEKS[:-1]).frame, "cftc")
    corrected = [*WEEKS[:-3], exchanged(WEEKS[-3]), *WEEKS[-2:]]
    assert dataset.broken_continuity(warehouse, positions(corrected).frame) == {}
    other = positions([exchanged(row) for row in WEEKS]).frame
    assert (
        "most reports that are held come again with other positions, by 2"
        in (dataset.broken_continuity(warehouse, other)["239742"])
    )
    ten = [{k: f"{v}0" if k in POSITIONS and v != "0" else v for k, v in row.items()} for row in WEEKS]
    assert (
        "another unit or another contract"
        in (dataset.broken_continuity(warehouse, positions(ten).frame)["239742"])
    )


# --- SEC ---------------------------------------------------------------------------------------------------


def quarters(count: int = 16, million: float = 140.0) -> list[dict[str, Any]]:
    """Filings of a small bank, a quarter each."""
    found = []
    for number, end in enumerate(pd.date_range("2020-03-31", periods=count, freq="QE")):
        start = end - pd.offsets.QuarterEnd(1) + pd.Timedelta(days=1)
        filed = str((end + pd.Timedelta(days=35)).date())
        accession = f"0000070858-20-{number:06d}"
        found.append(fact(str(start.date()), str(end.date()), million + number, accession, filed))
    return found


@pytest.mark.parametrize("factor", [1_000, 0.001])
def test_one_amount_in_another_unit_is_rejected(factor: float) -> None:
    facts = quarters()
    facts[5] = {**facts[5], "val": round(facts[5]["val"] * factor)}
    parsed = income(document(BAC, facts))
    assert [(rule, row["end"]) for rule, row in parsed.rejected] == [
        ("val_is_in_the_unit_of_its_neighbours", "2021-06-30")
    ]
    assert len(parsed.frame) == 15


def test_a_bank_that_trebles_or_loses_for_a_quarter_is_taken() -> None:
    facts = quarters(8) + [{**row, "val": row["val"] * 3} for row in quarters()[8:]]
    facts[3] = {**facts[3], "val": -facts[3]["val"] // 10}
    assert not income(document(BAC, facts)).rejected


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, "14000", True, None])
def test_an_amount_that_is_no_number_is_rejected(value: Any) -> None:
    facts = quarters()
    facts[5] = {**facts[5], "val": value}
    assert [rule for rule, _ in income(document(BAC, facts)).rejected] == ["val_is_a_finite_number"]


def test_a_concept_without_an_amount_is_refused() -> None:
    with pytest.raises(Unreadable, match=r"units\.USD of InterestIncomeExpenseNet is an empty list"):
        income(document(BAC, []))


@pytest.mark.parametrize("changes", [{"tag": []}, {"cik": {}}, {"taxonomy": None}, {"cik": [BAC]}])
def test_a_field_of_another_kind_is_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(Unreadable, match=f"field {next(iter(changes))} reads"):
        income(document(BAC, quarters(), **changes))


def test_amounts_with_the_other_sign_or_ten_times_as_large_do_not_continue_what_is_held(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    dataset, rows = BankIncome(), income(document(BAC, quarters())).frame
    negative = rows.assign(amount_usd=-rows["amount_usd"])
    assert "another sign or another bank" in dataset.broken_continuity(warehouse, negative)["BAC"]
    hold(warehouse, dataset, rows, "sec")
    assert dataset.broken_continuity(warehouse, rows) == {}
    for factor in (-1, 10, 0.1):
        other = rows.assign(amount_usd=rows["amount_usd"] * factor)
        assert "another unit, another sign" in dataset.broken_continuity(warehouse, other)["BAC"]


def test_a_bank_that_changes_its_concept_is_stale_and_one_that_has_merged_is_not_listed(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    """The concept that is asked for goes on being served, without new quarters."""
    dataset = BankIncome()
    hold(warehouse, dataset, income(document(BAC, quarters(16))).frame, "sec")

    def at(session: date) -> list[tuple[str, date | None, date | None, bool]]:
        found = dataset.freshness(warehouse, session)
        return [(row.input, row.last_date, row.expected_date, row.stale) for row in found]

    last = date(2023, 12, 31)
    assert at(date(2024, 5, 10)) == [("BAC", last, last, False)]
    assert at(date(2024, 5, 20)) == [("BAC", last, date(2024, 3, 31), True)]
    assert at(date(2025, 5, 20)) == []


@pytest.mark.parametrize(
    ("session", "due"),
    [
        ("2024-03-15", "2023-09-30"),
        ("2024-03-18", "2023-12-31"),
        ("2024-05-16", "2023-12-31"),
        ("2024-05-17", "2024-03-31"),
        ("2024-11-18", "2024-09-30"),
    ],
)
def test_the_last_quarter_that_is_due(session: str, due: str) -> None:
    assert last_quarter_due(date.fromisoformat(session)) == date.fromisoformat(due)


def test_after_a_refusal_the_sec_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    with SecServer({(BAC, CONCEPT): quarters()}) as server:
        server.fault = Fault(status=403)
        source = SecConcepts.open(Settings.from_environment(LIVE), {"ROTATION_SEC_URL": server.url})
        for symbol in ("BAC", "WFC", "JPM"):
            with pytest.raises(Forbidden, match="check ROTATION_SEC_CONTACT"):
                source.fetch(Request("bank_income", symbol, START, END))
        assert len(server.requests) == 1


# --- Kenneth French ----------------------------------------------------------------------------------------


def other_sign(text: str) -> str:
    return re.sub(
        r"(?<=,)(\s*)(-?)(\d+\.\d\d)\b",
        lambda found: (
            found[0] if found[3] in ("99.99",) else f"{found[1]}{'' if found[2] else '-'}{found[3]}"
        ),
        text,
    )


def months_exchanged(text: str) -> str:
    """The two monthly blocks under each other's title."""
    return re.sub(
        r"(Value|Equal)(?= Weight Returns -- Monthly)",
        lambda found: "Equal" if found[1] == "Value" else "Value",
        text,
    )


def both_exchanged(text: str) -> str:
    """All blocks under the other weighting's title."""
    return re.sub(
        r"(Value|Equal)(?= Weight Returns --)",
        lambda found: "Equal" if found[1] == "Value" else "Value",
        text,
    )


def a_month_late(text: str) -> str:
    """Every month's returns under the month after; the yearly block stays."""
    lines = text.split("\n")
    at = [place for place, line in enumerate(lines) if re.match(r"\d{6},", line)]
    for place, before in zip(at[:0:-1], at[-2::-1], strict=True):
        lines[place] = lines[place][:6] + lines[before][6:]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_sign, "they have the other sign"),
        (months_exchanged, "of other months, other portfolios or the other weighting"),
        (a_month_late, "of other months, other portfolios or the other weighting"),
    ],
)
def test_a_block_of_other_returns_than_its_years_is_refused(change: Any, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        portfolios(change(csv_text(END)))


def test_blocks_that_are_exchanged_do_not_continue_what_is_held(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    dataset, rows = SizePortfolios(), portfolios(csv_text(END)).frame
    hold(warehouse, dataset, rows, "french")
    assert dataset.broken_continuity(warehouse, rows) == {}
    # Their years are exchanged with them, so the file agrees with itself.
    other = portfolios(both_exchanged(csv_text(END))).frame
    assert "the two blocks are exchanged" in dataset.broken_continuity(warehouse, other)[INPUT]
    far = other.assign(portfolio_return_pct=100.0 * other["portfolio_return_pct"])
    assert "they are in another unit" in dataset.broken_continuity(warehouse, far)[INPUT]
    near = rows.merge(other, on=["weighting", "portfolio", "month_end"], suffixes=("", "_other"))
    little = near.assign(
        portfolio_return_pct=near["portfolio_return_pct"]
        + 0.05 * (near["portfolio_return_pct_other"] - near["portfolio_return_pct"])
    )[rows.columns.tolist()]
    assert dataset.broken_continuity(warehouse, little) == {}, "a restatement"


def test_two_portfolios_in_each_other_s_columns_do_not_continue_what_is_held(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    """Two of forty columns: the middle of all stays where it is."""
    dataset, rows = SizePortfolios(), portfolios(csv_text(END)).frame
    hold(warehouse, dataset, rows, "french")
    other = {"lo_10": "hi_10", "hi_10": "lo_10"}
    swapped = rows.assign(
        portfolio=rows["portfolio"].where(rows["weighting"] != "equal", rows["portfolio"].replace(other))
    )
    said = dataset.broken_continuity(warehouse, swapped)[INPUT]
    assert re.search(r"the returns of (lo|hi)_10 by equal differ .* the column is another portfolio's", said)


def test_blocks_that_lie_close_and_are_exchanged_are_told_apart(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Weights that differ by less than a restatement may: only the nearer one tells."""
    dataset, rows = SizePortfolios(), portfolios(csv_text(END)).frame
    by_value = rows[rows["weighting"] == "value"]

    def blocks(value_pp: float, equal_pp: float) -> pd.DataFrame:
        return pd.concat(
            by_value.assign(weighting=name, portfolio_return_pct=by_value["portfolio_return_pct"] + added)
            for name, added in (("value", value_pp), ("equal", equal_pp))
        )

    hold(warehouse, dataset, blocks(0.0, 0.06), "french")
    assert dataset.broken_continuity(warehouse, blocks(0.02, 0.08)) == {}
    assert "the two blocks are exchanged" in dataset.broken_continuity(warehouse, blocks(0.06, 0.0))[INPUT]


# --- FDIC --------------------------------------------------------------------------------------------------

BANKS = sorted(reports(QUARTER), key=lambda row: int(row["CERT"]))


def test_pages_that_overlap_lack_a_bank_and_are_refused() -> None:
    whole = margins(answer(BANKS[:20], 40), answer(BANKS[20:], 40))
    assert len(whole.frame) == 40
    with pytest.raises(Unreadable, match="1 reports are on two pages, such as that of CERT 119"):
        margins(answer(BANKS[:20], 40), answer(BANKS[19:39], 40))


def test_pages_that_overlap_are_asked_for_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that was filed between two pages shifts the second one."""
    impatient(monkeypatch)
    with FdicServer({"20240331": BANKS}) as server:

        def shifted(body: bytes) -> bytes:
            return answer(BANKS[19:39], 40) if "offset=20" in server.paths()[-1] else body

        server.fault = Fault(body=shifted)
        source = FdicMargins(f"{server.url}/banks", page_rows=20)
        with pytest.raises(SourceUnavailable, match="so as many others are on none; fetch again later"):
            source.fetch(Request("bank_margins", QUARTER, START, END))
        server.fault = None
        assert len(source.parse(source.fetch(Request("bank_margins", QUARTER, START, END))).frame) == 40


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, "1,234", True])
def test_a_value_that_is_no_number_rejects_the_report(value: Any) -> None:
    parsed = margins(answer([{**BANKS[0], "NIM": value}, *BANKS[1:]], 40))
    assert [rule for rule, _ in parsed.rejected] == [
        "net_interest_income_ytd_usd_thousand_is_a_finite_number"
    ]


def test_a_quarter_without_one_of_the_largest_banks_is_refused(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    """All others are there, twice as many as the one that is missing: the sum is short by a tenth."""
    dataset, before = BankMargins(), margins(answer(BANKS, 40)).frame
    hold(warehouse, dataset, before, "fdic")
    later = "2024-06-30"

    def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
        content = answer(rows, len(rows))
        return FdicMargins.parse(payload("bank_margins", later, content, "fdic")).frame.assign(source="fdic")

    rows = reports(later)
    assert dataset.broken_continuity(warehouse, frame(rows)) == {}
    largest = max(rows, key=lambda row: int(row["ASSET"]))
    short = dataset.broken_continuity(warehouse, frame([row for row in rows if row is not largest]))
    assert f"(the largest that is not there is CERT {largest['CERT']}): reports are missing" in short[later]
    # Taken over: its assets and income are another bank's.
    merged = copy.deepcopy(rows)
    buyer, sold = merged[-2], merged.pop()
    for name in ("ASSET", "ERNAST", "DEPDOM", "DEPIDOM", "NIM", "EDEPDOM"):
        buyer[name] += sold[name]
    assert dataset.broken_continuity(warehouse, frame(merged)) == {}


def test_quarters_that_stop_are_stale(warehouse: duckdb.DuckDBPyConnection) -> None:
    dataset = BankMargins()
    assert dataset.freshness(warehouse, END) == []
    hold(warehouse, dataset, margins(answer(BANKS, 40)).frame, "fdic")
    [fresh] = dataset.freshness(warehouse, date(2024, 9, 12))
    assert (fresh.last_date, fresh.stale) == (date(2024, 3, 31), False)
    [late] = dataset.freshness(warehouse, date(2024, 9, 16))
    assert (late.expected_date, late.stale) == (date(2024, 6, 30), True)


# --- iShares -----------------------------------------------------------------------------------------------


def test_a_file_that_ends_inside_the_table_is_refused_though_its_sums_agree() -> None:
    """The last lines are too small to be missed in the sums; another legal text is the same report."""
    text = holdings("239710", date(2024, 6, 28))
    end = text.rindex("\n\xa0\n")

    def read(content: str) -> Any:
        item = payload("fund_holdings", "IWM_20240628", content.encode(), "ishares", "csv")
        return ISharesHoldings.parse(item).frame

    with pytest.raises(Unreadable, match="ends inside the table, before the legal text: it is cut short"):
        read(text[:end].rsplit("\n", 2)[0])
    assert set(read(text[:-2000])["report_sha256"]) == set(read(text)["report_sha256"])
