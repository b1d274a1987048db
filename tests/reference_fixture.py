"""The project's own reference tables in the in-memory warehouse of `tests/replay_fixture.py`, and
truncation checks.
"""

from __future__ import annotations

import duckdb
import pandas as pd

from tests.replay_fixture import empty_warehouse, replay_warehouse, run_model
from warehouse.catalog import load_catalog
from warehouse.reference_data import reference_frame

REFERENCE = (
    "instruments",
    "groups",
    "group_members",
    "pairs",
    "fred_series",
    "fomc_meetings",
    "events",
    "calendar",
    "claims",
)


def add_reference(con: duckdb.DuckDBPyConnection, session: str) -> duckdb.DuckDBPyConnection:
    """Replace the stand-in reference tables by the CSV files; set the session of the publication."""
    for name in REFERENCE:
        table = load_catalog()[f"ref.{name}"]
        con.execute(f"drop table if exists {table.full_name}")
        con.execute(table.ddl())
        con.register("rows_of_reference", reference_frame(name))
        columns = ", ".join(f'"{column.name}"::{column.type}' for column in table.columns)
        con.execute(f"insert into {table.full_name} select {columns} from rows_of_reference")
        con.unregister("rows_of_reference")
    con.execute("set variable session_date = ?::date", [session])
    return con


def synthetic(session: str) -> duckdb.DuckDBPyConnection:
    """No prices, all reference tables."""
    return add_reference(empty_warehouse(), session)


def recorded(symbols: list[str], session: str) -> duckdb.DuckDBPyConnection:
    """Recorded prices of some symbols and yields up to a session, all reference tables."""
    return add_reference(replay_warehouse(symbols, session), session)


def empty_table(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """A mart that the test does not fill."""
    con.execute(load_catalog()[name].ddl(if_not_exists=True))


def built(con: duckdb.DuckDBPyConnection, name: str) -> pd.DataFrame:
    """Build a model and return its rows."""
    run_model(con, name)
    return con.execute(f"select * from {name} order by all").df()


def assert_prefix_is_equal(long: pd.DataFrame, short: pd.DataFrame, keys: list[str]) -> None:
    """Every row of the shorter run is in the longer one, bit for bit."""
    assert len(short) > 0
    joined = short[keys].merge(long, on=keys, how="left", sort=False)
    pd.testing.assert_frame_equal(joined[list(short.columns)], short, check_exact=True)
