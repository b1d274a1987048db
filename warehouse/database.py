"""The pipeline's own DuckDB file: raw, ref and ops tables, one writer at a time, never opened by BI.

Out: connections with limits set, to a file whose tables are those of the catalog: whoever opens it is told
otherwise by a `HomeError`. The tables are created once, when the file is, and changed by
`warehouse.migrations` alone; a daily run does plain inserts only, because DuckDB's write-ahead log replays
those reliably after a kill.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from warehouse.catalog import load_catalog, quoted
from warehouse.durable import replace_durably
from warehouse.schema import (
    PIPELINE_SCHEMAS,
    catalog_tables,
    has_tables,
    present_tables,
    present_views,
    record_layout,
    recorded_layout,
    schema_differences,
)
from warehouse.settings import Settings

# The layout of the homes that this version makes (warehouse.migrations).
LAYOUT = 8
# A home that names none was made before there were numbers.
FIRST_LAYOUT = 1
KINDS = ("real", "simulated")
MEMORY_LIMIT = "4GB"
NAMED_DIFFERENCES = 3


class HomeError(RuntimeError):
    """The home folder cannot be used; the message says why and what to do."""


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
        HomeError: it cannot be read, or says what it cannot say.
    """
    return _read_marker(_marker_file(settings))


def layout_in(marker: Path) -> int:
    """The layout that a `home.json` names, in a home or in a backup; raises like `home_marker`."""
    return layout_of(_read_marker(marker))


def _read_marker(marker: Path) -> dict[str, Any]:
    try:
        content = json.loads(marker.read_text(encoding="utf-8"))
        content = {**content, "kind": content["kind"]}
    except (OSError, ValueError, KeyError, TypeError):
        content = {}
    if content.get("kind") not in KINDS:
        raise HomeError(
            f'{marker} cannot be read; it must hold {{"kind": "real"}} or {{"kind": "simulated"}}, according'
            " to the data in this home."
        )
    layout = content.get("layout", FIRST_LAYOUT)
    if type(layout) is not int or layout < FIRST_LAYOUT:
        raise HomeError(
            f"{marker}: layout is {json.dumps(layout)}; it must be a whole number of {FIRST_LAYOUT} or more."
            " Put the file back from a backup, or remove the entry: the next run then finds the layout out."
        )
    return content


def layout_of(marker: dict[str, Any]) -> int:
    """The layout that `home.json` names."""
    return int(marker.get("layout", FIRST_LAYOUT))


def later_home(settings: Settings) -> str | None:
    """The sentence that refuses a home of a later version; None for any other, and where there is none."""
    if not _marker_file(settings).exists():
        return None
    return _later(settings.home, layout_of(home_marker(settings)))


def older_home(settings: Settings) -> str | None:
    """The sentence on a home that the next run migrates; None for any other, and where there is none."""
    if not _marker_file(settings).exists() or (layout := layout_of(home_marker(settings))) >= LAYOUT:
        return None
    return f"{settings.home} has layout {layout}; the next run migrates it to layout {LAYOUT}."


def refuse_later_home(settings: Settings) -> None:
    """Refuse a home that a later version made; for whoever reads a home without its database.

    Raises:
        HomeError: it was, or `home.json` cannot be read.
    """
    if sentence := later_home(settings):
        raise HomeError(sentence)


def refuse_later(what: Path, layout: int) -> None:
    """The same for a file or folder whose layout is known.

    Raises:
        HomeError: a later version wrote it.
    """
    if sentence := _later(what, layout):
        raise HomeError(sentence)


def _later(what: Path, layout: int) -> str | None:
    if layout <= LAYOUT:
        return None
    return (
        f"{what} was written by a later version (layout {layout}, this one knows {LAYOUT}). Run that version,"
        " or choose another home."
    )


def _require_layout(what: Path, layout: int | None) -> None:
    """Only `plan` migrates; every other step finds the home of its own version."""
    if layout is not None:
        refuse_later(what, layout)
    if layout is None or layout < LAYOUT:
        raise HomeError(
            f"{what} was made by an earlier version (layout {layout or 'not named'}, this one works with"
            f" {LAYOUT}). The next run migrates it: `make run`, or a new run of rotation_daily from its first"
            " task."
        )


def require_present_home(settings: Settings) -> None:
    """Refuse a home of another layout; `home.json` is looked at before its database.

    Raises:
        HomeError: it has another layout, or `home.json` cannot be read.
    """
    if _marker_file(settings).exists():
        _require_layout(settings.home, layout_of(home_marker(settings)))


def require_tables(
    settings: Settings, connection: duckdb.DuckDBPyConnection, database: str | None = None
) -> None:
    """Refuse a pipeline database that is not what this version reads and writes.

    Args:
        settings: of the home.
        connection: where it is open.
        database: under which name it is attached, when it is not the connection's own.

    Raises:
        HomeError: it has another layout, or a table differs from the catalog; names table and column.
    """
    present = present_tables(connection, database)
    if present:
        _require_layout(settings.warehouse, recorded_layout(connection, database))
    wanted = catalog_tables(load_catalog())
    if present != wanted:
        views = present_views(connection, database)
        if found := schema_differences(wanted, present, views):
            raise HomeError(differing(settings.warehouse, LAYOUT, found))


def differing(what: Path, layout: int, found: list[str]) -> str:
    """The sentence on a database whose tables are not those of its layout."""
    more = f" (and {len(found) - NAMED_DIFFERENCES} more)" if len(found) > NAMED_DIFFERENCES else ""
    return (
        f"{what} does not have the tables of layout {layout}: {'; '.join(found[:NAMED_DIFFERENCES])}{more}."
        " Somebody changed the file, or the catalog without a migration (CONTRIBUTING.md, the layout of a"
        " home). Restore the last backup, or move the file away and load it again from landing"
        " (docs/operations.md, Backup and restore)."
    )


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


def cannot_open(settings: Settings, error: duckdb.Error) -> HomeError:
    """The error of a warehouse that does not open: WarehouseBusy when another process has it."""
    reason = str(error).splitlines()[0]
    text = f"{settings.warehouse.name} cannot be opened: {reason}"
    if is_open_elsewhere(error):
        return WarehouseBusy(f"{text} Another process has it open; wait for the other run to end.")
    return HomeError(damaged(settings, error) or text)


def is_open_elsewhere(error: BaseException) -> bool:
    """Whether DuckDB could not lock a file. The word alone says nothing: a damaged file is reported with its
    "block", and the path of any file may contain it.
    """
    return isinstance(error, duckdb.IOException) and "could not set lock on file" in str(error).lower()


def damaged(settings: Settings, error: BaseException) -> str | None:
    """The sentence on a database file whose content is not what DuckDB wrote; None for any other error."""
    reason = str(error).partition("\n")[0].rstrip(".")
    if not isinstance(error, duckdb.Error) or "corrupt database file" not in reason.lower():
        return None
    return (
        f"A database file of {settings.home} is damaged ({reason}). Restore the last backup, or move"
        f" {settings.warehouse.name} away and load it again from landing (docs/operations.md, Backup and"
        " restore)."
    )


@contextmanager
def opened_database(settings: Settings, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the pipeline's database as it is, whatever its layout; for the migration and the backup alone.

    Raises:
        HomeError: it does not open.
        WarehouseBusy: another process has it open.
    """
    log = settings.warehouse.with_name(f"{settings.warehouse.name}.wal")
    if log.exists() and not settings.warehouse.exists():
        # DuckDB would begin a new file and delete the log of the old one.
        raise HomeError(
            f"{log} is there and {settings.warehouse} is missing. Put the file back beside its log; or, if it"
            " is lost, remove the log, and the next run loads everything again from landing."
        )
    try:
        connection = duckdb.connect(
            str(settings.warehouse), read_only=read_only, config=limits(settings.home)
        )
    except duckdb.Error as error:
        raise cannot_open(settings, error) from None
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def pipeline_database(settings: Settings, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the pipeline's database of this version, creating its tables the first time.

    Raises:
        HomeError: it does not open, has another layout, or its tables are not those of the catalog.
        WarehouseBusy: another process has it open.
    """
    require_present_home(settings)
    with opened_database(settings, read_only=read_only) as connection:
        if not read_only and not has_tables(connection):
            _create_tables(connection)
        require_tables(settings, connection)
        yield connection


def _create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """All of them or none."""
    with transaction(connection):
        for schema in PIPELINE_SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
        for schema in PIPELINE_SCHEMAS:
            for table in load_catalog().in_schema(schema):
                connection.execute(table.ddl())
        record_layout(connection, LAYOUT, None)
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
        names = ", ".join(quoted(column.name) for column in table.columns)
        values = ", ".join(f"{quoted(column.name)}::{column.type}" for column in table.columns)
        connection.execute(f"insert into {full_name} ({names}) select {values} from appended_rows")
    finally:
        connection.unregister("appended_rows")


def high_water_session(connection: duckdb.DuckDBPyConnection) -> Any:
    """The latest session that was published from this home, or None."""
    row = connection.execute("select max(session_date) from ops.publication").fetchone()
    return row[0] if row else None
