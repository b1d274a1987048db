"""From Airflow's context to the one argument of a step.

Imported when a task runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pipeline.context import Requested, RunContext
from pipeline.log import show_progress
from pipeline.turns import Turns, active_runs_of
from warehouse.settings import Settings


def run_context(
    context: Mapping[str, Any], *, batch: int | None = None, alone: bool = False, unwoken: bool = False
) -> RunContext:
    """The context of a task.

    Args:
        context: as Airflow gives it to the task.
        batch: of a mapped task.
        alone: whether the run holds its home for itself (`make run`): then it has no turns, waits for no late
            provider, and a person watches.
        unwoken: whether the task was deferred and nobody woke it.
    """
    if alone:
        show_progress()
    dag_run, ti = context["dag_run"], context["ti"]
    logical_date: datetime | None = dag_run.logical_date
    params = context.get("params") or {}
    return RunContext(
        settings=Settings.from_environment(),
        run_id=dag_run.run_id,
        requested=Requested(
            partition_key=dag_run.partition_key,
            parameter=params.get("session"),
            logical_date=logical_date,
            # One per line of the form, which leaves blank ones in.
            fetch_again=tuple(text.strip() for text in params.get("fetch_again") or () if text.strip()),
            dry_run=bool(params.get("dry_run")),
            rebuild=bool(params.get("rebuild")),
            unknown=tuple(sorted(set(dag_run.conf or {}) - set(context["dag"].params))),
        ),
        turns=None if alone else Turns(dag_run.run_id, dag_run.run_type == "backfill", active_runs_of(ti)),
        batch=batch,
        patient=not alone,
        unwoken=unwoken,
        scheduled=not alone and dag_run.run_type == "scheduled",
        attempt=ti.try_number,
        attempts=ti.max_tries + 1,
        next_attempt=_next_attempt(ti),
    )


def _next_attempt(ti: Any) -> str:
    """When Airflow tries again, in words: it doubles the pause and adds a part by chance."""
    delay: timedelta = ti.task.retry_delay
    longest: timedelta = ti.task.max_retry_delay or timedelta(days=1)
    pause = min(delay * 2 ** max(ti.try_number - 1, 0), longest)
    minutes = max(round(pause.total_seconds() / 60), 1)
    return f"in about {minutes} minute{'s' if minutes > 1 else ''}"
