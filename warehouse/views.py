"""Views and table macros on raw, in the pipeline's own file: what was revised, and what was known when.

In: the raw tables. Out: `ops.revisions` (one row per changed value: table_name, key, column_name,
old_value, new_value, known_at_utc) and the macros `ops.prices_as_of(moment)`, `ops.futures_as_of(moment)`,
`ops.yields_as_of(moment)`: the rows whose `available_at_utc` is not after `moment`, in their latest
version; `known_by := moment` also leaves out what this warehouse received later. Caveat: they are created
once, when they are missing, because a daily run does no DDL; a change of their text needs `refresh_views`.
"""

from __future__ import annotations

import duckdb

from warehouse.catalog import load_catalog, quoted

# Versions that FRED dates follow one another by their own date: several come with one payload.
ORDER = {
    "raw.fred_observations": (
        "availability = 'vintage', case when availability = 'vintage' then available_at_utc end, known_at_utc"
    )
}
MACROS = {
    "prices_as_of": ("raw.equity_prices", "symbol, session_date", "true"),
    "futures_as_of": ("raw.fed_funds_futures", "contract, settlement_date", "true"),
    "yields_as_of": ("raw.fred_observations", "series_id, observation_date", "series_id like 'DGS%'"),
}


def ensure_views(connection: duckdb.DuckDBPyConnection) -> bool:
    """Create what is missing; returns whether anything was."""
    present = {
        row[0]
        for row in connection.execute(
            "select view_name from duckdb_views() where schema_name = 'ops'"
        ).fetchall()
    }
    present |= {
        row[0]
        for row in connection.execute(
            "select function_name from duckdb_functions() where schema_name = 'ops'"
        ).fetchall()
    }
    if {"revisions", *MACROS} <= present:
        return False
    refresh_views(connection)
    return True


def refresh_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Create or replace all of them."""
    connection.execute(f"create or replace view ops.revisions as {revisions_sql()}")
    for name, (table, keys, condition) in MACROS.items():
        order = " desc nulls last, ".join(ORDER.get(table, "known_at_utc").split(", "))
        connection.execute(f"""
            create or replace macro ops.{name}(moment, known_by := timestamp '9999-12-31') as table
            select * from {table}
            where available_at_utc <= moment and known_at_utc <= known_by and {condition}
            qualify row_number() over (partition by {keys} order by {order} desc) = 1
        """)


def revisions_sql() -> str:
    """One row per value that differs from the version before it; adj_close is not compared: every dividend
    restates all of it.
    """
    parts: list[str] = []
    for full_name in ("raw.equity_prices", "raw.fed_funds_futures", "raw.fred_observations"):
        table = load_catalog()[full_name]
        keys = [name for name in table.grain if name not in ("available_at_utc", "known_at_utc")]
        window = f"partition by {', '.join(keys)} order by {ORDER.get(full_name, 'known_at_utc')}"
        key = " || ' ' || ".join(f"{name}::varchar" for name in keys)
        for column in table.compared:
            parts.append(f"""
                select '{full_name}' as table_name, {key} as key, '{column}' as column_name,
                    lag({quoted(column)}) over versions_{len(parts)} as old_value,
                    {quoted(column)} as new_value, known_at_utc
                from {full_name}
                window versions_{len(parts)} as ({window})
                qualify row_number() over versions_{len(parts)} > 1
                    and {quoted(column)} is distinct from lag({quoted(column)}) over versions_{len(parts)}
            """)
    return " union all ".join(parts)
