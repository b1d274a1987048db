"""The append-only raw tables: which served rows are new versions, and which held rows no longer come.

Every join here has an equality on the key, so that it is a hash join however large the tables are.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import duckdb
import pandas as pd

from warehouse.catalog import Table, quoted

# Versions that the source itself dates stand beside each other; all others follow one another.
DATED = "case when availability = 'vintage' then available_at_utc end"


def version_keys(table: Table) -> list[str]:
    """The columns that name a row, whatever its version."""
    return [name for name in table.grain if name not in ("available_at_utc", "known_at_utc")]


def insert_new_versions(connection: duckdb.DuckDBPyConnection, table: Table, rows: pd.DataFrame) -> int:
    """Insert the rows whose key is new or whose compared values differ from the latest version.

    Versions that the source dates are compared with what is held of the same date, all others with the latest
    of their kind.

    Returns:
        The number of rows that were inserted.
    """
    connection.register("loaded_rows", rows)
    try:
        before = _count(connection, table.full_name)
        names = ", ".join(quoted(name) for name in table.column_names)
        connection.execute(f"insert into {table.full_name} ({names}) {new_versions_sql(table)}")
        return _count(connection, table.full_name) - before
    finally:
        connection.unregister("loaded_rows")


def new_versions_sql(table: Table) -> str:
    """The rows of `loaded_rows` that are new versions, in the order of the grain."""
    keys = version_keys(table)
    columns = ", ".join(
        f"{quoted(column.name)}::{column.type} as {quoted(column.name)}" for column in table.columns
    )
    differs = " or ".join(
        f"served.{quoted(name)} is distinct from latest.{quoted(name)}" for name in table.compared
    )
    return f"""
        with served as (select {columns}, {DATED} as dated_at_utc from loaded_rows),

        latest as (
            select *, {DATED} as dated_at_utc
            from {table.full_name}
            qualify
                row_number() over (
                    partition by {", ".join(keys)}, availability, {DATED} order by known_at_utc desc
                ) = 1
        )

        select served.* exclude (dated_at_utc)
        from served
        left join latest
            on {" and ".join(f"served.{name} = latest.{name}" for name in keys)}
            and served.availability = latest.availability
            and served.dated_at_utc is not distinct from latest.dated_at_utc
        where latest.known_at_utc is null
            or (served.known_at_utc > latest.known_at_utc and ({differs}))
        order by {", ".join(f"served.{name}" for name in table.grain)}
    """


def asked_ranges(ranges: Iterable[tuple[str, date, date]]) -> pd.DataFrame:
    """Inputs with the first and the last day that were asked of them, for `no_longer_served`."""
    return pd.DataFrame(list(ranges), columns=["input", "first_date", "last_date"], dtype=object)


def no_longer_served(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    key: str,
    day: str,
    asked: pd.DataFrame,
    rows: pd.DataFrame,
) -> list[tuple[str, date, date, int]]:
    """Rows of a raw table that lie in the ranges that were asked and are not among the served rows.

    Args:
        connection: the pipeline's database.
        table: the raw table.
        key: its column of inputs.
        day: its column of dates.
        asked: from `asked_ranges`.
        rows: the served rows with key and day.

    Returns:
        Input, first and last day, number of days, by input.
    """
    connection.register("asked_ranges", asked)
    connection.register("served_rows", rows[[key, day]])
    try:
        return connection.execute(no_longer_served_sql(table, key, day)).fetchall()
    finally:
        connection.unregister("asked_ranges")
        connection.unregister("served_rows")


def no_longer_served_sql(table: str, key: str, day: str) -> str:
    """The statement of `no_longer_served` over `asked_ranges` and `served_rows`."""
    return f"""
        with asked as (
            select
                input::varchar as input,
                min(first_date::date) as first_date,
                max(last_date::date) as last_date
            from asked_ranges
            group by all
        ),

        served as (select distinct {key}::varchar as input, {day}::date as day from served_rows),

        held as (
            select distinct held.{key}::varchar as input, held.{day} as day
            from {table} as held
            inner join asked on held.{key}::varchar = asked.input
            where held.{day} between asked.first_date and asked.last_date
        )

        select held.input, min(held.day), max(held.day), count(*)
        from held
        anti join served on held.input = served.input and held.day = served.day
        group by all
        order by 1
    """


def _count(connection: duckdb.DuckDBPyConnection, full_name: str) -> int:
    row = connection.execute(f"select count(*) from {full_name}").fetchone()
    return int(row[0]) if row else 0
