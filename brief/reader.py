"""Reads a publication for the page: rows of cells, plain points, single numbers.

In: a read-only connection to a publication and the names of query files. Values are bound, never formatted
into SQL; the names of tables come from the catalog. Out: cells that know the statement of their value.
Caveat: the address of a cell is the key of its row, so that `query` needs the table's grain among its
columns and takes no window function, join or group; those are for `points` and `scalar`.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, TypeVar

import duckdb

from brief.cells import Absent, Cell, Row
from brief.statements import Statement, StatementError, fill, statement
from expectations.ages import Age, Family, age_of
from warehouse.catalog import Catalog, Table, load_catalog, quoted

Record = TypeVar("Record")


class Reader:
    """Reads the publication by the query files of `brief/queries`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.catalog: Catalog = load_catalog()
        found = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name ="
            " current_database()"
        ).fetchall()
        self.tables = {row[0] for row in found}

    def require(self, *tables: str) -> None:
        """Refuse to go on when a table is missing or empty.

        Raises:
            Absent: names the table.
        """
        for table in tables:
            self._held(table)
            first = self.connection.execute(f"select 1 from {_identifier(self.catalog[table])} limit 1")
            if first.fetchone() is None:
                raise Absent(f"{table} has no rows in this publication.")

    def query(self, name: str, **values: Any) -> list[Row]:
        """Rows of one table as cells, each with the statement that gives its value again.

        Args:
            name: `<section>/<name>` of a file in `brief/queries`; its columns have to hold the table's grain.
            values: one for each parameter of the query.

        Raises:
            Absent: a table of the query is not in the publication.
        """
        read = statement(name)
        source = read.source
        grain = self.catalog[source.table].grain
        missing = set(grain) - {alias for alias, _ in source.expressions}
        if missing:
            raise StatementError(
                f"brief/queries/{name}.sql: without {', '.join(sorted(missing))} a row has no address."
            )
        expressions = {alias: fill(expression, values) for alias, expression in source.expressions}
        rows = []
        for found in self._run(read, values):
            key = tuple((column, found[column]) for column in grain)
            rows.append(
                {alias: Cell(value, expressions[alias], source.table, key) for alias, value in found.items()}
            )
        return rows

    def points(self, name: str, **values: Any) -> list[dict[str, Any]]:
        """Rows as plain values, for what is drawn and not printed."""
        return self._run(statement(name), values)

    def records(self, kind: type[Record], name: str, **values: Any) -> list[Record]:
        """Rows as instances of a dataclass whose fields are the query's columns."""
        return [kind(**row) for row in self._run(statement(name), values)]

    def scalar(self, name: str, **values: Any) -> Cell:
        """The first value of the first row; a cell without a value when there is no row."""
        read = statement(name)
        rows = self._run(read, values)
        value = next(iter(rows[0].values())) if rows else None
        return Cell(value, " ".join(read.shown(values).split()), "")

    def statement(self, name: str, **values: Any) -> str:
        """The text of a query for the page, with its values as literals."""
        return statement(name).shown(values)

    def last_date(self, table: Table) -> dt.date | None:
        """The last day of a daily table, else the last value of the first date in its grain; None where there
        is none.
        """
        dates = (
            column.name for column in table.columns if column.type == "DATE" and column.name in table.grain
        )
        column = table.day or next(dates, None)
        if column is None:
            return None
        found = self.connection.execute(f"select max({quoted(column)}) from {_identifier(table)}").fetchone()
        last: dt.date | None = found[0] if found else None
        return last

    def age(self, family: Family, session: dt.date) -> Age | None:
        """The age of a family of answers at a session; None where there is no answer."""
        return age_of(self.connection, family, session, self.tables)

    def _held(self, table: str) -> None:
        if table not in self.tables:
            raise Absent(f"{table} is not in this publication.")

    def _run(self, read: Statement, values: dict[str, Any]) -> list[dict[str, Any]]:
        for table in read.tables:
            self._held(table)
        cursor = self.connection.execute(read.sql, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _identifier(table: Table) -> str:
    """A table of the catalog in SQL."""
    return f"{quoted(table.schema)}.{quoted(table.name)}"
