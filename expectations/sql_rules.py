"""Rules on a built table that run as SQL: its shape, and the queries for offending rows.

In: a connection to the built publication and a table. Out: one result per rule. Finiteness is checked here,
because a frame cannot tell NaN from NULL. A query that raises counts as failed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import duckdb
import pandas as pd

from expectations.results import SAMPLE_ROWS, RuleResult, rule_result
from expectations.rules import Query
from warehouse.catalog import Column, Table, literal, load_catalog, quoted

READ = re.compile(r"\b(?:from|join) ((?:staging|marts)\.\w+)")


def reference_rule(column: Column) -> str:
    """The name of the rule on a foreign key: `symbol_is_in_ref_instruments`."""
    return f"{column.name}_is_in_{column.referenced_table.replace('.', '_')}"


def _limited(sql: str, table: Table, condition: str) -> str:
    """The query with the rows of a table that meet a condition, under the name that it has there."""
    named = re.compile(rf"\b(from|join) {re.escape(table.full_name)}\b( as\b)?")
    return named.sub(
        lambda found: (
            f"{found[1]} (from {table.full_name} where {condition}) as"
            + ("" if found[2] else f" {quoted(table.name)}")
        ),
        sql,
    )


@dataclass(frozen=True)
class SqlChecks:
    """Rules of one built table as SQL."""

    connection: duckdb.DuckDBPyConnection
    table: Table
    # The condition for the rows whose shape is checked.
    new: str = "true"
    # The tables that changed since all other rows passed, with the first day that did, None where unknown.
    changed_from: Mapping[str, date | None] = field(default_factory=dict)

    @property
    def _rows(self) -> str:
        """The rows whose shape is checked."""
        name = self.table.full_name
        return name if self.new == "true" else f"(from {name} where {self.new})"

    @cached_property
    def row_count(self) -> int:
        """Rows of the table."""
        return self._scalar(f"select count(*) from {self.table.full_name}")

    def check_shape(self, count: int) -> list[RuleResult]:
        """Row count, unique key, no NULL where none may be, and every number finite: one pass over the
        table each.
        """
        table = self.table
        key = ", ".join(map(quoted, table.grain))
        # Without bounds the number of rows is any, and no table could break the rule.
        results = [self._check_row_count(count)] if table.row_count != (0, None) else []
        if table.grain:
            duplicates = (
                f"select {key}, count(*) as copies from {self._rows} group by all having count(*) > 1"
            )
            results.append(self._check("grain_is_unique", None, "critical", count, duplicates))
        held = self._columns_without_null()
        for column in table.required_columns:
            missing = f"select {key or '*'} from {self._rows} where {quoted(column)} is null"
            if column in held:
                results.append(
                    rule_result(table, f"{column}_is_not_null", column, "critical", count, 0, None)
                )
            else:
                results.append(self._check(f"{column}_is_not_null", column, "critical", count, missing))
        floats = [column.name for column in table.columns if column.type == "DOUBLE"]
        if floats:
            some = " or ".join(f"not isfinite({quoted(column)})" for column in floats)
            infinite = f"select {key or '*'} from {self._rows} where {some}"
            results.append(self._check("numbers_are_finite", None, "critical", count, infinite))
        return results

    def check_references(self, count: int) -> list[RuleResult]:
        """Every value of a foreign key is a key of the table that it refers to."""
        key = ", ".join(map(quoted, self.table.grain)) or "*"
        results = []
        for column in self.table.foreign_keys:
            name = quoted(column.name)
            orphans = (
                f"select {key}, {name} as orphan from {self._rows} as given where {name} is not null and not"
                f" exists (select 1 from {column.referenced_table} as held"
                f" where held.{quoted(column.referenced_column)} = given.{name})"
            )
            rule = reference_rule(column)
            results.append(self._check(rule, column.name, "critical", count, orphans))
        return results

    def check_query(self, query: Query) -> RuleResult:
        """A rule written as a query for the offending rows."""
        return self._check(query["name"], None, query["severity"], self.row_count, self._of_new_rows(query))

    def _of_new_rows(self, query: Query) -> str:
        """The query over the days that it must look at."""
        sql, by_day = query["sql"], query.get("by_day")
        if self.new == "true" or not by_day:
            return sql
        if by_day is True:
            return _limited(sql, self.table, self.new)
        # A day may be wrong by what changed in any table that the query reads.
        catalog = load_catalog()
        changed = [self.changed_from[name] for name in READ.findall(sql) if name in self.changed_from]
        known = [day for day in changed if day is not None]
        if len(known) < len(changed):
            return sql
        for name in by_day:
            table = catalog[name]
            assert table.increment is not None
            first = min(known, default=date.max)
            sql = _limited(sql, table, f"{quoted(table.increment.day)} >= {literal(str(first))}::date")
        return sql

    def _columns_without_null(self) -> set[str]:
        """The required columns that hold no NULL, in one look at the rows; none where it cannot be told."""
        columns = self.table.required_columns
        if not columns:
            return set()
        counts = ", ".join(f"count(*) - count({quoted(column)})" for column in columns)
        try:
            found = self.connection.execute(f"select {counts} from {self._rows}").fetchone()
        except duckdb.Error:
            return set()
        return {column for column, missing in zip(columns, found or (), strict=True) if missing == 0}

    def _check_row_count(self, count: int) -> RuleResult:
        low, high = self.table.row_count
        enough = count >= low and (high is None or count <= high)
        sample = None if enough else f"{count} rows, expected {low}..{high or 'any'}"
        return rule_result(self.table, "table_row_count", None, "critical", count, int(not enough), sample)

    def _check(
        self, rule: str, column: str | None, severity: str, checked: int, offending: str
    ) -> RuleResult:
        try:
            failed = self._scalar(f"select count(*) from ({offending})")
            sample = self._sample(offending) if failed else None
        except duckdb.Error as error:
            raised = f"the rule raised: {str(error).splitlines()[0]}"
            return rule_result(self.table, rule, column, "critical", checked, checked, raised)
        return rule_result(self.table, rule, column, severity, checked, failed, sample)

    def _sample(self, offending: str) -> pd.DataFrame:
        return self.connection.execute(f"select * from ({offending}) order by all limit {SAMPLE_ROWS}").df()

    def _scalar(self, sql: str) -> int:
        row = self.connection.execute(sql).fetchone()
        return int(row[0]) if row else 0
