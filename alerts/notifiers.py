"""Airflow's notifiers of this project: what a DAG, a task or a deadline calls, turned into an alert and sent.

In: the context that Airflow hands over, and `published/status.json`, where the failed step has left its
sentence. Out: one alert. DAG callbacks run in the DAG processor, task callbacks in the task's process,
deadline callbacks in the triggerer: all three need the settings, the home's `published/` folder (read-only
is enough) and the connections. Caveat: a run of a backfill is told to the log alone, however many fail.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import BaseNotifier
from airflow.sdk.exceptions import AirflowFailException

from alerts.alert import Alert
from alerts.channels import send
from market_calendar.dag_session import SessionUnknown, session_of_run
from market_calendar.deadline import is_backfill
from warehouse.settings import REPOSITORY, Settings, SettingsError, environment

log = logging.getLogger("rotation.alerts")

KIND_OF_DAG = {
    "rotation_daily": "failed",
    "rotation_housekeeping": "housekeeping",
    "rotation_watch": "watch",
}


class AlertNotifier(BaseNotifier):  # type: ignore[misc]
    """Builds an alert from Airflow's context and sends it; nothing of it is rendered as a template."""

    def alert(self, context: Any) -> Alert | None:
        """The alert, or None when there is nothing to tell."""
        raise NotImplementedError

    def __call__(self, *args: Any) -> None:
        """Straight to `notify`: the base class would render fields that this has not, and fails at that
        under `airflow dags test`.
        """
        self.notify(args[0])

    def notify(self, context: Any) -> None:
        """For callbacks of DAGs and tasks."""
        alert = self.alert(context)
        if alert is not None:
            send(alert, log_only=is_backfill(alert.run_id))

    async def async_notify(self, context: Any) -> None:
        """For the triggerer, whose loop must not wait for a mail server."""
        await asyncio.to_thread(self.notify, context)


class RunFailed(AlertNotifier):
    """`on_failure_callback` of a DAG: once per failed run, also after a kill or `dagrun_timeout`."""

    def alert(self, context: Any) -> Alert:
        """The sentence of the failed step, or what Airflow knows when no step could leave one."""
        dag, run_id, reason = context["dag"], str(context["run_id"]), str(context.get("reason") or "")
        task = getattr(context.get("ti"), "task_id", None)
        wrong, status, in_place = _home()
        told = status if status.get("run_id") == run_id else {}
        session = _session(context.get("dag_run")) or told.get("session_date")
        step = told.get("step") if told.get("message") else task
        if reason == "timed_out":
            message = (
                f"The run was stopped because it took longer than {_length(dag.dagrun_timeout)}; the task at"
                f" work was {task or 'unknown'}."
            )
        elif told.get("message"):
            # Of the failed step, or of one that was tried again to no avail.
            message = str(told["message"])
        elif reason == "all_tasks_deadlocked":
            message = f"No task of the run could start any more; the first that waited is {task}."
        else:
            message = (
                f"Task {task or 'unknown'} left no sentence (killed, out of memory, timed out, or stopped"
                " before it could write); its log says more."
            )
            message += f" Where this alert was made, a setting is refused: {wrong}" if wrong else ""
        kind = KIND_OF_DAG.get(dag.dag_id, "failed")
        of_session, at_step = f" for {session}" if session else "", f" at {step}" if step else ""
        subject = {
            "failed": f"Rotation: run{of_session} failed{at_step}",
            "housekeeping": "Rotation: housekeeping failed",
            "watch": "Rotation: the morning check itself failed",
        }[kind]
        return Alert(
            kind, subject, message, dag.dag_id, run_id, session, step, in_place if kind == "failed" else None
        )


class PublicationStale(AlertNotifier):
    """`on_failure_callback` of the task of `rotation_watch`: its exception is the list of problems."""

    def alert(self, context: Any) -> Alert | None:
        """What is wrong with the publication, or that the check itself ended without a word."""
        if (context.get("params") or {}).get("test_alert"):
            return None  # what did not take the test alert is in the log, and would not take this one
        dag_id, run_id, error = context["dag"].dag_id, str(context["run_id"]), context.get("exception")
        if not isinstance(error, AirflowFailException):
            message = (
                "The check ended before it could say anything"
                f" ({type(error).__name__ if error else 'killed'}); its log says more."
            )
            return Alert("watch", "Rotation: the morning check itself failed", message, dag_id, run_id)
        subject = "Rotation: the publication is not fresh or not sound"
        return Alert("stale", subject, str(error), dag_id, run_id, in_place=_home()[2])


class DeadlineMissed(AlertNotifier):
    """Callback of the deadline of `rotation_daily`, in the triggerer."""

    def alert(self, context: Any) -> Alert | None:
        """A run that is still not done; one that has ended has been told of by RunFailed or is fine."""
        run, needed_by = context["dag_run"], context["deadline"]["deadline_time"]
        run_id, state = str(run["dag_run_id"]), str(run["state"])
        if state in ("success", "failed"):
            log.info("run %s has passed its deadline and has ended (%s): nothing to tell", run_id, state)
            return None
        session = run.get("partition_key") or (run.get("conf") or {}).get("session")
        status, in_place = _home()[1:]
        at_work = status.get("run_id") == run_id and status.get("state") == "running"
        where = (
            "It is at work"
            if at_work
            else "It has not begun to work: another run holds it up, or no worker takes its tasks"
        )
        message = (
            f"The run was queued at {_moment(run.get('queued_at'))} and should have ended by"
            f" {_moment(needed_by)}. {where} (state {state})."
        )
        of_session = f" for {session}" if session else ""
        return Alert(
            "deadline",
            f"Rotation: run{of_session} is late",
            message,
            str(run["dag_id"]),
            run_id,
            session,
            None,
            in_place,
        )


def _home() -> tuple[str | None, dict[str, Any], str]:
    """What is wrong with the settings of this process, the status file, and what readers see."""
    from alerts.checks import publication_in_place, read_status

    wrong = None
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        wrong = str(error)
        try:
            # Only `published/` is read here; the folder of source files need not be mounted
            # where callbacks run.
            settings = Settings.from_environment({**environment(), "ROTATION_FILES_DIR": str(REPOSITORY)})
        except SettingsError:
            return wrong, {}, "unknown, as the settings are wrong"
    try:
        return wrong, read_status(settings), publication_in_place(settings)
    except (OSError, ValueError) as error:
        log.warning("the alert goes out without the state of the publication: %s", error)
        return wrong, {}, f"unknown: {settings.published} cannot be read here"


def _session(dag_run: Any) -> str | None:
    if dag_run is None:
        return None
    try:
        return session_of_run(
            partition_key=dag_run.partition_key,
            parameter=(dag_run.conf or {}).get("session"),
            logical_date=dag_run.logical_date,
        )
    except SessionUnknown:
        return None


def _length(limit: timedelta | None) -> str:
    if limit is None:
        return "allowed"
    seconds = limit.total_seconds()
    return f"{seconds:g} seconds" if seconds < 3600 else f"{seconds / 3600:g} hours"


def _moment(value: Any) -> str:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "an unknown time"
