"""`make sql`: a shell on the publication, one statement of it (Q), or its rows in a file (TO).

In: `Q`, SQL or the name of a query of docs/queries; `TO`, a file that ends with .csv or .xlsx; `OVERWRITE=1`.
They come as environment variables, so that no shell reads the statement. Without Q the statements are read
from the terminal or from a pipe. Out: rows; exit code 0, 1 when a statement failed, 2 when there is nothing
to read.
"""

from __future__ import annotations

import os
import readline
import sys
from pathlib import Path

import duckdb

from doors.files import NotWritten, write_result
from doors.named_queries import UnknownQuery, statement_of
from doors.opened import Facts, NoPublication, opened
from doors.shell import Shell, converse, from_pipe, one_line
from warehouse.settings import Settings, SettingsError

HISTORY_LINES = 1000


def main() -> int:
    """Answer what was asked; the exit code."""
    text, target = os.environ.get("Q", "").strip(), os.environ.get("TO", "").strip()
    try:
        settings = Settings.from_environment()
        if target and not text:
            raise NotWritten('TO needs a statement: make sql Q="from marts.daily_summary" TO=summary.csv.')
        if text:
            return _one(settings, statement_of(text), Path(target).expanduser() if target else None)
        if sys.stdin.isatty():
            return _talk(settings)
        with opened(settings) as (connection, facts):
            _warn(facts)
            shell = Shell(connection, facts)
            from_pipe(shell)
            return 1 if shell.failed else 0
    except (SettingsError, NoPublication, UnknownQuery, NotWritten) as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # `make sql … | head` has read enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _one(settings: Settings, statement: str, target: Path | None) -> int:
    with opened(settings) as (connection, facts):
        _warn(facts)
        if target is None:
            return 0 if Shell(connection, facts, say=_to_stderr).run(statement) else 1
        replace = os.environ.get("OVERWRITE", "") == "1"
        try:
            count = write_result(connection, facts, statement, target, replace=replace)
        except duckdb.Error as error:
            print(one_line(error), file=sys.stderr)
            return 1
        print(f"{count:,} rows written to {target.absolute()} ({facts.sentence})")
    return 0


def _talk(settings: Settings) -> int:
    history = settings.home / "tmp" / "sql_history"
    if history.is_file():
        readline.read_history_file(history)
    readline.set_history_length(HISTORY_LINES)
    again = True
    while again:
        with opened(settings) as (connection, facts):
            print(f"Publication: {facts.sentence}; read-only. .help says what there is.")
            again = converse(Shell(connection, facts), input)
    history.parent.mkdir(exist_ok=True)
    readline.write_history_file(history)
    return 0


def _warn(facts: Facts) -> None:
    """On the error stream, so that the rows alone go into a pipe."""
    print(f"Publication: {facts.sentence}", file=sys.stderr)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
