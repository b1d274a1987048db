"""The steps of the run as Airflow's tasks call them, under one place that translates their errors.

`plan` → `fetch` (one call per batch) → `load` → `build` → `audit` → `publish`. Each takes the `RunContext`
alone and can be run again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from market_calendar.dag_session import SessionUnknown
from market_calendar.sessions import CalendarError
from pipeline.audit import audit
from pipeline.build import build
from pipeline.context import Requested, RunContext
from pipeline.errors import LeftToAnother, StepFailed
from pipeline.fetch import fetch
from pipeline.load import load
from pipeline.log import show_progress
from pipeline.plan import plan
from pipeline.publish import publish
from pipeline.turns import Turns
from warehouse.database import HomeError, WarehouseBusy
from warehouse.settings import Settings, SettingsError

__all__ = ["airflow_errors", "audit", "build", "fetch", "load", "plan", "publish", "run_context"]

FINAL = (SettingsError, HomeError, CalendarError, SessionUnknown, StepFailed)


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Errors of a step in Airflow's terms: what another attempt cannot fix is not retried, and a run that
    leaves its work to another one is skipped.
    """
    try:
        yield
    except LeftToAnother as left:
        raise AirflowSkipException(str(left)) from None
    except WarehouseBusy:
        raise
    except FINAL as error:
        raise AirflowFailException(str(error)) from None


def run_context(
    run_id: str,
    *,
    dag_run: Any = None,
    ti: Any = None,
    params: Mapping[str, Any] | None = None,
    batch: int | None = None,
    alone: bool = False,
) -> RunContext:
    """The context of a task.

    Args:
        run_id: as Airflow calls the run.
        dag_run: where the task needs the session that was asked for, or the run's turn.
        ti: the task instance, which can ask Airflow for other runs.
        params: of the run.
        batch: of a mapped task.
        alone: whether the run holds its home for itself (`make run`): then it has no turns, waits for no late
            provider, and a person watches.
    """
    if alone:
        show_progress()
    logical_date: datetime | None = getattr(dag_run, "logical_date", None)
    return RunContext(
        settings=Settings.from_environment(),
        run_id=run_id,
        requested=Requested(
            partition_key=getattr(dag_run, "partition_key", None),
            parameter=(params or {}).get("session"),
            logical_date=logical_date,
        ),
        turns=None if alone or dag_run is None or ti is None else _turns(dag_run, ti),
        batch=batch,
        patient=not alone,
    )


def _turns(dag_run: Any, ti: Any) -> Turns:
    """The run's turns among the other runs of its DAG."""

    def active_runs(run_ids: list[str] | None) -> int:
        return int(ti.get_dr_count(dag_id=ti.dag_id, run_ids=run_ids, states=["queued", "running"]))

    return Turns(dag_run.run_id, dag_run.run_type == "backfill", active_runs)
