"""What `make test-mutations` prints at its end."""

from __future__ import annotations

ROWS: list[tuple[str, str, str]] = []
"""Corruption, when, what caught it."""


def table() -> list[str]:
    """The rows as lines, unseen ones last."""
    ordered = sorted(ROWS, key=lambda row: row[2] == "unseen")
    width = max((len(row[0]) for row in ROWS), default=0)
    unseen = sum(row[2] == "unseen" for row in ROWS)
    lines = [f"{name:<{width}}  {when:<10}  {what}" for name, when, what in ordered]
    return [*lines, f"{len(ROWS)} corruptions, {unseen} unseen"]
