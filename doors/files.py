"""A result as a file: CSV, or a workbook for Excel.

In: a cursor and where to write. Out: one file, whole or not at all; one that is there is replaced only when
that is asked for. The rows are fetched and written a batch at a time. DuckDB itself writes nothing: the
connection has no file system (`doors.opened`).
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from doors.columns import described_columns
from doors.opened import Facts
from doors.workbook import TooLargeForExcel, Workbook
from warehouse.durable import sync

BATCH_ROWS = 10_000
# What a spreadsheet takes for a formula when it opens a CSV. Numbers are never changed.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
Rows = Iterator[tuple[Any, ...]]


class NotWritten(RuntimeError):
    """No file was written; the message says why and what to do."""


def write_result(
    connection: duckdb.DuckDBPyConnection,
    facts: Facts,
    statement: str,
    target: Path,
    *,
    replace: bool = False,
) -> int:
    """Run a statement and write its rows.

    Args:
        connection: hardened, on the publication.
        facts: of the publication; a workbook names them.
        statement: one that gives rows.
        target: ends with .csv or .xlsx.
        replace: whether a file that is there may be replaced.

    Returns:
        The number of rows.

    Raises:
        NotWritten: another ending, a folder that is missing or cannot be written, a file that is there, a
            statement without rows, or more than Excel can hold.
    """
    kind = target.suffix.lower()
    if kind not in (".csv", ".xlsx"):
        raise NotWritten(f"{target.name} must end with .csv or .xlsx; the ending chooses the format.")
    # A link that leads nowhere is there as well.
    if os.path.lexists(target) and not replace:
        raise NotWritten(f"{target} is there already. Choose another name, or add OVERWRITE=1.")
    target = Path(os.path.realpath(target))
    if not target.parent.is_dir():
        raise NotWritten(f"The folder {target.parent} is not there. Create it, or choose another.")
    if (count := len(duckdb.extract_statements(statement))) != 1:
        raise NotWritten(f"A file holds the rows of one statement; this text has {count}. Leave one.")
    cursor = connection.execute(statement)
    if not cursor.description:
        raise NotWritten("The statement gives no rows, so there is nothing to write.")
    header = [(str(entry[0]), str(entry[1])) for entry in cursor.description]
    # Before the rows: another statement on the same connection would end this one's.
    columns = described_columns(connection.cursor(), statement, header)

    def write(path: Path) -> int:
        if kind == ".csv":
            return write_csv(path, [name for name, _ in header], _rows(cursor))
        with Workbook(path, columns, facts, statement) as workbook:
            return workbook.write(_rows(cursor))

    try:
        return _replaced(target, write)
    except TooLargeForExcel as error:
        raise NotWritten(str(error)) from None


def write_csv(path: Path, names: Sequence[str], rows: Rows) -> int:
    """UTF-8 with a header; dates and times by ISO 8601, numbers at full precision, NULL empty."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        # By RFC 4180: with a line feed alone, a text with a carriage return would not be quoted.
        writer = csv.writer(stream, lineterminator="\r\n")
        writer.writerow([_guarded(name) for name in names])
        for row in rows:
            writer.writerow([_csv_cell(value) for value in row])
            count += 1
    return count


def _rows(cursor: duckdb.DuckDBPyConnection) -> Rows:
    while batch := cursor.fetchmany(BATCH_ROWS):
        yield from batch


def _csv_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    return _guarded(value) if isinstance(value, str) else value


def _guarded(text: str) -> str:
    """Text that a spreadsheet would run, behind an apostrophe, by which it takes it as text."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _replaced(target: Path, write: Callable[[Path], int]) -> int:
    """Write beside the target and rename; what was begun is removed when it fails."""
    # A name of its own length: that of the target may already be as long as a name can be.
    temporary = target.with_name(f".rotation-{os.getpid()}.tmp")
    try:
        count = write(temporary)
        sync(temporary)
        os.replace(temporary, target)
        sync(target.parent)
    except OSError as error:
        raise NotWritten(
            f"{target} cannot be written: {error.strerror or error}. Free space or choose another folder."
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    return count
