"""The publication, open for questions: read-only, without files, network or extensions, its settings locked.

In: the home's settings. Out: a connection and which publication it is on. The link is resolved once, so that
everything asked by one connection comes from one generation (docs/connect.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from warehouse.database import limits
from warehouse.publication import current_generation
from warehouse.settings import Settings

# In this order: what is locked cannot be switched on again. Without external access DuckDB still lets a
# statement write to the files that belong to the open database, such as its write-ahead log, and the next
# reader would take that over: no file system at all, then, and so no spilling to disk either. Without the
# fourth, a name in a statement that is no table would be looked up among the variables of this program.
HARDENED = (
    "temp_directory=''",
    "enable_external_access=false",
    "disabled_filesystems='LocalFileSystem'",
    "python_enable_replacements=false",
    "lock_configuration=true",
)
DATABASE = "warehouse.duckdb"


class NoPublication(RuntimeError):
    """There is nothing to read; the message says what to run."""


@dataclass(frozen=True)
class Facts:
    """Which publication answers."""

    generation: int
    session: date
    data_source: str

    @property
    def simulated(self) -> bool:
        """Whether its numbers are made up."""
        return self.data_source == "simulated"

    @property
    def sentence(self) -> str:
        """In words."""
        text = f"session {self.session}, generation {self.generation}, data source {self.data_source}"
        return f"{text}: SIMULATED, every number is made up" if self.simulated else text


def published_generation(settings: Settings) -> Path:
    """The folder that the link leads to now.

    Raises:
        NoPublication: there is none, or its database is missing.
    """
    folder = current_generation(settings)
    if folder is None:
        raise NoPublication(
            f"There is no publication in {settings.home}. Make the first one with `make run`, or set"
            " ROTATION_HOME and ROTATION_SOURCE to a home that has one."
        )
    if not (folder / DATABASE).is_file():
        raise NoPublication(f"{folder} has no {DATABASE}. Make a new publication with `make rebuild`.")
    return folder


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[duckdb.DuckDBPyConnection, Facts]]:
    """A hardened connection to the current publication, and which one it is.

    Raises:
        NoPublication: there is none, or it cannot be opened.
    """
    folder = published_generation(settings)
    try:
        connection = duckdb.connect(str(folder / DATABASE), read_only=True, config=limits(settings.home))
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise NoPublication(
            f"The publication cannot be opened: {reason}. See docs/operations.md, Backup and restore."
        ) from None
    try:
        harden(connection)
        yield connection, facts_of(connection)
    finally:
        connection.close()


def harden(connection: duckdb.DuckDBPyConnection) -> None:
    """Take files, network, extensions and settings away from a connection."""
    for setting in HARDENED:
        connection.execute(f"set {setting}")


def facts_of(connection: duckdb.DuckDBPyConnection) -> Facts:
    """Which publication a connection is on.

    Raises:
        NoPublication: the file does not say.
    """
    row = connection.execute(
        "select generation, session_date, data_source from ops.publication order by generation desc limit 1"
    ).fetchone()
    if row is None:
        raise NoPublication("The publication does not say what it is (ops.publication is empty).")
    return Facts(*row)
