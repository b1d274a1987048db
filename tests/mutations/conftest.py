"""Prints the table of corruptions."""

from __future__ import annotations

from typing import Any

from tests.mutations.report import ROWS, table


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what caught which corruption."""
    if ROWS:
        terminalreporter.section("corruptions of inputs")
        for line in table():
            terminalreporter.write_line(line)
