"""New versions of raw rows and rows that no longer come: the right ones, by joins that stay cheap.

Checked against a plain Python reading of the rule over random histories; and no plan of the load may hold a
nested-loop or cross product join, which a table of a million rows turns into hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.registry import DATASETS
from warehouse.catalog import load_catalog
from warehouse.raw import (
    asked_ranges,
    insert_new_versions,
    new_versions_sql,
    no_longer_served,
    no_longer_served_sql,
)

DAY = date(2024, 7, 1)
QUADRATIC = ("NESTED_LOOP_JOIN", "BLOCKWISE_NL_JOIN", "CROSS_PRODUCT", "IE_JOIN")
FRED = "raw.fred_observations"


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """The raw tables, empty."""
    with duckdb.connect() as database:
        database.execute("create schema raw")
        for table in {dataset.table for dataset in DATASETS.values()}:
            database.execute(load_catalog()[table].ddl())
        yield database


def served(rows: list[tuple[str, int, float, str, int]], known: int) -> pd.DataFrame:
    """Observations: series, day, value, availability, day of availability."""
    return pd.DataFrame(
        {
            "series_id": [row[0] for row in rows],
            "observation_date": [pd.Timestamp(DAY + timedelta(days=row[1])) for row in rows],
            "value": [row[2] for row in rows],
            "source": "fred",
            "available_at_utc": [pd.Timestamp(DAY + timedelta(days=row[4])) for row in rows],
            "availability": [row[3] for row in rows],
            "known_at_utc": pd.Timestamp(DAY + timedelta(days=100 + known)),
            "run_id": f"run-{known}",
            "payload_sha256": "x",
        }
    )


ROW = st.tuples(
    st.sampled_from(["A", "B"]),
    st.integers(0, 3),
    st.sampled_from([1.0, 2.0]),
    st.sampled_from(["vintage", "assumed"]),
    st.integers(10, 12),
)


@settings(max_examples=80, deadline=None)
@given(loads=st.lists(st.lists(ROW, max_size=8), min_size=1, max_size=4))
def test_a_row_is_new_when_its_key_or_its_value_is(
    connection: duckdb.DuckDBPyConnection, loads: list[list[tuple[str, int, float, str, int]]]
) -> None:
    connection.execute(f"delete from {FRED}")
    held: dict[tuple[str, int, str, int | None], float] = {}
    total = 0
    for known, load in enumerate(loads):
        # One row per version in one load, as the gate sees to it.
        unique = {(row[0], row[1], row[3], row[4] if row[3] == "vintage" else None): row for row in load}
        expected = [key for key, row in unique.items() if held.get(key) != row[2]]
        count = insert_new_versions(connection, load_catalog()[FRED], served(list(unique.values()), known))
        assert count == len(expected)
        held |= {key: row[2] for key, row in unique.items()}
        total += count
    assert connection.execute(f"select count(*) from {FRED}").fetchone() == (total,)


@settings(max_examples=60, deadline=None)
@given(
    held=st.sets(st.tuples(st.sampled_from("AB"), st.integers(0, 9)), max_size=15),
    came=st.sets(st.tuples(st.sampled_from("AB"), st.integers(0, 9)), max_size=15),
    first=st.integers(0, 9),
    last=st.integers(0, 9),
)
def test_what_is_held_in_the_range_and_did_not_come_is_counted(
    connection: duckdb.DuckDBPyConnection,
    held: set[tuple[str, int]],
    came: set[tuple[str, int]],
    first: int,
    last: int,
) -> None:
    connection.execute(f"delete from {FRED}")
    insert_new_versions(
        connection, load_catalog()[FRED], served([(s, d, 1.0, "assumed", 10) for s, d in sorted(held)], 0)
    )
    asked = asked_ranges([("A", DAY + timedelta(days=first), DAY + timedelta(days=last))])
    rows = served([(s, d, 1.0, "assumed", 10) for s, d in sorted(came)], 1)
    gone = sorted(day for name, day in held - came if name == "A" and first <= day <= last)
    expected = (
        [("A", DAY + timedelta(days=gone[0]), DAY + timedelta(days=gone[-1]), len(gone))] if gone else []
    )
    assert no_longer_served(connection, FRED, "series_id", "observation_date", asked, rows) == expected


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_no_plan_of_the_load_is_quadratic(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    dataset = DATASETS[name]
    table = load_catalog()[dataset.table]
    connection.execute(f"delete from {table.full_name}")
    columns = {column.name: column.type for column in table.columns}
    values = ", ".join(
        f"(date '2000-01-03' + i::integer)::{kind}" if kind in ("DATE", "TIMESTAMP") else f"(i % 50)::{kind}"
        for kind in columns.values()
    )
    # Large enough that the optimiser would not take a nested loop for its smallness.
    connection.execute(f"insert into {table.full_name} select {values} from range(50000) as rows (i)")
    connection.execute(f"create or replace temp table loaded_rows as from {table.full_name}")
    connection.execute(
        f"create or replace temp table served_rows as select {dataset.key}, {dataset.day}"
        f" from {table.full_name}"
    )
    connection.execute(
        "create or replace temp table asked_ranges as select i::varchar as input, date '2000-01-03' as"
        " first_date, date '2200-01-01' as last_date from range(50) as inputs (i)"
    )
    for statement in (new_versions_sql(table), no_longer_served_sql(dataset.table, dataset.key, dataset.day)):
        plan = "\n".join(row[1] for row in connection.execute(f"explain {statement}").fetchall())
        assert "HASH_JOIN" in plan
        assert [join for join in QUADRATIC if join in plan] == []


def test_a_condition_without_an_equality_would_be_seen(connection: duckdb.DuckDBPyConnection) -> None:
    """The statement as it was before: its second condition hid the equality from the optimiser."""
    plan = connection.execute(
        f"explain select count(*) from {FRED} as a, {FRED} as b"
        " where a.observation_date <> b.observation_date or a.value < b.value"
    ).fetchall()
    assert any(join in plan[0][1] for join in QUADRATIC)
