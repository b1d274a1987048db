"""Sets the pipeline's database aside, so that the next run loads everything from landing again.

In: a home with `landing/` and `warehouse.duckdb`. Out: an empty database with the history of runs, checks and
publications of the old one, which is kept beside it. What a load writes (`raw`, payloads, quarantine, the
metadata of series) is left to the run.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from warehouse.catalog import literal, load_catalog, quoted
from warehouse.clock import utc_now
from warehouse.database import HomeError, opened_database, pipeline_database, require_tables, transaction
from warehouse.settings import Settings

WRITTEN_BY_LOAD = ("ops.payloads", "ops.quarantine", "ops.series_metadata")


def set_aside(settings: Settings) -> Path | None:
    """Put an empty database in the place of the pipeline's; returns where the old one is, if there was one.

    Raises:
        HomeError: landing holds nothing to load, or the database cannot be opened.
        WarehouseBusy: another process has it open.
    """
    if next(settings.landing.glob("*/*/*.json"), None) is None:
        raise HomeError(f"{settings.landing} holds nothing to load from; nothing was changed.")
    if not settings.warehouse.exists():
        return None
    with opened_database(settings) as connection:
        require_tables(settings, connection)
        connection.execute("checkpoint")
    kept = _beside(settings.warehouse, utc_now())
    settings.warehouse.replace(kept)
    try:
        _copy_history(settings, kept)
    except BaseException:
        put_back(settings, kept)
        raise
    return kept


def put_back(settings: Settings, kept: Path) -> None:
    """Undo `set_aside`."""
    kept.replace(settings.warehouse)
    settings.warehouse.with_name(f"{settings.warehouse.name}.wal").unlink(missing_ok=True)


def _beside(path: Path, now: datetime) -> Path:
    return path.with_name(f"{path.stem}-before-{now:%Y%m%dT%H%M%S}{path.suffix}")


def _copy_history(settings: Settings, kept: Path) -> None:
    """The rows of `ops` that no load writes."""
    with pipeline_database(settings) as connection:
        connection.execute(f"attach {literal(str(kept))} as kept (read_only)")
        with transaction(connection):
            for table in load_catalog().in_schema("ops"):
                if table.full_name not in WRITTEN_BY_LOAD:
                    names = ", ".join(map(quoted, table.column_names))
                    connection.execute(f"delete from {table.full_name}")
                    connection.execute(
                        f"insert into {table.full_name} ({names}) select {names} from kept.{table.full_name}"
                    )
        connection.execute("detach kept")
