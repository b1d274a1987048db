"""Extends a publication: rebuilds of every model the rows that a change reaches, and leaves the others.

In: a connection whose main database is a copy of the last publication with the present reference tables, the
pipeline's database attached as `pipeline_file`, and the changes of the inputs. Out: the same rows, bit for
bit, as a build of everything, and per model what changed in it.

A model runs with the text or the function of a whole build. Its inputs are views under their usual names
that hold what it says it reads (`increment:` beside it), and the variable `since` is the first day that it is
asked for. Its rows are compared with those that are there, and only from the first day that differs on are
rows replaced; so a change ends where its effect ends. docs/adr/0014.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from transforms.changes import BEGINNING, NOTHING, WHOLE, Change, reached
from transforms.increment import PREVIOUS_ROWS
from transforms.runner import create_table, insert_rows, row_count, set_variables
from warehouse.catalog import LAST_ROW, Catalog, Increment, Table, literal, load_catalog, quoted

PIPELINE_FILE = "pipeline_file"
# The catalog of the views: a model finds its inputs there under their usual names.
VIEWS = "extension"
NEW_ROWS, CHANGED, KEYS, LAST_ROWS = (
    f"{VIEWS}.main.{name}" for name in ("new_rows", "changed", "keys", "last_rows")
)


@dataclass(frozen=True)
class Extended:
    """What the extension did to one model.

    Attributes:
        rows: of the table.
        asked: which of its rows were computed.
        changed: which of them differ from those that were there.
    """

    rows: int
    asked: Change
    changed: Change


@dataclass(frozen=True)
class Part:
    """Rows that are computed together: from `since` on (None: all), of some keys or of all others."""

    since: date | None = None
    keys: tuple[str, ...] = ()
    others: bool = False

    def holds(self, key: str, day: str) -> str:
        """The condition under which a row belongs to it."""
        conditions = [] if self.since is None else [f"{day} >= {literal(str(self.since))}::date"]
        if self.keys:
            conditions.append(f"{key} {'not ' if self.others else ''}in (select key from {KEYS})")
        return " and ".join(conditions) or "true"


def extend_models(
    connection: duckdb.DuckDBPyConnection,
    *,
    session: date,
    cutoff_utc: datetime,
    data_source: str,
    changes: Mapping[str, Change],
    session_moved: bool,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Extended]:
    """Extend all models.

    Args:
        connection: as the module says.
        session: The session that the publication is for.
        cutoff_utc: What became available later is not used.
        data_source: Value of the column `data_source` of every mart.
        changes: Of raw and reference tables; of a model only where its code changed.
        session_moved: Whether the session is another one than that of the copied publication.
        progress: Receives one sentence per model that was computed.

    Returns:
        By model what was done; the order is that in which they were built.

    Raises:
        ModelError: A model failed.
    """
    catalog = load_catalog()
    known = dict(changes)
    done: dict[str, Extended] = {}
    set_variables(connection, session=session, cutoff_utc=cutoff_utc, data_source=data_source)
    with _views(connection, catalog) as publication:
        _drop_others(connection, catalog, publication)
        there = _columns_there(connection, publication)
        for table in catalog.models():
            target = f"{publication}.{table.full_name}"
            if there.get(table.full_name) != [(column.name, column.type) for column in table.columns]:
                connection.execute(f"drop table if exists {target}")
                create_table(connection, table, target)
                known[table.full_name] = WHOLE
            asked = known.get(table.full_name, NOTHING) | reached(
                table, catalog, known, session_moved=session_moved
            )
            changed = _extend(connection, catalog, table, target, asked) if asked else NOTHING
            known[table.full_name] = changed
            done[table.full_name] = Extended(row_count(connection, target), asked, changed)
            if asked:
                progress(f"{table.full_name}: {described(done[table.full_name])}")
    return done


def described(found: Extended) -> str:
    """What was computed and what came of it, in a few words."""
    scope = "all rows" if found.asked.whole else f"rows from {found.asked.first_day} on"
    if found.asked.by_key and not found.asked.since:
        scope += f" of {len(found.asked.by_key)} keys"
    if not found.changed:
        return f"{scope} computed, none changed"
    first = found.changed.first_day
    return f"{scope} computed, changed" + (f" from {first} on" if first and first != BEGINNING else "")


@contextmanager
def _views(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> Iterator[str]:
    """The catalogs that a model sees instead of the publication and the pipeline's database; yields the name
    of the publication's.
    """
    [(publication,)] = connection.execute("select current_database()").fetchall()
    for name in (VIEWS, "pipeline"):
        connection.execute(f"attach ':memory:' as {name}")
    schemas = {table.schema for table in catalog.tables.values()}
    for schema in schemas:
        connection.execute(f"create schema {VIEWS}.{schema}")
        connection.execute(f"create schema pipeline.{schema}")
    for table in catalog.in_schema("ref"):
        connection.execute(f"create view {VIEWS}.{table.full_name} as from {publication}.{table.full_name}")
    connection.execute(f"create table {KEYS} (key varchar)")
    connection.execute(f"create table {LAST_ROWS} (key varchar, day date)")
    connection.execute(f"use {VIEWS}")
    try:
        yield str(publication)
    finally:
        connection.execute("reset variable since")
        connection.execute(f"use {publication}")
        for name in (VIEWS, "pipeline"):
            connection.execute(f"detach {name}")


def _extend(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, table: Table, target: str, asked: Change
) -> Change:
    """Compute the rows that are asked for, and replace those that differ."""
    connection.execute(f"create or replace table {NEW_ROWS} as from {target} limit 0")
    parts = parts_of(asked)
    grows = table.increment or Increment("")
    for part in parts:
        _show_inputs(connection, catalog, table, target, part)
        insert_rows(connection, table, NEW_ROWS, keep=part.holds(quoted(grows.key), quoted(grows.day)))
    changed = _differing(connection, table, target, parts)
    _replace(connection, table, target, changed)
    connection.execute(f"drop table {NEW_ROWS}")
    return changed


def _drop_others(connection: duckdb.DuckDBPyConnection, catalog: Catalog, publication: str) -> None:
    """Drop the tables of models that there are no longer."""
    names = connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = ?"
        " and schema_name in ('staging', 'marts')",
        [publication],
    ).fetchall()
    for (name,) in names:
        if name not in catalog.tables:
            schema, _, table = name.partition(".")
            connection.execute(f"drop table {publication}.{schema}.{quoted(table)}")


def _columns_there(
    connection: duckdb.DuckDBPyConnection, publication: str
) -> dict[str, list[tuple[str, str]]]:
    """The columns of each table of the publication, with their types."""
    rows = connection.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()"
        " where database_name = ? order by table_oid, column_index",
        [publication],
    ).fetchall()
    found: dict[str, list[tuple[str, str]]] = {}
    for table, column, type_name in rows:
        found.setdefault(table, []).append((column, type_name))
    return found


def parts_of(asked: Change) -> list[Part]:
    """The rows in at most two parts: those that changed lately, and keys whose history did."""
    if asked.whole:
        return [Part()]
    if not asked.by_key:
        return [Part(asked.since)]
    if asked.since is not None:
        early = tuple(asked.by_key)
        return [Part(min(asked.by_key.values()), early), Part(asked.since, early, others=True)]
    latest = max(asked.by_key.values())
    late = tuple(key for key, day in asked.by_key.items() if day == latest)
    early = tuple(key for key, day in asked.by_key.items() if day != latest)
    parts = [Part(latest, late)]
    if early:
        parts.append(Part(min(asked.by_key[key] for key in early), early))
    return parts


def _show_inputs(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, table: Table, target: str, part: Part
) -> None:
    """Make the inputs of a model show what it reads for one part, and set `since`."""
    publication = target.removesuffix(f".{table.full_name}")
    grows = table.increment or Increment("")
    list_keys(connection, part)
    connection.execute("set variable since = ?::date", [part.since])
    if part.since is not None:
        own = f"not ({part.holds(quoted(grows.key), quoted(grows.day))})"
        connection.execute(
            f"create or replace view {VIEWS}.main.{PREVIOUS_ROWS} as from {target}"
            f" where {own if not part.keys else _of_keys(grows.key, part) + ' and ' + own}"
        )
    if LAST_ROW in grows.reads.values():
        connection.execute(f"delete from {LAST_ROWS}")
        if part.since is not None:
            connection.execute(
                f"insert into {LAST_ROWS} select {quoted(grows.key)}, max({quoted(grows.day)}) from"
                f" {VIEWS}.main.{PREVIOUS_ROWS} group by 1"
            )
    for item in table.inputs:
        source, shown = (
            (f"{PIPELINE_FILE}.{item}", f"pipeline.{item}")
            if item.startswith("raw.")
            else (f"{publication}.{item}", f"{VIEWS}.{item}")
        )
        if not item.startswith("ref."):
            where = _shown(table, catalog[item], part)
            connection.execute(f"create or replace view {shown} as from {source} as given where {where}")


def list_keys(connection: duckdb.DuckDBPyConnection, part: Part) -> None:
    """Write down the keys of a part, for its condition."""
    connection.execute(f"delete from {KEYS}")
    if part.keys:
        connection.execute(f"insert into {KEYS} select unnest(?::varchar[])", [list(part.keys)])


def _of_keys(key: str, part: Part) -> str:
    return f"{quoted(key)} {'not ' if part.others else ''}in (select key from {KEYS})"


def _shown(table: Table, item: Table, part: Part) -> str:
    """The condition for the rows of an input that one part of a model reads."""
    grows, source = table.increment, item.increment
    if grows is None or source is None or item.full_name not in grows.reads:
        return "true"
    reach = grows.reads[item.full_name]
    same_key = bool(grows.key) and grows.key == source.key
    conditions = [_of_keys(grows.key, part)] if same_key and part.keys else []
    if part.since is not None and isinstance(reach, int):
        conditions.append(f"{quoted(source.day)} >= {literal(str(part.since))}::date - {reach}")
    if part.since is not None and reach == LAST_ROW and same_key:
        conditions.append(
            f"{quoted(source.day)} >= coalesce((select any_value(day) from {LAST_ROWS}"
            f" where key = given.{quoted(grows.key)}), {literal(str(BEGINNING))}::date)"
        )
    return " and ".join(conditions) or "true"


def _differing(connection: duckdb.DuckDBPyConnection, table: Table, target: str, parts: list[Part]) -> Change:
    """From which day on, by key, the new rows differ from those that are there."""
    grows = table.increment
    day = quoted(grows.day) if grows else "null::date"
    key = f"{quoted(grows.key)}::varchar" if grows and grows.key else "''"
    connection.execute(f"create or replace table {CHANGED} (key varchar, day date)")
    for part in parts:
        list_keys(connection, part)
        holds = part.holds(quoted(grows.key), day) if grows else "true"
        here, there = (
            f"(select {key} as key, {day} as day, count(*) as row_count, sum({_row_hash(table)}) as hash_sum"
            f" from {name} where {holds} group by all)"
            for name in (NEW_ROWS, target)
        )
        connection.execute(
            f"insert into {CHANGED} select coalesce(here.key, there.key), coalesce(here.day, there.day)"
            f" from {here} as here full join {there} as there"
            " on here.key = there.key and here.day is not distinct from there.day"
            " where here.row_count is distinct from there.row_count"
            " or here.hash_sum is distinct from there.hash_sum"
        )
    rows = connection.execute(f"select key, min(day) from {CHANGED} group by 1").fetchall()
    if not rows:
        return NOTHING
    if grows is None:
        return WHOLE
    if grows.key:
        return Change(by_key=dict(rows))
    return Change(since=rows[0][1])


def _row_hash(table: Table) -> str:
    """A hash of all bits of a row: 0.0 and -0.0, which have one hash, are told apart."""
    signs = [
        f"({quoted(column.name)} = 0 and signbit({quoted(column.name)}))"
        for column in table.columns
        if column.type == "DOUBLE"
    ]
    return f"hash({', '.join([*map(quoted, table.column_names), *signs])})::hugeint"


def _replace(connection: duckdb.DuckDBPyConnection, table: Table, target: str, changed: Change) -> None:
    """Replace the rows from the first day that differs on, by key where the table has one."""
    if not changed:
        return
    order = ", ".join(f"given.{quoted(name)}" for name in table.grain) or "all"
    grows = table.increment
    if changed.whole or grows is None:
        connection.execute(f"delete from {target}")
        connection.execute(f"insert into {target} select given.* from {NEW_ROWS} as given order by {order}")
        return
    # Of all keys from one day on, or of each key from its own.
    of_key = f"given.{quoted(grows.key)}" if grows.key else "''"
    condition = (
        f"given.{quoted(grows.day)} >= {literal(str(changed.first_day))}::date"
        f" and given.{quoted(grows.day)} >= changed.day and {of_key} = changed.key"
    )
    connection.execute(
        f"create or replace table {LAST_ROWS} as select key, min(day) as day from {CHANGED} group by 1"
    )
    connection.execute(f"delete from {target} as given using {LAST_ROWS} as changed where {condition}")
    connection.execute(
        f"insert into {target} select given.* from {NEW_ROWS} as given"
        f" inner join {LAST_ROWS} as changed on {condition} order by {order}"
    )
