"""The first step: check the session and the home, and list what to fetch and what to replay.

In: the run's context. Out: `plan.json` in the run's folder, and the ref tables brought up to date.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial

import duckdb

from datasets.registry import active_datasets, fully_adjusted_symbols
from expectations.reference_checks import check_reference_rows
from market_calendar.dag_session import SessionUnknown
from market_calendar.sessions import (
    NotASession,
    is_session,
    last_closed_session,
    previous_session,
    require_session,
    session_close_utc,
)
from pipeline.context import Requested, RunContext
from pipeline.covered import home_print, landing_print
from pipeline.endings import Refused, StepFailed
from pipeline.fetch_again import names_to_fetch_again
from pipeline.home_state import Covered
from pipeline.inputs import DatasetPlan, covered_sessions, plan_dataset
from pipeline.log import LOG
from pipeline.patience import wait_minutes
from pipeline.presence import SHOWN, cut
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
from pipeline.turns import Backfill
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
from warehouse.settings import Settings, SettingsError, parse_date
from warehouse.views import ensure_views


def plan(run: RunContext) -> RunPlan:
    """Find and check the session and the home; write down the fetch batches.

    Raises:
        LeftToAnother: a run of a backfill finds nothing to fetch or to load, and another run follows.
        Refused: there is no such session to run; nothing of the home was changed.
        StepFailed: the reference data is wrong, or there is no room.
    """
    with status_on_failure(run, "plan", None):
        refuse_other_kind(run.settings)
        first, session = checked_sessions(run)
        _warn_of_two_sessions(run.requested)
        again = names_to_fetch_again(run, session)
    with status_on_failure(run, "plan", session):
        check_providers(run.settings)
        wait_minutes()
    with _remembered(run) as found, step(run, "plan", session) as log:
        _prepare(run)
        with pipeline_database(run.settings) as connection:
            decided = _decide(run, connection, first, session, again, found)
            held_until = held_until_session(connection)
        if run.turns and not decided.batches and not decided.replay:
            target = run.turns.leave_to_another(run.settings.home, decided.target, held_until)
            decided = decided.model_copy(update={"target": target})
        remember_status(run)
        write_run_status(run, "running", "plan", None, session)
        run.state.write("plan", decided)
        if run.turns and (run.turns.is_backfill or decided.first or decided.replay):
            run.turns.announce_work(run.settings.home)
        _report(log, decided)
    return decided


@contextmanager
def _remembered(run: RunContext) -> Iterator[list[Covered]]:
    """Keep what the plan finds of the sessions for which nothing is left to do. Written when the line of the
    step is in `ops.runs`, because whatever is written to the warehouse makes it void.
    """
    found: list[Covered] = []
    try:
        yield found
    finally:
        for covered in found:
            covered.model_copy(update={"home": home_print(run.settings)}).write(run.settings.home)


def high_water(connection: duckdb.DuckDBPyConnection) -> date | None:
    """The latest session that was published; the one before it when that day turned out to be closed."""
    session: date | None = high_water_session(connection)
    return previous_session(session) if session and not is_session(session) else session


def held_until_session(connection: duckdb.DuckDBPyConnection) -> date | None:
    """The last session of which raw holds a price."""
    row = connection.execute("select max(session_date) from raw.equity_prices").fetchone()
    return row[0] if row else None


def _warn_of_two_sessions(requested: Requested) -> None:
    """The partition key counts; whoever wrote another parameter beside it should know."""
    key, text = requested.partition_key, requested.parameter
    if key and text and text != key:
        LOG.warning(
            "plan: the run is for its partition key %s; its parameter session=%.60r is not looked at",
            key,
            text,
        )


def checked_sessions(run: RunContext) -> tuple[date | None, date]:
    """The session that the run is for, the last one of a range; before it the first one, None where the run
    is for no range.

    Raises:
        Refused: what the run names is not a session that can be run.
    """
    now, start = run.clock(), run.settings.history_start
    if run.requested.unknown:
        raise Refused(
            f"There is no parameter {_few(run.requested.unknown)}; the session's parameter is"
            ' {"session": "2024-07-16"}.'
        )
    try:
        texts = run.requested.session_texts(now)
        first, session = (require_session(parse_date("session", text)) for text in texts)
        if first < start:
            raise Refused(
                f"Session {first} lies before ROTATION_HISTORY_START={start}; set an earlier start."
            )
        if session_close_utc(session) > now:
            raise Refused(
                f"Session {session} has not closed yet; the last closed session is"
                f" {last_closed_session(now)}."
            )
    except (SettingsError, NotASession, SessionUnknown) as error:
        raise Refused(str(error)) from None
    return (first if first != session else None), session


def _few(names: Sequence[str]) -> str:
    """`sesion or dryrun`; names that somebody made up may be many and long."""
    more = f" or {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return " or ".join(cut(name, 60) for name in names[:SHOWN]) + more


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


def _decide(
    run: RunContext,
    connection: duckdb.DuckDBPyConnection,
    first: date | None,
    session: date,
    again: Mapping[str, frozenset[str]],
    found: list[Covered],
) -> RunPlan:
    settings = run.settings
    ensure_views(connection)
    refuse_other_kind_of_warehouse(settings, connection)
    heal_publication_record(settings, connection)
    published = high_water(connection)
    with transaction(connection):
        load_reference(connection, fully_adjusted_symbols(settings))
    is_backfill = run.turns is not None and run.turns.is_backfill
    # A lost database is loaded again from landing, whatever the run is for.
    replays = is_backfill or first or held_until_session(connection) is None
    others = run.turns.at_work(settings.home) if run.turns and replays else Backfill()
    backfill = others if replays else None
    landing = landing_print(settings)
    decided = run_plan(run, connection, session, published, backfill, again, first)
    if backfill and not decided.batches and not decided.replay:
        covered = covered_sessions(settings, connection, backfill, landing)
        found += [covered] if covered else []
    return decided


def run_plan(
    run: RunContext,
    connection: duckdb.DuckDBPyConnection,
    session: date,
    published: date | None,
    backfill: Backfill | None,
    again: Mapping[str, frozenset[str]],
    first: date | None = None,
) -> RunPlan:
    """The plan by what a database holds; writes nothing.

    Args:
        run: the run.
        connection: with `raw`, `ref` and `ops`.
        session: that the run is for, the last one of a range.
        published: the latest session that was published.
        backfill: what other runs fetch and replay; None where this one replays nothing from landing.
        again: inputs by kind whose whole history is fetched again.
        first: the first session of a range.
    """
    settings = run.settings
    plan_one = partial(
        plan_dataset,
        settings,
        connection,
        session=session,
        backfill=backfill,
        first=first,
        missing_only=run.turns is not None and run.turns.is_backfill,
    )
    plans = {
        dataset.name: plan_one(dataset, again=again.get(dataset.name, frozenset()))
        for dataset in active_datasets(settings)
    }
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
        first=first,
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
    if decided.first:
        log.about = f"for the range {decided.sessions}"
    for sentence in decided.not_taken:
        log.warn(sentence)
    LOG.info(
        "plan: session %s, source %s, %s inputs in %s batches%s%s",
        decided.sessions,
        decided.source,
        log.rows,
        len(decided.batches),
        f", {replayed} payloads from landing" if replayed else "",
        f" (high-water session is {target}: the raw data of {decided.sessions} is repaired, then {target} is"
        " built)"
        if target != session
        else "",
    )
