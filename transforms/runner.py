"""The model runner: builds every table of `transforms/` into the publication, inputs before users.

In: a connection whose main database is the new publication, with the pipeline's database attached read-only
as `pipeline`. Out: one table per model, typed and commented from the catalog, rows in the order of the
grain. It selects models, resolves inputs and runs one statement or one function each; the rule by which it
is replaced instead of extended is in docs/adr/0002.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import date, datetime

import duckdb
import numpy as np

from market_calendar.allowed_ages import ALLOWED_AGES
from warehouse.catalog import Table, load_catalog, quoted

SIDE_BY_SIDE = 2


class ModelError(RuntimeError):
    """A model failed; the message names it."""


def models_to_build(only: str | None = None, given: Collection[str] = ()) -> list[Table]:
    """The models in an order in which every input comes before its user.

    Args:
        only: Full name of one model: the list holds it and its ancestors. None: every model.
        given: Full names of tables that are there already; neither they nor what only they need is built.

    Raises:
        ModelError: There is no model of that name.
    """
    models = load_catalog().models()
    if only is None:
        return [table for table in models if table.full_name not in given]
    by_name = {table.full_name: table for table in models}
    if only not in by_name:
        raise ModelError(f"{only} is not a model; the models are {', '.join(sorted(by_name))}")
    needed: set[str] = set()
    waiting = [only]
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in needed and name not in given:
            needed.add(name)
            waiting.extend(by_name[name].inputs)
    return [table for table in models if table.full_name in needed]


def build_models(
    connection: duckdb.DuckDBPyConnection,
    *,
    session: date,
    cutoff_utc: datetime,
    data_source: str,
    only: str | None = None,
    given: Collection[str] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, int]:
    """Build all models, or one with its ancestors.

    Args:
        connection: The new publication, with the pipeline's database attached as `pipeline`.
        session: The session that the publication is for.
        cutoff_utc: What became available later is not used.
        data_source: Value of the column `data_source` of every mart.
        only: Full name of the one model to build (with its ancestors).
        given: Tables that the connection holds already and that are not built.
        progress: Receives one sentence per model.

    Returns:
        The rows of each table built.

    Raises:
        ModelError: A model failed, or `only` is not a model.
    """
    tables = models_to_build(only, given)
    set_variables(connection, session=session, cutoff_utc=cutoff_utc, data_source=data_source)
    for schema in ("staging", "marts"):
        connection.execute(f"create schema if not exists {schema}")
    [(publication,)] = connection.execute("select current_database()").fetchall()

    def built(table: Table) -> int:
        started = time.perf_counter()
        with connection.cursor() as own:
            own.execute(f"use {quoted(publication)}")
            set_variables(own, session=session, cutoff_utc=cutoff_utc, data_source=data_source)
            rows = build_model(own, table)
        progress(f"{table.full_name}: {rows:,} rows in {time.perf_counter() - started:.1f} s")
        return rows

    return _side_by_side(tables, built)


def _side_by_side(tables: Sequence[Table], build: Callable[[Table], int]) -> dict[str, int]:
    """Build models, two at a time where neither needs the other; returns the rows of each, in the order of
    `tables`.

    DuckDB uses both cores within a statement, Python one core within a model: two models together fill both.
    """
    waiting, done = list(tables), dict.fromkeys((table.full_name for table in tables), 0)
    running: dict[Future[int], str] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        while waiting or running:
            missing = {*(table.full_name for table in waiting), *running.values()}
            for table in [table for table in waiting if missing.isdisjoint(table.inputs)]:
                if len(running) < SIDE_BY_SIDE:
                    waiting.remove(table)
                    running[pool.submit(build, table)] = table.full_name
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                done[running.pop(future)] = future.result()
    return done


def set_variables(
    connection: duckdb.DuckDBPyConnection, *, session: date, cutoff_utc: datetime, data_source: str
) -> None:
    """What models read beside their inputs; `allowed_ages` is a map from family to number."""
    connection.execute("set variable session_date = ?::date", [session])
    connection.execute("set variable cutoff_utc = ?::timestamp", [cutoff_utc])
    connection.execute("set variable data_source = ?::varchar", [data_source])
    connection.execute(
        "set variable allowed_ages = map(?::varchar[], ?::integer[])",
        [list(ALLOWED_AGES), list(ALLOWED_AGES.values())],
    )


def build_model(connection: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Create and fill the table of one model."""
    create_table(connection, table, table.full_name)
    insert_rows(connection, table, table.full_name)
    return row_count(connection, table.full_name)


def create_table(connection: duckdb.DuckDBPyConnection, table: Table, target: str) -> None:
    """An empty table of a model with its comments, in the catalog that `target` names, if any."""
    catalog = target.removesuffix(table.full_name).rstrip(".") or None
    # At once: a statement of its own costs more than what it does.
    connection.execute(";\n".join([table.ddl(catalog=catalog), *table.comments(catalog=catalog)]))


def insert_rows(
    connection: duckdb.DuckDBPyConnection, table: Table, target: str, *, keep: str = "true"
) -> None:
    """Run a model and append its rows in the order of the grain.

    Args:
        connection: shows the model its inputs.
        table: the model.
        target: the table that takes its rows.
        keep: the condition for the rows that are taken.

    Raises:
        ModelError: it failed.
    """
    own = [name for name in table.column_names if not (table.schema == "marts" and name == "data_source")]
    columns = ", ".join(map(quoted, own))
    try:
        relation, in_order = _relation_of(connection, table, own)
        constant = ", getvariable('data_source')" if len(own) < len(table.columns) else ""
        order = "" if in_order else f" order by {', '.join(map(quoted, table.grain)) or 'all'}"
        connection.execute(
            f"insert into {target} select {columns}{constant} from ({relation}) where {keep}{order}"
        )
    except (duckdb.Error, ModelError) as error:
        raise ModelError(f"{table.full_name} could not be built: {error}") from error
    finally:
        connection.unregister("model_rows")


def row_count(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """The rows of a table."""
    [(count,)] = connection.execute(f"select count(*) from {name}").fetchall()
    return int(count)


def _relation_of(connection: duckdb.DuckDBPyConnection, table: Table, columns: list[str]) -> tuple[str, bool]:
    """The rows of a model as SQL, its statement or its frame under the name `model_rows`, and whether they
    come in the order of the grain.

    A model in Python says so by `ROWS_IN_ORDER = True`: sorting millions of rows costs more than making them.
    """
    assert table.model is not None
    if table.model.suffix == ".sql":
        return table.model.read_text(encoding="utf-8"), False
    module = importlib.import_module(f"transforms.{table.schema}.{table.name}")
    frame = module.build(connection)
    if list(frame.columns) != columns:
        raise ModelError(f"the frame has the columns {list(frame.columns)}, expected {columns}")
    numbers = {
        name: frame[name].to_numpy(dtype=float, na_value=np.nan) for name in frame.select_dtypes("number")
    }
    infinite = [name for name, values in numbers.items() if np.isinf(values).any()]
    if infinite:
        raise ModelError(f"infinite values in {', '.join(infinite)}")
    connection.register("model_rows", frame)
    # A frame says NaN where a value is missing; the warehouse says NULL.
    with_gaps = [name for name, values in numbers.items() if np.isnan(values).any()]
    typed = {column.name: column.type for column in table.columns}
    selected = ", ".join(
        (
            f"case when isnan({quoted(name)}::double) then null else {quoted(name)} end::{typed[name]} as"
            f" {quoted(name)}"
            if name in with_gaps
            else f"{quoted(name)}::{typed[name]} as {quoted(name)}"
        )
        for name in columns
    )
    return f"select {selected} from model_rows", getattr(module, "ROWS_IN_ORDER", False)
