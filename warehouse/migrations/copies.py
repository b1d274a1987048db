"""The copy of what a step changes, kept until the step has ended well.

In: a step and the home. Out: `<home>/migration/` with the database file, the documents that the step may
change and `copy.json`, which names them. The folder takes its name only when it is whole, and loses it
before it is removed, so a kill never leaves a part of a copy that looks like one.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from warehouse.database import HomeError
from warehouse.durable import replace_durably, sync
from warehouse.migrations.step import Step
from warehouse.settings import Settings

DESCRIPTION, DATABASE = "copy.json", "warehouse.duckdb"
MARGIN_BYTES = 20_000_000
BLOCK_BYTES = 4096


@dataclass(frozen=True)
class Copy:
    """What `copy.json` says: the layout that the step leads to, whether it changes the database (which is in
    the copy then), the documents that were there and those that were not, by their place in the copy.
    """

    layout: int
    database: bool
    held: list[str]
    absent: list[str]


def copy_folder(settings: Settings) -> Path:
    """Where the copy is."""
    return settings.home / "migration"


def require_space(settings: Settings, step: Step) -> None:
    """A copy of the database and of the documents, and as much again for what the step writes.

    Raises:
        HomeError: there is less; nothing was changed.
    """
    database = settings.warehouse.stat().st_size if settings.warehouse.exists() else 0
    documents = sum(
        max(path.stat().st_size, BLOCK_BYTES) for path in step.documents(settings) if path.exists()
    )
    wanted = {settings.home: database + 2 * documents + MARGIN_BYTES}
    if database and settings.warehouse.parent.stat().st_dev != settings.home.stat().st_dev:
        wanted[settings.warehouse.parent] = database + MARGIN_BYTES
    else:
        wanted[settings.home] += database
    for folder, needed in wanted.items():
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise HomeError(
                f"{folder} has {free / 1e6:,.0f} MB left and the migration to layout {step.layout} needs"
                f" about {needed / 1e6:,.0f} MB. Nothing was changed. Make room, then run again."
            )


def make_copy(settings: Settings, step: Step, database: BinaryIO | None) -> Copy:
    """Copy what the step changes.

    Args:
        settings: of the home.
        step: what comes next.
        database: the checkpointed database file, if the step changes it; opened before DuckDB opened it: a
            process that closes any handle of a file loses its locks on it.
    """
    folder, partial = copy_folder(settings), _partial(settings)
    partial.mkdir()
    if database is not None:
        database.seek(0)
        with (partial / DATABASE).open("wb") as stream:
            shutil.copyfileobj(database, stream, 1 << 20)
    held, absent = [], []
    for path in step.documents(settings):
        name = _name(settings, path)
        if path.exists():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, partial / name)
            held.append(name)
        else:
            absent.append(name)
    made = Copy(step.layout, database is not None, held, absent)
    (partial / DESCRIPTION).write_text(json.dumps(asdict(made), indent=1) + "\n", encoding="utf-8")
    os.sync()  # once for all files
    os.rename(partial, folder)
    sync(settings.home)
    return made


def has_leftovers(settings: Settings) -> bool:
    """Whether a migration was interrupted, or is going on in another process."""
    return any(path.exists() for path in (copy_folder(settings), _partial(settings), _removed(settings)))


def kept_copy(settings: Settings) -> Copy | None:
    """The copy that an interrupted migration has left; what a kill has left of one that never became whole is
    removed.

    Raises:
        HomeError: something else is in its place, or its description was damaged.
    """
    for left in (_partial(settings), _removed(settings)):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)
    folder = copy_folder(settings)
    description = folder / DESCRIPTION
    if not description.is_file():
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return None
        raise HomeError(
            f"{folder} is in the way: a migration keeps its copy there, and this is none (it has no"
            f" {DESCRIPTION}). Move it away, then run again."
        )
    try:
        return Copy(**json.loads(description.read_text(encoding="utf-8")))
    except (TypeError, ValueError):
        raise HomeError(
            f"{description} cannot be read, so it is not known what an interrupted migration has changed."
            f" Restore the last backup; the database as it was before is in {folder} too, if the migration"
            " changed it."
        ) from None


def put_documents_back(settings: Settings, copy: Copy) -> None:
    """The documents as they were before the step."""
    for name in copy.held:
        content = (copy_folder(settings) / name).read_bytes()
        path = _path(settings, name)
        if not path.exists() or path.read_bytes() != content:
            replace_durably(path, content)
    for name in copy.absent:
        _path(settings, name).unlink(missing_ok=True)


def put_database_back(settings: Settings) -> None:
    """The database as it was before the step, without the log of the one that it replaces."""
    copy = copy_folder(settings) / DATABASE
    if not copy.exists():
        return  # a kill came after it was put back
    settings.warehouse.with_name(f"{settings.warehouse.name}.wal").unlink(missing_ok=True)
    try:
        os.replace(copy, settings.warehouse)  # needs no room, which may be what is missing
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        temporary = settings.warehouse.with_name(f"{settings.warehouse.name}.tmp")
        shutil.copyfile(copy, temporary)
        sync(temporary)
        os.replace(temporary, settings.warehouse)
    sync(settings.warehouse.parent)


def remove_copy(settings: Settings) -> None:
    """The step has ended well, or was undone."""
    # A run that begins in this moment may have seen that the step is over, and have removed the copy.
    with contextlib.suppress(FileNotFoundError):
        os.rename(copy_folder(settings), _removed(settings))
    for left in (_partial(settings), _removed(settings)):
        shutil.rmtree(left, ignore_errors=True)


def _partial(settings: Settings) -> Path:
    return settings.home / "migration.partial"


def _removed(settings: Settings) -> Path:
    return settings.home / "migration.removed"


def _name(settings: Settings, path: Path) -> str:
    """A document's place in the copy; landing may be elsewhere than in the home."""
    if path.is_relative_to(settings.landing):
        return f"landing/{path.relative_to(settings.landing).as_posix()}"
    return f"home/{path.relative_to(settings.home).as_posix()}"


def _path(settings: Settings, name: str) -> Path:
    top, _, rest = name.partition("/")
    return (settings.landing if top == "landing" else settings.home) / rest
