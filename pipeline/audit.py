"""The fifth step: check the built publication; a critical failure stops it and names the rows.

In: the run's context and the publication that is being built. Out: `ops.validation_results`,
`ops.cross_checks`, `ops.freshness` and `audited.json`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb

from alerts.checks import EXTENSION_RULE, StaleInput
from datasets.registry import DATASETS
from expectations.ages import Age, old_answers
from expectations.cross_checks import compare, record_cross_checks
from expectations.gate import check_references, check_table
from expectations.results import RuleResult, rule_result
from expectations.suites import Record
from market_calendar.horizons import horizons
from market_calendar.sessions import cutoff_utc
from pipeline.context import RunContext
from pipeline.cross_checked import earlier_cross_checks
from pipeline.endings import StepFailed
from pipeline.load import critical_sentence, failed_rules_of_load
from pipeline.log import LEVELS, LOG, log_detail
from pipeline.patience import waited_sentence
from pipeline.published import require_own_build
from pipeline.run_record import step
from pipeline.state import AuditSummary, BuildSummary, FailedRule
from warehouse.catalog import Catalog, literal, load_catalog, quoted
from warehouse.database import append, pipeline_database, transaction
from warehouse.publication import attached_pipeline, copy_tables, opened_publication

EVERY_ROW, NO_ROW = "true", "false"
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
        results, fresh, compared, old = _check(run)
        _record(run, results, fresh, compared)
        failed = [FailedRule.model_validate(result) for result in results if not result["passed"]]
        checked, failed_at_load = _results_of_load(run)
        stale = stale_inputs(fresh)
        summary = AuditSummary(
            rules=len(results) + checked,
            failed=(*failed_at_load, *failed),
            stale=tuple(map(str, stale)),
            old=tuple(age.sentence for age in old),
        )
        run.state.write("audited", summary)
        log.rows = len(results)
        for found in failed:
            log.note(LEVELS[found.severity], found.sentence)
        for entry in stale:
            # What was never served is named by the task that asked for it.
            if entry.required or entry.last_date:
                log_detail(logging.WARNING if entry.required else logging.INFO, "stale: %s", entry)
        for sentence in (*summary.old, *lists_that_end(plan.target)):
            log.warn(sentence)
        LOG.info(
            "audit: %s rules checked, those of the load included, %s failed, %s inputs stale",
            summary.rules,
            len(summary.failed),
            len(summary.stale),
        )
        critical = [found for found in failed if found.severity == "critical"]
        if critical:
            waited = waited_sentence(run, plan)
            raise StepFailed(f"{critical_sentence(critical)} {waited}".strip())
    return summary


def stale_inputs(fresh: Rows) -> list[StaleInput]:
    """What ended comes before what was never served, which a folder of files may do without."""
    stale = [
        StaleInput(
            f"{row['dataset']}/{row['input']}", row["last_date"], row["expected_date"], row["required"]
        )
        for row in fresh
        if row["stale"]
    ]
    return sorted(stale, key=lambda entry: (not entry.required, entry.last_date is None))


def lists_that_end(day: date) -> list[str]:
    """A sentence for each list of dates that has ended, then for each that ends soon."""
    ending = sorted(horizons(), key=lambda entry: not entry.has_ended(day))
    return [sentence for entry in ending if (sentence := entry.sentence(day))]


def _check(run: RunContext) -> tuple[Rows, Rows, Rows, list[Age]]:
    """The results of every model's rules and of the cross checks, how far the inputs reach, what was
    compared, and the answers that are too old.
    """
    catalog = load_catalog()
    results: Rows = []
    with opened_publication(run.settings) as connection, attached_pipeline(connection, run.settings):
        copy_tables(connection, catalog, "ops")
        connection.execute("set variable session_date = ?::date", [run.target])
        connection.execute("set variable cutoff_utc = ?::timestamp", [cutoff_utc(run.target)])
        fresh = [
            row.as_row() for dataset in DATASETS.values() for row in dataset.freshness(connection, run.target)
        ]
        connection.execute("delete from ops.freshness")
        append(connection, "ops.freshness", fresh)
        unjudged = _unjudged(run, catalog)
        built = run.state.read("built", BuildSummary) or BuildSummary()
        for table in catalog.models():
            gate = check_table(
                connection,
                table,
                Record.of_run(run.settings.home, run.run_id),
                new=unjudged.get(table.full_name),
                changed_from=built.changed_from,
            )
            results += [{"run_id": run.run_id, **result} for result in gate.results]
        for table in catalog.in_schema("ref"):
            results += [{"run_id": run.run_id, **result} for result in check_references(connection, table)]
        earlier = earlier_cross_checks(run.settings, connection, built, cutoff_utc(run.target))
        checks = compare(connection, _required_inputs(run, connection), earlier)
        results += [
            {"run_id": run.run_id, **result} for result in (*checks.results, *_extensions(run, catalog))
        ]
        old = old_answers(connection, run.target)
    return results, fresh, [{"run_id": run.run_id, **row} for row in checks.rows], old


def _extensions(run: RunContext, catalog: Catalog) -> Iterator[RuleResult]:
    """The marts whose extension differed from the rebuild that is published, each as a failed rule."""
    built = run.state.read("built", BuildSummary) or BuildSummary()
    for name in built.differing:
        text = "the tables of the generations before were not those of a rebuild; what is published now is"
        yield rule_result(
            catalog[name], EXTENSION_RULE, None, "warning", built.rows[name], built.rows[name], text
        )


def _unjudged(run: RunContext, catalog: Catalog) -> dict[str, str]:
    """For each table of an extended generation the condition for the rows that no audit has seen, where all
    others passed every rule of today; every row where one did not.
    """
    built = run.state.read("built", BuildSummary)
    if built is None or built.extends is None or built.rules_changed:
        return {}
    with pipeline_database(run.settings, read_only=True) as connection:
        # A warehouse that was lost and loaded again does not know: then every row is judged.
        passed = connection.execute(
            "select table_name from ops.validation_results where run_id ="
            " (select run_id from ops.publication where generation = ?)"
            " group by table_name having bool_and(passed)",
            [built.extends],
        ).fetchall()
    found: dict[str, str] = {}
    for table in catalog.models():
        name, grows = table.full_name, table.increment
        first = built.changed_from.get(name)
        if (name,) not in passed:
            found[name] = EVERY_ROW
        elif name not in built.changed_from:
            found[name] = NO_ROW
        elif first and grows and grows.day in table.grain:
            found[name] = f"{quoted(grows.day)} >= {literal(str(first))}::date"
        else:
            found[name] = EVERY_ROW
    return found


def _results_of_load(run: RunContext) -> tuple[int, list[FailedRule]]:
    """How many rules the load of this run checked, and those that failed: one count for the whole run."""
    with pipeline_database(run.settings, read_only=True) as connection:
        [(checked,)] = connection.execute(
            "select count(*) from ops.validation_results where run_id = ? and table_name like 'raw.%'",
            [run.run_id],
        ).fetchall()
        return checked, failed_rules_of_load(connection, run.run_id)


def _required_inputs(run: RunContext, connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The inputs, as kind/name, without which nothing is published."""
    return frozenset(
        f"{dataset.name}/{name}"
        for dataset in DATASETS.values()
        for name in dataset.required(connection, run.target)
    )


def _record(run: RunContext, results: Rows, fresh: Rows, compared: Rows) -> None:
    """Replace this run's results on models, the cross checks and the freshness."""
    with pipeline_database(run.settings) as connection, transaction(connection):
        connection.execute(
            "delete from ops.validation_results where run_id = ? and table_name not like 'raw.%'",
            [run.run_id],
        )
        append(connection, "ops.validation_results", results)
        connection.execute("delete from ops.freshness")
        append(connection, "ops.freshness", fresh)
        record_cross_checks(connection, compared)
