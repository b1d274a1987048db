"""Writes the note of a run when it ends: what was published, or which step failed and what to do.

In: the run, and the notes that its tasks left (`orchestration.noted`). Out: one row of Airflow's table of
notes. A listener, called in the scheduler: a task has no way to write a note. What a person wrote is
kept above it. Caveat: a note that cannot be written is a warning in the scheduler's log; the run is
not touched, because the row is written within a savepoint of its own.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from airflow.listeners import hookimpl

from alerts.addresses import runbook_link
from alerts.alert import RUNBOOK_PAGES, Alert, failed_alert, printable, refused_alert
from orchestration.noted import KEY
from warehouse.settings import SettingsError

LOG = logging.getLogger(__name__)
DAGS = ("rotation_daily", "rotation_watch", "rotation_housekeeping")
# The column holds a thousand characters; PostgreSQL refuses more, in the middle of the scheduler's work.
LONGEST = 1000
BETWEEN = "\n\n---\n\n"


@hookimpl
def on_dag_run_success(dag_run: Any, msg: str) -> None:
    """A run has succeeded, or all of it was skipped."""
    _note(dag_run, failed=False)


@hookimpl
def on_dag_run_failed(dag_run: Any, msg: str) -> None:
    """A run has failed, was stopped for its length, or cannot go on."""
    _note(dag_run, failed=True)


def _note(dag_run: Any, *, failed: bool) -> None:
    if dag_run.dag_id not in DAGS:
        return
    try:
        from sqlalchemy.orm import object_session

        session = object_session(dag_run)
        if session is None:
            LOG.warning("run %s has no note: it belongs to no database session", dag_run.run_id)
            return
        with session.no_autoflush:
            text = _failure(dag_run, session) if failed else _success(dag_run, session)
            parts = [part for part in (text, _late(dag_run, session)) if part]
            if parts:
                _write(session.connection(), dag_run.id, "\n\n".join(parts))
    except Exception as error:  # the scheduler's work must go on, whatever it is
        LOG.warning("run %s has no note: %s: %s", dag_run.run_id, type(error).__name__, error)


def _success(dag_run: Any, session: Any) -> str:
    """What the last task with a note says."""
    left = _left(dag_run, session)
    return left[-1][1].get("text", "") if left else ""


def _failure(dag_run: Any, session: Any) -> str:
    """The alert's subject, the message of the failed task, and the page of the runbook."""
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    failed = session.execute(
        select(TaskInstance.task_id)
        .where(
            TaskInstance.dag_id == dag_run.dag_id,
            TaskInstance.run_id == dag_run.run_id,
            TaskInstance.state == "failed",
        )
        .order_by(TaskInstance.end_date.desc())
    ).scalars()
    task = next(iter(failed), None)
    left = [value for name, value in _left(dag_run, session) if name == task]
    found = left[-1] if left else {}
    asked = dag_run.partition_key or found.get("session") or (dag_run.conf or {}).get("session")
    message = found.get("text") or (
        f"The task {task} stopped without an error message, probably killed or out of memory. See its log."
        if task
        else "No task failed: the run was stopped, took too long, or could not go on."
    )
    if found.get("refused"):
        return failure_note(refused_alert(dag_run.dag_id, dag_run.run_id, asked, message))
    return failure_note(failed_alert(dag_run.dag_id, dag_run.run_id, asked, task, message, found=bool(left)))


def _late(dag_run: Any, session: Any) -> str:
    """That the alert `deadline` was sent for the run; nothing where it was not."""
    from airflow.models.deadline import Deadline
    from sqlalchemy import select

    missed = session.execute(
        select(Deadline.deadline_time).where(Deadline.dagrun_id == dag_run.id, Deadline.missed)
    ).scalar()
    if missed is None:
        return ""
    return f"It ended after its deadline, {missed:%Y-%m-%d %H:%M} UTC. {_what_to_do('deadline')}"


def _what_to_do(kind: str) -> str:
    """The page of the runbook, as a link."""
    page = RUNBOOK_PAGES[kind]
    try:
        return f"[What to do]({runbook_link(page)})"
    except SettingsError as error:
        return f"What to do: docs/runbook/{page}. {_plain(str(error))}"


def failure_note(alert: Alert) -> str:
    """The note of a failed run: subject, message and page."""
    what_to_do = _what_to_do(alert.kind)
    # One paragraph: the page of the run shows the first line of a note.
    head, room = f"**{_plain(alert.short_subject())}**: ", LONGEST - len(what_to_do) - 2
    return f"{_cut(head + _plain(alert.message), room)}\n\n{what_to_do}"


def _left(dag_run: Any, session: Any) -> list[tuple[str, dict[str, Any]]]:
    """Task and note of each task that left one, in the order of time."""
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    rows = session.execute(
        select(XComModel)
        .where(XComModel.dag_id == dag_run.dag_id, XComModel.run_id == dag_run.run_id, XComModel.key == KEY)
        .order_by(XComModel.timestamp)
    ).scalars()
    notes = [(row.task_id, XComModel.deserialize_value(row)) for row in rows]
    return [(task, value) for task, value in notes if isinstance(value, dict)]


def _write(connection: Any, run: int, text: str) -> None:
    """Insert or replace the note; a statement that fails takes only its savepoint with it."""
    from airflow._shared.timezones.timezone import utcnow
    from airflow.models.dagrun import DagRunNote
    from sqlalchemy import insert, select, update

    notes = DagRunNote.__table__
    with connection.begin_nested():
        held = connection.execute(
            select(notes.c.content, notes.c.user_id).where(notes.c.dag_run_id == run)
        ).first()
        if held is None:
            values = {
                "dag_run_id": run,
                "content": _cut(text, LONGEST),
                "created_at": utcnow(),
                "updated_at": utcnow(),
            }
            connection.execute(insert(notes).values(**values))
            return
        by_person = (held.content or "").split(BETWEEN)[0] if held.user_id else ""
        content = joined(by_person, text)
        connection.execute(
            update(notes).where(notes.c.dag_run_id == run).values(content=content, updated_at=utcnow())
        )


def joined(by_person: str, text: str) -> str:
    """A person's note with the run's own below it, as far as there is room."""
    if not by_person:
        return _cut(text, LONGEST)
    room = LONGEST - len(by_person) - len(BETWEEN)
    return f"{by_person}{BETWEEN}{_cut(text, room)}" if room > 100 else by_person


def _plain(text: str) -> str:
    """Text of an error, which may quote a source's answer: one paragraph without markup, link or picture,
    also none whose address stands elsewhere in the text.
    """
    flat = " ".join(printable(text).split()).replace("<", "‹").replace(">", "›")
    return re.sub(r"[\\\[\]]", r"\\\g<0>", flat)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"
