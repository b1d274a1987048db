"""A copy of a built publication that can be broken and mended, and the gate on what was broken."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from expectations.gate import check_table
from expectations.rules import handwritten
from tests.recorded_data import RECORDED, has_recorded_data
from tests.small_market import END, run_day, small_settings, write_small_market
from warehouse.catalog import Table, load_catalog
from warehouse.publication import current_generation

# The recorded futures end in September 2024.
RECORDED_SESSION = "2024-07-24"
Failed = dict[tuple[str, str], int]
"""Failed rows by table and rule."""


@dataclass(frozen=True)
class Copy:
    """A copy of a built publication without NOT NULL constraints, at its session."""

    connection: duckdb.DuckDBPyConnection

    def failed(self, tables: list[Table]) -> Failed:
        """What the gate finds in some tables."""
        return {
            (table.full_name, result["rule"]): result["failed_rows"]
            for table in tables
            for result in check_table(self.connection, table).results
            if not result["passed"]
        }

    @contextmanager
    def changed(self, sql: str) -> Iterator[None]:
        """The copy with a change, which is taken back."""
        self.connection.execute("begin")
        try:
            self.connection.execute(sql)
            yield
        finally:
            self.connection.execute("rollback")


def made_up_rows(table: Table, number: int = 60) -> str:
    """SQL that adds rows within all limits to a table that has none."""
    values = []
    for column in table.columns:
        if column.type == "DATE":
            values.append("date '2020-01-01' + i::integer")
        elif column.type == "TIMESTAMP":
            values.append("timestamp '2020-01-01' + i * interval 1 day")
        elif column.type == "VARCHAR":
            values.append(f"'{column.values[0]}'" if column.values else "'x' || i")
        elif column.type == "BOOLEAN":
            values.append("true")
        else:
            low = 0 if column.min is None else column.min
            values.append(
                f"{low if column.max is None else (float(low) + float(column.max)) / 2}::{column.type}"
            )
    return f"insert into {table.full_name} select {', '.join(values)} from range({number}) as made(i)"


def copy_of(publication: Path, session: date | str, folder: Path) -> Copy:
    """Copy a publication's database into a folder and open it at its session."""
    target = folder / "broken.duckdb"
    shutil.copyfile(publication / "warehouse.duckdb", target)
    target.chmod(0o644)
    connection = duckdb.connect(str(target), config={"threads": 2})
    connection.execute("set variable session_date = ?::date", [str(session)])
    for table in load_catalog().models():
        for column in table.required_columns:
            connection.execute(f'alter table {table.full_name} alter column "{column}" drop not null')
    return Copy(connection)


def built_small_market(folder: Path) -> Path:
    """The publication of the small market at its last session."""
    settings = small_settings(write_small_market(folder / "files"), folder / "home")
    run_day(settings, str(END))
    current = current_generation(settings)
    assert current is not None
    return current


def built_market(folder: Path) -> tuple[Path, str]:
    """A publication and its session: of ROTATION_MUTATIONS_HOME (with ROTATION_MUTATIONS_SESSION), of the
    recorded market where it is, else of the small one.
    """
    if home := os.environ.get("ROTATION_MUTATIONS_HOME"):
        session = os.environ.get("ROTATION_MUTATIONS_SESSION", RECORDED_SESSION)
        return Path(home) / "published" / "current", session
    if not has_recorded_data():
        return built_small_market(folder), str(END)
    settings = small_settings(RECORDED, folder / "home", ROTATION_HISTORY_START="2000-01-03")
    run_day(settings, RECORDED_SESSION)
    current = current_generation(settings)
    assert current is not None
    return current, RECORDED_SESSION


def readers(table_name: str) -> list[Table]:
    """The table and those whose rules read it."""
    return [
        table
        for table in load_catalog().models()
        if table.full_name == table_name
        or any(table_name in query["sql"] for query in handwritten(table)["queries"])
    ]


def newly_failed(before: Failed, after: Failed) -> set[tuple[str, str]]:
    """Rules that more rows break than before."""
    return {rule for rule, rows in after.items() if rows > before.get(rule, 0)}
