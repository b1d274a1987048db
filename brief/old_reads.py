"""Reads by SQL text, for the sections that have no query files yet; goes with the last of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb

from brief.cells import Absent, Cell, Row
from warehouse.catalog import Catalog


class OldReads:
    """`rows`, `old_points` and `old_scalar` take SQL text."""

    connection: duckdb.DuckDBPyConnection
    catalog: Catalog
    tables: set[str]

    def rows(
        self,
        table: str,
        columns: Iterable[str],
        where: str = "true",
        params: Sequence[Any] = (),
        *,
        order: str = "",
        limit: int | None = None,
    ) -> list[Row]:
        """Rows of a table as cells; a column is a name or `alias = expression`. The grain is always among
        them.
        """
        if table not in self.tables:
            raise Absent(f"{table} is not in this publication.")
        grain = self.catalog[table].grain
        named = [(name, name) for name in grain]
        for column in columns:
            alias, _, expression = column.partition(" = ")
            if alias not in grain:
                named.append((alias, expression or alias))
        select = ", ".join(f'{expression} as "{alias}"' for alias, expression in named)
        tail = (f" order by {order}" if order else "") + (f" limit {limit}" if limit else "")
        found = self.connection.execute(
            f"select {select} from {table} where {where}{tail}", list(params)
        ).fetchall()
        result = []
        for values in found:
            key = tuple(zip(grain, values, strict=False))
            result.append(
                {
                    alias: Cell(value, expression, table, key)
                    for (alias, expression), value in zip(named, values, strict=True)
                }
            )
        return result

    def old_scalar(self, sql: str) -> Cell:
        """The one result of a statement without parameters."""
        row = self.connection.execute(sql).fetchone()
        return Cell(row[0] if row else None, " ".join(sql.split()), "")

    def old_points(self, sql: str) -> list[dict[str, Any]]:
        """Rows as plain values, for what is drawn and not printed."""
        cursor = self.connection.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
