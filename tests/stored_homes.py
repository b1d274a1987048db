"""The small homes in `tests/data/homes/`, one per layout that homes have had, made by the code that had it.

| layout | commit | made by |
| --- | --- | --- |
| 1 | d1517ff | a live run against the server of `tests.faults`, a backfill under way; 1 May to 15 July 2024 |
| 2 | 4846ce2 | `run_day` for 2024-07-15 on the files of `tests.small_market` from 1 May to 16 July 2024 |
| 3 | 8b6d1ad | the same |
| 4 | 1ba68b4 | the same |
| 5 | 90fd16a | the same |
| 6 | 1ffe0a4 | the same |
| 7 | 95672d7 | the same |

All values are the simulated market's, of seven symbols, seven series and the futures' strip. What the next
run makes again (`published/`, results of validations, logs) is left out. A home of a new layout is made like
the last six: `python -m tests.stored_homes <folder>` in a checkout of the code that has it, then `tar -cJf
layout_<n>.tar.xz -C <folder> home`.
"""

from __future__ import annotations

import shutil
import sys
import tarfile
from datetime import date
from pathlib import Path

from tests.small_market import run_day, write_small_market
from warehouse.catalog import quoted
from warehouse.database import LAYOUT, opened_database
from warehouse.landing import Landed, landed_since
from warehouse.migrations import NUMBERED_FROM
from warehouse.schema import present_tables
from warehouse.settings import Settings

FOLDER = Path(__file__).parent / "data" / "homes"
LAYOUTS = (1, 2, 3, 4, 5, 6, 7)
HISTORY_START, SESSION = date(2024, 5, 1), date(2024, 7, 15)
MADE_AGAIN = ("published", "great_expectations", "logs", "tmp")


def stored_home(layout: int, folder: Path) -> Settings:
    """Unpack the home of a layout into a folder.

    Returns:
        Settings as it was made with.
    """
    with tarfile.open(FOLDER / f"layout_{layout}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return Settings.from_environment(
        {
            "ROTATION_SOURCE": "live" if layout == 1 else "files",
            "ROTATION_FILES_DIR": str(folder),
            "ROTATION_CHECK_SOURCES": "none",
            "ROTATION_HOME": str(folder / "home"),
            "ROTATION_HISTORY_START": str(HISTORY_START),
        }
    )


def raw_rows(settings: Settings) -> dict[str, tuple[int, str]]:
    """Rows of each raw table and an order-free hash of their values, the provider's name left out, which the
    second layout changes; tables without rows are left out.
    """
    found = {}
    with opened_database(settings, read_only=True) as connection:
        for table, columns in present_tables(connection).items():
            if not table.startswith("raw."):
                continue
            names = [quoted(column.name) for column in columns if column.name != "source"]
            text = " || '|' || ".join(f"coalesce({name}::varchar, '∅')" for name in names)
            [(rows, total)] = connection.execute(
                f"select count(*), sum(md5_number_lower({text})::hugeint) from {table}"
            ).fetchall()
            if rows:
                found[table] = (int(rows), f"{int(total) % 2**64:016x}")
    return found


def layouts_said(stored: int) -> list[tuple[int, int | None]]:
    """What `ops.migrations` says of a migrated home: the layout it was made with, where that is said, and
    each step from there to today's.
    """
    made: list[tuple[int, int | None]] = [(stored, None)] if stored >= NUMBERED_FROM else []
    return made + [(layout, layout - 1) for layout in range(max(stored + 1, NUMBERED_FROM), LAYOUT + 1)]


def landed_index(settings: Settings) -> list[Landed]:
    """Every description of landing that can be read, refused payloads left out."""
    folders = sorted(path for path in settings.landing.glob("*/*") if path.is_dir())
    return [entry for folder in folders for entry in landed_since(folder, None)]


def main(folder: Path) -> None:
    """Make a home with the code of this checkout."""
    files = write_small_market(folder / "files", start=HISTORY_START, end=date(2024, 7, 16))
    settings = Settings.from_environment(
        {
            "ROTATION_SOURCE": "files",
            "ROTATION_FILES_DIR": str(files),
            "ROTATION_CHECK_SOURCES": "none",
            "ROTATION_HOME": str(folder / "home"),
            "ROTATION_HISTORY_START": str(HISTORY_START),
        }
    )
    run_day(settings, str(SESSION), f"manual__{SESSION}")
    for name in MADE_AGAIN:
        shutil.rmtree(settings.home / name, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
