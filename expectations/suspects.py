"""Which rows could break a rule: picked by SQL, so that Great Expectations judges those and not millions.

In: a frame or a built table, and native items. Out: the rows that could break one of them, in their order; of
a frame a sample of the newest, too, so that Great Expectations judges some of what every load brings. A row
that is left out breaks none of the items, so what Great Expectations says of the others holds for all rows:
the same rows are broken, by the same rules, as if it had seen every row. An item that SQL cannot answer for
(a type of expectation that is not listed here, an argument such as `mostly`, a column of Python objects)
makes every row a suspect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real

import duckdb
import numpy as np
import pandas as pd

from expectations.rules import Arguments, Item, columns_of
from warehouse.catalog import Table, literal, quoted

NEWEST_ROWS = 200
FRAME = "checked_rows"
POSITION = "_position"

# What the arguments may be for SQL to know what the item does.
KNOWN_ARGUMENTS = {
    "expect_column_values_to_be_in_type_list": {"column", "type_list"},
    "expect_column_values_to_not_be_null": {"column"},
    "expect_column_values_to_be_between": {"column", "min_value", "max_value"},
    "expect_column_values_to_be_in_set": {"column", "value_set"},
    "expect_column_pair_values_a_to_be_greater_than_b": {"column_A", "column_B", "or_equal", "ignore_row_if"},
    "expect_compound_columns_to_be_unique": {"column_list"},
    "expect_table_row_count_to_be_between": {"min_value"},
}
KINDS = {
    "VARCHAR": "text",
    "DATE": "moment",
    "TIMESTAMP": "moment",
    "DOUBLE": "number",
    "INTEGER": "number",
    "BIGINT": "number",
    "BOOLEAN": "truth",
}
# No single row can break these: they look at a column's type, or count.
ROWLESS = ("expect_column_values_to_be_in_type_list", "expect_table_row_count_to_be_between")
Kinds = Mapping[str, str]
"""Per column: text, moment, number or truth; a column of another kind is left out."""


def frame_to_judge(
    connection: duckdb.DuckDBPyConnection, table: Table, rows: pd.DataFrame, items: Sequence[Item]
) -> pd.DataFrame:
    """The rows of a frame that could break an item, and the newest; all of them when SQL cannot tell.

    Args:
        connection: a connection that the frame may be registered with for a moment.
        table: the table that the rows belong to.
        rows: the rows.
        items: the items.
    """
    if len(rows) <= NEWEST_ROWS:
        return rows
    kinds = {str(name): kind for name, dtype in rows.dtypes.items() if (kind := _kind(dtype))}
    # pandas knows at once where nothing is missing; DuckDB would read every text for it.
    asked = [item for item in items if not _is_met(item, rows)]
    broken = conditions(asked, kinds, FRAME)
    if broken is None:
        return rows
    days = _days(table, kinds)
    read = dict.fromkeys([*days, *(name for item in asked for name in _read(item))])
    registered = rows[list(read)].assign(**{POSITION: np.arange(len(rows))})
    connection.register(FRAME, registered)
    try:
        found = connection.execute(_picked(broken, days)).fetchnumpy()
    finally:
        connection.unregister(FRAME)
    return rows.iloc[np.asarray(found[POSITION], dtype=np.int64)]


def table_to_judge(
    connection: duckdb.DuckDBPyConnection, table: Table, items: Sequence[Item], new: str = "true"
) -> pd.DataFrame | None:
    """The rows of a built table that could break an item, among those that meet a condition: the key and the
    columns that the items read. None when SQL cannot tell.
    """
    kinds = {column.name: KINDS[column.type] for column in table.columns}
    broken = conditions(items, kinds, f"(from {table.full_name} where {new})")
    if broken is None or any(item["type"] in ROWLESS for item in items):
        return None
    return connection.execute(
        f"select {_judged_columns(table, items)} from {table.full_name}"
        f" where ({new}) and ({' or '.join(broken) or 'false'}) order by rowid"
    ).df()


def whole_table(connection: duckdb.DuckDBPyConnection, table: Table, items: Sequence[Item]) -> pd.DataFrame:
    """Every row of a built table: the key and the columns that the items read."""
    return connection.execute(f"select {_judged_columns(table, items)} from {table.full_name}").df()


def _judged_columns(table: Table, items: Sequence[Item]) -> str:
    """The key and the columns that the items read."""
    names = dict.fromkeys([*table.grain, *(name for item in items for name in columns_of(item))])
    return ", ".join(map(quoted, names))


def _is_met(item: Item, rows: pd.DataFrame) -> bool:
    column = item["kwargs"].get("column")
    return bool(
        item["type"] == "expect_column_values_to_not_be_null"
        and set(item["kwargs"]) == {"column"}
        and column in rows.columns
        and not rows[column].isna().any()
    )


def _read(item: Item) -> list[str]:
    """The columns that a condition reads; none where no single row can break the item."""
    return [] if item["type"] in ROWLESS else columns_of(item)


def _picked(broken: Sequence[str], days: Sequence[str]) -> str:
    newest = ", ".join([*(f"{quoted(name)} desc" for name in days), POSITION])
    return (
        f"select {POSITION} from {FRAME} where {' or '.join(broken) or 'false'}"
        f" or {POSITION} in (select {POSITION} from {FRAME} order by {newest} limit {NEWEST_ROWS})"
        f" order by {POSITION}"
    )


def _days(table: Table, kinds: Kinds) -> list[str]:
    """The dates of the key, by which the newest rows are found."""
    return [name for name in table.grain if kinds.get(name) == "moment" and not name.endswith("_utc")]


def _kind(dtype: object) -> str | None:
    if isinstance(dtype, pd.StringDtype):
        return "text"
    kind = dtype.kind if isinstance(dtype, np.dtype) else ""
    return {"M": "moment", "f": "number", "i": "number", "u": "number", "b": "truth"}.get(kind)


def conditions(items: Sequence[Item], kinds: Kinds, source: str) -> list[str] | None:
    """Conditions of which every row that breaks an item meets one; None when an item is not known so well.

    Args:
        items: the items.
        kinds: what each column holds.
        source: the rows, as SQL reads them.
    """
    found: list[str] = []
    for item in items:
        arguments = {name: value for name, value in item["kwargs"].items() if value is not None}
        known = KNOWN_ARGUMENTS.get(item["type"])
        if known is None or not set(arguments) <= known or not set(columns_of(item)) <= set(kinds):
            return None
        condition = _condition(item["type"], arguments, kinds, source)
        if condition is None:
            return None
        found += [condition] if condition else []
    return found


def _condition(kind: str, arguments: Arguments, kinds: Kinds, source: str) -> str | None:
    """The condition for one item; empty when no single row can break it, None when SQL cannot tell."""
    if kind == "expect_column_values_to_not_be_null":
        return f"{quoted(arguments['column'])} is null or {_is_nan(arguments['column'], kinds)}"
    if kind == "expect_column_values_to_be_between":
        return _outside(arguments, kinds)
    if kind == "expect_column_values_to_be_in_set":
        return _not_in_set(arguments, kinds)
    if kind == "expect_column_pair_values_a_to_be_greater_than_b":
        one, other = arguments["column_A"], arguments["column_B"]
        sign = ">=" if arguments.get("or_equal") else ">"
        comparable = kinds[one] == kinds[other] in ("number", "moment")
        nan = f"{_is_nan(one, kinds)} or {_is_nan(other, kinds)}"
        return f"({quoted(one)} {sign} {quoted(other)}) is not true or {nan}" if comparable else None
    if kind == "expect_compound_columns_to_be_unique":
        key = ", ".join(map(quoted, arguments["column_list"]))
        missing = "".join(f" or {quoted(name)} is null" for name in arguments["column_list"])
        return f"({key}) in (select ({key}) from {source} group by {key} having count(*) > 1){missing}"
    return ""


def _outside(arguments: Arguments, kinds: Kinds) -> str | None:
    column = arguments["column"]
    bounds = [arguments[name] for name in ("min_value", "max_value") if name in arguments]
    wanted = {"number": Real, "moment": pd.Timestamp}.get(kinds[column])
    if not bounds or wanted is None or not all(isinstance(bound, wanted) for bound in bounds):
        return None
    signs = [(name, sign) for name, sign in (("min_value", "<"), ("max_value", ">")) if name in arguments]
    return " or ".join(f"{quoted(column)} {sign} {_literal(arguments[name])}" for name, sign in signs)


def _not_in_set(arguments: Arguments, kinds: Kinds) -> str | None:
    column, values = arguments["column"], arguments["value_set"]
    wanted = {"text": str, "truth": bool}.get(kinds[column])
    if wanted is None or not values or not all(isinstance(value, wanted) for value in values):
        return None
    return f"{quoted(column)} not in ({', '.join(map(_literal, values))})"


def _is_nan(column: str, kinds: Kinds) -> str:
    """A missing number may come as NaN."""
    return f"isnan({quoted(column)})" if kinds[column] == "number" else "false"


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return literal(str(value)) if isinstance(value, (str, pd.Timestamp)) else repr(value)
