"""The recorded market data as the staging and reference tables that the marts read, without the pipeline.

The data is not part of the repository: `ROTATION_REPLAY_DIR` names its folder, by default `../shared/replay`
beside it. Tests that need it are skipped, with that reason, where it is absent. `run_model` stands in for the
runner: it creates a model's table from its .yml and the catalog's types and fills it.
"""

from __future__ import annotations

import functools
import importlib
import os
from pathlib import Path
from typing import Any

import duckdb
import exchange_calendars
import pandas as pd
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
HISTORY_START = "2000-01-03"


def replay_dir() -> Path:
    """The folder of the recorded data; skips the test where there is none."""
    folder = Path(os.environ.get("ROTATION_REPLAY_DIR", str(REPOSITORY.parent / "shared" / "replay")))
    if not (folder / "MANIFEST.csv").is_file():
        pytest.skip("recorded market data is absent: set ROTATION_REPLAY_DIR to its folder")
    return folder


def catalog_types() -> dict[str, str]:
    """DuckDB type of every column name in the catalog."""
    types = {"pair_id": "VARCHAR"}  # until every fragment is there
    for path in sorted((REPOSITORY / "warehouse" / "catalog" / "columns").glob("*.yml")):
        for name, entry in (yaml.safe_load(path.read_text()) or {}).items():
            types[name] = entry["type"]
    return types


@functools.cache
def nyse_sessions() -> pd.DataFrame:
    """Every NYSE session from 1990 on, from a calendar that is not the project's own."""
    sessions = exchange_calendars.get_calendar("XNYS", start="1990-01-01", end="2026-12-31").sessions
    return pd.DataFrame({"session_date": sessions.tz_localize(None)})


def empty_warehouse() -> duckdb.DuckDBPyConnection:
    """An in-memory warehouse with empty input tables and the calendar of the NYSE."""
    con = duckdb.connect()
    con.execute("set threads = 1")
    for schema in ("staging", "ref", "marts"):
        con.execute(f"create schema {schema}")
    con.execute("""
        create table staging.equity_prices (
            symbol varchar, session_date date, session_number integer, open double, high double, low double,
            close double, volume double, dividend double, total_return_pct double,
            total_return_basis varchar);
        create table staging.fred_observations (
            series_id varchar, observation_date date, value double, available_at_utc timestamp);
        create table ref.pairs (pair_id varchar, base_symbol varchar, quote_symbol varchar, theme varchar);
        """)
    con.register("nyse", nyse_sessions())
    con.execute("""
        create table ref.calendar as
        with numbered as (
            select cast(session_date as date) as session_date,
                cast(row_number() over (order by session_date) as integer) as session_number
            from nyse
        )
        select
            cast(days.day as date) as calendar_date,
            session_number is not null as is_nyse_session,
            session_number
        from range(date '1990-01-01', date '2027-01-01', interval 1 day) as days (day)
        left join numbered on numbered.session_date = cast(days.day as date)
        order by calendar_date
        """)
    return con


def add_prices(con: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> None:
    """Rows of symbol, session_date, high, close, dividend, adj_close → staging.equity_prices, on sessions."""
    con.register("price_rows", rows)
    con.execute("""
        insert into staging.equity_prices
        with served as (
            select
                p.symbol, c.calendar_date as session_date, c.session_number,
                p.high, p.close, p.dividend, p.adj_close,
                lag(p.close) over symbol_rows as close_before,
                lag(p.adj_close) over symbol_rows as adj_close_before
            from price_rows as p
            inner join ref.calendar as c
                on c.calendar_date = cast(p.session_date as date) and c.is_nyse_session
            where p.close is not null
            window symbol_rows as (partition by p.symbol order by c.session_number)
        )
        select symbol, session_date, session_number, null, high, null, close, null, dividend,
            100 * (case when dividend is null then adj_close / adj_close_before
                        else (close + dividend) / close_before end - 1),
            case when dividend is null then 'adjusted_close' else 'dividends' end
        from served order by symbol, session_date
        """)
    con.unregister("price_rows")


def add_pairs(con: duckdb.DuckDBPyConnection, pair_ids: list[str]) -> None:
    con.executemany("insert into ref.pairs values (?, ?, ?, 'test')", [[p, *p.split("/")] for p in pair_ids])


def replay_warehouse(
    symbols: list[str] | None = None, last_date: str = "2026-12-31"
) -> duckdb.DuckDBPyConnection:
    """Prices (of all symbols or some) and Treasury yields up to a date; the pairs of the reference data."""
    folder = replay_dir()
    con = empty_warehouse()
    paths = [folder / "prices" / f"{symbol.replace('^', '_')}.csv" for symbol in symbols or ["*"]]
    rows = con.execute(
        """
        select replace(parse_filename(filename, true), '_', '^') as symbol, date as session_date,
            high, close, dividend, adj_close
        from read_csv(?, filename = true, header = true, columns = {
            'date': 'DATE', 'open': 'DOUBLE', 'high': 'DOUBLE', 'low': 'DOUBLE', 'close': 'DOUBLE',
            'adj_close': 'DOUBLE', 'volume': 'DOUBLE', 'dividend': 'DOUBLE', 'split': 'DOUBLE'})
        where date between cast(? as date) and cast(? as date)
        """,
        [[str(path) for path in paths], HISTORY_START, last_date],
    ).df()
    add_prices(con, rows)
    for series in ("DGS3MO", "DGS1", "DGS2", "DGS5", "DGS10", "DGS30"):
        con.execute(
            f"""
            insert into staging.fred_observations
            select '{series}', observation_date, {series}, observation_date + interval 1 day
            from read_csv(?, header = true, columns = {{'observation_date': 'DATE', '{series}': 'DOUBLE'}})
            where {series} is not null and observation_date between cast(? as date) and cast(? as date)
            """,
            [str(folder / "fred" / f"{series}.csv"), HISTORY_START, last_date],
        )
    con.execute(
        """
        insert into ref.pairs
        select pair_id, base_symbol, quote_symbol, theme from read_csv(?, header = true)
        """,
        [str(REPOSITORY / "warehouse" / "reference" / "pairs.csv")],
    )
    return con


def run_model(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Build `schema.table` in `con` as the runner does: the catalog's types, rows in order of the grain."""
    schema, table = name.split(".")
    folder = REPOSITORY / "transforms" / schema
    model: dict[str, Any] = yaml.safe_load((folder / f"{table}.yml").read_text())
    types = catalog_types()
    columns: list[str] = model["columns"]
    required = {*model["grain"], *model.get("not_null", [])}
    ddl = ", ".join(f"{c} {types[c]}{' not null' if c in required else ''}" for c in columns)
    con.execute(f"create or replace table {name} ({ddl})")
    if (folder / f"{table}.sql").exists():
        query = (folder / f"{table}.sql").read_text()
        assert con.execute(f"select * from ({query}) limit 0").df().columns.tolist() == columns
    else:
        frame = importlib.import_module(f"transforms.{schema}.{table}").build(con)
        assert frame.columns.tolist() == columns
        for column in frame.select_dtypes("float").columns:
            frame[column] = frame[column].astype("float64")
        con.register("built_frame", frame)
        nulls = [
            f"case when isnan({c}) then null else {c} end as {c}" if t == "DOUBLE" else c
            for c, t in ((c, types[c]) for c in columns)
        ]
        query = f"select {', '.join(nulls)} from built_frame"
    con.execute(
        f"insert into {name} select {', '.join(columns)} from ({query}) order by {', '.join(model['grain'])}"
    )
