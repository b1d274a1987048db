"""A market for property tests: prices and yields of some symbols and series, through the real staging SQL.

In: the simulated market, which every clone has (its data is made up, so no figure of it means anything), or
the recorded one, which is not part of the repository (`tests/recorded_data.py`). Out: a warehouse as in
`tests/model_fixture.py` with the project's reference tables, `staging.equity_prices` and
`staging.fred_observations`. Both markets have the same layout.
"""

from __future__ import annotations

import datetime as dt
import functools
import io
from collections.abc import Callable, Sequence

import duckdb
import pandas as pd

from sources.simulated import simulated_market
from tests.model_fixture import add_prices, build, empty_warehouse, fill, fill_reference
from tests.recorded_data import RECORDED

HISTORY_START, HISTORY_END = dt.date(2000, 1, 3), dt.date(2025, 9, 24)
YIELDS = ("DGS3MO", "DGS1", "DGS2", "DGS5", "DGS10", "DGS30")

Reader = Callable[[str], pd.DataFrame]


def simulated(
    symbols: Sequence[str], session: str, series: Sequence[str] = YIELDS
) -> duckdb.DuckDBPyConnection:
    """The simulated market up to a session."""
    return _market(_simulated_prices, _simulated_series, symbols, session, series, "simulated")


def recorded(
    symbols: Sequence[str], session: str, series: Sequence[str] = YIELDS
) -> duckdb.DuckDBPyConnection:
    """The recorded market up to a session."""
    return _market(_recorded_prices, _recorded_series, symbols, session, series, "files")


def _market(
    prices_of: Reader,
    series_of: Reader,
    symbols: Sequence[str],
    session: str,
    series: Sequence[str],
    data_source: str,
) -> duckdb.DuckDBPyConnection:
    con = empty_warehouse(session, data_source=data_source)
    fill_reference(con)
    prices = pd.concat([prices_of(symbol) for symbol in symbols], ignore_index=True)
    add_prices(con, prices[prices["session_date"] <= session])
    if series:
        rows = pd.concat([series_of(name) for name in series], ignore_index=True)
        fill(con, "raw.fred_observations", rows[rows["observation_date"] <= session])
    build(con, "staging.fred_observations")
    return con


@functools.cache
def _simulated_prices(symbol: str) -> pd.DataFrame:
    content = simulated_market().prices_csv(symbol, HISTORY_START, HISTORY_END)
    return _prices(symbol, pd.read_csv(io.BytesIO(content)))


@functools.cache
def _simulated_series(series: str) -> pd.DataFrame:
    content = simulated_market().fred_csv(series, HISTORY_START, HISTORY_END)
    return _series(series, pd.read_csv(io.BytesIO(content)))


@functools.cache
def _recorded_prices(symbol: str) -> pd.DataFrame:
    return _prices(symbol, pd.read_csv(RECORDED / "prices" / f"{symbol.replace('^', '_')}.csv"))


@functools.cache
def _recorded_series(series: str) -> pd.DataFrame:
    return _series(series, pd.read_csv(RECORDED / "fred" / f"{series}.csv"))


def _prices(symbol: str, rows: pd.DataFrame) -> pd.DataFrame:
    named = rows.rename(columns={"date": "session_date"}).assign(symbol=symbol)
    return named[named["session_date"] >= str(HISTORY_START)]


def _series(series: str, rows: pd.DataFrame) -> pd.DataFrame:
    known = rows.rename(columns={series: "value"}).dropna(subset=["value"]).assign(series_id=series)
    known = known[known["observation_date"] >= str(HISTORY_START)]
    available = pd.to_datetime(known["observation_date"]) + pd.Timedelta(days=1)
    return known.assign(available_at_utc=available)
