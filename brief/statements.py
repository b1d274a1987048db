"""The queries of the page: one statement a file, with named parameters.

In: `brief/queries/<section>/<name>.sql`. A leading comment says what a row is; the rest is one `select` in
lower case whose values are parameters (`$session`). Out: `Statement`, which the reader runs with bound
values. Caveat: `shown` writes the values out as literals, for the reader of the page and for the tests; no
statement of that form is run while the page is made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from warehouse.catalog import literal

QUERIES = Path(__file__).resolve().parent / "queries"
PARAMETER = re.compile(r"\$([a-z_]\w*)")
TABLE = re.compile(r"\b(?:marts|ops|ref)\.[a-z0-9_]+\b")
# What may follow the table of a query whose values are addressed one by one.
AFTER_TABLE = frozenset({"where", "qualify", "order", "limit", ""})


class StatementError(ValueError):
    """A query file does not follow the rules; names the file and the rule."""


@dataclass(frozen=True)
class Source:
    """The one table of a query and the expression behind each of its columns."""

    table: str
    expressions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Statement:
    """One query file."""

    name: str
    about: str
    sql: str

    @property
    def tables(self) -> list[str]:
        """The tables that it reads, each once."""
        return list(dict.fromkeys(TABLE.findall(self.sql)))

    def shown(self, values: Mapping[str, Any]) -> str:
        """The statement with its values written out as literals."""
        return fill(self.sql, values)

    @property
    def source(self) -> Source:
        """Table and expressions of a `select … from <table> where …`, so that each value has an address."""
        return _source(self.name, self.sql)


def fill(sql: str, values: Mapping[str, Any]) -> str:
    """SQL with literals for its parameters."""
    return PARAMETER.sub(lambda match: sql_literal(values[match[1]]), sql)


def sql_literal(value: Any) -> str:
    """A value in SQL."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(sql_literal(item) for item in value) + "]"
    return literal(str(value))


@cache
def statement(name: str) -> Statement:
    """The query `<section>/<name>`.

    Raises:
        StatementError: there is no such file, or it has no leading comment or a comment further down.
    """
    path = QUERIES / f"{name}.sql"
    if not path.is_file():
        raise StatementError(f"brief/queries/{name}.sql does not exist.")
    lines = path.read_text(encoding="utf-8").strip().split("\n")
    body = next((index for index, line in enumerate(lines) if not line.startswith("--")), len(lines))
    about = " ".join(line.removeprefix("--").strip() for line in lines[:body])
    sql = "\n".join(lines[body:]).strip()
    if not about or not sql:
        raise StatementError(f"brief/queries/{name}.sql: a comment that says what a row is, then one select.")
    if "--" in sql or ";" in sql:
        raise StatementError(f"brief/queries/{name}.sql: comments stand above the query, and no semicolon.")
    return Statement(name, about, sql)


def _tokens(sql: str) -> list[str]:
    starts = [offset for offset, _ in duckdb.tokenize(sql)]
    return [sql[start:end] for start, end in zip(starts, [*starts[1:], len(sql)], strict=True)]


@cache
def _source(name: str, sql: str) -> Source:
    items: list[list[str]] = [[]]
    depth = 0
    tokens = iter(_tokens(sql)[1:])
    for token in tokens:
        depth += token.count("(") - token.count(")") if token[0] in "()" else 0
        if depth == 0 and token.strip() == "from":
            break
        if depth == 0 and token.strip() == ",":
            items.append([])
        else:
            items[-1].append(token)
    rest = [token.strip() for token in tokens]
    if rest[1:2] != ["."] or (rest[3:4] or [""])[0] not in AFTER_TABLE:
        raise StatementError(
            f"brief/queries/{name}.sql: values with an address come from one table, without join or group."
        )
    return Source(".".join((rest[0], rest[2])), tuple(_column(item) for item in items))


def _column(tokens: list[str]) -> tuple[str, str]:
    """Alias and expression of one item of a select list."""
    if len(tokens) > 2 and tokens[-2].strip() == "as":
        return tokens[-1].strip(), " ".join("".join(tokens[:-2]).split())
    text = "".join(tokens).strip()
    return text, text
