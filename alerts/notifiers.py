"""Airflow's notifiers of this project: what a DAG, a task or a deadline calls, turned into an alert and sent.

In: the context that Airflow passes, and `published/status.json`, where the failed step wrote its error
message. Out: one alert. DAG callbacks run in the DAG processor, task callbacks in the task's process,
deadline callbacks in the triggerer: all three need the settings, the home's `published/` folder (read-only
is enough) and the connections. Caveat: failed runs of a backfill are only logged, however many there are.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from datetime import date, datetime, timedelta
from typing import Any

from airflow.sdk import BaseNotifier
from airflow.sdk.exceptions import AirflowFailException

from alerts.alert import STALE_SUBJECT, Alert, failed_alert, refused_alert
from alerts.channels import send
from market_calendar.dag_session import named_session
from market_calendar.deadline import is_backfill
from warehouse.settings import Settings, SettingsError
from warehouse.status import record_of, refusal_of

log = logging.getLogger("rotation.alerts")


class AlertNotifier(BaseNotifier, ABC):  # type: ignore[misc]
    """Builds an alert from Airflow's context and sends it; nothing of it is rendered as a template."""

    @abstractmethod
    def alert(self, context: Any) -> Alert | None:
        """The alert, or None when there is nothing to report."""

    def __call__(self, *args: Any) -> None:
        """Call `notify` directly: the base class would render fields that this class does not have, and fails
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
        """The error message of the failed step, or what Airflow knows when no step could write one."""
        dag, run_id, reason = context["dag"], str(context["run_id"]), str(context.get("reason") or "")
        task = getattr(context.get("ti"), "task_id", None)
        wrong, status, in_place = _home()
        recorded = record_of(status, run_id)
        session = _session(context.get("dag_run")) or recorded.get("session_date")
        if refusal := _refusal(run_id):
            return refused_alert(dag.dag_id, run_id, session, refusal, in_place=in_place)
        step = recorded.get("step") if recorded.get("message") else task
        if reason == "timed_out":
            message = (
                f"The run was stopped because it took longer than {_length(dag.dagrun_timeout)}; the"
                f" running task was {task or 'unknown'}."
            )
        elif recorded.get("message") and not _is_wait(recorded):
            # Of the failed step, or of one whose retries all failed.
            message = str(recorded["message"])
        elif reason == "all_tasks_deadlocked":
            message = f"No further task of the run could start; the first one waiting is {task}."
        else:
            message = (
                f"The task {task or 'unknown'} stopped without an error message, probably killed or out of"
                " memory. See its log."
            )
            message += f" The process that sent this alert has a wrong setting: {wrong}" if wrong else ""
            message += f" Before, it {recorded['message']}." if recorded.get("message") else ""
        return failed_alert(dag.dag_id, run_id, session, step, message, in_place=in_place, found=False)


class PublicationStale(AlertNotifier):
    """`on_failure_callback` of the task of `rotation_watch`: its exception is the list of problems."""

    def alert(self, context: Any) -> Alert | None:
        """What is wrong with the publication, or that the check itself failed."""
        if (context.get("params") or {}).get("test_alert"):
            return None  # a channel that failed is in the log, and would fail again
        dag_id, run_id, error = context["dag"].dag_id, str(context["run_id"]), context.get("exception")
        if not isinstance(error, AirflowFailException):
            message = (
                "The check stopped before it could report anything"
                f" ({type(error).__name__ if error else 'killed'}). See its log."
            )
            return failed_alert(dag_id, run_id, None, None, message, found=False)
        return Alert("stale", STALE_SUBJECT, str(error), dag_id, run_id, in_place=_home()[2])


class DeadlineMissed(AlertNotifier):
    """Callback of the deadline of `rotation_daily`, in the triggerer."""

    def alert(self, context: Any) -> Alert | None:
        """A run that has not ended; one that has ended succeeded or was reported by RunFailed."""
        run, needed_by = context["dag_run"], context["deadline"]["deadline_time"]
        run_id, state = str(run["dag_run_id"]), str(run["state"])
        if state in ("success", "failed"):
            log.info("run %s passed its deadline and has ended (%s): nothing to report", run_id, state)
            return None
        # As the REST API shows a run; a logical date is a text there, and the status has its session.
        session = _named(run.get("partition_key"), run.get("conf"), None)
        status, in_place = _home()[1:]
        recorded = record_of(status, run_id)
        session = session or recorded.get("session_date")
        where = (
            "It is in progress"
            if recorded.get("state") == "running"
            else "It has not started: another run blocks it, or no worker takes its tasks"
        )
        message = (
            f"The run was queued at {_moment(run.get('queued_at'))} and should have ended by"
            f" {_moment(needed_by)}. {where} (state {state})."
        )
        if recorded.get("message"):
            # The one line that says why: a wait for a late source, or an attempt that failed.
            message = (
                f"The run {recorded['message']}. {message}"
                if _is_wait(recorded)
                else (f"{message} Its last report: {recorded['message']}")
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

    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        return str(error), {}, "unknown, because the settings are wrong"
    try:
        return None, read_status(settings), publication_in_place(settings)
    except (OSError, ValueError, RecursionError) as error:
        log.warning("the alert is sent without the state of the publication: %s", error)
        return None, {}, f"unknown: {settings.published} cannot be read here"


def _refusal(run_id: str) -> str | None:
    """Why the run was refused; None when it was not."""
    try:
        return refusal_of(Settings.from_environment(), run_id)
    except SettingsError:
        return None


def _is_wait(recorded: dict[str, Any]) -> bool:
    return str(recorded.get("message")).startswith("waits for ")


def _session(dag_run: Any) -> str | None:
    """The session that the run names; None when it names none, or something else."""
    return _named(dag_run.partition_key, dag_run.conf, dag_run.logical_date) if dag_run else None


def _named(partition_key: str | None, conf: Any, logical_date: datetime | None) -> str | None:
    """As a date: machines read the alert, and what a person asked for may be any text."""
    try:
        text = named_session(
            partition_key=partition_key, parameter=(conf or {}).get("session"), logical_date=logical_date
        )
        return date.fromisoformat(text).isoformat() if text else None
    except ValueError:
        return None


def _length(limit: timedelta | None) -> str:
    if limit is None:
        return "allowed"
    seconds = limit.total_seconds()
    return f"{seconds:g} seconds" if seconds < 3600 else f"{seconds / 3600:g} hours"


def _moment(value: Any) -> str:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "an unknown time"
