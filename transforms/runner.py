"""The model runner: builds every table of `transforms/` into the publication, inputs before users.

In: a connection whose main database is the new publication, with the pipeline's database attached read-only
as `pipeline`. Out: one table per model, typed and commented from the catalog, rows in the order of the
grain. It resolves inputs, runs one statement or one function, and nothing else; when it needs more than
that, it is time for dbt or SQLMesh (docs/adr/0002).
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from datetime import date, datetime

import duckdb
import numpy as np

from warehouse.catalog import Table, load_catalog, quoted


class ModelError(RuntimeError):
    """A model failed; the message names it."""


def build_models(
    connection: duckdb.DuckDBPyConnection,
    *,
    session: date,
    cutoff_utc: datetime,
    data_source: str,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, int]:
    """Build all models; returns the rows per table."""
    connection.execute("set variable session_date = ?::date", [session])
    connection.execute("set variable cutoff_utc = ?::timestamp", [cutoff_utc])
    connection.execute("set variable data_source = ?::varchar", [data_source])
    for schema in ("staging", "marts"):
        connection.execute(f"create schema if not exists {schema}")
    rows = {}
    for table in load_catalog().models():
        started = time.perf_counter()
        rows[table.full_name] = build_model(connection, table)
        progress(
            f"{table.full_name}: {rows[table.full_name]:,} rows in {time.perf_counter() - started:.1f} s"
        )
    return rows


def build_model(connection: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Create and fill the table of one model."""
    connection.execute(table.ddl())
    own = [name for name in table.column_names if not (table.schema == "marts" and name == "data_source")]
    columns = ", ".join(map(quoted, own))
    try:
        relation = _relation_of(connection, table, own)
        constant = ", getvariable('data_source')" if len(own) < len(table.columns) else ""
        order = ", ".join(map(quoted, table.grain)) or "all"
        connection.execute(
            f"insert into {table.full_name} select {columns}{constant} from ({relation}) order by {order}"
        )
    except (duckdb.Error, ModelError) as error:
        raise ModelError(f"{table.full_name} could not be built: {error}") from error
    finally:
        connection.unregister("model_rows")
    for statement in table.comments():
        connection.execute(statement)
    count = connection.execute(f"select count(*) from {table.full_name}").fetchone()
    return int(count[0]) if count else 0


def _relation_of(connection: duckdb.DuckDBPyConnection, table: Table, columns: list[str]) -> str:
    """The rows of a model as SQL: its statement, or its frame under the name `model_rows`."""
    assert table.model is not None
    if table.model.suffix == ".sql":
        return table.model.read_text(encoding="utf-8")
    module = importlib.import_module(f"transforms.{table.schema}.{table.name}")
    frame = module.build(connection)
    if list(frame.columns) != columns:
        raise ModelError(f"the frame has the columns {list(frame.columns)}, expected {columns}")
    floats = frame.select_dtypes("number")
    wild = [
        name for name in floats.columns if np.isinf(floats[name].to_numpy(dtype=float, na_value=np.nan)).any()
    ]
    if wild:
        raise ModelError(f"infinite values in {', '.join(wild)}")
    connection.register("model_rows", frame)
    # A frame says NaN where a value is missing; the warehouse says NULL.
    typed = {column.name: column.type for column in table.columns}
    return (
        "select "
        + ", ".join(
            (
                f"case when isnan({quoted(name)}::double) then null else {quoted(name)} end::{typed[name]} as"
                f" {quoted(name)}"
                if name in floats.columns
                else f"{quoted(name)}::{typed[name]} as {quoted(name)}"
            )
            for name in columns
        )
        + " from model_rows"
    )
