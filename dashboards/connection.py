"""How Superset reaches the publication: read-only, hardened, the newest generation, limits on statements.

In: `ROTATION_PUBLISHED`, the folder with the link `current`. Out: `newest_publication`, Superset's
`DB_CONNECTION_MUTATOR`. The database of the bundle names no place and no setting; both are put in here, so
that the same files serve a laptop and a container, and nobody can click them away. Runs in Superset's own
environment.
Caveat: DuckDB looks for an interrupt between blocks of rows; a single function call on gigabytes ends first.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import duckdb
from duckdb_engine import ConnectionWrapper, CursorWrapper
from sqlalchemy.engine.url import URL

from doors.gate import FORBIDDEN_FUNCTIONS, TABLE_FUNCTIONS
from doors.opened import DATABASE, harden
from doors.statements import NotOneSelect, parse_select
from warehouse.database import limits

# What the bundle calls the database; anything else is not ours and is left alone.
NAME = "publication"
SECONDS = 30
# What the driver reads when it lists schemas, tables and columns.
LISTING_FUNCTIONS = {
    "duckdb_columns",
    "duckdb_constraints",
    "duckdb_databases",
    "duckdb_schemas",
    "duckdb_tables",
    "duckdb_views",
}
_opening = threading.Lock()


class NoPublicationYet(RuntimeError):
    """There is nothing to read, or it cannot be opened; the message says what to run."""


class Refused(duckdb.Error):
    """A statement is not run; the message says why."""


class TooLong(duckdb.Error):
    """A statement was stopped; the message says when and what to do."""


class TooLarge(duckdb.Error):
    """A statement used up its memory; the message says how much and what to do."""


def require_reading(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Refuse what is no SELECT, and the functions that act on the server or read a statement from a text.

    Locked settings do not hold all of them: `enable_logging()` would write every reader's later statements to
    the server's output, for as long as any connection is open.

    Raises:
        Refused: with the reason.
    """
    try:
        parsed = parse_select(connection, statement)
    except NotOneSelect as error:
        raise Refused(str(error)) from None
    refused = (parsed.table_functions - TABLE_FUNCTIONS - LISTING_FUNCTIONS) | (
        parsed.functions & FORBIDDEN_FUNCTIONS
    )
    if refused:
        raise Refused(f"The function {min(refused)} is not allowed here; it does not read the publication.")


class Cursor(CursorWrapper):  # type: ignore[misc]
    """A cursor whose statement is stopped when its time is over: DuckDB itself knows no such limit."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, wrapper: Connection) -> None:
        super().__init__(connection, wrapper)
        self._raw = connection

    def execute(self, statement: str, parameters: Any = None, context: Any = None) -> None:
        """Run a statement.

        Raises:
            Refused: it does more than read.
            TooLong: it took longer than `SECONDS`.
            TooLarge: there is no memory for it (ROTATION_MEMORY_LIMIT, of all statements together).
        """
        require_reading(self._raw, statement)
        seconds = float(os.environ.get("ROTATION_DASHBOARDS_SECONDS") or SECONDS)
        timer = threading.Timer(seconds, self._raw.interrupt)
        timer.daemon = True
        timer.start()
        try:
            super().execute(statement, parameters, context)
        except duckdb.InterruptException:
            raise TooLong(
                f"Stopped after {seconds:g} s, the limit of a statement. Ask for fewer days or one pair, or"
                " read the publication itself (docs/connect.md)."
            ) from None
        except duckdb.OutOfMemoryException:
            raise TooLarge(
                "Stopped: it needs more memory than is left (ROTATION_MEMORY_LIMIT). Ask again in a moment,"
                " for fewer rows, or filter and aggregate earlier."
            ) from None
        finally:
            timer.cancel()


class Connection(ConnectionWrapper):  # type: ignore[misc]
    """A connection whose cursors have a limit."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        super().__init__(connection)
        self._raw = connection

    def cursor(self) -> Cursor:
        """A cursor with a limit."""
        return Cursor(self._raw, self)


def connect() -> Connection:
    """A hardened connection to the generation that the link leads to now.

    Raises:
        NoPublicationYet: the link leads nowhere, or to what is no sound database.
    """
    link = Path(os.environ["ROTATION_PUBLISHED"]) / "current"
    # What the link leads to, not its own name: only so it can be told below whether the link has moved on.
    path = link.resolve() / DATABASE
    try:
        # What is locked cannot be set again, and settings belong to the instance: one thread at a time.
        with _opening:
            return Connection(_opened(link, path))
    except (duckdb.Error, NoPublicationYet):
        if link.resolve() / DATABASE == path:
            raise
    # The link moved on in between, and housekeeping has already removed what it led to.
    return connect()


def _opened(link: Path, path: Path) -> duckdb.DuckDBPyConnection:
    if not path.is_file():
        raise NoPublicationYet(
            f"There is no publication at {link}. Make the first one with `make run`; if there was one, see"
            " docs/operations.md, Backup and restore."
        )
    try:
        raw = duckdb.connect(str(path), read_only=True, config=limits(link.parent))
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise NoPublicationYet(
            f"The publication cannot be opened: {reason}. Make a new one with `make rebuild`, or see"
            " docs/operations.md, Backup and restore."
        ) from None
    locked = raw.execute("select current_setting('lock_configuration')").fetchone()
    if locked != (True,):
        harden(raw)
    # Where a name without a schema is looked for, by this connection; choosing one in SQL Lab sets nothing.
    raw.execute("set search_path = 'marts'")
    return raw


def newest_publication(
    uri: URL, params: dict[str, Any], username: str | None, security_manager: Any, source: Any
) -> tuple[URL, dict[str, Any]]:
    """Superset's hook for every engine that it makes: the publication's is opened by `connect`.

    Args:
        uri: the address by the bundle or by whoever typed one.
        params: the arguments of `create_engine`.

    Raises:
        PermissionError: the address is that of another database.
    """
    if uri.drivername != "duckdb" or uri.database != NAME:
        raise PermissionError(
            f"This Superset reads one database, duckdb:///{NAME}. Install your own for others."
        )
    return uri, {**params, "creator": connect}
