"""What the securities mark reads, of a whole market: bond funds, yields and the project's reference data."""

from __future__ import annotations

import duckdb

from tests.model_fixture import build

SYMBOLS = ["BIL", "SHY", "IEI", "IEF", "TLT", "MBB", "SPY"]
MODELS = (
    "staging.instrument_returns",
    "staging.instrument_history",
    "marts.instrument_daily",
    "staging.bank_reported_quarters",
    "marts.bank_reported_losses",
    "marts.bank_securities_mark",
)


def build_mark(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Build the mark and what it reads from the prices and yields that are there."""
    for model in MODELS:
        build(con, model)
    return con
