"""What a run leaves behind while it goes: its folder, its lines in `ops.runs`, `published/status.json`, and
its progress on the screen.

In: the settings, the run's id, the step. Out: `<home>/runs/<run id>/` with small JSON files, one row of
`ops.runs` per step, the status file that works with Airflow stopped. Sentences that start with `▸` are
progress for a person who watches.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from warehouse.database import MixedData, WarehouseBusy, append, pipeline_database, transaction, utc_now
from warehouse.durable import replace_durably
from warehouse.settings import Settings


class StepFailed(RuntimeError):
    """The run stops here; trying again without a change would not help. The message says what to change."""


class TryAgain(RuntimeError):
    """The source did not answer; a later attempt may work."""


class LeftToAnother(Exception):
    """This run ends well here: another run will build and publish."""


@dataclass
class StepLog:
    """What a step tells `ops.runs`."""

    rows: int | None = None
    warnings: list[str] = field(default_factory=list)


@contextmanager
def step(settings: Settings, run_id: str, name: str, session: date) -> Iterator[StepLog]:
    """Record a step in ops.runs; on failure also in status.json, with the publication that stays in place."""
    log, started = StepLog(), utc_now()
    try:
        with status_on_failure(settings, run_id, name, session):
            yield log
    except MixedData:
        raise
    except LeftToAnother as left:
        record_step(settings, run_id, name, session, started, log, "success", f"left to another run: {left}")
        say(f"{name}: left to another run ({left})")
        _restore_status(settings, run_id)
        raise
    except BaseException as error:
        record_step(
            settings, run_id, name, session, started, log, "failed", str(error) or type(error).__name__
        )
        raise
    record_step(
        settings,
        run_id,
        name,
        session,
        started,
        log,
        "warning" if log.warnings else "success",
        "; ".join(log.warnings)[:2000] or None,
    )


@contextmanager
def status_on_failure(settings: Settings, run_id: str, name: str, session: date | None) -> Iterator[None]:
    """Write a failure to status.json; what cannot be written there must not hide the failure itself."""
    try:
        yield
    except (MixedData, LeftToAnother):
        raise
    except (TryAgain, WarehouseBusy) as wait:
        # Tried again; when that does not help, this is the sentence that the alert finds.
        write_run_status(settings, run_id, "running", name, str(wait), session, None, [])
        raise
    except BaseException as error:
        failure = _with_advice(settings, error)
        try:
            write_run_status(
                settings, run_id, "failed", name, str(failure) or type(failure).__name__, session, None, []
            )
        except OSError as unwritable:
            say(f"status.json could not be written: {unwritable}")
        if failure is error:
            raise
        raise failure from error


def remember_status(settings: Settings, run_id: str) -> None:
    """Keep what the status file says before this run writes to it."""
    status = settings.published / "status.json"
    if status.exists():
        replace_durably(
            run_folder(settings, run_id) / "status_before.json", status.read_text(encoding="utf-8")
        )


def _restore_status(settings: Settings, run_id: str) -> None:
    """A run that leaves the publication to another has nothing to say: what was said before stands again."""
    status, before = settings.published / "status.json", run_folder(settings, run_id) / "status_before.json"
    if before.exists() and json.loads(status.read_text(encoding="utf-8")).get("run_id") == run_id:
        replace_durably(status, before.read_text(encoding="utf-8"))


def _with_advice(settings: Settings, error: BaseException) -> BaseException:
    """A full or read-only disk in a sentence; everything else as it is."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        return StepFailed(
            f"{error.filename or settings.home}: {error.strerror}. Make room or writable what is below"
            f" {settings.home}, then run again."
        )
    return error


def require_space(settings: Settings) -> None:
    """A new generation needs about as much room as the present one; better said now than in the middle."""
    from warehouse.publication import space_needed_bytes

    needed = space_needed_bytes(settings)
    # The published folder may be a volume of its own.
    free = shutil.disk_usage(settings.published if settings.published.is_dir() else settings.home).free
    if free < needed:
        raise StepFailed(
            f"{settings.home} has {free / 1e6:,.0f} MB left and a run needs about {needed / 1e6:,.0f} MB."
            " Make room, then run again."
        )


def record_step(
    settings: Settings,
    run_id: str,
    step: str,
    session: date,
    started: datetime,
    log: StepLog,
    outcome: str,
    message: str | None,
) -> None:
    if not settings.home.is_dir():
        return
    row = {
        "run_id": run_id,
        "session_date": session,
        "step": step,
        "started_at_utc": started,
        "ended_at_utc": utc_now(),
        "rows": log.rows,
        "outcome": outcome,
        "message": message,
    }
    try:
        with pipeline_database(settings) as connection, transaction(connection):
            connection.execute("delete from ops.runs where run_id = ? and step = ?", [run_id, step])
            append(connection, "ops.runs", [row])
    except (duckdb.Error, RuntimeError, OSError):
        if outcome != "failed":
            raise


def write_run_status(
    settings: Settings,
    run_id: str,
    state: str,
    step: str,
    message: str | None,
    session: date | None,
    generation: int | None,
    sentences: list[str],
) -> None:
    from warehouse.publication import current_generation, write_status

    if not settings.home.is_dir():
        return
    current = current_generation(settings)
    write_status(
        settings,
        {
            "state": state,
            "step": step,
            "message": message,
            "run_id": run_id,
            "session_date": session,
            "data_source": settings.source,
            "generation": generation if generation is not None else (int(current.name) if current else None),
            "headlines": sentences,
        },
    )


def run_folder(settings: Settings, run_id: str) -> Path:
    folder = _folder_of(settings.home, run_id)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _folder_of(home: Path, run_id: str) -> Path:
    return home / "runs" / re.sub(r"[^A-Za-z0-9.-]", "_", run_id)


def has_loaded(home: Path, run_id: str) -> bool:
    """Whether a run is past its load."""
    return (_folder_of(home, run_id) / "loaded.json").exists()


def read_plan(settings: Settings, run_id: str) -> dict[str, Any]:
    """What `plan` decided; raises StepFailed where its folder is gone, as after a restore."""
    document = read_plan_of(settings.home, run_id)
    if not document:
        raise StepFailed(
            f"The folder of run {run_id} has no plan any more; start the run again from its first task."
        )
    return document


def read_plan_of(home: Path, run_id: str) -> dict[str, Any]:
    """The plan of any run; empty when there is none."""
    path = _folder_of(home, run_id) / "plan.json"
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document


def say(text: str) -> None:
    print(f"▸ {text}", flush=True)
