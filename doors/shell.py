"""A shell on the publication: SQL until a semicolon, a few commands with a full stop in front, tables as
DuckDB draws them.

In: a hardened connection. Out: text. An error is one line that says what to do. Ctrl-C ends the statement,
Ctrl-D the shell. The connection stays on its generation; `.newest` changes to the one that is current.
"""

from __future__ import annotations

import difflib
import shlex
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import duckdb

from doors.files import NotWritten, write_result
from doors.named_queries import UnknownQuery, statement_of
from doors.opened import Facts

PROMPT, CONTINUED = "rotation> ", "     ...> "
MOST_ROWS = 200
HELP = """\
Write SQL and end it with a semicolon. Nothing can be changed here.
  .tables [word]          tables and views, with what they hold
  .schema <table>         columns, units and meanings
  .run <query>            a query of docs/queries, such as rotation_pair_daily or rotation_pair_daily:2
  .save <file>            rows of the last statement as .csv or .xlsx; .save! replaces a file
  .newest                 change to the newest publication
  .help  .quit"""
CLOSED = "Files are closed here; write a result with .save <file>, or with TO=<file> beside Q."
# What a person should do about an error, by a piece of DuckDB's message.
ADVICE = {
    "file system operations": CLOSED,
    "file system localfilesystem has been disabled": CLOSED,
    "read-only": "The publication cannot be changed; put the step into the query with `with … as (…)`.",
    "configuration has been locked": "The settings of this shell are fixed.",
    "does not exist": ".tables lists the tables, .schema <table> the columns.",
    "not found in from clause": ".schema <table> lists the columns.",
}


class Left(Exception):
    """The person has left the shell, or wants the newest publication (`again`)."""

    def __init__(self, *, again: bool = False) -> None:
        super().__init__()
        self.again = again


@dataclass
class Shell:
    """One session on one publication; `say` prints a line, `last` is the statement that gave rows last."""

    connection: duckdb.DuckDBPyConnection
    facts: Facts
    say: Callable[[str], object] = print
    last: str = ""
    failed: bool = False
    waiting: list[str] = field(default_factory=list)

    def feed(self, line: str) -> None:
        """One line as it was typed; a statement is run when it is complete.

        Raises:
            Left: a command ends the session.
        """
        if not self.waiting and line.strip().startswith("."):
            self._command(line.strip())
            return
        if line.strip() or self.waiting:
            self.waiting.append(line)
        text = "\n".join(self.waiting)
        if text.rstrip().endswith(";") and not self._open_quote(text):
            self.waiting.clear()
            self.run(text)

    def end(self) -> None:
        """Run what was typed without a last semicolon."""
        text = "\n".join(self.waiting)
        self.waiting.clear()
        if text.strip():
            self.run(text)

    def run(self, text: str) -> bool:
        """Run one statement or several, and print their rows; False when one failed."""
        try:
            for statement in duckdb.extract_statements(text):
                stoppable(self.connection, partial(self._show, statement.query))
        except KeyboardInterrupt:
            self.say("Stopped.")
        except duckdb.Error as error:
            self._tell(error)
            return False
        return True

    def _show(self, statement: str) -> None:
        relation = self.connection.sql(statement)
        if relation is None:
            self.say("Done.")
            return
        self.last = statement.strip().rstrip(";")
        width = shutil.get_terminal_size((120, 40)).columns
        relation.show(max_width=width, max_rows=MOST_ROWS)

    def _tell(self, error: duckdb.Error) -> None:
        self.failed = True
        self.say(f"{one_line(error)}")

    def _open_quote(self, text: str) -> bool:
        """Whether the semicolon at the end is inside a text or a comment that is not closed."""
        try:
            duckdb.extract_statements(text)
        except duckdb.Error as error:
            return "unterminated" in str(error).lower()
        return False

    def _command(self, line: str) -> None:
        try:
            name, *words = shlex.split(line)
        except ValueError as error:
            self._wrong(f"{line}: {error}. Close the quote.")
            return
        commands: dict[str, Callable[[list[str]], object]] = {
            ".tables": self._tables,
            ".schema": self._schema,
            ".run": self._named,
            ".save": self._save,
            ".save!": self._save_over,
            ".help": lambda words: self.say(HELP),
            ".newest": lambda words: self._leave(again=True),
            ".quit": lambda words: self._leave(),
            ".exit": lambda words: self._leave(),
        }
        if name not in commands:
            close = difflib.get_close_matches(name, commands, n=1)
            meant = f"; did you mean {close[0]}?" if close else "."
            self._wrong(f"{name} is no command{meant} .help lists them.")
            return
        commands[name](words)

    def _wrong(self, sentence: str) -> None:
        self.failed = True
        self.say(sentence)

    def _leave(self, *, again: bool = False) -> None:
        raise Left(again=again)

    def _tables(self, words: list[str]) -> None:
        found = self.connection.execute(
            "select schema_name || '.' || name, split_part(coalesce(about, ''), '. ', 1) from ("
            " select schema_name, table_name as name, comment as about from duckdb_tables() where not"
            " internal"
            " union all select schema_name, view_name, comment from duckdb_views() where not internal)"
            " where schema_name || '.' || name like '%' || ? || '%' order by all",
            [words[0] if words else ""],
        ).fetchall()
        width = shutil.get_terminal_size((120, 40)).columns
        for name, about in found:
            line = f"{name:<34} {about}"
            self.say(line if len(line) <= width else f"{line[: width - 1]}…")
        if not found:
            self._wrong(f"No table has {words[0]!r} in its name; .tables lists all.")

    def _schema(self, words: list[str]) -> None:
        name = words[0].lower() if words else ""
        schema, _, table = name.rpartition(".")
        rows = self.connection.execute(
            "select schema_name || '.' || table_name, column_name, data_type, coalesce(comment, '')"
            " from duckdb_columns() where not internal and table_name = ? and (schema_name = ? or ? = '')"
            " order by schema_name != 'marts', schema_name, column_index",
            [table, schema, schema],
        ).fetchall()
        if not rows:
            self._wrong(
                f"There is no table {name or '(name one)'}; .tables lists them, such as marts.daily_summary."
            )
            return
        self.say(rows[0][0])
        for full, column, kind, comment in rows:
            if full == rows[0][0]:
                self.say(f"  {column:<34} {kind:<12} {comment}")

    def _named(self, words: list[str]) -> None:
        try:
            statement = statement_of(words[0] if words else "")
        except UnknownQuery as error:
            self._wrong(str(error))
            return
        if statement:
            self.say(statement)
            self.run(statement)

    def _save(self, words: list[str], *, replace: bool = False) -> None:
        if not words or not self.last:
            self._wrong("Run a statement first, then .save <file.csv or file.xlsx>.")
            return
        target = Path(words[0]).expanduser()
        try:
            count = write_result(self.connection, self.facts, self.last, target, replace=replace)
        except NotWritten as error:
            self._wrong(str(error).replace("add OVERWRITE=1", f"write .save! {words[0]}"))
        except duckdb.Error as error:
            self._tell(error)
        else:
            self.say(f"{count:,} rows written to {target}")

    def _save_over(self, words: list[str]) -> None:
        self._save(words, replace=True)


def stoppable(connection: duckdb.DuckDBPyConnection, work: Callable[[], None]) -> None:
    """Do work that Ctrl-C stops: in a thread, because DuckDB does not look for signals in all that it does.

    Raises:
        KeyboardInterrupt: it was stopped.
    """
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        try:
            future.result()
        except KeyboardInterrupt:
            while not wait([future], timeout=0.1).done:
                connection.interrupt()
            raise


def one_line(error: duckdb.Error) -> str:
    """DuckDB's message in one line, and what to do about it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(line for line in lines[:3] if not line.startswith(("LINE ", "^")))
    lower = said.lower()
    advice = next((text for piece, text in ADVICE.items() if piece in lower), "")
    ended = said if said.endswith((".", "!", "?")) else f"{said}."
    return f"{ended} {advice}".rstrip()


def converse(shell: Shell, ask: Callable[[str], str]) -> bool:
    """Read lines until the person leaves.

    Args:
        shell: the session.
        ask: reads one line behind a prompt; raises EOFError at the end.

    Returns:
        Whether to begin again on the newest publication.
    """
    while True:
        try:
            shell.feed(ask(CONTINUED if shell.waiting else PROMPT))
        except KeyboardInterrupt:
            shell.waiting.clear()
            shell.say("")
        except EOFError:
            shell.end()
            shell.say("")
            return False
        except Left as left:
            return left.again


def from_pipe(shell: Shell) -> None:
    """Run what stands in standard input."""
    try:
        for line in sys.stdin:
            shell.feed(line.rstrip("\n"))
    except Left:
        return
    shell.end()
