"""The fourth step: build every model into a new publication that nobody reads yet.

In: the run's context and the raw tables. Out: `published/generations/building/warehouse.duckdb`, marked with
the run's id, and `built.json`.
"""

from __future__ import annotations

from datetime import date
from functools import partial

from market_calendar.sessions import cutoff_utc
from pipeline.context import RunContext
from pipeline.errors import StepFailed
from pipeline.log import LOG
from pipeline.plan import held_until_session, high_water
from pipeline.run_record import step
from pipeline.state import BuildSummary, RunPlan
from transforms.runner import ModelError, build_models
from warehouse.catalog import load_catalog
from warehouse.database import pipeline_database
from warehouse.publication import copy_tables, mark_built, new_publication, run_that_built


def build(run: RunContext) -> BuildSummary:
    """Build all models at the run's target session.

    Raises:
        LeftToAnother: a run of a backfill is not the last.
        TryAgain: another run is between its build and its publication.
        StepFailed: a model cannot be built.
    """
    plan = run.plan
    with step(run, "build", plan.session) as log:
        target = _target(run, plan)
        with new_publication(run.settings) as connection:
            copy_tables(connection, load_catalog(), "ref")
            try:
                rows = build_models(
                    connection,
                    session=target,
                    cutoff_utc=cutoff_utc(target),
                    data_source=run.settings.source,
                    progress=partial(LOG.info, "build: %s"),
                )
            except ModelError as error:
                raise StepFailed(str(error)) from error
        mark_built(run.settings, run.run_id)
        log.rows = sum(rows.values())
        summary = BuildSummary(rows=rows)
        run.state.write("built", summary)
    return summary


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
