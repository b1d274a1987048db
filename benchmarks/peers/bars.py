"""Bars of made-up symbols, as the pipeline keeps them and as a file that the peers read.

In: how many symbols and sessions. Out: in a folder `pipeline.duckdb` (raw.equity_prices and the reference
tables, the calendar and these symbols among them) and `bars.parquet` with the same bars, by symbol and
day. Every symbol has a bar of every session: with k rows back the peers mean what the models mean with k
sessions back.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from market_calendar.sessions import sessions_between
from tests.moving_world import price_columns
from warehouse.catalog import load_catalog, quoted
from warehouse.reference_data import load_reference

LAST = date(2024, 7, 16)
FIRST = date(1990, 1, 2)
BARS = ("open", "high", "low", "close", "adj_close", "volume", "dividend", "split")
# Symbols of a batch: their columns fit in the caches.
BATCH = 50
INSERT = """
    insert into raw.equity_prices by name
    select
        symbol, session_date, open, high, low, close, adj_close, volume, dividend, split,
        lag(adj_close) over (partition by symbol order by session_date) as previous_adj_close,
        'benchmark' as source, session_date + interval 20 hour as available_at_utc,
        'assumed' as availability, session_date + interval 20 hour as known_at_utc,
        'benchmark' as run_id, repeat('0', 64) as payload_sha256
    from bars
"""


def symbol_names(count: int) -> list[str]:
    """Names that rise with their number."""
    return [f"S{number:04d}" for number in range(count)]


def last_sessions(count: int) -> list[date]:
    """The sessions of a history, which ends on `LAST`."""
    return sessions_between(FIRST, LAST)[-count:]


def bars_of(symbol: str, days: list[date], seed: int = 16) -> pd.DataFrame:
    """The bars of one symbol, split and dividend included."""
    columns = price_columns(symbol, np.array(days, dtype="datetime64[D]"), seed)
    return pd.DataFrame({"symbol": symbol, "session_date": columns.pop("date").astype("M8[s]"), **columns})


def write_bars(folder: Path, symbols: int, sessions: int) -> None:
    """Fill the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    names, days = symbol_names(symbols), last_sessions(sessions)
    with duckdb.connect(str(folder / "pipeline.duckdb")) as con:
        for schema in ("raw", "ref"):
            con.execute(f"create schema {schema}")
            for table in load_catalog().in_schema(schema):
                con.execute(table.ddl())
        load_reference(con)
        _add_instruments(con, names)
        for first in range(0, len(names), BATCH):
            bars = pd.concat([bars_of(name, days) for name in names[first : first + BATCH]])
            con.register("bars", bars)
            con.execute(INSERT)
            con.unregister("bars")
        con.execute(
            f"""copy (select symbol, session_date, {", ".join(BARS)} from raw.equity_prices order by 1, 2)
            to '{folder}/bars.parquet' (format parquet, compression zstd)"""
        )


def _add_instruments(con: duckdb.DuckDBPyConnection, names: list[str]) -> None:
    """The project's first instrument under other names."""
    columns = ", ".join(
        quoted(name) for name in load_catalog()["ref.instruments"].column_names if name != "symbol"
    )
    con.execute(
        f"""
        insert into ref.instruments by name
        select unnest($names) as symbol, {columns}
        from (from ref.instruments where symbol = 'SPY')
        """,
        {"names": names},
    )
