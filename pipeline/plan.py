"""The first step: check the session and the home, and list what to fetch and what to replay.

In: the run's context. Out: `plan.json` in the run's folder, and the ref tables brought up to date.
"""

from __future__ import annotations

import shutil
from datetime import date
from functools import partial

import duckdb

from datasets.registry import active_datasets, fully_adjusted_symbols
from expectations.reference_checks import check_reference_rows
from market_calendar.sessions import (
    is_session,
    last_closed_session,
    previous_session,
    require_session,
    session_close_utc,
)
from pipeline.context import RunContext
from pipeline.errors import StepFailed
from pipeline.inputs import DatasetPlan, plan_dataset
from pipeline.log import LOG
from pipeline.published import heal_publication_record
from pipeline.run_record import (
    StepLog,
    remember_status,
    require_space,
    status_on_failure,
    step,
    write_run_status,
)
from pipeline.state import FetchBatch, RunPlan
from sources.registry import check_providers, open_provider
from warehouse.database import (
    LAYOUT,
    high_water_session,
    pipeline_database,
    prepare_home,
    refuse_other_kind,
    refuse_other_kind_of_warehouse,
    transaction,
)
from warehouse.migrations import migrate_home
from warehouse.reference_data import ReferenceDataError, load_reference
from warehouse.settings import Settings, parse_date
from warehouse.views import ensure_views


def plan(run: RunContext) -> RunPlan:
    """Find and check the session and the home; write down the fetch batches.

    Raises:
        LeftToAnother: a run of a backfill finds nothing to fetch or to load, and another run follows.
        StepFailed: the session or the reference data is wrong, or there is no room.
    """
    with status_on_failure(run, "plan", None):
        refuse_other_kind(run.settings)
        check_providers(run.settings)
        session = _checked_session(run)
    with step(run, "plan", session) as log:
        _prepare(run)
        with pipeline_database(run.settings) as connection:
            decided = _decide(run, connection, session)
            held_until = held_until_session(connection)
        if run.turns and not decided.batches and not decided.replay:
            target = run.turns.leave_to_another(run.settings.home, decided.target, held_until)
            decided = decided.model_copy(update={"target": target})
        remember_status(run)
        write_run_status(run, "running", "plan", None, session)
        run.state.write("plan", decided)
        if run.turns and run.turns.is_backfill:
            run.turns.announce_work(run.settings.home)
        _report(log, decided)
    return decided


def high_water(connection: duckdb.DuckDBPyConnection) -> date | None:
    """The latest session that was published; the one before it when that day turned out to be closed."""
    session: date | None = high_water_session(connection)
    return previous_session(session) if session and not is_session(session) else session


def held_until_session(connection: duckdb.DuckDBPyConnection) -> date | None:
    """The last session of which raw holds a price."""
    row = connection.execute("select max(session_date) from raw.equity_prices").fetchone()
    return row[0] if row else None


def _checked_session(run: RunContext) -> date:
    session = require_session(parse_date("session", run.requested.session_text))
    start = run.settings.history_start
    if session < start:
        raise StepFailed(
            f"Session {session} lies before ROTATION_HISTORY_START={start}; set an earlier start."
        )
    now = run.clock()
    if session_close_utc(session) > now:
        raise StepFailed(
            f"Session {session} has not closed yet; the last closed session is {last_closed_session(now)}."
        )
    return session


def _prepare(run: RunContext) -> None:
    """A home that this version can work in; a run that is started again starts from nothing."""
    prepare_home(run.settings)
    migrate_home(run.settings)
    if run.turns:
        run.turns.begin(run.settings.home)
    if run.state.folder.exists():
        shutil.rmtree(run.state.folder)
    run.state.folder.mkdir(parents=True)
    require_space(run.settings)
    try:
        check_reference_rows()
    except ReferenceDataError as error:
        raise StepFailed(str(error)) from None


def _decide(run: RunContext, connection: duckdb.DuckDBPyConnection, session: date) -> RunPlan:
    settings = run.settings
    ensure_views(connection)
    refuse_other_kind_of_warehouse(settings, connection)
    heal_publication_record(settings, connection)
    published = high_water(connection)
    with transaction(connection):
        load_reference(connection, fully_adjusted_symbols(settings))
    backfill = run.turns.at_work(settings.home) if run.turns and run.turns.is_backfill else None
    plan_one = partial(plan_dataset, settings, connection, session=session, backfill=backfill)
    plans = {dataset.name: plan_one(dataset) for dataset in active_datasets(settings)}
    return RunPlan(
        run_id=run.run_id,
        layout=LAYOUT,
        session=session,
        target=max(session, published) if published else session,
        source=settings.source,
        started_at_utc=run.clock(),
        batches=_batches(plans),
        replay={name: tuple(needed.replay) for name, needed in plans.items() if needed.replay},
        not_taken=_not_taken(settings),
    )


def _not_taken(settings: Settings) -> tuple[str, ...]:
    """What lies where the providers read and is not read."""
    providers = (open_provider(settings, dataset.name) for dataset in active_datasets(settings))
    return tuple(sentence for provider in providers if provider for sentence in provider.not_taken())


def _batches(plans: dict[str, DatasetPlan]) -> tuple[FetchBatch, ...]:
    parts = [
        (name, needed.inputs[start : start + needed.batch_size])
        for name, needed in plans.items()
        for start in range(0, len(needed.inputs), needed.batch_size)
    ]
    return tuple(
        FetchBatch(number=number, dataset=name, inputs=tuple(inputs))
        for number, (name, inputs) in enumerate(parts)
    )


def _report(log: StepLog, decided: RunPlan) -> None:
    log.rows = sum(len(batch.inputs) for batch in decided.batches)
    replayed = sum(len(entries) for entries in decided.replay.values())
    session, target = decided.session, decided.target
    for sentence in decided.not_taken:
        log.warn(sentence)
    LOG.info(
        "plan: session %s, source %s, %s inputs in %s batches%s%s",
        session,
        decided.source,
        log.rows,
        len(decided.batches),
        f", {replayed} payloads from landing" if replayed else "",
        f" (high-water session is {target}: the raw data of {session} is repaired, then {target} is built)"
        if target != session
        else "",
    )
