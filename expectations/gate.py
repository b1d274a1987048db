"""The one gate: every rule on data runs here, before load (rows) and before publication (built tables).

In: a table of the catalog and its rows as a frame, or a connection to the built publication. Out: one
result per rule in the shape of `ops.validation_results`. Rules come from three places: the catalog (types,
keys, nulls, ranges, permitted texts, row counts), `expectations/<schema>/<table>.yml` under `expectations:`
(native Great Expectations items with a severity and a why), and the same file's `queries:` (SQL that
returns the offending rows). Finiteness is checked in SQL, because a frame cannot tell NaN from NULL. A rule
that raises counts as failed. A row rule of severity `warning` quarantines its rows before load; `critical`
stops.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import yaml

from warehouse.catalog import Table, literal, quoted

HERE = Path(__file__).resolve().parent
PANDAS_TYPES = {
    "VARCHAR": ["str"],
    "DATE": ["datetime64[ns]", "datetime64[us]", "datetime64[s]"],
    "TIMESTAMP": ["datetime64[ns]", "datetime64[us]", "datetime64[s]"],
    "DOUBLE": ["float64"],
    "INTEGER": ["int32", "int64"],
    "BIGINT": ["int64"],
    "BOOLEAN": ["bool"],
}
SAMPLE_ROWS = 5
NEWEST_ROWS = 1000


@dataclass
class GateResult:
    """Results per rule, and for rows before load: which rows broke which rule first."""

    results: list[dict[str, Any]] = field(default_factory=list)
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
    def critical_failures(self) -> list[dict[str, Any]]:
        """Failed rules that stop the publication."""
        return [
            result for result in self.results if not result["passed"] and result["severity"] == "critical"
        ]


def check_rows(table: Table, rows: pd.DataFrame) -> GateResult:
    """Check rows before they are loaded; row rules mark rows as broken, the rest is reported."""
    present = [name for name in rows.columns if not name.startswith("_")]
    items = [
        item for item in derived_items(table, present) if item["kwargs"].get("column") != "run_id"
    ] + handwritten(table)["expectations"]
    gate = GateResult(
        broken=pd.Series(False, index=rows.index), first_rule=pd.Series("", index=rows.index, dtype=object)
    )
    _mark_repeated_rows(table, rows, gate)
    _run_expectations(table, rows, items, gate, mark=True)
    return gate


def check_table(connection: duckdb.DuckDBPyConnection, table: Table) -> GateResult:
    """Check one built table: whole-table rules in SQL, the rest by Great Expectations on its frame."""
    gate = GateResult()
    count = _check_shape_in_sql(connection, table, gate)
    rules = handwritten(table)
    derived = derived_items(table, table.column_names, sql_checks_done=True)
    if derived:
        # Millions of rows of which hardly one breaks a range: SQL picks the rows that could, and
        # Great Expectations judges those beside the newest ones. A row that is left out breaks no
        # derived rule, so the verdict speaks of the whole table.
        frame = connection.execute(_suspects_and_newest(table, derived)).df()
        _run_expectations(table, frame, derived, gate, mark=False, checked_rows=count)
    if rules["expectations"]:
        columns = sorted({name for item in rules["expectations"] for name in _columns_of(item)})
        frame = connection.execute(f"select {', '.join(map(quoted, columns))} from {table.full_name}").df()
        _run_expectations(table, frame, rules["expectations"], gate, mark=False)
    for query in rules["queries"]:
        _run_query(connection, table, query, gate)
    return gate


def derived_items(table: Table, present: list[str], *, sql_checks_done: bool = False) -> list[dict[str, Any]]:
    """Great Expectations items that follow from the catalog: types, nulls, ranges, permitted texts, key,
    row count.
    """
    severity = "critical" if sql_checks_done else "warning"
    items: list[dict[str, Any]] = []

    def add(rule: str, kwargs: dict[str, Any], level: str) -> None:
        items.append(
            {"type": rule, "kwargs": kwargs, "severity": level, "meta": {"why": "derived from the catalog"}}
        )

    for column in table.columns:
        if column.name not in present:
            continue
        if not sql_checks_done:
            add(
                "expect_column_values_to_be_in_type_list",
                {"column": column.name, "type_list": PANDAS_TYPES[column.type]},
                "critical",
            )
        if column.name in table.required_columns and not sql_checks_done:
            add("expect_column_values_to_not_be_null", {"column": column.name}, severity)
        if column.min is not None or column.max is not None:
            low, high = _bound(column.type, column.min), _bound(column.type, column.max)
            add(
                "expect_column_values_to_be_between",
                {"column": column.name, "min_value": low, "max_value": high},
                severity,
            )
        if column.values:
            add(
                "expect_column_values_to_be_in_set",
                {"column": column.name, "value_set": list(column.values)},
                severity,
            )
    if not sql_checks_done:
        keys = [name for name in table.grain if name in present]
        add("expect_compound_columns_to_be_unique", {"column_list": keys}, "warning")
        # Whether an input may be empty is decided by `required`, not here.
        add("expect_table_row_count_to_be_between", {"min_value": 1}, "warning")
    return items


def _suspects_and_newest(table: Table, items: list[dict[str, Any]]) -> str:
    """SQL for every row that breaks one of the derived rules, and the newest rows by the last date of the
    grain.
    """
    broken = []
    for item in items:
        column, kwargs = quoted(item["kwargs"]["column"]), item["kwargs"]
        if "value_set" in kwargs:
            broken.append(f"{column} not in ({', '.join(map(literal, kwargs['value_set']))})")
        for key, sign in (("min_value", "<"), ("max_value", ">")):
            if kwargs.get(key) is not None:
                bound = kwargs[key]
                broken.append(
                    f"{column} {sign}"
                    f" {literal(str(bound)) if isinstance(bound, pd.Timestamp) else repr(bound)}"
                )
    columns = ", ".join(
        quoted(name) for name in dict.fromkeys([*table.grain, *(item["kwargs"]["column"] for item in items)])
    )
    dates = [column.name for column in table.columns if column.type == "DATE" and column.name in table.grain]
    others = [quoted(name) for name in table.grain if name not in dates]
    newest = f"order by {', '.join([*(f'{quoted(name)} desc' for name in dates), *others]) or 'all'}"
    return (
        f"select {columns} from {table.full_name} where {' or '.join(broken)} "
        f"union (select {columns} from {table.full_name} {newest} limit {NEWEST_ROWS})"
    )


@cache
def handwritten(table: Table) -> dict[str, list[dict[str, Any]]]:
    """The rules of `expectations/<schema>/<table>.yml`."""
    path = HERE / table.schema / f"{table.name}.yml"
    if not path.exists():
        return {"expectations": [], "queries": []}
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"expectations": content.get("expectations", []), "queries": content.get("queries", [])}


def _bound(type_name: str, value: float | str | None) -> Any:
    return pd.Timestamp(value) if value is not None and type_name in ("DATE", "TIMESTAMP") else value


def _columns_of(item: dict[str, Any]) -> list[str]:
    kwargs = item["kwargs"]
    return [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs] + list(
        kwargs.get("column_list", [])
    )


def _mark_repeated_rows(table: Table, rows: pd.DataFrame, gate: GateResult) -> None:
    """Rows served twice with equal values: one is kept, the others are quarantined. Unequal ones break the
    key rule instead.
    """
    keys = [name for name in table.grain if name in rows.columns]
    repeated = rows.duplicated([*keys, *table.compared], keep="first")
    gate.broken |= repeated
    gate.first_rule[repeated] = "row_is_served_once"
    gate.results.append(
        _result(table, "row_is_served_once", None, "warning", len(rows), int(repeated.sum()), rows[repeated])
    )


def _run_expectations(
    table: Table,
    frame: pd.DataFrame,
    items: list[dict[str, Any]],
    gate: GateResult,
    *,
    mark: bool,
    checked_rows: int | None = None,
) -> None:
    checked = frame[~gate.broken] if mark else frame
    total = len(checked) if checked_rows is None else checked_rows
    validation = _validate(checked, items)
    for item, outcome in zip(items, validation, strict=True):
        rule = rule_name(item)
        column = item["kwargs"].get("column")
        if outcome.get("exception"):
            raised = f"the rule raised: {outcome['exception']}"
            gate.results.append(_result(table, rule, column, "critical", total, total, raised))
            continue
        bad = checked.index[outcome["rows"]] if outcome["rows"] is not None else checked.index[:0]
        failed = len(bad) if outcome["rows"] is not None else int(not outcome["success"])
        sample = (
            checked.loc[bad[:SAMPLE_ROWS]]
            if len(bad)
            else (None if outcome["success"] else str(outcome["observed"]))
        )
        gate.results.append(_result(table, rule, column, item["severity"], total, failed, sample))
        if mark and len(bad):
            gate.broken[bad] = True
            gate.first_rule[bad] = gate.first_rule[bad].where(gate.first_rule[bad] != "", rule)


def rule_name(item: dict[str, Any]) -> str:
    """`close_values_to_be_between` and the like; an item may carry a name of its own in its meta."""
    name = item.get("meta", {}).get("name")
    if name:
        return str(name)
    short = item["type"].removeprefix("expect_").removeprefix("column_")
    column = item["kwargs"].get("column")
    return f"{column}_{short}" if column else short


def _validate(frame: pd.DataFrame, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run native items; per item success, the positions of the unexpected rows where the rule is about
    rows, or the exception.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from great_expectations.core.expectation_suite import ExpectationSuite

        # Great Expectations 1.24 does not know the text type of pandas 3 by any name; as objects
        # the values themselves are checked.
        plain = frame.reset_index(drop=True).astype(dict.fromkeys(frame.select_dtypes("str").columns, object))
        batch = _batch_definition().get_batch({"dataframe": plain})
        numbered = [
            {"type": item["type"], "kwargs": item["kwargs"], "meta": {"position": position}}
            for position, item in enumerate(items)
        ]
        suite = ExpectationSuite("rules", expectations=numbered)
        suite_result = batch.validate(
            suite, result_format={"result_format": "COMPLETE", "include_unexpected_rows": False}
        )
    by_position = {result.expectation_config.meta["position"]: result for result in suite_result.results}
    return [_outcome(by_position.get(position)) for position in range(len(items))]


@cache
def _batch_definition() -> Any:
    """One in-memory Great Expectations context per process; the import alone takes seconds, so it waits
    until here.
    """
    import great_expectations as gx

    for logger in (
        "great_expectations",
        "great_expectations._docs_decorators",
        "great_expectations.data_context.types.base",
    ):
        logging.getLogger(logger).setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")


def _outcome(result: Any) -> dict[str, Any]:
    if result is None:
        return {"success": False, "rows": None, "observed": None, "exception": "no result came back"}
    raised = result.exception_info or {}
    messages = [raised] if "raised_exception" in raised else list(raised.values())
    for entry in messages:
        if isinstance(entry, dict) and entry.get("raised_exception"):
            return {
                "success": False,
                "rows": None,
                "observed": None,
                "exception": str(entry.get("exception_message"))[:300],
            }
    detail = result.result or {}
    unexpected = detail.get("unexpected_index_list")
    positions = np.array(sorted(unexpected), dtype=int) if unexpected else None
    if not result.success and positions is None and detail.get("unexpected_count"):
        return {
            "success": False,
            "rows": None,
            "observed": None,
            "exception": "rows failed but were not named",
        }
    return {
        "success": bool(result.success),
        "rows": positions,
        "observed": detail.get("observed_value"),
        "exception": None,
    }


def _check_shape_in_sql(connection: duckdb.DuckDBPyConnection, table: Table, gate: GateResult) -> int:
    """Row count, unique key, no NULL where none may be, and every number finite: one pass over the table
    each.
    """
    name = table.full_name
    count = _scalar(connection, f"select count(*) from {name}")
    low, high = table.row_count
    enough = count >= low and (high is None or count <= high)
    gate.results.append(
        _result(
            table,
            "table_row_count",
            None,
            "critical",
            count,
            int(not enough),
            None if enough else f"{count} rows, expected {low}..{high or 'any'}",
        )
    )
    if table.grain:
        keys = ", ".join(map(quoted, table.grain))
        doubled = f"select {keys}, count(*) as copies from {name} group by all having count(*) > 1"
        gate.results.append(
            _sql_result(connection, table, "grain_is_unique", None, "critical", count, doubled)
        )
    for column in table.required_columns:
        missing = (
            f"select {', '.join(map(quoted, table.grain)) or '*'} from {name} where {quoted(column)} is null"
        )
        gate.results.append(
            _sql_result(connection, table, f"{column}_is_not_null", column, "critical", count, missing)
        )
    floats = [column.name for column in table.columns if column.type == "DOUBLE"]
    if floats:
        some = " or ".join(f"not isfinite({quoted(column)})" for column in floats)
        wild = f"select {', '.join(map(quoted, table.grain)) or '*'} from {name} where {some}"
        gate.results.append(
            _sql_result(connection, table, "numbers_are_finite", None, "critical", count, wild)
        )
    return count


def _run_query(
    connection: duckdb.DuckDBPyConnection, table: Table, query: dict[str, Any], gate: GateResult
) -> None:
    count = _scalar(connection, f"select count(*) from {table.full_name}")
    gate.results.append(
        _sql_result(connection, table, query["name"], None, query["severity"], count, query["sql"])
    )


def _sql_result(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    rule: str,
    column: str | None,
    severity: str,
    checked: int,
    offending: str,
) -> dict[str, Any]:
    try:
        failed = _scalar(connection, f"select count(*) from ({offending})")
        sample = (
            connection.execute(f"select * from ({offending}) order by all limit {SAMPLE_ROWS}").df()
            if failed
            else None
        )
    except duckdb.Error as error:
        return _result(
            table,
            rule,
            column,
            "critical",
            checked,
            checked,
            f"the rule raised: {str(error).splitlines()[0]}",
        )
    return _result(table, rule, column, severity, checked, failed, sample)


def _scalar(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return int(row[0]) if row else 0


def _result(
    table: Table,
    rule: str,
    column: str | None,
    severity: str,
    checked: int,
    failed: int,
    sample: pd.DataFrame | str | None,
) -> dict[str, Any]:
    text = sample if isinstance(sample, str) else None
    if isinstance(sample, pd.DataFrame) and failed:
        shown = sample[
            [
                name
                for name in sample.columns
                if name not in ("payload_sha256", "known_at_utc", "run_id") and not name.startswith("_")
            ]
        ]
        text = "; ".join(
            ", ".join(f"{key}={_plain(value)}" for key, value in row.items())
            for row in shown.head(SAMPLE_ROWS).to_dict("records")
        )
    return {
        "table_name": table.full_name,
        "rule": rule,
        "column_name": column,
        "severity": severity,
        "passed": failed == 0,
        "checked_rows": checked,
        "failed_rows": failed,
        "sample": text,
    }


def _plain(value: Any) -> str:
    if isinstance(value, pd.Timestamp) and value == value.normalize():
        return str(value.date())
    return "NULL" if pd.isna(value) else str(value)
