"""A verified copy of the home in a dated folder of ROTATION_BACKUP_DIR, and how a copy is verified and put
back.

In: the home's settings and ROTATION_BACKUP_DIR. Out: `<time>/` with `landing/`, `warehouse.duckdb`,
`published/briefs/`, `home.json`, `backup.json` (what it holds) and `SHA256SUMS` (also good for
`sha256sum -c`). Payloads never change, so one that the backup before holds is hard-linked, not copied: each
dated folder is whole, and any of them may be removed. The briefs of past sessions are in it because no run
makes them again; the rest of `published/` one run makes from what is here. Neither are `.env` and any secret.

The warehouse is copied first, while no run can write it; landing after it, so that it holds at least every
payload that the warehouse knows. A run may be in progress meanwhile: extra payloads do no harm. A
folder takes its name only when it is verified.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import duckdb

from operations.housekeeping import between_runs
from warehouse.catalog import quoted
from warehouse.database import (
    LAYOUT,
    HomeError,
    differing,
    high_water_session,
    layout_in,
    opened_database,
    refuse_later,
    refuse_later_home,
    refuse_other_kind,
    require_tables,
)
from warehouse.durable import replace_durably
from warehouse.migrations.copies import copy_folder
from warehouse.publication import code_version
from warehouse.schema import present_tables, recorded_layout
from warehouse.settings import Settings, SettingsError, environment, path_of

# The second has the briefs; this code restores both.
FORMAT, READABLE = 2, (1, 2)
SUMS, DESCRIPTION, WAREHOUSE, MARKER = "SHA256SUMS", "backup.json", "warehouse.duckdb", "home.json"
BRIEFS = "published/briefs"
STAMP = "%Y%m%dT%H%M%SZ"
CHUNK_BYTES = 1 << 20


class BackupRefused(RuntimeError):
    """Nothing was changed; the message says why and what to do."""


class BackupDamaged(RuntimeError):
    """A backup differs from what was written; the message names the files."""


@dataclass
class Description:
    """What a backup holds, as in `backup.json`."""

    kind: str
    home: str
    made_at_utc: str
    high_water_session: str | None
    code_version: str
    duckdb_version: str
    tables: dict[str, int]
    sums_sha256: str = ""
    warnings: list[str] = field(default_factory=list)
    format: int = FORMAT


@dataclass
class Made:
    """One new backup."""

    folder: Path
    description: Description
    copied: int = 0
    linked: int = 0
    copied_bytes: int = 0
    total_bytes: int = 0


def backup_folder(settings: Settings) -> Path:
    """ROTATION_BACKUP_DIR, which must lie outside the home."""
    text = environment().get("ROTATION_BACKUP_DIR", "").strip()
    if not text:
        raise SettingsError(
            "ROTATION_BACKUP_DIR is not set; set it to a folder on another disk than ROTATION_HOME."
        )
    folder = path_of("ROTATION_BACKUP_DIR", text)
    if folder.is_relative_to(settings.home):
        raise SettingsError(
            f"ROTATION_BACKUP_DIR={folder} lies inside ROTATION_HOME={settings.home}; choose a folder"
            " elsewhere."
        )
    return folder


def make_backup(settings: Settings, target: Path) -> Made:
    """Copy and verify the home; the new folder appears whole or not at all."""
    refuse_other_kind(settings)
    refuse_later_home(settings)
    if not (settings.home / MARKER).is_file() or not settings.warehouse.is_file():
        raise BackupRefused(f"{settings.home} holds no warehouse yet; start with `make run`.")
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupRefused(f"Another backup into {target} is in progress; wait for it to end.") from None
        for leftover in target.glob(".*.partial"):
            shutil.rmtree(leftover)
        now = datetime.now(UTC)
        name = now.strftime(STAMP)
        if (target / name).exists():
            raise BackupRefused(f"{target / name} already exists; try again in a second.")
        partial = target / f".{name}.partial"
        partial.mkdir()
        try:
            made = _fill(settings, partial, _previous(settings, target), now)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        made.folder = target / name
        os.sync()  # once for all files: one wait a file would take minutes
        os.rename(partial, made.folder)
    return made


def _fill(settings: Settings, partial: Path, previous: Path | None, now: datetime) -> Made:
    sums: dict[str, str] = {}
    with between_runs(settings.home) as free:
        if not free:
            raise BackupRefused(f"A run is in progress in {settings.home}; wait for it to end.")
        contents, sums[WAREHOUSE] = _copy_warehouse(settings, partial, now)
    made = Made(partial, contents, copied=1, copied_bytes=(partial / WAREHOUSE).stat().st_size)
    held = _read_sums(previous) if previous else {}
    for name, source in _files_beside_the_warehouse(settings):
        copy = partial / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if previous and name != MARKER and _link(previous / name, copy, source, held.get(name)):
            sums[name] = held[name]
            made.linked += 1
        else:
            sums[name] = _copy(source, copy)
            made.copied += 1
            made.copied_bytes += copy.stat().st_size
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    contents.sums_sha256 = hashlib.sha256(text.encode()).hexdigest()
    contents.warnings = _missing_payloads(partial)
    replace_durably(partial / SUMS, text)
    replace_durably(partial / DESCRIPTION, json.dumps(asdict(contents), indent=1) + "\n")
    verify_backup(partial)
    for path in partial.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
            made.total_bytes += path.stat().st_size
    return made


def _copy_warehouse(settings: Settings, partial: Path, now: datetime) -> tuple[Description, str]:
    """Copy the warehouse while we are its one writer and nothing is left in its log.

    The file is opened before DuckDB opens it and closed after: a process that closes any handle of a file
    loses all its locks on it.
    """
    with settings.warehouse.open("rb") as source, _database_as_it_is(settings) as connection:
        connection.execute("checkpoint")
        session = high_water_session(connection)
        contents = Description(
            kind=settings.kind,
            home=str(settings.home),
            made_at_utc=now.isoformat(timespec="seconds"),
            high_water_session=str(session) if session else None,
            code_version=code_version(),
            duckdb_version=duckdb.__version__,
            tables=_row_counts(connection),
        )
        digest = _copy_stream(source, partial / WAREHOUSE)
    return contents, digest


@contextmanager
def _database_as_it_is(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The database in the layout that it has: a backup before an upgrade is made by either version, and must
    not change the home.
    """
    if copy_folder(settings).exists():
        raise BackupRefused(
            f"A migration of {settings.home} was interrupted; the next run ends it. Run a session, then make"
            " the backup."
        )
    with opened_database(settings) as connection:
        if recorded_layout(connection) == LAYOUT:
            require_tables(settings, connection)
        elif "ops.publication" not in present_tables(connection):
            raise HomeError(differing(settings.warehouse, LAYOUT, ["the table ops.publication is missing"]))
        else:
            refuse_later(settings.warehouse, recorded_layout(connection) or LAYOUT)
        yield connection


def _files_beside_the_warehouse(settings: Settings) -> list[tuple[str, Path]]:
    """The other files of a backup, with their names in it."""
    briefs = sorted(path for path in (settings.published / "briefs").glob("*.html") if not path.is_symlink())
    return [
        (MARKER, settings.home / MARKER),
        *_landing_files(settings.landing),
        *((f"{BRIEFS}/{path.name}", path) for path in briefs if not path.name.startswith(".")),
    ]


def _landing_files(landing: Path) -> list[tuple[str, Path]]:
    """The files below landing with their names in the backup; a payload is taken along wherever its side
    file is.
    """
    names = set()
    for folder, _, files in os.walk(landing):
        for name in files:
            path = Path(folder, name)
            if not name.endswith(".tmp") and stat.S_ISREG(path.lstat().st_mode):
                names.add(path.relative_to(landing).as_posix())
    # A payload is written before its side file: a listing made meanwhile may hold the second alone.
    payloads = {f"{name.removesuffix('.json')}.gz" for name in names if name.endswith(".json")} - names
    names |= {name for name in payloads if (landing / name).is_file()}
    return [(f"landing/{name}", landing / name) for name in sorted(names)]


def _link(held: Path, copy: Path, source: Path, digest: str | None) -> bool:
    """Link to the backup before, if its copy is unchanged; else the file is copied."""
    if digest is None or not held.is_file() or held.stat().st_size != source.stat().st_size:
        return False
    if _digest(held) != digest:
        return False
    # A payload never changes; its description may be rewritten (set aside, migrated) at the same size, and a
    # brief is replaced when its session is published again.
    if source.suffix in (".json", ".html") and _digest(source) != digest:
        return False
    try:
        os.link(held, copy)
    except OSError:
        return False  # a file system without links, or too many of them
    return True


def _previous(settings: Settings, target: Path) -> Path | None:
    """The newest backup of the same home."""
    for folder in sorted(target.glob("[0-9]*T[0-9]*Z"), reverse=True):
        try:
            contents = _read_description(folder)
        except BackupDamaged:
            continue
        if (contents.home, contents.kind) == (str(settings.home), settings.kind):
            return folder
    return None


def _missing_payloads(folder: Path) -> list[str]:
    """Payloads that the warehouse has loaded and that landing no longer holds."""
    with duckdb.connect(str(folder / WAREHOUSE), read_only=True) as connection:
        named = [row[0] for row in connection.execute("select distinct path from ops.payloads").fetchall()]
    missing = sorted(name for name in named if not (folder / name).is_file())
    if not missing:
        return []
    return [
        f"{len(missing)} loaded payloads are no longer in landing/ (the first: {missing[0]}); take them from"
        " an older backup."
    ]


def verify_backup(folder: Path) -> Description:
    """Check that exactly the listed files are there with their hashes, and that the warehouse has its rows.

    Raises:
        BackupDamaged: names what differs.
    """
    contents, sums = _read_description(folder), _read_sums(folder)
    if hashlib.sha256((folder / SUMS).read_bytes()).hexdigest() != contents.sums_sha256:
        raise BackupDamaged(f"{folder / SUMS} is not the list that was written with the backup.")
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    wrong = sorted(
        {name for name in sums if name not in present}
        | {name for name in present if name not in sums and name not in (SUMS, DESCRIPTION)}
        | {name for name, digest in sums.items() if name in present and _digest(folder / name) != digest}
    )
    if wrong:
        raise BackupDamaged(
            f"{folder}: {len(wrong)} files are missing, changed or not listed: {', '.join(wrong[:5])}. Take"
            " another backup."
        )
    _require_rows(folder / WAREHOUSE, contents)
    return contents


def restore(settings: Settings, folder: Path) -> Description:
    """Put a verified backup into an empty home. One that was interrupted is finished by the same call;
    until then no run starts there.
    """
    contents = verify_backup(folder)
    refuse_later(folder, layout_in(folder / MARKER))
    if contents.kind != settings.kind:
        raise BackupRefused(
            f"The backup holds {contents.kind} data and ROTATION_SOURCE={settings.source} is {settings.kind};"
            " set ROTATION_SOURCE to what the backup was made with."
        )
    _require_empty(settings, folder)
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        settings.warehouse.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackupRefused(
            f"{error.filename}: {error.strerror}. Choose a folder that can be written."
        ) from None
    # A marker without a kind is refused by every run, so nothing starts in a home that is half there.
    replace_durably(settings.home / MARKER, json.dumps(_restoring(folder)) + "\n")
    for name, digest in _read_sums(folder).items():
        if name == MARKER:
            continue
        target = settings.warehouse if name == WAREHOUSE else settings.home / name
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(target.name + ".tmp")
        _copy(folder / name, temporary)
        if _digest(temporary) != digest:
            raise BackupDamaged(f"{temporary} does not have the hash of {folder / name}; check the disk.")
        os.replace(temporary, target)
    _require_rows(settings.warehouse, contents)
    os.sync()
    replace_durably(settings.home / MARKER, (folder / MARKER).read_text(encoding="utf-8"))
    return contents


def _restoring(folder: Path) -> dict[str, str]:
    return {
        "restoring": folder.name,
        "note": (
            "A restore was interrupted here. Run the same `make restore` again; do not write a kind by hand."
        ),
    }


def _require_empty(settings: Settings, folder: Path) -> None:
    """No file in the home and no warehouse, unless this very restore was begun before."""
    marker = settings.home / MARKER
    if marker.is_file():
        try:
            if json.loads(marker.read_text(encoding="utf-8")) == _restoring(folder):
                return
        except ValueError:
            pass  # not ours: refused below like any other file
    found = [path for path in settings.home.rglob("*") if path.is_symlink() or not path.is_dir()]
    found += [settings.warehouse] if settings.warehouse.exists() else []
    if found:
        raise BackupRefused(
            f"A restore needs an empty home, and {found[0]} is there. Set ROTATION_HOME to an empty folder,"
            " or move the old home away first."
        )


def _require_rows(warehouse: Path, contents: Description) -> None:
    try:
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            counts = _row_counts(connection)
    except duckdb.Error as error:
        raise BackupDamaged(f"{warehouse} cannot be opened: {str(error).splitlines()[0]}") from None
    if counts != contents.tables:
        differing = sorted(
            name for name in {*counts, *contents.tables} if counts.get(name) != contents.tables.get(name)
        )
        raise BackupDamaged(
            f"{warehouse} does not hold the rows that the backup names: {', '.join(differing[:5])}."
        )


def _row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    names = connection.execute(
        "select schema_name, table_name from duckdb_tables() where not internal and not temporary order"
        " by all"
    ).fetchall()
    counts = {}
    for schema, table in names:
        row = connection.execute(f"select count(*) from {quoted(schema)}.{quoted(table)}").fetchone()
        counts[f"{schema}.{table}"] = int(row[0]) if row else 0
    return counts


def _read_description(folder: Path) -> Description:
    try:
        contents = Description(**json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise BackupDamaged(
            f"{folder} is not a backup: {DESCRIPTION} is missing or cannot be read. Name one of the dated"
            " folders of ROTATION_BACKUP_DIR."
        ) from None
    if contents.format not in READABLE:
        raise BackupDamaged(
            f"{folder} has format {contents.format} and this code reads up to {FORMAT}; restore it with"
            f" the code that made it ({contents.code_version})."
        )
    return contents


def _read_sums(folder: Path) -> dict[str, str]:
    """Name and hash of every file; a name that leads out of the folder is refused."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        raise BackupDamaged(f"{folder / SUMS} is missing or cannot be read.") from None
    sums = {}
    for line in lines:
        found = re.fullmatch(
            r"([0-9a-f]{64})  (warehouse\.duckdb|home\.json|landing/.+|published/briefs/[^/]+)", line
        )
        if not found or ".." in Path(found[2]).parts:
            raise BackupDamaged(f"{folder / SUMS} has a line that is not a hash and a name: {line[:80]!r}.")
        sums[found[2]] = found[1]
    return sums


def _copy(source: Path, target: Path) -> str:
    with source.open("rb") as stream:
        return _copy_stream(stream, target)


def _copy_stream(source: BinaryIO, target: Path) -> str:
    """Copy; the hash of what was read."""
    content = hashlib.sha256()
    with target.open("wb") as stream:
        while chunk := source.read(CHUNK_BYTES):
            content.update(chunk)
            stream.write(chunk)
    return content.hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
