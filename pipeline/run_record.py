"""What a run leaves for people: its lines in `ops.runs`, `published/status.json`, and its progress in the
log.

In: the run's context and the step. Out: one row of `ops.runs` per step, and the status file that can be
read with Airflow stopped. What a step reports goes to Airflow's log by level: progress as INFO, what needs
a look as WARNING.
"""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import duckdb

from pipeline.context import RunContext
from pipeline.endings import AskLater, LeftToAnother, NothingNew, Refused, StepFailed
from pipeline.errors import passes_by_itself, sentence_of
from pipeline.log import LOG, log_detail
from warehouse.database import HomeError, MixedData, append, damaged, pipeline_database, transaction
from warehouse.durable import replace_json
from warehouse.publication import current_generation, space_needed_bytes
from warehouse.settings import Settings
from warehouse.status import (
    FAILED,
    RUNNING,
    note_refused,
    note_scheduled,
    read_small,
    report,
    status_file,
    withdraw,
)

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


@dataclass
class StepLog:
    """What a step tells `ops.runs`; `about` says what is special about the run."""

    rows: int | None = None
    about: str = ""
    warnings: list[str] = field(default_factory=list)

    def warn(self, sentence: str, *, shown: str | None = None) -> None:
        """A warning, in the log and in `ops.runs`; `shown` is its shorter form for the log."""
        LOG.warning(shown or sentence)
        self.warnings.append(sentence)

    def note(self, level: int, sentence: str) -> None:
        """A line about one rule, in the log at its level; a warning in `ops.runs` as well."""
        log_detail(level, sentence)
        if level == logging.WARNING:
            self.warnings.append(sentence)


@contextmanager
def step(run: RunContext, name: str, session: date) -> Iterator[StepLog]:
    """Record a step in ops.runs; on failure also in status.json, with the publication that stays in place."""
    log, started = StepLog(), run.clock()
    try:
        with status_on_failure(run, name, session):
            yield log
    except MixedData:
        raise
    except LeftToAnother as left:
        record_step(run, name, session, started, log, "success", f"left to another run: {left}")
        LOG.info("%s: left to another run (%s)", name, left)
        withdraw(run.settings, run.run_id, session, read_small(_before(run)))
        raise
    except NothingNew as nothing:
        record_step(run, name, session, started, log, "success", f"nothing new: {nothing}")
        LOG.info("%s: nothing new, nothing is published: %s", name, nothing)
        raise
    except BaseException as error:
        record_step(run, name, session, started, log, "failed", sentence_of(error))
        raise
    outcome = "warning" if log.warnings else "success"
    message = "; ".join([log.about, *log.warnings] if log.about else log.warnings)
    record_step(run, name, session, started, log, outcome, message[:2000] or None)


@contextmanager
def status_on_failure(run: RunContext, name: str, session: date | None) -> Iterator[None]:
    """Write a failure to status.json; what cannot be written there must not hide the failure itself."""
    try:
        yield
    except (MixedData, LeftToAnother, NothingNew):
        raise
    except AskLater as wait:
        # Not a failure; when the run is late, the alert quotes this message.
        with _unwritable_is_logged():
            write_run_status(run, RUNNING, name, str(wait), session)
        raise
    except Refused as refused:
        with _unwritable_is_logged():
            note_refused(run.settings, run.run_id, str(refused))
        raise
    except BaseException as error:
        failure = _with_advice(run.settings, error)
        again = passes_by_itself(failure) and not run.is_last_attempt
        text = sentence_of(failure) + (run.attempt_text if passes_by_itself(failure) else "")
        with _unwritable_is_logged():
            write_run_status(run, RUNNING if again else FAILED, name, text, session)
        if failure is error:
            raise
        raise failure from error


@contextmanager
def _unwritable_is_logged() -> Iterator[None]:
    try:
        yield
    except OSError as unwritable:
        LOG.error("the status could not be written: %s", unwritable)


def remember_status(run: RunContext) -> None:
    """Keep what the status file says before this run writes to it."""
    if document := read_small(status_file(run.settings)):
        replace_json(_before(run), document)


def _before(run: RunContext) -> Path:
    return run.state.folder / "status_before.json"


def _with_advice(settings: Settings, error: BaseException) -> BaseException:
    """A full or read-only disk and a damaged database as an error with advice; any other error unchanged."""
    if sentence := damaged(settings, error):
        return HomeError(sentence)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return StepFailed(
            f"{error.filename or settings.home}: {error.strerror}. Free space or make"
            f" {settings.home} writable, then run again."
        )
    return error


def require_space(settings: Settings) -> None:
    """A new generation needs about as much room as the present one; fail now rather than in the middle."""
    needed = space_needed_bytes(settings)
    # The published folder may be a volume of its own.
    free = shutil.disk_usage(settings.published if settings.published.is_dir() else settings.home).free
    if free < needed:
        raise StepFailed(
            f"{settings.home} has {free / 1e6:,.0f} MB left and a run needs about {needed / 1e6:,.0f} MB."
            " Make room, then run again."
        )


def record_step(
    run: RunContext,
    step: str,
    session: date,
    started: datetime,
    log: StepLog,
    outcome: str,
    message: str | None,
) -> None:
    """Replace the step's row in `ops.runs`; a failure that cannot be recorded must not hide itself."""
    if not run.settings.home.is_dir():
        return
    row = {
        "run_id": run.run_id,
        "session_date": session,
        "step": step,
        "started_at_utc": started,
        "ended_at_utc": run.clock(),
        "rows": log.rows,
        "outcome": outcome,
        "message": message,
    }
    try:
        with pipeline_database(run.settings) as connection, transaction(connection):
            connection.execute("delete from ops.runs where run_id = ? and step = ?", [run.run_id, step])
            append(connection, "ops.runs", [row])
    except (duckdb.Error, RuntimeError, OSError):
        if outcome != "failed":
            raise


def write_run_status(
    run: RunContext,
    state: str,
    step: str,
    message: str | None,
    session: date | None,
    generation: int | None = None,
    sentences: tuple[str, ...] = (),
    *,
    built: date | None = None,
) -> None:
    """Report to `published/status.json`; without a generation of its own it names the current one.

    Args:
        run: the run.
        state: `running`, `failed` or `success`.
        step: its step.
        message: what a person reads of a failure or a wait.
        session: of the run; a success closes earlier failures of it and of sessions before it.
        generation: what it published.
        sentences: its headlines.
        built: the session of the publication, where it is later.
    """
    if not run.settings.home.is_dir():
        return
    current = current_generation(run.settings)
    if generation is None and current is not None:
        generation = int(current.name)
    entry = {
        "state": state,
        "step": step,
        "message": message,
        "run_id": run.run_id,
        "session_date": built or session,
        "data_source": run.settings.source,
        "generation": generation,
        "headlines": list(sentences),
    }
    report(run.settings, entry, session)
    if run.scheduled:
        note_scheduled(run.settings, run.run_id, session)
