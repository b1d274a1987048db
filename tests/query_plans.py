"""What DuckDB really did for every statement that goes through a connection: the joins that cost a product.

`Watched` stands in for a connection and keeps, per statement, the joins whose work is the product of their
two sides, when both sides were large as they were counted while it ran. A hash join of any size is none of
them; a nested loop over one row, or an inequality between a few rows and many, is harmless.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb

QUADRATIC = frozenset(
    {
        "NESTED_LOOP_JOIN",
        "BLOCKWISE_NL_JOIN",
        "CROSS_PRODUCT",
        # Joins by an inequality alone: sorted, but every pair that fits is a row.
        "PIECEWISE_MERGE_JOIN",
        "IE_JOIN",
    }
)
LARGE_ROWS = 1_000


@dataclass
class Watched:
    """A connection whose statements are looked at when the next one comes, or at the end (`look`)."""

    connection: duckdb.DuckDBPyConnection
    found: list[str] = field(default_factory=list)
    statements: int = 0

    def __post_init__(self) -> None:
        self.connection.execute("pragma enable_profiling = 'no_output'")

    def execute(self, statement: str, *parameters: Any) -> duckdb.DuckDBPyConnection:
        """Run a statement."""
        self.look()
        self.statements += 1
        return self.connection.execute(statement, *parameters)

    @contextmanager
    def cursor(self) -> Iterator[Watched]:
        """A connection of its own to the same database, watched as well: models are built side by side."""
        with self.connection.cursor() as own:
            watched = Watched(own, self.found)
            yield watched
            watched.look()
        self.statements += watched.statements

    def unregister(self, name: str) -> None:
        """Forget a frame; DuckDB forgets the last plan with it."""
        self.look()
        self.connection.unregister(name)

    def look(self) -> None:
        """Look at the plan of the last statement."""
        text = self.connection.get_profiling_information("json")
        profile = json.loads(text) if text else {}
        for join, left, right in products(profile):
            self.found.append(f"{join} of {left:,} and {right:,} rows: {profile.get('query_name', '')[:300]}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


def products(node: dict[str, Any]) -> list[tuple[str, int, int]]:
    """The joins in a plan, with the rows of their two sides, that multiply two large sides."""
    children = node.get("children", [])
    found = [entry for child in children for entry in products(child)]
    kind = str(node.get("operator_type", ""))
    if kind in QUADRATIC:
        sides = [_rows(child) for child in children]
        if min(sides) >= LARGE_ROWS:
            found.append((kind, *sides[:2]))
    return found


def _rows(node: dict[str, Any]) -> int:
    # What a correlated subquery is asked for is not counted: as many as there are rows outside.
    if node.get("operator_type") == "DELIM_SCAN":
        return LARGE_ROWS
    return int(node.get("operator_cardinality") or 0)
