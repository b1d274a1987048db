"""What a statement reads, by DuckDB's own parser: tables, functions, names that it defines itself.

In: SQL. Out: `Parsed`, or why it is no single SELECT. Nothing is run and nothing is bound.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import duckdb

LONGEST_STATEMENT = 20_000


class NotOneSelect(ValueError):
    """The text is not one SELECT statement; the message says what it is."""


@dataclass(frozen=True)
class Relation:
    """A table as the statement names it; catalog and schema are empty where it does not say."""

    catalog: str
    schema: str
    name: str


@dataclass
class Parsed:
    """What one SELECT statement names.

    Attributes:
        relations: tables and views.
        defined: the names of its common table expressions.
        table_functions: functions that it selects from.
        functions: every function, those among them.
        shows: what it shows without naming a query, such as `show tables`.
    """

    relations: set[Relation] = field(default_factory=set)
    defined: set[str] = field(default_factory=set)
    table_functions: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    shows: set[str] = field(default_factory=set)


def parse_select(connection: duckdb.DuckDBPyConnection, statement: str) -> Parsed:
    """What a single SELECT statement names, in lower case.

    Raises:
        NotOneSelect: it is too long, cannot be read, is none, is more than one, or is something else.
    """
    if len(statement) > LONGEST_STATEMENT:
        raise NotOneSelect(
            f"The statement has {len(statement):,} characters; at most {LONGEST_STATEMENT:,} are read."
            " Shorten it."
        )
    try:
        # By the hardened connection: DuckDB reads the files of IMPORT DATABASE as it parses.
        statements = connection.extract_statements(statement)
    except duckdb.Error as error:
        raise NotOneSelect(f"The statement cannot be read: {first_line(error)}") from None
    if not statements:
        raise NotOneSelect("There is no statement. Send one SELECT statement.")
    kinds = [found.type.name.lower() for found in statements]
    others = [kind for kind in kinds if kind != "select"]
    if others:
        raise NotOneSelect(
            f"Only SELECT statements are run here, and this is {others[0].upper()}. Nothing was run."
        )
    if len(kinds) > 1:
        raise NotOneSelect(
            f"Only one statement is run at a time; this text has {len(kinds)}. Nothing was run."
        )
    row = connection.execute("select json_serialize_sql(?::varchar)", [statement]).fetchone()
    try:
        tree = json.loads(row[0]) if row else {}
    except RecursionError:
        raise NotOneSelect("The statement is nested too deeply. Simplify it.") from None
    if tree.get("error") is not False:
        # A pragma, which DuckDB calls a SELECT.
        raise NotOneSelect("Only SELECT statements are run here; this is a command. Nothing was run.")
    return _named(tree)


def first_line(error: Exception) -> str:
    """The first line of DuckDB's message, as a sentence."""
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    return line if line.endswith((".", "!", "?")) else f"{line}."


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _named(tree: Any) -> Parsed:
    parsed, waiting = Parsed(), [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            _note(node, parsed)
            waiting.extend(node.values())
    return parsed


def _note(node: dict[str, Any], parsed: Parsed) -> None:
    kind = node.get("type")
    if kind == "BASE_TABLE":
        parsed.relations.add(
            Relation(*(_text(node, f"{part}_name") for part in ("catalog", "schema", "table")))
        )
    elif kind == "SHOW_REF" and node.get("query") is None:
        parsed.shows.add(_text(node, "table_name").strip('"'))
    elif kind == "TABLE_FUNCTION":
        parsed.table_functions.add(_text(node.get("function") or {}, "function_name"))
    if "function_name" in node:
        parsed.functions.add(_text(node, "function_name"))
    if isinstance(node.get("cte_map"), dict):
        parsed.defined |= {_text(entry, "key") for entry in node["cte_map"].get("map", [])}


def _text(node: dict[str, Any], name: str) -> str:
    return str(node.get(name) or "").lower()
