"""The pipeline's own DuckDB file: raw, ref and ops tables, one writer at a time, never opened by BI.

Out: connections with limits set. The tables are created once, when the file is; a daily run does plain
inserts only, because DuckDB's write-ahead log replays those reliably after a kill.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from warehouse.catalog import Catalog, load_catalog, quoted
from warehouse.durable import replace_durably
from warehouse.settings import Settings

# The layout of the homes that this version makes (warehouse.migrations).
LAYOUT = 4
MEMORY_LIMIT = "4GB"
PIPELINE_SCHEMAS = ("raw", "ref", "ops")


class HomeError(RuntimeError):
    """The home folder cannot be used; the message says why and what to do."""


def utc_now() -> datetime:
    """The present moment as a naive UTC timestamp, as all `*_utc` columns are."""
    return datetime.now(UTC).replace(tzinfo=None)


def limits(home: Path) -> dict[str, str | bool | int | float | list[str]]:
    """DuckDB settings of every connection: bounded memory, threads and spill."""
    return {
        "memory_limit": os.environ.get("ROTATION_MEMORY_LIMIT", MEMORY_LIMIT),
        "threads": os.environ.get("ROTATION_THREADS", "2"),
        "temp_directory": str(home / "tmp"),
        "max_temp_directory_size": "20GB",
        "preserve_insertion_order": True,
    }


def prepare_home(settings: Settings) -> None:
    """Create the home folder and refuse to mix simulated with real data in it."""
    refuse_other_kind(settings)
    try:
        for folder in (
            settings.home,
            settings.landing,
            settings.published / "generations",
            settings.home / "tmp",
        ):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HomeError(
            f"ROTATION_HOME={settings.home} cannot be written: {error.strerror}. Choose another folder."
        ) from None
    if not _marker_file(settings).exists():
        marker: dict[str, Any] = {"kind": settings.kind}
        # What is there already was made by an earlier version: its layout is not known yet.
        landed = next(settings.landing.glob("*/*/*.json"), None)
        if not settings.warehouse.exists() and landed is None:
            marker["layout"] = LAYOUT
        write_home_marker(settings, marker)


def home_marker(settings: Settings) -> dict[str, Any]:
    """What `home.json` says: the kind of data, and the layout of the home (absent: 1).

    Raises:
        HomeError: it cannot be read.
    """
    marker = _marker_file(settings)
    try:
        content = json.loads(marker.read_text(encoding="utf-8"))
        return {**content, "kind": content["kind"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise HomeError(
            f'{marker} cannot be read; it must hold {{"kind": "real"}} or {{"kind": "simulated"}}, according'
            " to the data in this home."
        ) from None


def write_home_marker(settings: Settings, marker: dict[str, Any]) -> None:
    """Replace `home.json`."""
    replace_durably(_marker_file(settings), json.dumps(marker) + "\n")


def _marker_file(settings: Settings) -> Path:
    return settings.home / "home.json"


def refuse_other_kind(settings: Settings) -> None:
    """Refuse to bring simulated data into a home of real data, or the other way round."""
    if not _marker_file(settings).exists():
        return
    kind = home_marker(settings)["kind"]
    if kind != settings.kind:
        raise MixedData(
            f"ROTATION_HOME={settings.home} holds {kind} data and this run would add {settings.kind} data "
            f"(ROTATION_SOURCE={settings.source}). Set ROTATION_HOME to another folder."
        )


def refuse_other_kind_of_warehouse(settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
    """The same for the warehouse itself, which ROTATION_WAREHOUSE may have put elsewhere."""
    held = {
        row[0] for row in connection.execute("select distinct data_source from ops.publication").fetchall()
    }
    if held and ("simulated" in held) != (settings.kind == "simulated"):
        raise MixedData(
            f"{settings.warehouse} holds {', '.join(sorted(held))} data and"
            f" ROTATION_SOURCE={settings.source}. Set ROTATION_WAREHOUSE to another file."
        )


class MixedData(HomeError):
    """Simulated and real data would meet; nothing of the home is touched, not even its status."""


class WarehouseBusy(HomeError):
    """Another process has the database open; a later attempt may work."""


def cannot_open(settings: Settings, error: duckdb.IOException) -> HomeError:
    """The error of a warehouse that does not open: WarehouseBusy when another process has it."""
    text = f"{settings.warehouse.name} cannot be opened: {str(error).splitlines()[0]}"
    if "lock" in text.lower():
        return WarehouseBusy(f"{text} Another process has it open; wait for the other run to end.")
    return HomeError(text)


@contextmanager
def pipeline_database(settings: Settings, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the pipeline's database, creating its tables the first time."""
    try:
        connection = duckdb.connect(
            str(settings.warehouse), read_only=read_only, config=limits(settings.home)
        )
    except duckdb.IOException as error:
        raise cannot_open(settings, error) from None
    try:
        if not read_only:
            _create_missing_tables(connection, load_catalog())
        yield connection
    finally:
        connection.close()


def _create_missing_tables(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    present = {
        row[0]
        for row in connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
        ).fetchall()
    }
    missing = [
        table
        for schema in PIPELINE_SCHEMAS
        for table in catalog.in_schema(schema)
        if table.full_name not in present
    ]
    if not missing:
        return
    for schema in PIPELINE_SCHEMAS:
        connection.execute(f"create schema if not exists {schema}")
    for table in missing:
        connection.execute(table.ddl())
    connection.execute("checkpoint")


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All or nothing."""
    connection.execute("begin")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def append(connection: duckdb.DuckDBPyConnection, full_name: str, rows: list[dict[str, Any]]) -> None:
    """Append rows to an ops table; a column that a row lacks is NULL."""
    if not rows:
        return
    table = load_catalog()[full_name]
    frame = pd.DataFrame(rows, columns=table.column_names, dtype=object)
    connection.register("appended_rows", frame)
    try:
        columns = ", ".join(f"{quoted(column.name)}::{column.type}" for column in table.columns)
        connection.execute(f"insert into {full_name} select {columns} from appended_rows")
    finally:
        connection.unregister("appended_rows")


def high_water_session(connection: duckdb.DuckDBPyConnection) -> Any:
    """The latest session that was published from this home, or None."""
    row = connection.execute("select max(session_date) from ops.publication").fetchone()
    return row[0] if row else None
