"""Bring a home that an earlier version made up to what this version writes, once.

In: a home. Out: the same home, its layout number in `home.json` raised. Each migration may be interrupted and
run again. Caveat: forward only; an earlier version does not know what a later one writes.

1 → 2: payloads, raw rows and `ops` carry the provider's own name. Before, Yahoo and FRED both called
themselves `live`. What runs must know of each other moves from text files to `runs/state.json`.
2 → 3: reference tables whose columns have changed are made anew; the next plan fills them from the CSV files.
`ops.freshness` says who served the newest day.
3 → 4: `ref.fomc_meetings` says when a meeting was announced and listed; made anew like the tables before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from warehouse.catalog import load_catalog
from warehouse.database import (
    LAYOUT,
    HomeError,
    home_marker,
    pipeline_database,
    refuse_other_kind_of_warehouse,
    transaction,
    write_home_marker,
)
from warehouse.durable import replace_durably, replace_json
from warehouse.settings import Settings

# Which provider was behind `live`, by kind of input and by raw table.
LIVE_PROVIDERS = {"prices": "yahoo", "futures": "yahoo", "fred": "fred", "bank_financials": "fdic"}
RAW_TABLES = {
    "raw.equity_prices": "prices",
    "raw.fed_funds_futures": "futures",
    "raw.fred_observations": "fred",
    "raw.bank_financials": "bank_financials",
}
# Columns that tables have got after layout 2.
ADDED_COLUMNS = (("ops.freshness", "source", "varchar"),)


def migrate_home(settings: Settings) -> bool:
    """Migrate a home of an earlier version; whether there was anything to do.

    Raises:
        HomeError: the home was written by a later version.
    """
    marker = home_marker(settings)
    layout = int(marker.get("layout", 1))
    if layout > LAYOUT:
        raise HomeError(
            f"{settings.home} was written by a later version (layout {layout}, this one knows {LAYOUT}). Run"
            " that version, or choose another home."
        )
    with pipeline_database(settings) as connection:
        # ROTATION_WAREHOUSE may name a file of another home: it is looked at whatever this home's layout is.
        refuse_other_kind_of_warehouse(settings, connection)
        if layout == LAYOUT and not _has_unnamed_providers(connection):
            return False
        _name_providers_in_warehouse(connection)
        _renew_reference_tables(connection)
        _add_columns(connection)
    _name_providers_in_landing(settings.landing)
    _join_run_state(settings.home / "runs")
    write_home_marker(settings, {**marker, "layout": LAYOUT})
    return True


def _add_columns(connection: duckdb.DuckDBPyConnection) -> None:
    """Columns that tables with rows to keep have got; each is the last one of its table."""
    for table, column, kind in ADDED_COLUMNS:
        connection.execute(f"alter table {table} add column if not exists {column} {kind}")


def _has_unnamed_providers(connection: duckdb.DuckDBPyConnection) -> bool:
    row = connection.execute("select 1 from ops.payloads where source = 'live' limit 1").fetchone()
    return row is not None


def _name_providers_in_warehouse(connection: duckdb.DuckDBPyConnection) -> None:
    with transaction(connection):
        for table, dataset in RAW_TABLES.items():
            connection.execute(
                f"update {table} set source = ? where source = 'live'", [LIVE_PROVIDERS[dataset]]
            )
        for dataset, provider in LIVE_PROVIDERS.items():
            connection.execute(
                "update ops.payloads set source = ? where source = 'live' and dataset = ?",
                [provider, dataset],
            )


def _renew_reference_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make every reference table anew whose columns are not those of the catalog; their rows are in the CSV
    files.
    """
    held = dict(
        connection.execute(
            "select table_name, list(column_name || ' ' || data_type order by column_index)"
            " from duckdb_columns() where schema_name = 'ref' group by 1"
        ).fetchall()
    )
    for table in load_catalog().in_schema("ref"):
        columns = [f"{column.name} {column.type}" for column in table.columns]
        if held.get(table.name) != columns:
            with transaction(connection):
                connection.execute(f"drop table if exists {table.full_name}")
                connection.execute(table.ddl())
    # A change of tables is not left to the write-ahead log.
    connection.execute("checkpoint")


def _name_providers_in_landing(landing: Path) -> None:
    """The descriptions beside the payloads; the payloads themselves stay as they are."""
    for dataset, provider in LIVE_PROVIDERS.items():
        for path in (landing / dataset).glob("*/*.json"):
            entry = _read(path)
            if isinstance(entry, dict) and entry.get("source") == "live":
                replace_durably(path, json.dumps({**entry, "source": provider}, indent=1) + "\n")


def _join_run_state(runs: Path) -> None:
    """`left_session.txt`, `decided.txt`, `working.txt` and `unserved.json` become `state.json`."""
    texts = {name: runs / f"{name}.txt" for name in ("left_session", "decided", "working")}
    unserved = runs / "unserved.json"
    old = [path for path in (*texts.values(), unserved) if path.exists()]
    if not old:
        return
    if not (runs / "state.json").exists():
        lines = {
            name: path.read_text(encoding="utf-8").split() if path.exists() else []
            for name, path in texts.items()
        }
        state: Mapping[str, Any] = {
            "left_session": lines["left_session"][0] if lines["left_session"] else None,
            "decided": lines["decided"],
            "working": lines["working"],
            "unserved": _read(unserved) or {},
        }
        replace_json(runs / "state.json", state)
    for path in old:
        path.unlink()


def _read(path: Path) -> Any:
    """A JSON file; None where it cannot be read: such a description counts as not there
    (`warehouse.landing`).
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
