"""The schema `latest`: one view per daily mart with the rows of its newest day.

In: a publication and the catalog. Out: `latest.<mart>`, with the mart's columns by name, commented like them.
A chart or a filter that takes no sub-query finds the newest rows there. The views are made anew in every
publication; while marts are changed there are none, because a view on a table that has changed cannot be
described. Caveat: the newest day is that of the mart, or of each key where `latest` in the mart's .yml says
so; it may be earlier than the session of the publication.
"""

from __future__ import annotations

import duckdb

from warehouse.catalog import Catalog, Table, literal, quoted
from warehouse.database import transaction

SCHEMA = "latest"


def drop_latest_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Remove the schema and its views from the connection's own database."""
    connection.execute(f"drop schema if exists {SCHEMA} cascade")


def create_latest_views(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> list[str]:
    """Make the views anew for the daily marts that the connection's own database holds.

    Returns:
        Their names, in order.
    """
    rows = connection.execute(
        "select table_name from duckdb_tables() where database_name = current_database()"
        " and schema_name = 'marts'"
    ).fetchall()
    present = {name for (name,) in rows}
    tables = [table for table in daily_marts(catalog) if table.name in present]
    # Hundreds of comments: one transaction is half the time of one each.
    with transaction(connection):
        drop_latest_views(connection)
        connection.execute(f"create schema {SCHEMA}")
        for table in tables:
            view = f"{SCHEMA}.{table.name}"
            connection.execute(f"create view {view} as {latest_sql(table)}")
            connection.execute(f"comment on view {view} is {literal(described(table))}")
            connection.execute("; ".join(table.column_comments(view)))
    return [f"{SCHEMA}.{table.name}" for table in tables]


def daily_marts(catalog: Catalog) -> list[Table]:
    """The marts that have a view of their newest day."""
    return [table for table in catalog.in_schema("marts") if table.latest is not None]


def latest_sql(table: Table) -> str:
    """The rows of the newest day of a daily mart, or of the newest day of each key."""
    assert table.latest is not None
    day, name = quoted(table.day), table.full_name
    if not table.latest:
        columns = ", ".join(map(quoted, table.column_names))
        return f"select {columns} from {name} where {day} = (select max({day}) from {name})"
    columns = ", ".join(f"given.{quoted(column)}" for column in table.column_names)
    keys = ", ".join(map(quoted, table.latest))
    same = " and ".join(f"given.{key} = newest.{key}" for key in map(quoted, (*table.latest, table.day)))
    newest = f"select {keys}, max({day}) as {day} from {name} group by {keys}"
    return f"select {columns} from {name} as given inner join ({newest}) as newest on {same}"


def described(table: Table) -> str:
    """The comment of a view: which rows it shows, and of what."""
    whose = f"each {' and '.join(table.latest)}" if table.latest else "the table"
    keys = [name for name in table.grain if name != table.day]
    grain = f"one row per {', '.join(keys)}" if keys else "one row"
    return (
        f"Rows of {table.full_name} of the newest {table.day} of {whose}: {grain}, the same columns."
        f" {table.description}"
    )
