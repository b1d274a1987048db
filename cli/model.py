"""`make model M=marts.x`: build one model with its ancestors and look at it, without a run.

In: the home's raw and reference tables as they are now, read-only, with the session, cut-off and kind of data
of its last publication. Out: the plan, the latest rows of the table, and a scratch database
(`<home>/tmp/model.duckdb`) that holds everything built. The publication is not touched.
"""

from __future__ import annotations

import difflib
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd

from market_calendar.sessions import cutoff_utc
from transforms.runner import ModelError, build_models, models_to_build
from warehouse.catalog import Table, load_catalog, quoted
from warehouse.database import HomeError, limits, refuse_later_home
from warehouse.publication import attached_pipeline, copy_tables
from warehouse.settings import Settings, SettingsError

LATEST_ROWS = 10
LONGEST_CELL = 28
EXAMPLE = "make model M=marts.instrument_daily"


class CannotBuild(RuntimeError):
    """There is nothing to build; the message says why and what to do."""


@dataclass(frozen=True)
class Published:
    """What the last publication was made for."""

    session: date
    data_source: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the model that the first argument names; 0 built, 1 not built, 2 wrong name or settings."""
    named = sys.argv[1:] if arguments is None else arguments
    try:
        settings = Settings.from_environment()
        table = find_model(named[0].strip() if named else "")
    except (SettingsError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        show_model(settings, table)
    except (CannotBuild, HomeError, ModelError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def find_model(name: str) -> Table:
    """The model of that name.

    Raises:
        ValueError: No name, or an unknown one; the message lists close names.
    """
    models = {table.full_name: table for table in load_catalog().models()}
    if name in models:
        return models[name]
    if not name:
        raise ValueError(
            f"M is missing. Name a model, for example {EXAMPLE}. There are {_listed(sorted(models))}."
        )
    by_bare_name = {table.name: full_name for full_name, table in models.items()}
    bare = name.rpartition(".")[2]
    close = [by_bare_name[match] for match in difflib.get_close_matches(bare, by_bare_name, n=4, cutoff=0.5)]
    close += [full_name for full_name in sorted(models) if bare and bare in full_name]
    suggestion = (
        f"Close to it: {_listed(dict.fromkeys(close))}" if close else f"There are {_listed(sorted(models))}"
    )
    raise ValueError(f"M={name} is not a model. {suggestion}.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def show_model(settings: Settings, table: Table) -> None:
    """Build the model into the scratch database and print the plan, its latest rows and where they are.

    Raises:
        CannotBuild: The home has no publication yet.
        HomeError: The home's database cannot be opened, or another process writes to it.
        ModelError: A model failed.
    """
    refuse_later_home(settings)
    if not settings.warehouse.exists():
        raise CannotBuild(f"No data in {settings.home}; fetch some with `make run`.")
    with scratch_database(settings) as (path, connection), attached_pipeline(connection, settings):
        published = last_published(settings, connection)
        plan = models_to_build(table.full_name)
        print(
            f"{table.full_name} for session {published.session} ({published.data_source} data):"
            f" {len(plan)} of {len(load_catalog().models())} models"
        )
        copy_tables(connection, load_catalog(), "ref")
        build_models(
            connection,
            session=published.session,
            cutoff_utc=cutoff_utc(published.session),
            data_source=published.data_source,
            only=table.full_name,
            progress=lambda text: print(f"  {text}", flush=True),
        )
        print()
        print(latest_rows(connection, table, shutil.get_terminal_size((120, 40)).columns))
    print(f"\nBuilt in {path}; open it with `duckdb {path}`. The publication is unchanged.")


@contextmanager
def scratch_database(settings: Settings) -> Iterator[tuple[Path, duckdb.DuckDBPyConnection]]:
    """A new database below the home; the one of the call before is replaced."""
    path = settings.home / "tmp" / "model.duckdb"
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in (path, path.with_name(f"{path.name}.wal")):
        left.unlink(missing_ok=True)
    connection = duckdb.connect(str(path), config=limits(settings.home))
    try:
        yield path, connection
    finally:
        connection.close()


def last_published(settings: Settings, connection: duckdb.DuckDBPyConnection) -> Published:
    """Session and kind of data of the home's last publication.

    Raises:
        CannotBuild: Nothing was published yet.
    """
    row = connection.execute(
        "select session_date, data_source from pipeline.ops.publication order by generation desc limit 1"
    ).fetchone()
    if row is None:
        raise CannotBuild(f"Nothing was published from {settings.home} yet; make it with `make run`.")
    return Published(*row)


def latest_rows(connection: duckdb.DuckDBPyConnection, table: Table, width: int) -> str:
    """The latest rows as text: a table, or where it is too wide a line per column and a column per row."""
    dates = [column.name for column in table.columns if column.name in table.grain and column.type == "DATE"]
    order = ", ".join([*(f"{quoted(name)} desc" for name in dates), *map(quoted, table.grain)]) or "all"
    frame = connection.execute(f"from {table.full_name} order by {order} limit {LATEST_ROWS}").df()
    count = connection.execute(f"select count(*) from {table.full_name}").fetchone()
    title = f"The latest {len(frame)} of {count[0] if count else 0:,} rows"
    if frame.empty:
        return f"{table.full_name} has no rows."
    cells = pd.DataFrame({name: frame[name].map(_cell) for name in frame.columns}, dtype=object)
    wide = cells.to_string(index=False)
    if len(wide.partition("\n")[0]) <= width:
        return f"{title}:\n{wide}"
    for rows in range(len(cells), 0, -1):
        tall = cells.head(rows).T.to_string(header=False)
        if len(tall.partition("\n")[0]) <= width or rows == 1:
            break
    return f"{title}, one per column ({rows} fit):\n{tall}"


def _cell(value: object) -> str:
    """A value as short text; empty where it is missing."""
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, pd.Timestamp):
        return str(value.date()) if value == value.normalize() else str(value)
    text = str(value)
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"


if __name__ == "__main__":
    sys.exit(main())
