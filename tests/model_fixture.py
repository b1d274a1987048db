"""A warehouse for tests: the catalog's tables, filled from frames, built by the pipeline's own runner.

In: frames or rows of text with only the columns that matter. Out: an in-memory DuckDB with the pipeline's raw
tables attached as `pipeline`, as a build sees it, and models built by `transforms.runner`. Every table comes
from the catalog's DDL; no test writes a `create table` of a warehouse table.

A column that the given rows leave out is NULL, or where the catalog forbids NULL: '-' or the first of the
allowed values (text), 0 (numbers), false, 2000-01-01 (dates and times). Columns of the grain must be given,
but for `known_at_utc` and `available_at_utc`.
"""

from __future__ import annotations

import datetime as dt
import functools

import duckdb
import pandas as pd

from market_calendar.sessions import cutoff_utc
from transforms.runner import build_model, set_variables
from warehouse.catalog import Column, Table, literal, load_catalog, quoted
from warehouse.reference_data import load_reference

SESSION = "2025-09-24"
LEFT_OUT_OF_GRAIN = ("known_at_utc", "available_at_utc")


def empty_warehouse(
    session: str = SESSION, *, cutoff: dt.datetime | None = None, data_source: str = "files"
) -> duckdb.DuckDBPyConnection:
    """Empty raw and ref tables, and the variables that models read.

    Args:
        session: The session of the publication.
        cutoff: What became available later (UTC) is not seen; by default the pipeline's own for the session.
        data_source: Kind of data, as marts state it.
    """
    con = duckdb.connect()
    con.execute("set threads = 1")
    con.execute("attach ':memory:' as pipeline")
    con.execute("create schema pipeline.raw")
    for schema in ("ref", "staging", "marts"):
        con.execute(f"create schema {schema}")
    for schema in ("raw", "ref"):
        for table in load_catalog().in_schema(schema):
            create(con, table.full_name)
    set_session(con, session, cutoff=cutoff, data_source=data_source)
    return con


def set_session(
    con: duckdb.DuckDBPyConnection,
    session: str,
    *,
    cutoff: dt.datetime | None = None,
    data_source: str = "files",
) -> None:
    """Set the session of the publication, its cut-off and the kind of data."""
    day = dt.date.fromisoformat(session)
    set_variables(con, session=day, cutoff_utc=cutoff or cutoff_utc(day), data_source=data_source)


def create(con: duckdb.DuckDBPyConnection, full_name: str) -> None:
    """Create a table of the catalog, empty, unless it is there."""
    table = load_catalog()[full_name]
    con.execute(table.ddl(catalog=_database(table), if_not_exists=True))


def fill(con: duckdb.DuckDBPyConnection, full_name: str, rows: pd.DataFrame) -> None:
    """Append rows to a table of the catalog, creating it first where it is missing.

    Args:
        con: A warehouse made by `empty_warehouse`.
        full_name: `schema.table`.
        rows: Some columns of the table; typed values, or text that DuckDB can cast.
    """
    table = load_catalog()[full_name]
    unknown = [name for name in rows.columns if name not in table.column_names]
    missing = [name for name in table.grain if name not in rows.columns and name not in LEFT_OUT_OF_GRAIN]
    if unknown or missing:
        raise ValueError(f"{full_name}: unknown columns {unknown}, missing columns of the grain {missing}")
    create(con, full_name)
    values = ", ".join(
        _given(column) if column.name in rows.columns else _default(table, column) for column in table.columns
    )
    con.register("given_rows", rows)
    try:
        con.execute(f"insert into {_target(table)} select {values} from given_rows")
    finally:
        con.unregister("given_rows")


def fill_reference(con: duckdb.DuckDBPyConnection, *names: str) -> None:
    """Fill `ref.<name>` with the project's own rows, as the pipeline loads them; by default all."""
    for name in names or [table.name for table in load_catalog().in_schema("ref")]:
        create(con, f"ref.{name}")
        con.execute(f"delete from ref.{name}")
        fill(con, f"ref.{name}", project_reference(name))


@functools.cache
def project_reference(name: str) -> pd.DataFrame:
    """Rows of `ref.<name>` as the pipeline loads them from `warehouse/reference/`."""
    return _loaded_reference().execute(f"from ref.{name}").df()


def project_warehouse(session: str) -> duckdb.DuckDBPyConnection:
    """The project's own reference rows, and no data."""
    con = empty_warehouse(session)
    fill_reference(con)
    for name in ("staging.equity_prices", "staging.fred_observations"):
        create(con, name)
    return con


def build(con: duckdb.DuckDBPyConnection, full_name: str) -> pd.DataFrame:
    """Build one model from what the warehouse holds, by the pipeline's runner, and return its rows."""
    con.execute(f"drop table if exists {full_name}")
    build_model(con, load_catalog()[full_name])
    return con.execute(f"from {full_name}").df()


def assert_prefix_is_equal(long: pd.DataFrame, short: pd.DataFrame, keys: list[str]) -> None:
    """Every row of the shorter run is in the longer one, bit for bit."""
    assert len(short) > 0
    joined = short[keys].merge(long, on=keys, how="left", sort=False)
    pd.testing.assert_frame_equal(joined[list(short.columns)], short, check_exact=True)


def add_prices(con: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> None:
    """Add raw prices and build staging.equity_prices from all of them.

    Args:
        con: A warehouse with `ref.calendar` filled; symbols that ref.instruments lacks are added to it.
        rows: symbol, session_date, close and any other columns of raw.equity_prices. Rows without a close are
            left out; `previous_adj_close` is the `adj_close` of the symbol's row before, as in one payload.
    """
    served = rows.dropna(subset=["close"]).sort_values(["symbol", "session_date"])
    if "adj_close" in served.columns:
        served = served.assign(previous_adj_close=served.groupby("symbol")["adj_close"].shift(1))
    known = {symbol for (symbol,) in con.execute("select symbol from ref.instruments").fetchall()}
    new = sorted(set(served["symbol"]) - known)
    if new:
        fill(con, "ref.instruments", pd.DataFrame({"symbol": new}))
    fill(con, "raw.equity_prices", served)
    build(con, "staging.price_findings")
    build(con, "staging.equity_prices")


def add_closes(con: duckdb.DuckDBPyConnection, symbol: str, first: str, closes: list[float]) -> list[dt.date]:
    """Add closes of one symbol on consecutive sessions (NaN = no row on that one); returns the sessions."""
    days = [
        day
        for (day,) in con.execute(
            "select calendar_date from ref.calendar where is_nyse_session and calendar_date >= ? order by 1"
            " limit ?",
            [first, len(closes)],
        ).fetchall()
    ]
    frame = pd.DataFrame({"symbol": symbol, "session_date": pd.to_datetime(days), "close": closes})
    add_prices(con, frame.assign(high=frame["close"], dividend=0.0))
    return days


def add_observations(con: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> None:
    """Add raw observations and build staging.fred_observations from all of them.

    Args:
        con: A warehouse.
        rows: series_id, observation_date, value; each is available 20 hours after its day began.
    """
    available = pd.to_datetime(rows["observation_date"]) + pd.Timedelta(hours=20)
    fill(con, "raw.fred_observations", rows.assign(available_at_utc=available))
    build(con, "staging.fred_observations")


@functools.cache
def _loaded_reference() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("create schema ref")
    for table in load_catalog().in_schema("ref"):
        con.execute(table.ddl())
    load_reference(con)
    return con


def _database(table: Table) -> str | None:
    return "pipeline" if table.schema == "raw" else None


def _target(table: Table) -> str:
    return f"pipeline.{table.full_name}" if table.schema == "raw" else table.full_name


def _given(column: Column) -> str:
    value = f"cast({quoted(column.name)} as {column.type})"
    # a frame says NaN where a value is missing; the warehouse says NULL
    return f"case when isnan({value}) then null else {value} end" if column.type == "DOUBLE" else value


def _default(table: Table, column: Column) -> str:
    if column.name not in table.required_columns:
        return f"cast(null as {column.type})"
    defaults = {
        "VARCHAR": literal(column.values[0] if column.values else "-"),
        "BOOLEAN": "false",
        "DATE": "date '2000-01-01'",
        "TIMESTAMP": "timestamp '2000-01-01'",
    }
    return defaults.get(column.type, f"cast(0 as {column.type})")
