"""Prints the tables of broken rules and of corruptions."""

from __future__ import annotations

from typing import Any

from tests.mutations.report import PLAYED, ROWS, rules_table, table


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which rules were broken and caught, and what caught which corruption."""
    for title, entries, lines in (
        ("broken rules", PLAYED, rules_table),
        ("corruptions of inputs", ROWS, table),
    ):
        if entries:
            terminalreporter.section(title)
            for line in lines():
                terminalreporter.write_line(line)
