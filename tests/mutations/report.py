"""What `make test-mutations` prints at its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

ROWS: list[tuple[str, str, str]] = []
"""Corruption, when, what caught it."""
PLAYED: dict[tuple[str, str], list[bool]] = defaultdict(list)
"""By table and origin of the rule: whether each mutation was caught by the rule that it was made for, and by
no unfitting one.
"""


@contextmanager
def played(table_name: str, origin: str, rules: int = 1) -> Iterator[None]:
    """Count the mutations of some rules; one that raises was not caught as it should be."""
    try:
        yield
    except BaseException:
        PLAYED[table_name, origin] += [False] * rules
        raise
    PLAYED[table_name, origin] += [True] * rules


def rules_table() -> list[str]:
    """A line per table and origin of its rules: rules broken, and how many of them were caught."""
    width = max((len(name) for name, _ in PLAYED), default=0)
    lines = [
        f"{name:<{width}}  {origin:<16}  {len(caught):>4} broken  {sum(caught):>4} caught"
        for (name, origin), caught in sorted(PLAYED.items())
    ]
    made = [caught for entry in PLAYED.values() for caught in entry]
    return [*lines, f"{len(made)} rules broken, {sum(made)} caught by the rule and by no unfitting one"]


def table() -> list[str]:
    """The corruptions as lines, unseen ones last."""
    ordered = sorted(ROWS, key=lambda row: row[2].startswith("unseen"))
    width = max((len(row[0]) for row in ROWS), default=0)
    unseen = sum(row[2].startswith("unseen") for row in ROWS)
    lines = [f"{name:<{width}}  {when:<10}  {what}" for name, when, what in ordered]
    return [*lines, f"{len(ROWS)} corruptions, {unseen} unseen"]
