"""The fourth step: bring every model up to date in a new publication that nobody reads yet.

In: the run's context, the raw tables and the current generation. Out:
`published/generations/building/warehouse.duckdb`, marked with the run's id, `inputs.json` beside it and
`built.json`. A generation that can be extended is copied and extended; else, and once a week, everything is
built anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial

import duckdb

from market_calendar.sessions import cutoff_utc
from pipeline.base import Base, find_base
from pipeline.context import RunContext
from pipeline.endings import NothingNew, StepFailed
from pipeline.load import failed_rules_of_load
from pipeline.log import LOG
from pipeline.plan import held_until_session, high_water
from pipeline.published import succeed_without_news
from pipeline.run_record import StepLog, step
from pipeline.state import BuildSummary, LoadSummary, RunPlan
from transforms.changes import (
    WHOLE,
    Change,
    InputState,
    changed_inputs,
    code_files,
    code_hashes,
    hash_of,
    raw_states,
)
from transforms.extension import PIPELINE_FILE, Extended, extend_models
from transforms.runner import ModelError, build_models
from warehouse.catalog import load_catalog
from warehouse.database import pipeline_database
from warehouse.latest import create_latest_views, drop_latest_views
from warehouse.publication import (
    code_version,
    copied_publication,
    copy_tables,
    mark_built,
    new_publication,
    quick_digests,
    run_that_built,
    seen_publication,
    write_inputs,
)

Digests = list[tuple[str, int, str]]
SHOWN_TABLES = 3
RULES = "rules"


def build(run: RunContext) -> BuildSummary:
    """Bring all models up to date at the run's target session.

    Raises:
        LeftToAnother: a run of a backfill is not the last.
        NothingNew: the current generation is what would be built.
        TryAgain: another run is between its build and its publication.
        StepFailed: a model cannot be built.
    """
    plan = run.plan
    try:
        with step(run, "build", plan.session) as log:
            target = _target(run, plan)
            try:
                summary = _built(run, target, log)
            except ModelError as error:
                raise StepFailed(str(error)) from error
            mark_built(run.settings, run.run_id)
            log.rows = sum(summary.rows.values())
            LOG.info("build: %s", summary.sentence)
            run.state.write("built", summary)
    except NothingNew as nothing:
        succeed_without_news(run, str(nothing))
        raise
    return summary


def _built(run: RunContext, target: date, log: StepLog) -> BuildSummary:
    """As much as is needed.

    Raises:
        NothingNew: the current generation is what would be built.
    """
    code = {**code_hashes(load_catalog()), RULES: hash_of(code_files("expectations/**/*"))}
    base = find_base(run.settings, target, code, asked=run.requested.rebuild)
    if isinstance(base, str):
        summary, _ = _rebuild(run, target, code, base)
        return summary
    try:
        changes = _changes(run, target, code, base)
        unchanged = not any(changes.values()) and target == base.inputs.session
        if unchanged and _is_of_this_code(run, base) and not _load_found_faults(run):
            raise NothingNew(f"generation {base.generation.name} for {target} is up to date")
        summary, extended = _extend(run, target, code, base, changes)
    except (duckdb.Error, ModelError) as error:
        # It may be damaged. Where a model is at fault, the rebuild says so.
        reason = f"generation {base.generation.name} could not be extended: {str(error).splitlines()[0]}"
        log.warn(reason)
        summary, _ = _rebuild(run, target, code, reason)
        return summary
    if not base.due:
        return summary
    reason = f"the last rebuild was for {base.inputs.rebuilt_session}"
    summary, rebuilt = _rebuild(run, target, code, reason)
    differing = tuple(
        name for (name, *one), (_, *other) in zip(extended, rebuilt, strict=True) if one != other
    )
    if differing:
        more = f" and {len(differing) - SHOWN_TABLES} more" if len(differing) > SHOWN_TABLES else ""
        log.warn(
            f"{', '.join(differing[:SHOWN_TABLES])}{more}: the extended tables differed from the rebuilt"
            " ones; what is published is the rebuild. Since the last rebuild of"
            f" {base.inputs.rebuilt_session} a change reached further than the model says (`increment` in its"
            " .yml); report it with the log of this run."
        )
    return summary.model_copy(update={"differing": differing})


def _rebuild(
    run: RunContext, target: date, code: Mapping[str, str], reason: str
) -> tuple[BuildSummary, Digests]:
    """Build every model anew."""
    LOG.info("build: everything is built, because %s", reason)
    catalog = load_catalog()
    with new_publication(run.settings) as connection:
        copy_tables(connection, catalog, "ref")
        rows = build_models(
            connection,
            session=target,
            cutoff_utc=cutoff_utc(target),
            data_source=run.settings.source,
            progress=partial(LOG.info, "build: %s"),
        )
        create_latest_views(connection, catalog)
        _keep_inputs(run, connection, "pipeline", target, target, code)
        digests = quick_digests(connection)
    return BuildSummary(rows=rows, rebuilt_because=reason), digests


def _changes(run: RunContext, target: date, code: Mapping[str, str], base: Base) -> dict[str, Change]:
    """What changed since the current generation in raw and reference tables and in the models' code."""
    catalog, before = load_catalog(), base.inputs
    with seen_publication(run.settings, base.generation, PIPELINE_FILE) as connection:
        changes = changed_inputs(connection, catalog, before, cutoff_utc(target), PIPELINE_FILE)
    return changes | {
        table.full_name: WHOLE
        for table in catalog.models()
        if before.code.get(table.full_name) != code[table.full_name]
    }


def _is_of_this_code(run: RunContext, base: Base) -> bool:
    """Whether all of the present code made the current generation: its brief and its checks too."""
    with pipeline_database(run.settings, read_only=True) as connection:
        row = connection.execute(
            "select code_version from ops.publication where generation = ?", [int(base.generation.name)]
        ).fetchone()
    return row is not None and row[0] == code_version()


def _load_found_faults(run: RunContext) -> bool:
    """Whether the load put rows in the quarantine or a rule failed, which readers of `ops` must see."""
    loaded = run.state.read("loaded", LoadSummary) or LoadSummary()
    with pipeline_database(run.settings, read_only=True) as connection:
        failed = failed_rules_of_load(connection, run.run_id)
    return bool(failed) or any(entry.quarantined for entry in loaded.datasets.values())


def _extend(
    run: RunContext,
    target: date,
    code: Mapping[str, str],
    base: Base,
    changes: Mapping[str, Change],
) -> tuple[BuildSummary, Digests]:
    """Extend the current generation."""
    catalog, before = load_catalog(), base.inputs
    with copied_publication(run.settings, base.generation, PIPELINE_FILE) as connection:
        drop_latest_views(connection)
        if any(name.startswith("ref.") and change for name, change in changes.items()):
            copy_tables(connection, catalog, "ref", PIPELINE_FILE)
        done = extend_models(
            connection,
            session=target,
            cutoff_utc=cutoff_utc(target),
            data_source=run.settings.source,
            changes=changes,
            session_moved=target != before.session,
            progress=partial(LOG.info, "build: %s"),
        )
        create_latest_views(connection, catalog)
        _keep_inputs(run, connection, PIPELINE_FILE, target, before.rebuilt_session, code)
        digests = quick_digests(connection) if base.due else []
    return _summary(base, done, rules_changed=before.code.get(RULES) != code[RULES]), digests


def _summary(base: Base, done: Mapping[str, Extended], *, rules_changed: bool) -> BuildSummary:
    first = {name: found.changed.first_day for name, found in done.items() if found.changed}
    return BuildSummary(
        rows={name: found.rows for name, found in done.items()},
        extends=int(base.generation.name),
        computed=tuple(name for name, found in done.items() if found.asked),
        changed_from=first,
        rules_changed=rules_changed,
    )


def _keep_inputs(
    run: RunContext,
    connection: duckdb.DuckDBPyConnection,
    pipeline: str,
    target: date,
    rebuilt: date,
    code: Mapping[str, str],
) -> None:
    """Write down what the publication was made from, for the run that extends it."""
    state = InputState(
        session=target,
        cutoff_utc=cutoff_utc(target),
        data_source=run.settings.source,
        rebuilt_session=rebuilt,
        code=code,
        raw=raw_states(connection, load_catalog(), pipeline),
    )
    write_inputs(run.settings, state.as_json())


def _target(run: RunContext, plan: RunPlan) -> date:
    """The session to build at, once it is this run's turn."""
    if run.turns is None:
        return plan.target
    with pipeline_database(run.settings, read_only=True) as connection:
        # Another run may have published a later session since this one was planned.
        target = max(plan.target, high_water(connection) or plan.target)
        held_until = held_until_session(connection)
    target = run.turns.leave_to_another(run.settings.home, target, held_until)
    run.state.write("plan", plan.model_copy(update={"target": target}))
    if built_by := run_that_built(run.settings):
        run.turns.wait_for(built_by)
    return target
