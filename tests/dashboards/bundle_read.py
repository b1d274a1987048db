"""The bundle as the tests read it, and what its charts must show by SQL of the tests' own.

In: `dashboards/superset/**.yaml`, `dashboards/queries/*.sql`, and what a browser asked of
`/api/v1/chart/data`. Out: `Bundle`, and `rows_by_sql`, the rows that an answer must have. Nothing of
Superset's SQL is used: the relation is the mart or the query's file, a metric is written again here from
its meaning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import duckdb
import yaml

from dashboards.bundle import BUNDLE
from dashboards.datasets import QUERIES, expanded

Entry = dict[str, Any]
PROVENANCE = "Where these numbers come from"
OPERATORS = {"==": "=", "!=": "<>", ">": ">", "<": "<", ">=": ">=", "<=": "<="}
GRAINS = {"P1D": "day", "P1W": "week", "P1M": "month", "P3M": "quarter", "P1Y": "year"}
# The value of one row, or nothing where a point mixes several.
ONE_VALUE = re.compile(r'case when count\("?(\w+)"?\) = 1 then max\("?\1"?\) end')


@dataclass(frozen=True)
class Bundle:
    """Every file of the bundle, by the UUID of what it holds."""

    charts: dict[str, Entry]
    datasets: dict[str, Entry]
    dashboards: dict[str, Entry]

    @classmethod
    def read(cls) -> Bundle:
        """From the files."""
        return cls(*(_entries(kind) for kind in ("charts", "datasets", "dashboards")))

    @cached_property
    def by_title(self) -> dict[str, Entry]:
        """Charts by what a person reads."""
        return {chart["slice_name"]: chart for chart in self.charts.values()}

    def dataset_of(self, chart: Entry) -> Entry:
        """The dataset that a chart reads."""
        return self.datasets[chart["dataset_uuid"]]

    def rows_of(self, dashboard: Entry) -> dict[str, list[Entry]]:
        """The charts of each row of a dashboard, from top to bottom."""
        position = dashboard["position"]
        return {
            row: [self.charts[item["meta"]["uuid"]] for item in _charts_below(position, row)]
            for row in position["GRID_ID"]["children"]
        }


def _entries(kind: str) -> dict[str, Entry]:
    read = (
        yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        for path in sorted((BUNDLE / kind).rglob("*.yaml"))
    )
    return {entry["uuid"]: entry for entry in read}


def _charts_below(position: Entry, name: str) -> Iterator[Entry]:
    item = position[name]
    if item["type"] == "CHART":
        yield item
    for child in item.get("children", []):
        yield from _charts_below(position, child)


def relation(dataset: Entry) -> str:
    """What a dataset's rows come from, by its name alone: a query of `dashboards/queries`, or a table."""
    name = dataset["table_name"]
    query = QUERIES / f"{name}.sql"
    if query.is_file():
        return f"({expanded(query.read_text(encoding='utf-8').strip().removesuffix(';'))}\n)"
    return name if "." in name else f"marts.{name}"


def column_sql(column: Any) -> tuple[str, str]:
    """A column of a question: its name in the answer, and SQL."""
    if isinstance(column, str):
        return column, f'"{column}"'
    text = column["sqlExpression"]
    text = f'"{text}"' if re.fullmatch(r"\w+", text) else text
    grain = column.get("timeGrain")
    return column["label"], f"date_trunc('{GRAINS[grain]}', {text})" if grain else text


def metric_sql(metric: Any) -> tuple[str, str]:
    """A metric of a question: its name in the answer, and SQL.

    Raises:
        ValueError: it is an aggregate that nobody defined.
    """
    if isinstance(metric, str):
        if metric == "count":
            return metric, "count(*)"
        return metric, _one_value(metric.removesuffix("_value"))
    if metric["expressionType"] == "SIMPLE":
        column = metric["column"]["column_name"]
        return metric["label"], f'{metric["aggregate"]}("{column}")'
    found = ONE_VALUE.fullmatch(metric["sqlExpression"].strip())
    if found:
        return metric["label"], _one_value(found.group(1))
    if not re.fullmatch(r"-?\d+(\.\d+)?", metric["sqlExpression"]):
        raise ValueError(f"{metric['label']}: {metric['sqlExpression']} is no metric of the dataset")
    return metric["label"], metric["sqlExpression"]


def _one_value(column: str) -> str:
    return f'if(count("{column}") = 1, any_value("{column}"), null)'


def filter_sql(one: Entry, days: set[str]) -> str:
    """A filter of a question, as SQL; `days` are the columns of dates and times."""
    name, sql = column_sql(one["col"])
    operator, value = one["op"], one.get("val")
    if operator == "TEMPORAL_RANGE":
        if value == "No filter":
            return "true"
        first, _, last = str(value).partition(" : ")
        return f"{sql} >= '{first}' and {sql} < '{last}'"
    if operator in ("IS NULL", "IS NOT NULL", "IS TRUE", "IS FALSE"):
        return f"{sql} {operator}"
    if operator in ("IN", "NOT IN"):
        values = ", ".join(literal(item, name in days) for item in value or [])
        return f"{sql} {operator} ({values})"
    if operator == "LIKE":
        return f"{sql} like {literal(value, False)}"
    return f"{sql} {OPERATORS[operator]} {literal(value, name in days)}"


def literal(value: Any, day: bool) -> str:
    """A value of a filter, as SQL; a day may come as milliseconds since 1970."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value)
    if day and isinstance(value, int | float):
        return f"'{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M:%S}'"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def rows_by_sql(connection: duckdb.DuckDBPyConnection, dataset: Entry, query: Entry) -> list[Entry]:
    """The rows that the answer to a question must have, in the question's order, cut at its limit.

    Args:
        dataset: what it asks.
        query: as the browser sent it.
    """
    columns = [column_sql(column) for column in query.get("columns") or []]
    metrics = [metric_sql(metric) for metric in query.get("metrics") or []]
    days = {column["column_name"] for column in dataset["columns"] if column["is_dttm"]}
    # A cross filter on a column that the dataset lacks does nothing; native filters are held to more.
    held = {column["column_name"] for column in dataset["columns"]}
    conditions = [
        filter_sql(one, days) for one in query.get("filters") or [] if column_sql(one["col"])[0] in held
    ]
    extras = query.get("extras") or {}
    conditions += [extras["where"]] if extras.get("where") else []
    shown = ", ".join(f'{sql} as "{name}"' for name, sql in (*columns, *metrics))
    statement = f"select {shown} from {relation(dataset)} as the_rows"
    if conditions:
        statement += f" where {' and '.join(f'({one})' for one in conditions)}"
    if query.get("metrics") is not None and columns:
        statement += f" group by {', '.join(sql for _, sql in columns)}"
    # An order decides which rows are cut; within the answer it is not compared.
    limit = query.get("row_limit")
    cursor = connection.execute(statement)
    names = [entry[0] for entry in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    assert not limit or len(rows) < limit, f"{len(rows)} rows, and the chart is cut at {limit}"
    return rows


def plain(value: Any) -> Any:
    """A value so that DuckDB's and JSON's compare equal: times as milliseconds, numbers to 12 digits, which
    leaves a tenth of a second of a time.
    """
    if isinstance(value, datetime):
        return plain(value.replace(tzinfo=value.tzinfo or UTC).timestamp() * 1000.0)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp() * 1000.0
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return json.dumps(value, default=str)
    number = float(value)
    return None if number != number else float(f"{number:.12g}")


def numbers_in(row: Entry, without: set[str]) -> list[float]:
    """The numbers of a row, sorted, but for some columns."""
    found = [plain(value) for name, value in row.items() if name not in without]
    return sorted(value for value in found if isinstance(value, float))


def differences(answer: Entry, query: Entry, expected: list[Entry]) -> list[str]:
    """What an answer shows otherwise than SQL does: rows as they are, or, where the browser asked for a
    column per series, the numbers of each point of the axis.
    """
    given = answer["data"]
    spread = [step for step in query.get("post_processing") or [] if step and step["operation"] == "pivot"]
    if not spread:
        names = list(expected[0]) if expected else []
        want = sorted(repr([plain(row[name]) for name in names]) for row in expected)
        have = sorted(repr([plain(row.get(name)) for name in names]) for row in given)
    else:
        axis = set(spread[0]["options"]["index"])
        want = _by_point(expected, axis, {column_sql(one)[0] for one in query["columns"]})
        have = _by_point(given, axis, axis)
    missing = [row for row in want if row not in set(have)][:2]
    extra = [row for row in have if row not in set(want)][:2]
    if len(want) == len(have) and not missing and not extra:
        return []
    return [f"{len(have)} rows, SQL has {len(want)}; only in SQL: {missing}; only in the chart: {extra}"]


def _by_point(rows: list[Entry], axis: set[str], without: set[str]) -> list[str]:
    points: dict[str, list[float]] = {}
    for row in rows:
        points.setdefault(repr([plain(row[name]) for name in sorted(axis)]), []).extend(
            numbers_in(row, without)
        )
    return sorted(f"{point} {sorted(numbers)}" for point, numbers in points.items())
