"""What tables a pipeline database has, and where they differ from what they should be.

In: an open connection. Out: sentences that name table and column. A database is compared with the catalog
each time it is opened (`warehouse.database`), because inserts go by the order of the columns, and a
difference that is only found by an insert is found in the middle of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from warehouse.catalog import Catalog, quoted

PIPELINE_SCHEMAS = ("raw", "ref", "ops")
# Which layout the database has; absent in those made before layout 5.
LAYOUT_TABLE = "ops.migrations"


@dataclass(frozen=True)
class SchemaColumn:
    """A column as DuckDB describes it."""

    name: str
    type: str
    not_null: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.type}{' not null' if self.not_null else ''}"

    @property
    def ddl(self) -> str:
        """For `create table`."""
        return f"{quoted(self.name)} {self.type}{' not null' if self.not_null else ''}"


Tables = Mapping[str, tuple[SchemaColumn, ...]]


def catalog_tables(catalog: Catalog) -> Tables:
    """The tables of the pipeline's database, as the catalog wants them."""
    return {
        table.full_name: tuple(
            SchemaColumn(column.name, column.type, column.name in table.required_columns)
            for column in table.columns
        )
        for schema in PIPELINE_SCHEMAS
        for table in catalog.in_schema(schema)
    }


def present_tables(connection: duckdb.DuckDBPyConnection, database: str | None = None) -> Tables:
    """The tables of the pipeline's schemas in a database, by default in the connection's own."""
    # Two listings are a fourth of the time of their join; this runs whenever the database is opened, and
    # what DuckDB needs for the first listing of columns after an opening is most of it.
    names = {
        row[0]
        for row in connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
            " where database_name = coalesce($1, current_database())",
            [database],
        ).fetchall()
    }
    rows = connection.execute(
        """
        select schema_name || '.' || table_name, column_name, data_type, not is_nullable
        from duckdb_columns()
        where database_name = coalesce($1, current_database()) and schema_name in ('raw', 'ref', 'ops')
        order by schema_name, table_name, column_index
        """,
        [database],
    ).fetchall()
    tables: dict[str, tuple[SchemaColumn, ...]] = {}
    for table, *column in rows:
        if table in names:
            tables[table] = (*tables.get(table, ()), SchemaColumn(*column))
    return tables


def has_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the connection's own database has any table in the pipeline's schemas."""
    return (
        connection.execute(
            "select 1 from duckdb_tables() where database_name = current_database()"
            " and schema_name in ('raw', 'ref', 'ops') limit 1"
        ).fetchone()
        is not None
    )


def present_views(connection: duckdb.DuckDBPyConnection, database: str | None = None) -> frozenset[str]:
    """The views of a database, by default of the connection's own."""
    rows = connection.execute(
        "select schema_name || '.' || view_name from duckdb_views()"
        " where database_name = coalesce($1, current_database())",
        [database],
    ).fetchall()
    return frozenset(row[0] for row in rows)


def recorded_layout(connection: duckdb.DuckDBPyConnection, database: str | None = None) -> int | None:
    """The layout that the database says it has; None where it does not say: it is older than layout 5."""
    found = connection.execute(
        "select 1 from duckdb_tables() where database_name = coalesce($1, current_database())"
        " and schema_name || '.' || table_name = $2",
        [database, LAYOUT_TABLE],
    ).fetchone()
    if found is None:
        return None
    prefix = f"{quoted(database)}." if database else ""
    try:
        row = connection.execute(f"select max(layout) from {prefix}{LAYOUT_TABLE}").fetchone()
    except duckdb.BinderException:
        return None  # a table of that name that is another one; the comparison with the catalog names it
    return int(row[0]) if row and row[0] is not None else None


def record_layout(connection: duckdb.DuckDBPyConnection, layout: int, before: int | None) -> None:
    """Write down that the database has a layout now; in the transaction that gives it."""
    connection.execute(
        f"insert into {LAYOUT_TABLE} (layout, from_layout, reached_at_utc) values (?, ?, ?)",
        [layout, before, datetime.now(UTC).replace(tzinfo=None)],
    )


def schema_differences(wanted: Tables, present: Tables, views: frozenset[str] = frozenset()) -> list[str]:
    """One sentence per difference, in the order of the tables; a table that nobody asked for is none."""
    found: list[str] = []
    for name, columns in sorted(wanted.items()):
        if name in present:
            found += _column_differences(name, columns, present[name])
        elif name in views:
            found.append(f"{name} is a view and must be a table")
        else:
            found.append(f"the table {name} is missing")
    return found


def _column_differences(
    table: str, wanted: tuple[SchemaColumn, ...], present: tuple[SchemaColumn, ...]
) -> list[str]:
    held = {column.name: column for column in present}
    names = [column.name for column in wanted]
    found: list[str] = []
    for column in wanted:
        other = held.get(column.name)
        if other is None:
            found.append(f"{table} has no column {column.name} ({column.type})")
        elif other.type != column.type:
            found.append(f"{table}.{column.name} is {other.type} and must be {column.type}")
        elif other.not_null != column.not_null:
            must, has = ("must not", "may") if column.not_null else ("may", "must not")
            found.append(f"{table}.{column.name} {has} be NULL there and {must} be by the catalog")
    found += [f"{table} has a column too many: {name}" for name in held if name not in names]
    if not found and [column.name for column in present] != names:
        moved = next(name for name, other in zip(names, held, strict=True) if name != other)
        found.append(f"the columns of {table} are in another order, from {moved} on")
    return found
