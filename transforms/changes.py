"""What changed since the publication that is extended: in raw and reference tables, in the code, and by that
in the models.

In: the pipeline's database and `inputs.json` of the publication (`InputState`). Out: per table a `Change`:
the first day from which its rows may differ, by key where the table has one. Raw tables are append-only, so
what is new in one are the rows behind those that were there; that the others are still the same is checked by
a hash, because a restored or repaired database may hold others.

Caveat: `hash` is DuckDB's own and may change with its version; the version is part of the code's hash.
"""

from __future__ import annotations

import ast
import hashlib
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from warehouse.catalog import Catalog, Table, quoted

REPOSITORY = Path(__file__).resolve().parent.parent
# What every model is made with: a change rebuilds them all. A model's own files rebuild it alone.
SHARED_CODE = ("transforms/*.py", "transforms/lib/**/*.py", "warehouse/catalog/**/*", "market_calendar/**/*")
SHARED_PACKAGES = ("duckdb", "numpy", "pandas")
BEGINNING = date(1, 1, 1)
# A variable that a model reads; the kind of data never changes from one session to the next.
READS_A_VARIABLE = re.compile(r"getvariable\((?!'data_source'\))")


@dataclass(frozen=True)
class Change:
    """Which rows of a table may differ: all of them, those of every key from `since` on, and those of some
    keys from earlier days on. Without any of the three, none does.
    """

    whole: bool = False
    since: date | None = None
    by_key: Mapping[str, date] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.whole or self.since is not None or bool(self.by_key)

    @property
    def first_day(self) -> date | None:
        """The first day that changed, whatever the key; None where nothing did, or no day is known."""
        days = [day for day in (self.since, *self.by_key.values()) if day is not None]
        return min(days, default=None) if not self.whole else None

    def __or__(self, other: Change) -> Change:
        if self.whole or other.whole:
            return WHOLE
        days = [day for day in (self.since, other.since) if day is not None]
        keys = dict(self.by_key)
        for key, day in other.by_key.items():
            keys[key] = min(day, keys.get(key, day))
        since = min(days, default=None)
        return Change(since=since, by_key={key: day for key, day in keys.items() if not since or day < since})


WHOLE, NOTHING = Change(whole=True), Change()


@dataclass(frozen=True)
class TableState:
    """A raw table as it was: its number of rows, and a hash over them that does not depend on their order."""

    rows: int
    sha: str


@dataclass(frozen=True)
class InputState:
    """What a publication was made from; kept beside it as `inputs.json`.

    Attributes:
        session: it is for.
        cutoff_utc: what became available later was not used.
        data_source: kind of data.
        rebuilt_session: of the last publication in the chain that was built anew.
        code: hash of each model's own files, and of what all share under the name `shared`.
        raw: by table.
    """

    session: date
    cutoff_utc: datetime
    data_source: str
    rebuilt_session: date
    code: Mapping[str, str]
    raw: Mapping[str, TableState]

    def as_json(self) -> dict[str, Any]:
        """For `inputs.json`."""
        return {
            **vars(self),
            "code": dict(self.code),
            "raw": {name: vars(state) for name, state in self.raw.items()},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> InputState | None:
        """None where the document is not one of this version."""
        try:
            return cls(
                session=date.fromisoformat(document["session"]),
                cutoff_utc=datetime.fromisoformat(document["cutoff_utc"]),
                data_source=str(document["data_source"]),
                rebuilt_session=date.fromisoformat(document["rebuilt_session"]),
                code=dict(document["code"]),
                raw={name: TableState(**state) for name, state in document["raw"].items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return None


def code_hashes(catalog: Catalog) -> dict[str, str]:
    """A hash of each model's own files, and of what all models share under the name `shared`."""
    versions = [f"{name} {version(name)}" for name in SHARED_PACKAGES]
    return {
        "shared": hash_of(
            code_files(*SHARED_CODE), (*versions, platform.python_version(), platform.machine())
        ),
        **{
            table.full_name: hash_of([table.model, table.model.with_suffix(".yml")])
            for table in catalog.models()
            if table.model is not None
        },
    }


def code_files(*patterns: str) -> list[Path]:
    """The code, tables and texts of the repository that match a pattern."""
    found = {path for pattern in patterns for path in REPOSITORY.glob(pattern) if path.is_file()}
    return sorted(path for path in found if path.suffix in (".py", ".yml", ".sql", ".csv"))


def hash_of(paths: Iterable[Path], texts: Iterable[str] = ()) -> str:
    """A hash of files with their names, and of texts."""
    content = hashlib.sha256("\0".join(texts).encode())
    for path in paths:
        content.update(path.name.encode() + b"\0" + path.read_bytes())
    return content.hexdigest()[:16]


def raw_states(connection: duckdb.DuckDBPyConnection, catalog: Catalog, raw: str) -> dict[str, TableState]:
    """The present state of the raw tables.

    Args:
        connection: with the pipeline's database attached.
        catalog: names the tables.
        raw: under which name it is attached.
    """
    return {
        table.full_name: _state(connection, f"{raw}.{table.full_name}", table)
        for table in catalog.in_schema("raw")
    }


def _state(
    connection: duckdb.DuckDBPyConnection, name: str, table: Table, rows: int | None = None
) -> TableState:
    columns = ", ".join(quoted(column) for column in table.column_names)
    among = f" where rowid < {rows}" if rows is not None else ""
    [(count, total)] = connection.execute(
        f"select count(*), sum(hash({columns})::hugeint) from {name}{among}"
    ).fetchall()
    return TableState(int(count), f"{int(total or 0) % 2**64:016x}")


def changed_inputs(
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    before: InputState,
    cutoff_utc: datetime,
    raw: str,
) -> dict[str, Change]:
    """The changes of the raw and the reference tables.

    Args:
        connection: its main database is the publication as it was, with its reference tables; the pipeline's
            database is attached.
        catalog: names the tables.
        before: what the publication was made from.
        cutoff_utc: the present cut-off.
        raw: under which name the pipeline's database is attached.
    """
    changes = {
        table.full_name: _raw_change(connection, table, before, cutoff_utc, raw)
        for table in catalog.in_schema("raw")
    }
    for table in catalog.in_schema("ref"):
        if not _same_rows(connection, table, raw):
            changes[table.full_name] = WHOLE
    return changes


def _raw_change(
    connection: duckdb.DuckDBPyConnection, table: Table, before: InputState, cutoff_utc: datetime, raw: str
) -> Change:
    """Rows that were added, and rows that were there and came within the cut-off. Added rows count beyond it
    as well: a model may ask whether a symbol goes on.
    """
    state, name = before.raw.get(table.full_name), f"{raw}.{table.full_name}"
    grows = table.increment
    if state is None or grows is None or _state(connection, name, table, state.rows) != state:
        return WHOLE
    key = f"{quoted(grows.key)}::varchar" if grows.key else "''"
    days = first_days_added(
        connection, name, key, quoted(grows.day), state.rows, before.cutoff_utc, cutoff_utc
    )
    if grows.key:
        return Change(by_key=days)
    return Change(since=min(days.values(), default=None))


def first_days_added(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    key: str,
    day: str,
    held: int,
    before_utc: datetime,
    cutoff_utc: datetime,
) -> dict[str, date]:
    """By key the first day of the rows of a raw table that are behind those that were held, or came within
    the cut-off.

    Args:
        connection: with the table.
        name: of the table, with its catalog.
        key: as SQL.
        day: as SQL.
        held: rows that there were.
        before_utc: the cut-off then.
        cutoff_utc: the present one.
    """
    rows = connection.execute(
        f"select {key}, min({day}) from {name} where rowid >= ?"
        " or (available_at_utc > ? and available_at_utc <= ?) group by 1",
        [held, before_utc, cutoff_utc],
    ).fetchall()
    return dict(rows)


def _same_rows(connection: duckdb.DuckDBPyConnection, table: Table, raw: str) -> bool:
    """Whether a reference table of the publication is the pipeline's."""
    present = connection.execute(
        "select column_name from duckdb_columns() where database_name = current_database()"
        " and schema_name = ? and table_name = ? order by column_index",
        [table.schema, table.name],
    ).fetchall()
    if [name for (name,) in present] != table.column_names:
        return False
    return _state(connection, table.full_name, table) == _state(connection, f"{raw}.{table.full_name}", table)


def reached(table: Table, catalog: Catalog, changes: Mapping[str, Change], *, session_moved: bool) -> Change:
    """Which rows of a model its inputs' changes reach.

    Args:
        table: the model.
        catalog: knows by which key its inputs grow.
        changes: of its inputs, by table; what is not among them did not change.
        session_moved: whether the publication is for another session than the one before. A model that does
            not say how it grows is computed anew for it if it reads a variable, as the session is.
    """
    reads = table.increment.reads if table.increment else {}
    found = NOTHING
    for item in table.inputs:
        change = changes.get(item, NOTHING)
        if change:
            found |= _reached_by(table, catalog[item], change, reads.get(item))
    return WHOLE if session_moved and not reads and reads_a_variable(table.model) else found


@cache
def reads_a_variable(model: Path | None) -> bool:
    """Whether a model's own text, or that of a module that it imports, reads a variable of the run other than
    the kind of data. A function that the model does not call counts as well.
    """
    seen: set[Path] = set()
    left = [model] if model else []
    while left:
        path = left.pop()
        if path not in seen:
            seen.add(path)
            reads, imported = _reads_and_imports(path)
            if reads:
                return True
            left += imported
    return model is None


@cache
def _reads_and_imports(path: Path) -> tuple[bool, list[Path]]:
    """Whether a file's text reads a variable, else the files of `transforms` that it imports as a module."""
    text = path.read_text(encoding="utf-8")
    if READS_A_VARIABLE.search(text):
        return True, []
    return False, _imported(text) if path.suffix == ".py" else []


def _imported(text: str) -> list[Path]:
    """The files of `transforms` that a module imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    paths = [REPOSITORY.joinpath(*name.split(".")).with_suffix(".py") for name in names]
    return [path for path in paths if path.is_relative_to(REPOSITORY / "transforms") and path.is_file()]


def _reached_by(table: Table, item: Table, change: Change, reach: int | str | None) -> Change:
    if reach is None or change.whole or table.increment is None:
        return WHOLE
    by_the_same_key = bool(
        table.increment.key and item.increment and item.increment.key == table.increment.key
    )
    if reach == "whole_key":
        whole = change.since is not None or not by_the_same_key
        return WHOLE if whole else Change(by_key=dict.fromkeys(change.by_key, BEGINNING))
    return change if by_the_same_key else Change(since=change.first_day)
