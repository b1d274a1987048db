"""Publication: a generation folder behind one link, moved by one atomic rename.

In: the pipeline's database. Out: `published/generations/<n>/` with `warehouse.duckdb` (read-only, storage
version readable by older DuckDB) and `parquet/<schema>/<table>.parquet`, `published/current` → that folder.
A generation is built in a folder of its own, checked, synced to disk and only then
linked, so that a reader sees generation N or N+1, never a mixture.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from warehouse import latest
from warehouse.catalog import Catalog, Table, literal, quoted
from warehouse.database import append, cannot_open, limits, require_present_home, require_tables
from warehouse.durable import clone_file, replace_durably, replace_json, sync
from warehouse.settings import REPOSITORY, Settings, SettingsError, environment

STORAGE_VERSION = "v1.4.0"
# A reader may still be opening the generation before the current one, so one alone is never enough.
KEPT_GENERATIONS, LEAST_GENERATIONS = 3, 2
INPUTS = "inputs.json"


def next_generation(settings: Settings, recorded: int | None) -> int:
    """One more than the highest generation that is there or was ever recorded."""
    return max([recorded or 0, *(int(path.name) for path in _generations(settings))]) + 1


def current_generation(settings: Settings) -> Path | None:
    """The folder that the link points to, or None."""
    link = settings.published / "current"
    return link.resolve() if link.is_symlink() and link.exists() else None


def kept_generations() -> int:
    """ROTATION_KEEP_GENERATIONS: how many publications stay, the current one among them."""
    text = environment().get("ROTATION_KEEP_GENERATIONS", "").strip() or str(KEPT_GENERATIONS)
    if not text.isdecimal() or int(text) < LEAST_GENERATIONS:
        raise SettingsError(
            f"ROTATION_KEEP_GENERATIONS={text!r} must be a whole number of {LEAST_GENERATIONS} or more;"
            " readers may still be opening the generation before."
        )
    return int(text)


def old_generations(settings: Settings, keep: int) -> list[Path]:
    """The generations beyond the last `keep`, oldest first; never the one that the link leads to."""
    current = current_generation(settings)
    ordered = sorted(_generations(settings), key=lambda path: int(path.name))
    return [path for path in ordered[:-keep] if current is None or path.resolve() != current]


def space_needed_bytes(settings: Settings) -> int:
    """What the next run needs below `published`: about as much as the present generation, which stays
    beside it.
    """
    current = current_generation(settings)
    size = sum(path.stat().st_size for path in current.rglob("*") if path.is_file()) if current else 0
    return int(1.2 * size) + 20_000_000


def building_folder(settings: Settings) -> Path:
    """Where the next generation is built; no reader ever looks here."""
    return settings.published / "generations" / "building"


def mark_built(settings: Settings, run_id: str) -> None:
    """Record which run made the build that waits to be audited and published."""
    replace_durably(building_folder(settings) / ".run", run_id)


def run_that_built(settings: Settings) -> str | None:
    """The run whose built publication waits to be audited and published."""
    marker = building_folder(settings) / ".run"
    return marker.read_text(encoding="utf-8") if marker.exists() else None


@contextmanager
def new_publication(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty publication to build in, with the pipeline's database attached read-only as `pipeline` and
    `ref` copied.
    """
    folder = building_folder(settings)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with opened_publication(settings, STORAGE_VERSION) as connection, attached_pipeline(connection, settings):
        yield connection


@contextmanager
def seen_publication(
    settings: Settings, generation: Path, pipeline: str
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A generation's database to look at, with the pipeline's database attached read-only under the name
    `pipeline`.
    """
    connection = duckdb.connect(":memory:", config=limits(settings.home))
    try:
        path = literal(str(generation / "warehouse.duckdb"))
        connection.execute(f"attach {path} as publication (read_only)")
        connection.execute("use publication")
        with attached_pipeline(connection, settings, pipeline):
            yield connection
    finally:
        connection.close()


@contextmanager
def copied_publication(
    settings: Settings, generation: Path, pipeline: str
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of a generation's database to extend, with the pipeline's database attached read-only under the
    name `pipeline`.
    """
    folder = building_folder(settings)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copy = folder / "warehouse.duckdb"
    clone_file(generation / "warehouse.duckdb", copy)
    copy.chmod(0o644)
    with opened_publication(settings) as connection, attached_pipeline(connection, settings, pipeline):
        yield connection


@contextmanager
def attached_pipeline(
    connection: duckdb.DuckDBPyConnection, settings: Settings, name: str = "pipeline"
) -> Iterator[None]:
    """The pipeline's database under a name, read-only.

    Raises:
        WarehouseBusy: another process writes to it.
        HomeError: it does not open, or is not what this version reads.
    """
    require_present_home(settings)
    try:
        connection.execute(f"attach {literal(str(settings.warehouse))} as {name} (read_only)")
    except duckdb.Error as error:
        raise cannot_open(settings, error) from None
    require_tables(settings, connection, name)
    yield
    connection.execute(f"detach {name}")


@contextmanager
def opened_publication(
    settings: Settings, storage_version: str | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The publication that is being built, open for writing, as the main database."""
    path = building_folder(settings) / "warehouse.duckdb"
    connection = duckdb.connect(":memory:", config=limits(settings.home))
    try:
        version = f" (storage_version {literal(storage_version)})" if storage_version else ""
        connection.execute(f"attach {literal(str(path))} as publication{version}")
        connection.execute("use publication")
        yield connection
        connection.execute("use memory")
        connection.execute("checkpoint publication")
        connection.execute("detach publication")
    finally:
        connection.close()


def copy_tables(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, schema: str, pipeline: str = "pipeline"
) -> None:
    """Copy a schema of the pipeline's database, attached as `pipeline`, into the publication, with
    comments.
    """
    connection.execute(f"create schema if not exists {schema}")
    for table in catalog.in_schema(schema):
        connection.execute(f"drop table if exists {table.full_name}")
        connection.execute(table.ddl())
        names = ", ".join(quoted(name) for name in table.column_names)
        connection.execute(
            f"insert into {table.full_name} ({names}) select {names} from {pipeline}.{table.full_name}"
        )
        for statement in table.comments():
            connection.execute(statement)


def write_inputs(settings: Settings, document: dict[str, Any]) -> None:
    """Keep beside the publication that is being built what it was made from."""
    replace_json(building_folder(settings) / INPUTS, document)


def read_inputs(generation: Path) -> dict[str, Any] | None:
    """What a generation was made from; None where it does not say."""
    try:
        document = json.loads((generation / INPUTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def published_tables(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> list[Table]:
    """The catalog's tables that the publication holds."""
    rows = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name ="
        " current_database()"
    ).fetchall()
    present = {row[0] for row in rows}
    return [table for table in catalog.tables.values() if table.full_name in present]


def export_parquet(
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    folder: Path,
    earlier: Path | None = None,
    changed_from: Mapping[str, date | None] | None = None,
) -> None:
    """Marts, reference and ops tables as Parquet beside the database; staging is a working layer and stays
    inside. A mart that is published by year is a folder of yearly files.

    Args:
        connection: the publication.
        catalog: its tables.
        folder: of the publication.
        earlier: the folder of the publication that was extended. What did not change since is not written
            again: both folders have a name for the same file.
        changed_from: the marts that changed since, with the first day that did, None where that is unknown.
    """
    for table in published_tables(connection, catalog):
        if table.schema == "staging":
            continue
        place = Path("parquet") / table.schema
        (folder / place).mkdir(parents=True, exist_ok=True)
        changed = table.schema != "marts" or changed_from is None or table.full_name in changed_from
        if table.increment is not None and table.increment.yearly:
            first = changed_from[table.full_name] if changed and changed_from is not None else None
            _export_years(
                connection, table, folder, place / table.name, earlier, changed=changed, first=first
            )
        elif changed or not _linked(earlier, folder, place / f"{table.name}.parquet"):
            _write_parquet(connection, table.full_name, folder / place / f"{table.name}.parquet")


def _export_years(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    folder: Path,
    place: Path,
    earlier: Path | None,
    *,
    changed: bool,
    first: date | None,
) -> None:
    """One file a year; those that ended before the first day that changed are linked."""
    assert table.increment is not None
    day = quoted(table.increment.day)
    years = connection.execute(f"select distinct year({day}) from {table.full_name} order by 1").fetchall()
    (folder / place).mkdir(exist_ok=True)
    for (year,) in years:
        name = place / f"year={year}.parquet"
        kept = not changed or (first is not None and year < first.year)
        if not (kept and _linked(earlier, folder, name)):
            rows = f"(from {table.full_name} where {day} between '{year}-01-01' and '{year}-12-31')"
            _write_parquet(connection, rows, folder / name)


def _write_parquet(connection: duckdb.DuckDBPyConnection, rows: str, target: Path) -> None:
    # An attempt that was killed may have left it, and it may be the file of an earlier publication.
    target.unlink(missing_ok=True)
    connection.execute(f"copy {rows} to {literal(str(target))} (format parquet, compression zstd)")


def _linked(earlier: Path | None, folder: Path, name: Path) -> bool:
    """Give the file of an earlier publication a name in this one; False where there is none."""
    if earlier is None or not (earlier / name).is_file():
        return False
    (folder / name).unlink(missing_ok=True)
    try:
        (folder / name).hardlink_to(earlier / name)
    except OSError:
        # The file system has no second names, or no more of them.
        shutil.copyfile(earlier / name, folder / name)
    return True


def fill_data_dictionary(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    """`ops.data_dictionary` from the catalog, for the tables that are published and the views on them."""
    published = published_tables(connection, catalog)
    of_tables = [(table.schema, table, table.source) for table in published]
    of_views = [(latest.SCHEMA, table, table.full_name) for table in published if table.latest is not None]
    rows = [
        (schema, table.name, column.name, column.type, column.unit, column.description, source)
        for schema, table, source in (*of_tables, *of_views)
        for column in table.columns
    ]
    names = [column.name for column in catalog["ops.data_dictionary"].columns]
    connection.execute("delete from ops.data_dictionary")
    append(connection, "ops.data_dictionary", [dict(zip(names, row, strict=True)) for row in sorted(rows)])


def fill_table_keys(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    """`ops.table_keys` from the catalog, for the tables that are published and exported."""
    rows = [
        dict(
            zip(
                ("table_name", "key_type", "columns", "referenced_table", "referenced_columns"),
                row,
                strict=True,
            )
        )
        for table in published_tables(connection, catalog)
        if table.schema != "staging"
        for row in keys_of(table)
    ]
    connection.execute("delete from ops.table_keys")
    append(connection, "ops.table_keys", sorted(rows, key=lambda row: str(list(row.values()))))


def fill_lineage(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    """`ops.lineage` from the catalog, for all tables that are read or made."""
    rows = [
        {"table_name": name, "input_name": item, "steps": steps}
        for name in sorted(catalog.tables)
        if not name.startswith("ops.")
        for item, steps in sorted(catalog.ancestors(name).items())
    ]
    connection.execute("delete from ops.lineage")
    append(connection, "ops.lineage", rows)


def keys_of(table: Table) -> list[tuple[str, str, str, str | None, str | None]]:
    """The rows of `ops.table_keys` of a table: its grain, then its foreign keys."""
    primary: list[tuple[str, str, str, str | None, str | None]] = (
        [(table.full_name, "primary", ", ".join(table.grain), None, None)] if table.grain else []
    )
    return primary + [
        (table.full_name, "foreign", column.name, column.referenced_table, column.referenced_column)
        for column in table.foreign_keys
    ]


def move_into_place(settings: Settings, generation: int) -> None:
    """The built folder becomes a generation that nobody reads yet; `.run` in it names its run until all is
    recorded.
    """
    # Read before anything is moved: a wrong setting must not leave half a publication.
    kept_generations()
    building = building_folder(settings)
    database = building / "warehouse.duckdb"
    if database.with_name("warehouse.duckdb.wal").exists():
        raise RuntimeError("the built publication still has a write-ahead log; it was not checkpointed")
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("select count(*) from ops.publication").fetchone()
    for path in sorted(building.rglob("*")):
        if path.is_file() and path.name != ".run":
            path.chmod(0o444)
            sync(path)
    target = building.with_name(str(generation))
    os.replace(building, target)
    sync(target.parent)


def generation_of_run(settings: Settings, run_id: str) -> int | None:
    """The generation that an earlier attempt of this run moved into place without finishing."""
    for path in _generations(settings):
        marker = path / ".run"
        if marker.exists() and marker.read_text(encoding="utf-8") == run_id:
            return int(path.name)
    return None


def publish_link(settings: Settings, generation: int) -> Path:
    """Switch `current` to a generation, unless it already points to a later one; the last generations are
    kept.
    """
    target = settings.published / "generations" / str(generation)
    current = current_generation(settings)
    if current is None or int(current.name) < generation:
        temporary = settings.published / "current.new"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(Path("generations") / target.name)
        os.replace(temporary, settings.published / "current")
        sync(settings.published)
    for old in old_generations(settings, kept_generations()):
        shutil.rmtree(old, ignore_errors=True)
    return target


def finish(settings: Settings, generation: int) -> None:
    """Mark a publication as complete and recorded."""
    (settings.published / "generations" / str(generation) / ".run").unlink(missing_ok=True)


def digests(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, int, str]]:
    """Table, rows and an order-free hash of the whole content at full precision, for every mart."""
    # The text of a double is its shortest exact form, so equal text is equal bits; md5 is the
    # same in every DuckDB version.
    return _hashes(connection, lambda columns: f"md5_number_lower({_row_text(columns)})")


def quick_digests(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, int, str]]:
    """The same with DuckDB's own hash: a twentieth of the time, and comparable within one DuckDB version
    only.
    """
    return _hashes(connection, lambda columns: f"hash({', '.join(map(quoted, columns))})")


def _row_text(columns: list[str]) -> str:
    return " || '|' || ".join(f"coalesce({quoted(column)}::varchar, '∅')" for column in columns)


def _hashes(
    connection: duckdb.DuckDBPyConnection, row_hash: Callable[[list[str]], str]
) -> list[tuple[str, int, str]]:
    """Table, rows and the sum of the hashes of its rows, for every mart."""
    names = connection.execute(
        "select table_name from duckdb_tables() where schema_name = 'marts' order by 1"
    ).fetchall()
    lines = []
    for (name,) in names:
        columns = connection.execute(
            "select column_name from duckdb_columns() where schema_name = 'marts' and table_name = ? order by"
            " column_index",
            [name],
        ).fetchall()
        row = connection.execute(
            f"select count(*), sum({row_hash([column for (column,) in columns])}::hugeint)"
            f" from marts.{quoted(name)}"
        ).fetchone()
        assert row is not None
        lines.append((f"marts.{name}", int(row[0]), f"{int(row[1] or 0) % 2**64:016x}"))
    return lines


def code_version() -> str:
    """The commit, with a hash of the code when it differs from the commit or is not under version control."""
    content = hashlib.sha256()
    for folder in (
        "alerts",
        "brief",
        "dags",
        "datasets",
        "sources",
        "warehouse",
        "transforms",
        "expectations",
        "market_calendar",
        "operations",
        "pipeline",
    ):
        for path in sorted((REPOSITORY / folder).rglob("*")):
            if path.suffix in (".py", ".sql", ".yml", ".csv"):
                content.update(path.relative_to(REPOSITORY).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{_commit()}+{content.hexdigest()[:12]}"


def _commit() -> str:
    """The commit of the checkout; of an image, from its environment; of a git bundle, whose folder is named
    by it and has no .git.
    """
    if not (REPOSITORY / ".git").exists():
        named = os.environ.get("ROTATION_COMMIT", "") or REPOSITORY.name
        return named[:12] if re.fullmatch(r"[0-9a-f]{12,40}", named) else "no-commit"
    try:
        command = ["git", "-C", str(REPOSITORY), "rev-parse", "--short=12", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "no-commit"


def _generations(settings: Settings) -> list[Path]:
    folder = settings.published / "generations"
    return (
        [
            path
            for path in folder.glob("*")
            if path.is_dir() and not path.is_symlink() and re.fullmatch(r"\d+", path.name)
        ]
        if folder.is_dir()
        else []
    )
