"""The fifth step: check the built publication; a critical failure stops it and names the rows.

In: the run's context and the publication that is being built. Out: `ops.validation_results`, `ops.freshness`
and `audited.json`.
"""

from __future__ import annotations

from typing import Any

from datasets.registry import DATASETS
from expectations.gate import check_table
from expectations.suites import Record
from market_calendar.sessions import calendar_ends_soon
from pipeline.context import RunContext
from pipeline.errors import StepFailed
from pipeline.load import critical_sentence
from pipeline.log import LOG
from pipeline.published import require_own_build
from pipeline.run_record import step
from pipeline.state import AuditSummary, FailedRule
from warehouse.catalog import load_catalog
from warehouse.database import append, pipeline_database, transaction
from warehouse.publication import attached_pipeline, copy_tables, opened_publication

Rows = list[dict[str, Any]]
"""Rows of an ops table."""


def audit(run: RunContext) -> AuditSummary:
    """Check the built publication.

    Raises:
        StepFailed: a critical rule failed, or another run's build took the place of this one's.
    """
    plan = run.plan
    with step(run, "audit", plan.session) as log:
        require_own_build(run)
        results, fresh = _check(run)
        _record(run, results, fresh)
        failed = [FailedRule.model_validate(result) for result in results if not result["passed"]]
        summary = AuditSummary(
            rules=len(results),
            failed=tuple(failed),
            stale=tuple(
                f"{row['dataset']}/{row['input']} ends {row['last_date']}, expected {row['expected_date']}"
                for row in fresh
                if row["stale"]
            ),
        )
        run.state.write("audited", summary)
        log.rows = len(results)
        for found in failed:
            if found.severity == "warning":
                log.warn(found.sentence)
        if ends := calendar_ends_soon(plan.target):
            log.warn(ends)
        LOG.info("audit: %s rules, %s failed, %s inputs stale", len(results), len(failed), len(summary.stale))
        critical = [found for found in failed if found.severity == "critical"]
        if critical:
            raise StepFailed(critical_sentence(critical))
    return summary


def _check(run: RunContext) -> tuple[Rows, Rows]:
    """The results of every model's rules, and how far the inputs reach."""
    catalog = load_catalog()
    results: Rows = []
    with opened_publication(run.settings) as connection, attached_pipeline(connection, run.settings):
        copy_tables(connection, catalog, "ops")
        connection.execute("set variable session_date = ?::date", [run.target])
        fresh = [
            row.as_row() for dataset in DATASETS.values() for row in dataset.freshness(connection, run.target)
        ]
        connection.execute("delete from ops.freshness")
        append(connection, "ops.freshness", fresh)
        for table in catalog.models():
            gate = check_table(connection, table, Record.of_run(run.settings.home, run.run_id))
            results += [{"run_id": run.run_id, **result} for result in gate.results]
    return results, fresh


def _record(run: RunContext, results: Rows, fresh: Rows) -> None:
    """Replace this run's results on models, and the freshness."""
    with pipeline_database(run.settings) as connection, transaction(connection):
        connection.execute(
            "delete from ops.validation_results where run_id = ? and table_name not like 'raw.%'",
            [run.run_id],
        )
        append(connection, "ops.validation_results", results)
        connection.execute("delete from ops.freshness")
        append(connection, "ops.freshness", fresh)
