"""1 → 2: payloads, raw rows and `ops` carry the provider's own name.

Before, Yahoo, FRED and the FDIC all called themselves `live`. What runs must know of each other moves from
text files to `runs/state.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from warehouse.durable import replace_durably, replace_json
from warehouse.migrations.step import Step
from warehouse.migrations.stored import renew_reference
from warehouse.settings import Settings

LAYOUT = 2
# Which provider was behind `live`, by kind of input and by raw table.
LIVE_PROVIDERS = {"prices": "yahoo", "futures": "yahoo", "fred": "fred", "bank_financials": "fdic"}
RAW_TABLES = {
    "raw.equity_prices": "prices",
    "raw.fed_funds_futures": "futures",
    "raw.fred_observations": "fred",
    "raw.bank_financials": "bank_financials",
}
TEXTS = ("left_session", "decided", "working")


def change_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """The provider's name in raw and in `ops.payloads`."""
    for table, dataset in RAW_TABLES.items():
        connection.execute(f"update {table} set source = ? where source = 'live'", [LIVE_PROVIDERS[dataset]])
    for dataset, provider in LIVE_PROVIDERS.items():
        connection.execute(
            "update ops.payloads set source = ? where source = 'live' and dataset = ?", [provider, dataset]
        )
    renew_reference(connection, LAYOUT)


def documents(settings: Settings) -> list[Path]:
    """The descriptions that name `live`, and the files of the runs' state."""
    return [*_unnamed(settings.landing), *_texts(settings).values(), _unserved(settings), _state(settings)]


def change_documents(settings: Settings) -> None:
    """The provider's name in landing's descriptions; one file for the runs' state."""
    for path, provider in _unnamed(settings.landing).items():
        entry = _read(path)
        replace_durably(path, json.dumps({**entry, "source": provider}, indent=1) + "\n")
    _join_run_state(settings)


def _unnamed(landing: Path) -> dict[Path, str]:
    """The descriptions beside the payloads that name no provider, with its name."""
    found = {}
    for dataset, provider in LIVE_PROVIDERS.items():
        for path in sorted((landing / dataset).glob("*/*.json")):
            entry = _read(path)
            if isinstance(entry, dict) and entry.get("source") == "live":
                found[path] = provider
    return found


def _join_run_state(settings: Settings) -> None:
    """`left_session.txt`, `decided.txt`, `working.txt` and `unserved.json` become `state.json`."""
    old = [path for path in (*_texts(settings).values(), _unserved(settings)) if path.exists()]
    if not old:
        return
    if not _state(settings).exists():
        lines = {name: _words(path) for name, path in _texts(settings).items()}
        state: Mapping[str, Any] = {
            "left_session": lines["left_session"][0] if lines["left_session"] else None,
            "decided": lines["decided"],
            "working": lines["working"],
            "unserved": _read(_unserved(settings)) or {},
        }
        replace_json(_state(settings), state)
    for path in old:
        path.unlink()


def _texts(settings: Settings) -> dict[str, Path]:
    return {name: settings.home / "runs" / f"{name}.txt" for name in TEXTS}


def _unserved(settings: Settings) -> Path:
    return settings.home / "runs" / "unserved.json"


def _state(settings: Settings) -> Path:
    return settings.home / "runs" / "state.json"


def _words(path: Path) -> list[str]:
    """What a text file lists; nothing where it is no text."""
    try:
        return path.read_text(encoding="utf-8").split() if path.exists() else []
    except ValueError:
        return []


def _read(path: Path) -> Any:
    """A JSON file; None where it cannot be read: such a description counts as not there
    (`warehouse.landing`).
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


STEP = Step(
    LAYOUT,
    "payloads, raw and ops name their provider instead of `live`; runs share one state file",
    change_tables,
    documents,
    change_documents,
)
