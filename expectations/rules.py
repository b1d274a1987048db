"""The rules of a table: those that follow from the catalog, and those written by hand.

In: a table of the catalog. Out: native Great Expectations items and queries for offending rows, each with a
severity.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pandas as pd
import yaml

from warehouse.catalog import Column, Table

HERE = Path(__file__).resolve().parent
PANDAS_TYPES = {
    "VARCHAR": ["str"],
    "DATE": ["datetime64[ns]", "datetime64[us]", "datetime64[s]"],
    "TIMESTAMP": ["datetime64[ns]", "datetime64[us]", "datetime64[s]"],
    "DOUBLE": ["float64"],
    # Great Expectations' name for whole numbers of which some are missing is that of the class.
    "INTEGER": ["int32", "int64", "Int32Dtype", "Int64Dtype"],
    "BIGINT": ["int64", "Int64Dtype"],
    "BOOLEAN": ["bool"],
}

# What a Great Expectations item takes depends on its type.
Arguments = dict[str, Any]


class Meta(TypedDict):
    """The description of an item."""

    why: str
    name: NotRequired[str]


class Item(TypedDict):
    """A native Great Expectations item with a severity."""

    type: str
    kwargs: Arguments
    severity: str
    meta: NotRequired[Meta]


class Query(TypedDict):
    """SQL that returns the offending rows; `by_day`: days that passed before need not be looked at again.

    `true`: what it finds on a day depends on rows of that day in its own table alone. A list of tables: on
    rows of that day in these, and in the others that it reads on rows of that day or earlier ones; then the
    days count from the first on that changed in any of the tables that it reads.
    """

    name: str
    severity: str
    why: str
    sql: str
    by_day: NotRequired[bool | list[str]]


class Handwritten(TypedDict):
    """The rules of one file `expectations/<schema>/<table>.yml`."""

    expectations: list[Item]
    queries: list[Query]


@cache
def handwritten(table: Table) -> Handwritten:
    """The rules of `expectations/<schema>/<table>.yml`; none when there is no such file."""
    path = HERE / table.schema / f"{table.name}.yml"
    if not path.exists():
        return {"expectations": [], "queries": []}
    content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return {"expectations": content.get("expectations", []), "queries": content.get("queries", [])}


def derived_items(table: Table, present: list[str], *, sql_checks_done: bool = False) -> list[Item]:
    """Great Expectations items that follow from the catalog: types, nulls, ranges, permitted texts, key,
    row count.

    Args:
        table: the table.
        present: the columns that the rows have.
        sql_checks_done: types, nulls, key and row count have been checked in SQL; what remains is critical.
    """
    items: list[Item] = []
    for column in table.columns:
        if column.name in present:
            if not sql_checks_done:
                items += _items_of_type(table, column)
            items += _items_of_limits(column, "critical" if sql_checks_done else "warning")
    if not sql_checks_done:
        keys = [name for name in table.grain if name in present]
        items.append(_item("expect_compound_columns_to_be_unique", {"column_list": keys}, "warning"))
        # Whether an input may be empty is decided by `required`, not here.
        items.append(_item("expect_table_row_count_to_be_between", {"min_value": 1}, "warning"))
    return items


def _items_of_type(table: Table, column: Column) -> list[Item]:
    types = {"column": column.name, "type_list": PANDAS_TYPES[column.type]}
    items = [_item("expect_column_values_to_be_in_type_list", types, "critical")]
    if column.name in table.required_columns:
        items.append(_item("expect_column_values_to_not_be_null", {"column": column.name}, "warning"))
    return items


def _items_of_limits(column: Column, severity: str) -> list[Item]:
    items = []
    if column.min is not None or column.max is not None:
        low, high = _bound(column.type, column.min), _bound(column.type, column.max)
        limits = {"column": column.name, "min_value": low, "max_value": high}
        items.append(_item("expect_column_values_to_be_between", limits, severity))
    if column.values:
        texts = {"column": column.name, "value_set": list(column.values)}
        items.append(_item("expect_column_values_to_be_in_set", texts, severity))
    return items


def _item(rule: str, arguments: Arguments, severity: str) -> Item:
    return {
        "type": rule,
        "kwargs": arguments,
        "severity": severity,
        "meta": {"why": "derived from the catalog"},
    }


def _bound(type_name: str, value: float | str | None) -> float | str | pd.Timestamp | None:
    return pd.Timestamp(value) if value is not None and type_name in ("DATE", "TIMESTAMP") else value


def columns_of(item: Item) -> list[str]:
    """The columns that an item reads."""
    arguments = item["kwargs"]
    return [arguments[key] for key in ("column", "column_A", "column_B") if key in arguments] + list(
        arguments.get("column_list", [])
    )


def rule_name(item: Item) -> str:
    """`close_values_to_be_between` and the like; an item may carry a name of its own in its meta."""
    name = item["meta"].get("name") if "meta" in item else None
    if name:
        return str(name)
    short = item["type"].removeprefix("expect_").removeprefix("column_")
    column = item["kwargs"].get("column")
    return f"{column}_{short}" if column else short
