"""One model asked for its rows from a day on, with the inputs that it says it reads and no others.

In: a warehouse as in `tests/model_fixture.py` with the model and its inputs built. Out: an assertion that its
rows from that day on are those that are there, bit for bit. Whole publications are extended in
`tests/test_extension.py`.
"""

from __future__ import annotations

import datetime as dt

import duckdb

from transforms.increment import PREVIOUS_ROWS
from transforms.runner import create_table, insert_rows
from warehouse.catalog import Table, load_catalog

WHOLE, VIEWS = "memory", "extension"


def assert_extension_is_the_same(con: duckdb.DuckDBPyConnection, model: str, since: dt.date) -> int:
    """Compare; returns how many rows there are from `since` on."""
    table, catalog = load_catalog()[model], load_catalog()
    grows = table.increment
    assert grows is not None
    from_since = f"{grows.day} >= date '{since}'"
    cursor = con.cursor()
    variables = con.execute(
        "select getvariable('session_date'), getvariable('cutoff_utc'), getvariable('data_source')"
    ).fetchone()
    assert variables is not None
    for name, value in zip(("session_date", "cutoff_utc", "data_source"), variables, strict=True):
        cursor.execute(f"set variable {name} = ?", [value])
    cursor.execute(f"attach ':memory:' as {VIEWS}")
    try:
        for schema in ("ref", "staging", "marts"):
            cursor.execute(f"create schema {VIEWS}.{schema}")
        for item in table.inputs:
            reach, own = grows.reads.get(item), catalog[item].increment
            where = "true"
            if isinstance(reach, int):
                # equity prices have no block of their own on every branch
                day = own.day if own else "session_date"
                where = f"{day} >= date '{since}' - {reach}"
            if not item.startswith("raw."):
                cursor.execute(f"create view {VIEWS}.{item} as from {WHOLE}.{item} where {where}")
        cursor.execute(f"use {VIEWS}")
        cursor.execute(f"create view {PREVIOUS_ROWS} as from {WHOLE}.{model} where not ({from_since})")
        cursor.execute("set variable since = ?::date", [since])
        create_table(cursor, table, model)
        insert_rows(cursor, table, model, keep=from_since)
        new, there = (_content(cursor, name, from_since, table) for name in (model, f"{WHOLE}.{model}"))
    finally:
        cursor.execute(f"use {WHOLE}")
        cursor.execute(f"detach {VIEWS}")
        cursor.close()
    assert new == there
    return there[0]


def _content(cursor: duckdb.DuckDBPyConnection, name: str, where: str, table: Table) -> tuple[int, int]:
    """The number of rows, and a hash of all their bits; 0.0 and -0.0, which have one hash, are told apart."""
    signs = [f"signbit({column.name})" for column in table.columns if column.type == "DOUBLE"]
    [(rows, total)] = cursor.execute(
        f"select count(*), sum(hash({', '.join([*table.column_names, *signs])})::hugeint)"
        f" from {name} where {where}"
    ).fetchall()
    return int(rows), int(total or 0)
