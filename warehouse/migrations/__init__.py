"""Bring a home that an earlier version made up to the layout of this one, step by step.

In: a home. Out: the same home with the layout of this version. A layout has a number, in `home.json` and in
the database (`ops.migrations`), which covers every table of the pipeline's database, the descriptions in
landing, the runs' state and `home.json` itself. Each step leads to the next number and is a module of its
own:

1. space is looked for, and what the step changes is copied to `<home>/migration/`;
2. the tables are changed in one transaction, which ends only when the documents are changed and the tables
   are those of the layout;
3. `home.json` gets the number, and the copy is removed.

A step that fails is undone. After a kill the next call finds out how far it came: a database that has the
new number is kept, anything else is put back and done again. Caveat: forward only; an earlier version
refuses the home.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, BinaryIO

import duckdb

from warehouse.catalog import load_catalog
from warehouse.database import (
    LAYOUT,
    HomeError,
    WarehouseBusy,
    differing,
    home_marker,
    layout_of,
    opened_database,
    refuse_later,
    refuse_other_kind_of_warehouse,
    transaction,
    write_home_marker,
)
from warehouse.migrations import layout_2, layout_3, layout_4, layout_5, layout_6, layout_7, layout_8
from warehouse.migrations.copies import (
    Copy,
    copy_folder,
    has_leftovers,
    kept_copy,
    make_copy,
    put_database_back,
    put_documents_back,
    remove_copy,
    require_space,
)
from warehouse.migrations.step import Step
from warehouse.migrations.stored import layout_tables
from warehouse.schema import (
    Tables,
    catalog_tables,
    present_tables,
    present_views,
    record_layout,
    recorded_layout,
    schema_differences,
)
from warehouse.settings import Settings
from warehouse.views import refresh_views

LOG = logging.getLogger(__name__)
STEPS = (
    layout_2.STEP,
    layout_3.STEP,
    layout_4.STEP,
    layout_5.STEP,
    layout_6.STEP,
    layout_7.STEP,
    layout_8.STEP,
)
# From here on the database says its layout itself.
NUMBERED_FROM = layout_5.LAYOUT


def migrate_home(settings: Settings) -> bool:
    """Migrate a home of an earlier version; whether there was anything to do.

    Raises:
        HomeError: a later version wrote the home, it differs from every layout, or a step failed and was
            undone.
        WarehouseBusy: another process has the database open.
    """
    refuse_later(settings.home, layout_of(home_marker(settings)))
    _end_interrupted(settings)
    marker = home_marker(settings)
    documents = layout_of(marker)
    held = _database_layout(settings, marker) if settings.warehouse.exists() else None
    start = documents if held is None else min(documents, held)
    for step in STEPS:
        if step.layout > start:
            LOG.info("migrate: layout %s → %s: %s", step.layout - 1, step.layout, step.says)
            _take(settings, step, held)
    if start < LAYOUT:
        LOG.info("migrate: %s has layout %s", settings.home, LAYOUT)
    return start < LAYOUT


def _database_layout(settings: Settings, marker: dict[str, Any]) -> int:
    """The layout of the database: what it says, else what `home.json` says, else the first whose tables it
    has (ROTATION_WAREHOUSE may name a file that is older than the home).
    """
    with opened_database(settings) as connection:
        present, views = present_tables(connection), present_views(connection)
        if not present:
            return LAYOUT  # an empty file, which the first step that opens it fills
        found = recorded_layout(connection)
        if found is not None:
            refuse_later(settings.warehouse, found)
        _refuse_other_kind(settings, connection, present)
        if found is None:
            named = marker.get("layout", NUMBERED_FROM)
            found = named if named < NUMBERED_FROM else _matching_layout(settings, present, views)
        wanted, held = dict.fromkeys(_kept(layout_tables(found)), ()), dict.fromkeys(present, ())
        if lost := schema_differences(wanted, held, views):
            raise HomeError(differing(settings.warehouse, found, lost))
    return int(found)


def _refuse_other_kind(settings: Settings, connection: duckdb.DuckDBPyConnection, present: Tables) -> None:
    if "ops.publication" in present:
        refuse_other_kind_of_warehouse(settings, connection)


def _matching_layout(settings: Settings, present: Tables, views: frozenset[str]) -> int:
    """The first layout whose raw and ops tables the database has."""
    differences = {
        layout: schema_differences(_kept(layout_tables(layout)), _kept(present), views)
        for layout in range(1, NUMBERED_FROM)
    }
    closest = min(differences, key=lambda layout: len(differences[layout]))
    if differences[closest]:
        raise HomeError(differing(settings.warehouse, closest, differences[closest]))
    return next(layout for layout, found in differences.items() if not found)


def _kept(tables: Tables) -> Tables:
    """Without the reference tables, which are made anew whenever they differ."""
    return {name: columns for name, columns in tables.items() if not name.startswith("ref.")}


def _take(settings: Settings, step: Step, held: int | None) -> None:
    """One step: all of it, or none."""
    with _undone_on_failure(settings, step):
        with _writer(settings, held) as (file, connection):
            changes_tables = held is not None and held < step.layout
            require_space(settings, step)
            make_copy(settings, step, file if changes_tables else None)
            with transaction(connection) if connection else nullcontext():
                if connection and changes_tables:
                    _change_tables(settings, step, connection)
                if layout_of(home_marker(settings)) < step.layout:
                    step.change_documents(settings)
        marker = home_marker(settings)
        write_home_marker(settings, {**marker, "layout": max(layout_of(marker), step.layout)})
    remove_copy(settings)


@contextmanager
def _writer(
    settings: Settings, held: int | None
) -> Iterator[tuple[BinaryIO | None, duckdb.DuckDBPyConnection | None]]:
    """The database file and a connection that alone may write it, with nothing left in its log; neither
    where there is no database.

    A change of tables is not left to the write-ahead log when the step has ended.
    """
    with ExitStack() as stack:
        if held is None:
            yield None, None
            return
        file = stack.enter_context(settings.warehouse.open("rb"))
        connection = stack.enter_context(opened_database(settings))
        connection.execute("checkpoint")
        yield file, connection
        connection.execute("checkpoint")


def _change_tables(settings: Settings, step: Step, connection: duckdb.DuckDBPyConnection) -> None:
    step.change_tables(connection)
    last = step.layout == LAYOUT
    if last:
        refresh_views(connection)
    if step.layout >= NUMBERED_FROM:
        record_layout(connection, step.layout, step.layout - 1)
    wanted = catalog_tables(load_catalog()) if last else layout_tables(step.layout)
    if found := schema_differences(wanted, present_tables(connection), present_views(connection)):
        raise HomeError(differing(settings.warehouse, step.layout, found))


@contextmanager
def _undone_on_failure(settings: Settings, step: Step) -> Iterator[None]:
    """Put everything back when the step fails, and say so in one sentence."""
    try:
        yield
    except BaseException as error:
        if (copy := kept_copy(settings)) is not None:
            if copy.database:
                put_database_back(settings)
            put_documents_back(settings, copy)
            remove_copy(settings)
        if isinstance(error, HomeError) or not isinstance(error, (duckdb.Error, OSError)):
            raise
        reason = str(error).splitlines()[0].rstrip(".")
        raise HomeError(
            f"{settings.home}: the migration to layout {step.layout} failed and was undone: {reason}. Run"
            " again when the disk has room and can be written. Until then the earlier version still works"
            " with this home."
        ) from error


def _end_interrupted(settings: Settings) -> None:
    """After a kill: what has its number is kept, anything else is put back."""
    if not has_leftovers(settings):
        return
    _refuse_busy(settings)
    copy = kept_copy(settings)
    if copy is None:
        return
    marker = home_marker(settings)
    if layout_of(marker) < copy.layout:
        if _has_ended(settings, copy):
            write_home_marker(settings, {**marker, "layout": copy.layout})
        else:
            put_documents_back(settings, copy)
    remove_copy(settings)


def _refuse_busy(settings: Settings) -> None:
    """A migration that another process is in the middle of is not one that was interrupted."""
    if settings.warehouse.exists():
        try:
            with opened_database(settings):
                pass
        except WarehouseBusy:
            raise
        except HomeError:
            return  # one that does not open: looked at below, with the copy at hand


def _has_ended(settings: Settings, copy: Copy) -> bool:
    """Whether the database got through the step's transaction. One that no longer opens is put back."""
    if not copy.database:
        return False
    try:
        with opened_database(settings) as connection:
            return (recorded_layout(connection) or 0) >= copy.layout
    except WarehouseBusy:
        raise
    except HomeError as error:
        LOG.warning(
            "migrate: the database no longer opens (%s); its copy in %s is put back",
            error,
            copy_folder(settings),
        )
        put_database_back(settings)
        return False
