"""Rules on a built table that run as SQL: its shape, and the queries for offending rows.

In: a connection to the built publication and a table. Out: one result per rule. Finiteness is checked here,
because a frame cannot tell NaN from NULL. A query that raises counts as failed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb
import pandas as pd

from expectations.results import SAMPLE_ROWS, RuleResult, rule_result
from expectations.rules import Query
from warehouse.catalog import Table, quoted


@dataclass(frozen=True)
class SqlChecks:
    """Rules of one built table as SQL."""

    connection: duckdb.DuckDBPyConnection
    table: Table
    # The condition for the rows whose shape is checked.
    new: str = "true"

    @property
    def _rows(self) -> str:
        """The rows whose shape is checked."""
        name = self.table.full_name
        return name if self.new == "true" else f"(from {name} where {self.new})"

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
        for column in table.required_columns:
            missing = f"select {key or '*'} from {self._rows} where {quoted(column)} is null"
            results.append(self._check(f"{column}_is_not_null", column, "critical", count, missing))
        floats = [column.name for column in table.columns if column.type == "DOUBLE"]
        if floats:
            some = " or ".join(f"not isfinite({quoted(column)})" for column in floats)
            infinite = f"select {key or '*'} from {self._rows} where {some}"
            results.append(self._check("numbers_are_finite", None, "critical", count, infinite))
        return results

    def check_query(self, query: Query) -> RuleResult:
        """A rule written as a query for the offending rows."""
        sql = query["sql"]
        if query.get("by_day") and self.new != "true":
            named = re.compile(rf"\bfrom {re.escape(self.table.full_name)}\b(?!\s+as\b)")
            sql = named.sub(f"from {self._rows} as {quoted(self.table.name)}", sql)
        return self._check(query["name"], None, query["severity"], self.row_count(), sql)

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
