"""A NULL in a mart has a reason: in a column beside it, or in the comment where it follows from the row."""

from __future__ import annotations

import pytest

from tests.shared_homes import HomeAfter
from tests.small_market import published
from warehouse.catalog import Column, Table, load_catalog

MARTS = load_catalog().in_schema("marts")


def explained(table: Table, column: Column) -> bool:
    """Whether a reader is told when the column is NULL: by its own comment, or by that of the mart."""
    return "NULL" in column.description or "NULL" in table.description


def may_be_null(table: Table) -> list[Column]:
    """The columns that the catalog allows to be NULL; a reason is NULL where there is nothing to explain."""
    never = {*table.required_columns, "data_source"}
    return [
        column
        for column in table.columns
        if column.name not in never and not column.name.endswith("reason") and column.name != "why"
    ]


@pytest.mark.parametrize("table", MARTS, ids=lambda table: table.name)
def test_every_column_that_may_be_null_says_when(table: Table) -> None:
    silent = [column.name for column in may_be_null(table) if not explained(table, column)]
    assert silent == [], f"{table.full_name}: say in the column's entry in warehouse/catalog/columns when"


def test_a_published_null_is_one_of_those(home_after: HomeAfter) -> None:
    """Looked at in the rows themselves: what holds a NULL is a column that says when."""
    unexplained = []
    with published(home_after("2024-07-16")) as connection:
        for table in MARTS:
            counts = ", ".join(f'count(*) - count("{name}")' for name in table.column_names)
            [missing] = connection.execute(f"select {counts} from {table.full_name}").fetchall()
            held = dict(zip(table.column_names, missing, strict=True))
            allowed = {column.name for column in may_be_null(table) if explained(table, column)}
            unexplained += [
                f"{table.full_name}.{name}: {count} rows"
                for name, count in held.items()
                if count and name not in allowed and not name.endswith("reason") and name != "why"
            ]
    assert unexplained == []
