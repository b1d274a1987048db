"""One entry of the lists of mutations: SQL that breaks one rule, and helpers to write it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """What breaks one rule."""

    table: str
    rule: str
    sql: str
    also: tuple[str, ...] = ()
    before: str = ""


def one_row(table: str, where: str, order: str) -> str:
    """A condition that holds for one row."""
    return f"rowid = (select rowid from {table} where {where} order by {order} limit 1)"


def update(table: str, change: str, where: str = "true", order: str = "rowid desc") -> str:
    """Change one row, by default the last one that meets the condition."""
    return f"update {table} set {change} where {one_row(table, where, order)}"


def delete(table: str, where: str, order: str = "rowid desc") -> str:
    """Delete one row."""
    return f"delete from {table} where {one_row(table, where, order)}"
