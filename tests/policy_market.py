"""What the Fed marts read, for tests: settlements and rates, by hand or of a whole market.

In: prices by delivery month and day (`add_settlements`), constant rates (`add_rate`), the simulated market,
which every clone has, or the recorded one (`tests/recorded_data.py`). Out: warehouses as in
`tests/model_fixture.py`: raw rows, the project's meetings, events and calendar, models built by the
pipeline's runner. A whole market is filled once; the cut-off of its session decides what a build sees.
"""

from __future__ import annotations

import functools
import io
from typing import Any

import duckdb
import pandas as pd

from sources.simulated import simulated_market
from tests.market_fixture import HISTORY_END, HISTORY_START
from tests.model_fixture import build, empty_warehouse, fill, fill_reference
from tests.recorded_data import RECORDED

MONTH_CODES = "FGHJKMNQUVXZ"
SERIES = ("DFF", "DFEDTARL", "DFEDTARU")
# What is served beside them; the recorded market lacks the last one.
MORE_SERIES = ("IORB", "SOFR", "EXPINF1YR")
STAGING = (
    "staging.fed_funds_futures",
    "staging.fred_observations",
    "staging.implied_averages",
    "staging.fomc_decisions",
    "staging.fomc_moves",
    "staging.fomc_moves_2022",
)
MARTS = (
    "marts.fomc_probabilities",
    "marts.fomc_probabilities_by_method",
    "marts.fomc_meetings_by_method",
    "staging.fomc_meeting_changes",
    "marts.policy_path_daily",
    "marts.fomc_calibration",
    "marts.policy_path_errors",
    "marts.fomc_meetings_daily",
    "marts.fomc_probability_changes",
    "marts.fomc_meeting_history",
    "marts.policy_repricing",
    "marts.policy_surprises",
    "marts.fomc_skill",
    "marts.fomc_reliability",
)
# Tables that grow by meeting; the others by settlement day.
BY_MEETING = (
    "marts.fomc_calibration",
    "marts.policy_path_errors",
    "marts.fomc_skill",
    "marts.fomc_reliability",
)
LAST_SESSION = "2025-09-24"


def policy_warehouse(session: str = LAST_SESSION) -> duckdb.DuckDBPyConnection:
    """No prices and no rates; the project's own meetings, events and calendar."""
    con = empty_warehouse(session)
    fill_reference(con, "fomc_meetings", "events", "calendar")
    return con


def contract_of(month: str) -> str:
    """`ZQU24` of `2024-09`."""
    return f"ZQ{MONTH_CODES[int(month[5:7]) - 1]}{month[2:4]}"


def add_settlements(con: duckdb.DuckDBPyConnection, day: str, prices: dict[str, float]) -> None:
    """Prices of one day by delivery month, `{"2024-09": 94.79}`."""
    months = list(prices)
    rows = {
        "contract": [contract_of(month) for month in months],
        "delivery_month": [f"{month}-01" for month in months],
        "settlement_date": day,
        "settle": list(prices.values()),
    }
    fill(con, "raw.fed_funds_futures", pd.DataFrame(rows))


def add_rate(con: duckdb.DuckDBPyConnection, series: str, first: str, last: str, value: float) -> None:
    """The same value on every calendar day from the first to the last."""
    days = pd.date_range(first, last)
    fill(
        con,
        "raw.fred_observations",
        pd.DataFrame({"series_id": series, "observation_date": days, "value": value}),
    )


def build_policy(
    con: duckdb.DuckDBPyConnection, models: tuple[str, ...] = MARTS
) -> duckdb.DuckDBPyConnection:
    """Build staging and the models, inputs before users."""
    for model in (*STAGING, *models):
        build(con, model)
    return con


def row(con: duckdb.DuckDBPyConnection, table: str, where: str) -> dict[str, Any]:
    """The one row of a table that a condition finds; None where a value is missing."""
    found = con.execute(f"from {table} where {where}").df()
    assert len(found) == 1, f"{len(found)} rows of {table} where {where}"
    return {name: None if pd.isna(value) else value for name, value in found.iloc[0].items()}


@functools.cache
def simulated_policy(session: str = LAST_SESSION) -> duckdb.DuckDBPyConnection:
    """The simulated market with every Fed mart, as published for a session. Shared: read only."""
    return _built(session, simulated_settlements(), _simulated_rates(), "simulated")


@functools.cache
def recorded_policy(session: str = LAST_SESSION) -> duckdb.DuckDBPyConnection:
    """The recorded market with every Fed mart, as published for a session. Shared: read only."""
    return _built(session, _recorded_settlements(), _recorded_rates(), "files")


def _built(
    session: str, settlements: pd.DataFrame, rates: pd.DataFrame, data_source: str
) -> duckdb.DuckDBPyConnection:
    con = empty_warehouse(session, data_source=data_source)
    fill_reference(con, "fomc_meetings", "events", "calendar")
    evening = pd.Timedelta(hours=22)
    fill(
        con,
        "raw.fed_funds_futures",
        settlements.assign(available_at_utc=settlements["settlement_date"] + evening),
    )
    next_day = pd.Timedelta(days=1, hours=13)
    fill(con, "raw.fred_observations", rates.assign(available_at_utc=rates["observation_date"] + next_day))
    return build_policy(con)


@functools.cache
def simulated_settlements() -> pd.DataFrame:
    """Every settlement of the simulated strip."""
    market = simulated_market()
    return _settlements(
        {
            name: market.futures_csv(name, HISTORY_START, HISTORY_END)
            for name in market.contracts(HISTORY_START, HISTORY_END)
        }
    )


@functools.cache
def _recorded_settlements() -> pd.DataFrame:
    return _settlements(
        {path.stem: path.read_bytes() for path in sorted((RECORDED / "futures").glob("*.csv"))}
    )


def _settlements(files: dict[str, bytes]) -> pd.DataFrame:
    parts = []
    for contract, content in files.items():
        year = int(contract[3:5])
        month = MONTH_CODES.index(contract[2]) + 1
        delivery = pd.Timestamp(year + (1900 if year > 90 else 2000), month, 1)
        rows = pd.read_csv(io.BytesIO(content), parse_dates=["date"])
        parts.append(rows.assign(contract=contract, delivery_month=delivery))
    return pd.concat(parts, ignore_index=True).rename(columns={"date": "settlement_date"})


@functools.cache
def _simulated_rates() -> pd.DataFrame:
    market = simulated_market()
    return _rates(
        {name: market.fred_csv(name, HISTORY_START, HISTORY_END) for name in (*SERIES, *MORE_SERIES)}
    )


@functools.cache
def _recorded_rates() -> pd.DataFrame:
    files = {name: RECORDED / "fred" / f"{name}.csv" for name in (*SERIES, *MORE_SERIES)}
    return _rates({name: path.read_bytes() for name, path in files.items() if path.is_file()})


def _rates(files: dict[str, bytes]) -> pd.DataFrame:
    parts = []
    for series, content in files.items():
        rows = pd.read_csv(io.BytesIO(content), parse_dates=["observation_date"])
        parts.append(rows.rename(columns={series: "value"}).dropna().assign(series_id=series))
    return pd.concat(parts, ignore_index=True)
