"""Whether a run of a backfill has anything to do, told by small files: no database is opened for it.

In: what an earlier run of a backfill found (`pipeline.home_state.Covered`), and names, sizes and times of the
files on which that rested: the warehouse, the folders of landing, the reference data, the folder of the
source `files`. Out: yes or no; any doubt is a no, and the run plans in full. Light to import.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path

from pipeline.home_state import Covered
from warehouse.settings import REPOSITORY, Settings

REFERENCE = REPOSITORY / "warehouse" / "reference"


def is_covered(
    settings: Settings, session: date, now: datetime, active_runs: Callable[[list[str] | None], int]
) -> bool:
    """Whether nothing is left to fetch or to load for a session.

    Args:
        settings: of this process.
        session: that the run is for, not checked yet.
        now: the present moment as naive UTC.
        active_runs: counts the queued and running ones among some ids.
    """
    found = Covered.read(settings.home)
    if found is None or session not in found.sessions or now >= found.until_utc:
        return False
    if found.home != home_print(settings):
        return False
    if found.relies_on:
        return active_runs(list(found.relies_on)) == len(found.relies_on)
    return found.landing == landing_print(settings)


def home_print(settings: Settings) -> str:
    """Changes with the settings, the warehouse, the reference data, and what the source `files` lists."""
    warehouse = settings.warehouse
    files = [warehouse, warehouse.with_name(f"{warehouse.name}.wal"), settings.home / "home.json"]
    folders = [settings.files_dir, *settings.files_dir.glob("*/")] if settings.files_dir else []
    return _digest(repr(settings), [*files, *REFERENCE.glob("*"), *folders])


def landing_print(settings: Settings) -> str:
    """Changes with every payload that comes, goes or is refused: each has a file in the folder of its
    input.
    """
    return _digest("", settings.landing.glob("*/*/"))


def _digest(text: str, paths: Iterable[Path]) -> str:
    lines = [text]
    for path in sorted(paths):
        try:
            found = os.stat(path)
        except FileNotFoundError:
            lines.append(f"{path} none")
        else:
            lines.append(f"{path} {found.st_ino} {found.st_size} {found.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
