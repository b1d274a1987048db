"""When the deadline of a run starts to count: when it is queued; runs of a backfill have none.

In: what Airflow knows of a run. Out: a moment, or None for no deadline. Airflow keeps a deadline for each
run that it queues; those of a backfill, thousands at once, get none: they wait for each other by design, and
someone watches them. Caveat: the reference is registered in `plugins/`, like the timetable, and so
imports nothing but Airflow; without that Airflow cannot queue a run.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.sdk.definitions.deadline import BaseDeadlineReference


class QueuedAtUnlessBackfill(BaseDeadlineReference):
    """When the run was queued; None, and so no deadline, for a run of a backfill."""

    required_kwargs = frozenset({"dag_id", "run_id"})

    def _evaluate_with(self, *, session: Any, dag_id: str, run_id: str) -> datetime | None:
        from airflow.models import DagRun
        from sqlalchemy import select

        if is_backfill(run_id):
            return None
        queued_at: datetime | None = session.scalar(
            select(DagRun.queued_at).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        )
        return queued_at


def is_backfill(run_id: str | None) -> bool:
    """Runs of a backfill carry it in their id, the one thing that every context has."""
    return (run_id or "").startswith("backfill__")
