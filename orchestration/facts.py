"""What is said about a publication: to the consumers of the assets and to the metrics.

In: a generation's `warehouse.duckdb`, read-only, and the run that made it. Out: `PublicationFacts`. Imported
when a task runs.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from orchestration.assets import NAMED_RULES
from pipeline.context import RunContext
from pipeline.state import FailedRule
from warehouse.catalog import load_catalog
from warehouse.database import limits
from warehouse.publication import quick_digests


@dataclass(frozen=True)
class PublicationFacts:
    """One publication in figures.

    Attributes:
        session: the session that it ends with.
        generation: its number.
        data_source: `live`, `files` or `simulated`.
        code_version: of the code that made it.
        run_id: the run that made it.
        folder: where it is.
        marts: rows and digest by mart.
        checked: number of rules by table, those of the load included.
        failed: the rules that failed.
    """

    session: date
    generation: int
    data_source: str
    code_version: str
    run_id: str
    folder: Path
    marts: dict[str, tuple[int, str]]
    checked: Mapping[str, int]
    failed: tuple[FailedRule, ...]

    @property
    def rows(self) -> int:
        """Rows of all marts."""
        return sum(rows for rows, _ in self.marts.values())

    @cached_property
    def size_bytes(self) -> int:
        """Size of all its files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def family(self, name: str) -> set[str]:
        """The marts of a family that are published."""
        catalog = load_catalog()
        return {table for table in self.marts if catalog[table].family == name}

    def extra(self, family: str | None = None) -> dict[str, Any]:
        """What the event of a family says, or the one of the publication.

        Args:
            family: only its marts and the rules on them; None: all marts and every rule of the run.
        """
        tables = set(self.marts) if family is None else self.family(family)
        failed = [rule for rule in self.failed if family is None or rule.table_name in tables]
        return {
            "session": str(self.session),
            "generation": self.generation,
            "data_source": self.data_source,
            "code_version": self.code_version,
            "run_id": self.run_id,
            # Below ROTATION_HOME: a reader may have mounted the home somewhere else.
            "folder": f"published/generations/{self.generation}",
            "tables": sorted(tables),
            "rows": sum(self.marts[table][0] for table in tables),
            "digest": self._digest(tables),
            "rules_checked": sum(
                count for table, count in self.checked.items() if family is None or table in tables
            ),
            "rules_failed": len(failed),
            "rules_failed_critical": sum(rule.severity == "critical" for rule in failed),
            "failed_rules": [
                {
                    "table": rule.table_name,
                    "rule": rule.rule,
                    "severity": rule.severity,
                    "rows": rule.failed_rows,
                }
                for rule in failed[:NAMED_RULES]
            ],
        }

    def _digest(self, tables: set[str]) -> str:
        """One digest of several marts, with the version of DuckDB within which it is comparable."""
        lines = "".join(
            f"{table} {self.marts[table][0]} {self.marts[table][1]}\n" for table in sorted(tables)
        )
        return f"duckdb-{duckdb.__version__}:{hashlib.sha256(lines.encode()).hexdigest()[:16]}"


def publication_facts(run: RunContext, generation: int) -> PublicationFacts:
    """The facts of a publication that a run has just made.

    Args:
        run: the run.
        generation: its publication.
    """
    folder = run.settings.published / "generations" / str(generation)
    path, config = folder / "warehouse.duckdb", limits(run.settings.home)
    with duckdb.connect(str(path), read_only=True, config=config) as connection:
        row = connection.execute(
            "select session_date, data_source, code_version, run_id from ops.publication"
            " where generation = ?",
            [generation],
        ).fetchone()
        assert row is not None, f"generation {generation} has no row in ops.publication"
        results = connection.execute(
            "select table_name, rule, severity, failed_rows, passed from ops.validation_results"
            " where run_id = ? order by table_name, rule",
            [run.run_id],
        ).fetchall()
        marts = {name: (rows, digest) for name, rows, digest in quick_digests(connection)}
    return PublicationFacts(
        session=row[0],
        generation=generation,
        data_source=row[1],
        code_version=row[2],
        run_id=row[3],
        folder=folder,
        marts=marts,
        checked=Counter(table for table, *_ in results),
        failed=tuple(
            FailedRule(table_name=table, rule=rule, severity=severity, failed_rows=rows)
            for table, rule, severity, rows, passed in results
            if not passed
        ),
    )
