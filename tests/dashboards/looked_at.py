"""Dashboards that were opened once for many tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.dashboards.bundle_read import Bundle, differences, rows_by_sql
from tests.dashboards.in_browser import Answer, Visit, chromium, visit
from tests.dashboards.served import Served, interpreter, prepared, served

SLUGS = ("rotation", "fed", "banks", "trust")


@dataclass
class Looks:
    """A server, a browser, and the publication by DuckDB.

    Attributes:
        connection: on the publication that the server reads.
    """

    browser: Any
    server: Served
    connection: duckdb.DuckDBPyConnection
    bundle: Bundle = field(default_factory=Bundle.read)
    stack: ExitStack = field(default_factory=ExitStack)
    _visits: dict[str, tuple[Visit, list[Answer]]] = field(default_factory=dict)

    def opened(self, slug: str) -> tuple[Visit, list[Answer]]:
        """A dashboard as it is when it has just been opened, and what its charts were answered then."""
        if slug not in self._visits:
            looked = self.stack.enter_context(visit(self.browser, self.server, slug))
            self._visits[slug] = looked, looked.answers()
        return self._visits[slug]

    def wrong(self, answers: list[Answer]) -> list[str]:
        """What charts show otherwise than SQL does."""
        found = []
        for answer in answers:
            dataset = self.bundle.dataset_of(self.bundle.by_title[answer.title])
            if answer.said:
                found.append(f"{answer.title}: {answer.said}")
            for query, result in zip(answer.queries, answer.results, strict=False):
                expected = rows_by_sql(self.connection, dataset, query)
                found += [f"{answer.title}: {said}" for said in differences(result, query, expected)]
        return found


@contextmanager
def looking(factory: pytest.TempPathFactory, published: Path) -> Iterator[Looks]:
    """All dashboards on a publication."""
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        python = interpreter()
        ready = prepared(factory, python, published)
        server = stack.enter_context(served(python, ready, factory.mktemp("superset") / "state", published))
        path = published / "current" / "warehouse.duckdb"
        connection = stack.enter_context(duckdb.connect(str(path), read_only=True))
        looks = Looks(browser, server, connection)
        stack.enter_context(looks.stack)
        yield looks
