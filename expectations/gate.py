"""The one gate: every rule on data runs here, before load (rows) and before publication (built tables).

In: a table of the catalog and its rows as a frame, or a connection to the built publication. Out: one
result per rule in the shape of `ops.validation_results`. Rules come from three places: the catalog (types,
keys and what they refer to, nulls, ranges, permitted texts, row counts),
`expectations/<schema>/<table>.yml` under `expectations:` (native Great Expectations items with a severity
and a why), and the same file's `queries:` (SQL that returns the offending rows). A table with a family of
answers in it has a rule on their age, too (`expectations.ages`). A rule that raises counts as failed. A row
rule of severity `warning` quarantines its rows before load; `critical` stops.

The rules are in `rules`; what runs them is in `suites` (Great Expectations) and `sql_rules`; `suspects` picks
the rows that Great Expectations needs to see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb
import pandas as pd

from expectations import ages
from expectations.results import SAMPLE_ROWS, RuleResult, rule_result
from expectations.rules import Item, Query, derived_items, handwritten, rule_name
from expectations.sql_rules import SqlChecks
from expectations.suites import Outcome, Record, run_items
from expectations.suspects import frame_to_judge, table_to_judge, whole_table
from warehouse.catalog import Table


@dataclass
class GateResult:
    """Results per rule, and for rows before load: which rows broke which rule first."""

    results: list[RuleResult] = field(default_factory=list)
    broken: pd.Series = field(default_factory=lambda: pd.Series(dtype=bool))
    first_rule: pd.Series = field(default_factory=lambda: pd.Series(dtype=object))

    def broken_rows(self, rows: pd.DataFrame) -> list[tuple[str, dict[Any, Any], str]]:
        """The broken rows as (rule, row, payload hash) for the quarantine."""
        bad = rows[self.broken].drop(columns=[name for name in rows.columns if name.startswith("_")])
        return [
            (str(self.first_rule[index]), row, str(row.get("payload_sha256")))
            for index, row in zip(bad.index, bad.to_dict("records"), strict=True)
        ]

    @property
    def critical_failures(self) -> list[RuleResult]:
        """Failed rules that stop the publication."""
        return [
            result for result in self.results if not result["passed"] and result["severity"] == "critical"
        ]


def check_rows(
    table: Table,
    rows: pd.DataFrame,
    connection: duckdb.DuckDBPyConnection | None = None,
    record: Record | None = None,
    *,
    unchanged: int = 0,
) -> GateResult:
    """Check rows before they are loaded; row rules mark rows as broken, the rest is reported.

    Args:
        table: the table that the rows belong to.
        rows: the rows, with what the rules compare with in columns that start with an underscore.
        connection: picks the rows that could break a rule; without one, Great Expectations judges every row,
            with the same result.
        record: where Great Expectations keeps its results.
        unchanged: rows that came with these and are held as they are; the results cover them.
    """
    present = [name for name in rows.columns if not name.startswith("_")]
    items = [
        item for item in derived_items(table, present) if item["kwargs"].get("column") != "run_id"
    ] + handwritten(table)["expectations"]
    gate = GateResult(
        broken=pd.Series(False, index=rows.index), first_rule=pd.Series("", index=rows.index, dtype=object)
    )
    _mark_repeated_rows(table, rows, gate, unchanged)
    checked = rows[~gate.broken]
    frame = checked if connection is None else frame_to_judge(connection, table, checked, items)
    record = record or Record()
    record.keep_suite(table.full_name, items)
    count = len(checked) + unchanged
    _judge(table, frame, items, gate, record, checked_rows=count, mark=True)
    return gate


def check_table(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    record: Record | None = None,
    *,
    new: str | None = None,
    changed_from: Mapping[str, date | None] | None = None,
) -> GateResult:
    """Check one built table: whole-table rules in SQL, the rest by Great Expectations where SQL finds a row
    that may break one.

    Args:
        connection: the built publication.
        table: the table.
        record: where Great Expectations keeps its results.
        new: the condition for the rows that are judged, when all others passed the same rules before; it must
            not split the rows of a key. Handwritten queries look at the whole table all the same, unless
            they are `by_day`.
        changed_from: the tables that changed since, with the first day that did, None where it is unknown.
    """
    gate = GateResult()
    checks = SqlChecks(connection, table, new or "true", changed_from or {})
    count = checks.row_count
    gate.results += checks.check_shape(count)
    # Staging is a working layer; what is published of it is checked in the marts.
    if table.schema == "marts":
        gate.results += checks.check_references(count)
    rules = handwritten(table)
    items = derived_items(table, table.column_names, sql_checks_done=True) + rules["expectations"]
    if items:
        record = record or Record()
        record.keep_suite(table.full_name, items)
        frame = table_to_judge(connection, table, items, new or "true")
        if frame is None:
            frame = whole_table(connection, table, items)
            _judge(table, frame, items, gate, record, checked_rows=count)
        elif len(frame):
            _judge(table, frame, items, gate, record, checked_rows=count)
        else:
            gate.results += [_passed(table, item, count) for item in items]
    for query in (*rules["queries"], *_rules_on_age(connection, table)):
        gate.results.append(checks.check_query(query))
    return gate


def check_references(connection: duckdb.DuckDBPyConnection, table: Table) -> list[RuleResult]:
    """Check the foreign keys of a table that is not built, such as one of `ref`; its primary key and its
    texts were checked when it was read.
    """
    checks = SqlChecks(connection, table)
    return checks.check_references(checks.row_count)


def _rules_on_age(connection: duckdb.DuckDBPyConnection, table: Table) -> list[Query]:
    """The rules on the ages of a table's answers at the session that is checked; the handwritten rules find
    the oldest days that are allowed in variables.
    """
    row = connection.execute("select getvariable('session_date')").fetchone()
    session = row[0] if row else None
    if session is None:
        return []
    ages.set_oldest_days(connection, session)
    return ages.rules_of(table.full_name, session)


def _mark_repeated_rows(table: Table, rows: pd.DataFrame, gate: GateResult, unchanged: int) -> None:
    """Rows served twice with equal values: one is kept, the others are quarantined. Unequal ones break the
    key rule instead, unless the kind of input tells which differences matter: `_served_again` marks the rows
    that it leaves out, `_served_differently` those of which none can be trusted.
    """
    keys = [name for name in table.grain if name in rows.columns]
    repeated = rows.duplicated([*keys, *table.compared], keep="first")
    marks = {"row_is_served_once": repeated}
    if "_served_again" in rows and "_served_differently" in rows:
        differently = rows["_served_differently"]
        repeated = (repeated & ~differently) | rows["_served_again"]
        marks = {"row_is_served_once": repeated, "row_served_twice_has_the_same_prices": differently}
    for rule, marked in marks.items():
        gate.broken |= marked
        gate.first_rule[marked] = rule
        count = len(rows) + unchanged
        gate.results.append(rule_result(table, rule, None, "warning", count, int(marked.sum()), rows[marked]))


def _judge(
    table: Table,
    frame: pd.DataFrame,
    items: Sequence[Item],
    gate: GateResult,
    record: Record,
    *,
    checked_rows: int,
    mark: bool = False,
) -> None:
    """Run native items on the rows that could break one and add the results, which cover every row.

    Args:
        table: the table that the rows belong to.
        frame: the rows that could break an item, and the newest.
        items: the items.
        gate: takes the results.
        record: where Great Expectations keeps its results.
        checked_rows: rows that the results cover.
        mark: whether a row that breaks an item becomes a broken row.
    """
    for item, outcome in zip(items, run_items(table.full_name, frame, items, record), strict=True):
        rule, column = rule_name(item), item["kwargs"].get("column")
        if outcome.exception:
            raised = f"the rule raised: {outcome.exception}"
            gate.results.append(
                rule_result(table, rule, column, "critical", checked_rows, checked_rows, raised)
            )
            continue
        bad = frame.index[outcome.rows] if outcome.rows is not None else frame.index[:0]
        failed = len(bad) if outcome.rows is not None else int(not outcome.success)
        sample = frame.loc[bad[:SAMPLE_ROWS]] if len(bad) else _observed(outcome)
        gate.results.append(rule_result(table, rule, column, item["severity"], checked_rows, failed, sample))
        if mark and len(bad):
            gate.broken[bad] = True
            gate.first_rule[bad] = gate.first_rule[bad].where(gate.first_rule[bad] != "", rule)


def _passed(table: Table, item: Item, checked: int) -> RuleResult:
    """The result of an item that no row could break."""
    return rule_result(
        table, rule_name(item), item["kwargs"].get("column"), item["severity"], checked, 0, None
    )


def _observed(outcome: Outcome) -> str | None:
    """What a whole-table item found instead of what it expects."""
    return None if outcome.success else str(outcome.observed)
