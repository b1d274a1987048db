"""What a run for a session of the past sees of the five publishers: nothing that came out after its evening,
also where values were corrected later.

Filings and holdings say when they could first be had: a correction counts from then on, and a backfill says
what a run on that day said. Positions, French's months and the FDIC's reports have no date of a correction:
their rows count from their release on, with the numbers that were received last (docs/live-sources.md).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
import pytest

from datasets.bank_income import BankIncome
from datasets.bank_margins import BankMargins
from datasets.base import Dataset
from datasets.fund_holdings import FundHoldings
from datasets.futures_positions import FuturesPositions
from datasets.size_portfolios import SizePortfolios
from tests.model_fixture import build, empty_warehouse, fill, fill_reference

Row = dict[str, Any]


def rows_at(
    dataset: Dataset, model: str, rows: list[Row], session: str, known_by: str | None = None
) -> pd.DataFrame:
    """The staging rows of a session; with `known_by` of a home that had received no more than by then."""
    frame = pd.DataFrame(rows)
    for name in ("report_date", "period_start", "period_end", "filed_on", "month_end", "quarter_end"):
        if name in frame:
            frame[name] = pd.to_datetime(frame[name]).astype("datetime64[us]")
    frame["known_at_utc"] = pd.to_datetime(frame["known_at_utc"]).astype("datetime64[us]")
    if "_not_before_utc" in frame:
        frame["_not_before_utc"] = pd.to_datetime(frame["_not_before_utc"]).astype("datetime64[us]")
    if known_by is not None:
        frame = frame[frame["known_at_utc"] <= datetime.fromisoformat(known_by)]
    con = empty_warehouse(session)
    fill_reference(con)
    if len(frame):
        dated = dataset.with_availability(frame.reset_index(drop=True))
        fill(con, dataset.table, dated[[name for name in dated if not str(name).startswith("_")]])
    build(con, model)
    found = con.execute(f"from {model} order by all").df()
    con.close()
    return found


INCOME: Row = {
    "symbol": "BAC",
    "concept": "InterestIncomeExpenseNet",
    "period_start": "2024-04-01",
    "period_end": "2024-06-30",
}
FILINGS = [
    INCOME
    | {
        "accession_number": "0000070858-24-000208",
        "amount_usd": 13_702e6,
        "filed_on": "2024-07-30",
        "form": "10-Q",
        "known_at_utc": "2024-07-30 23:00",
    },
    INCOME
    | {
        "accession_number": "0000070858-24-000300",
        "amount_usd": 13_500e6,
        "filed_on": "2024-09-10",
        "form": "10-Q/A",
        "known_at_utc": "2024-09-10 23:00",
    },
]
HOLDING: Row = {
    "file_symbol": "IWM",
    "report_date": "2024-07-15",
    "sector": "Financials",
    "sector_value_usd": 6e9,
    "sector_holdings": 400,
    "source": "ishares",
}
HOLDINGS = [
    HOLDING
    | {
        "sector_weight_pct": 16.0,
        "report_sha256": "a",
        "known_at_utc": "2024-07-16 22:00",
        "_not_before_utc": "2024-07-16 22:00",
    },
    HOLDING
    | {
        "sector_weight_pct": 17.0,
        "report_sha256": "b",
        "known_at_utc": "2024-07-19 12:00",
        "_not_before_utc": "2024-07-19 12:00",
    },
]


@pytest.mark.parametrize("session", ["2024-07-29", "2024-07-31", "2024-09-09", "2024-09-11"])
def test_a_filing_that_restates_counts_from_its_own_day(session: str) -> None:
    model = "staging.bank_income_filings"
    then = rows_at(BankIncome(), model, FILINGS, session, known_by=f"{session} 23:59")
    backfilled = rows_at(BankIncome(), model, FILINGS, session)
    pd.testing.assert_frame_equal(backfilled, then)
    expected = [row["amount_usd"] for row in FILINGS if row["filed_on"] <= session]
    assert sorted(backfilled["amount_usd"]) == sorted(expected)


@pytest.mark.parametrize(
    ("session", "weight"),
    [("2024-07-15", None), ("2024-07-17", 16.0), ("2024-07-18", 16.0), ("2024-07-19", 17.0)],
)
def test_a_corrected_report_of_a_fund_counts_from_when_it_was_seen(
    session: str, weight: float | None
) -> None:
    model = "staging.fund_holdings"
    then = rows_at(FundHoldings(), model, HOLDINGS, session, known_by=f"{session} 23:59")
    backfilled = rows_at(FundHoldings(), model, HOLDINGS, session)
    pd.testing.assert_frame_equal(backfilled, then)
    assert list(backfilled["sector_weight_pct"]) == ([] if weight is None else [weight])
    assert (backfilled["report_known_date"] <= pd.Timestamp("2024-07-19")).all()


POSITION: Row = {"contract_market_code": "239742", "open_interest_contracts": 400_000}
POSITIONS = [
    POSITION | {"report_date": day, "leveraged_long_contracts": count, "known_at_utc": known}
    for day, count, known in (
        ("2024-07-02", 100, "2024-07-08 22:00"),
        ("2024-07-09", 200, "2024-07-12 22:00"),
        ("2024-07-09", 210, "2024-07-19 22:00"),
    )
]
MONTH: Row = {"portfolio_set": "Portfolios_Formed_on_ME", "weighting": "value", "portfolio": "lo_30"}
MONTHS = [
    MONTH | {"month_end": day, "portfolio_return_pct": value, "known_at_utc": known}
    for day, value, known in (
        ("2024-03-31", 1.0, "2024-06-05 22:00"),
        ("2024-04-30", 2.0, "2024-06-05 22:00"),
        ("2024-04-30", 2.02, "2024-07-05 22:00"),
    )
]
BANK: Row = {"cert": 628, "assets_usd_thousand": 3e9, "domestic_deposits_usd_thousand": 2e9}
BANKS = [
    BANK | {"quarter_end": day, "net_interest_income_ytd_usd_thousand": value, "known_at_utc": known}
    for day, value, known in (
        ("2023-12-31", 4.0e7, "2024-03-20 22:00"),
        ("2024-03-31", 1.0e7, "2024-06-20 22:00"),
        ("2024-03-31", 1.1e7, "2024-07-20 22:00"),
    )
]


@pytest.mark.parametrize(
    ("dataset", "model", "rows", "column", "sessions"),
    [
        (
            FuturesPositions(),
            "staging.futures_positions",
            POSITIONS,
            "leveraged_long_contracts",
            {"2024-07-05": [], "2024-07-11": [100], "2024-07-12": [100, 210], "2024-07-22": [100, 210]},
        ),
        (
            SizePortfolios(),
            "staging.size_portfolios",
            MONTHS,
            "portfolio_return_pct",
            {"2024-05-29": [], "2024-06-28": [1.0], "2024-07-02": [1.0, 2.02], "2024-07-08": [1.0, 2.02]},
        ),
        (
            BankMargins(),
            "staging.bank_quarters",
            BANKS,
            "net_interest_income_usd_thousand",
            {
                "2024-03-14": [],
                "2024-06-13": [None],
                "2024-06-17": [None, 1.1e7],
                "2024-07-22": [None, 1.1e7],
            },
        ),
    ],
    ids=["cftc", "french", "fdic"],
)
def test_rows_without_a_date_of_correction_count_from_their_release_with_the_newest_numbers(
    dataset: Dataset, model: str, rows: list[Row], column: str, sessions: dict[str, list[float | None]]
) -> None:
    for session, expected in sessions.items():
        found = rows_at(dataset, model, rows, session)
        values = [None if pd.isna(value) else float(value) for value in found[column]]
        assert values == expected, session
        # A run on that day saw the same rows, with the numbers of then.
        then = rows_at(dataset, model, rows, session, known_by=f"{session} 23:59")
        assert len(then) <= len(found)
