"""Worlds of banks whose deposit beta is known, as reports of the FDIC's API and as rows of the warehouse."""

from __future__ import annotations

import datetime as dt
import functools
import io
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from datasets.bank_financials import quarter_inputs
from datasets.bank_margins import BankMargins
from sources.fdic_margins import SimulatedBankMargins
from sources.simulated import simulated_market
from tests.model_fixture import add_observations, build, empty_warehouse, fill, fill_reference
from warehouse.payloads import Request

SESSION = "2025-09-24"
FIRST, LAST = dt.date(2000, 1, 1), dt.date(2025, 6, 30)
MODELS = (
    "staging.fomc_decisions",
    "staging.bank_quarters",
    "staging.policy_rate_quarters",
    "marts.bank_margins",
    "marts.deposit_betas",
)
RATES = ("DFF", "DFEDTAR", "DFEDTARL", "DFEDTARU")
FIELDS = {
    "assets_usd_thousand": "ASSET",
    "earning_assets_usd_thousand": "ERNAST",
    "domestic_deposits_usd_thousand": "DEPDOM",
    "interest_bearing_deposits_usd_thousand": "DEPIDOM",
    "net_interest_income_ytd_usd_thousand": "NIM",
    "deposit_interest_ytd_usd_thousand": "EDEPDOM",
}


def reports(quarter: str, banks: int = 40, **totals: float) -> list[dict[str, Any]]:
    """Reports of one quarter: assets of 20 trillion, shared unevenly, interest of 2 % a year so far."""
    day = dt.date.fromisoformat(quarter)
    shares = np.geomspace(1, 3_000, banks)
    rows = []
    for number, share in enumerate(shares / shares.sum()):
        assets = round(2e10 * share)
        deposits = assets * 3 // 4
        row: dict[str, Any] = {
            "CERT": 100 + number,
            "REPDTE": f"{day:%Y%m%d}",
            "ASSET": assets,
            "ERNAST": assets * 9 // 10,
            "DEPDOM": deposits,
            "DEPIDOM": deposits * 3 // 4,
            "NIM": round(assets * 0.03 / 4 * (day.month // 3)),
            "EDEPDOM": round(deposits * 0.02 / 4 * (day.month // 3)),
            "IBA": 0,
        }
        rows.append(row)
    return rows


@functools.cache
def simulated_rows() -> pd.DataFrame:
    """The rows of raw.bank_margins of the simulated market, through its provider and its parser."""
    provider = SimulatedBankMargins()
    frames = []
    for quarter in quarter_inputs(FIRST, LAST):
        payload = provider.fetch(Request("bank_margins", quarter, FIRST, dt.date(2025, 9, 24)))
        parsed = provider.parse(payload)
        assert parsed.rejected == [] and parsed.doubts == ()
        frames.append(parsed.frame)
    rows = pd.concat(frames, ignore_index=True)
    return rows.assign(source="simulated", known_at_utc=pd.Timestamp("2025-09-24"))


@functools.cache
def simulated_rates() -> pd.DataFrame:
    """The simulated market's funds rate and targets as observations."""
    frames = []
    for name in RATES:
        content = simulated_market().fred_csv(name, FIRST, dt.date(2025, 9, 24))
        frame = pd.read_csv(io.BytesIO(content)).rename(columns={name: "value"})
        frames.append(frame.assign(series_id=name))
    return pd.concat(frames, ignore_index=True).dropna()


def warehouse_of(
    rows: pd.DataFrame, rates: pd.DataFrame | None = None, session: str = SESSION
) -> duckdb.DuckDBPyConnection:
    """A warehouse with the rows as loaded and all models built."""
    con = empty_warehouse(session)
    fill_reference(con, "fomc_meetings", "fred_series")
    fill(con, "raw.bank_margins", BankMargins().with_availability(rows))
    add_observations(con, simulated_rates() if rates is None else rates)
    for model in MODELS:
        build(con, model)
    return con
