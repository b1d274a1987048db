"""### Rotation Warehouse: the daily run

One run per NYSE session. **plan** checks the session and lists what to fetch · **fetch** (mapped) stores
every payload in `landing` as it was served · **load** validates the rows and appends new versions to `raw` ·
**build** computes `staging` and `marts` into a new publication · **audit** checks it; a critical failure
stops here and the last publication stays in place · **publish** switches one link.

The session comes from the partition key, else the parameter `session`, else the explicit logical date.
Running a session again changes nothing. Running an older session than the latest one repairs its raw data
and publishes at the latest session. The runs of a backfill use the payloads in `landing`, ask the sources
only for the rest, and only the last of them publishes. The code of each step is in `pipeline/`; errors are
in `published/status.json` and `ops.runs`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, Param, dag, task

from alerts.deadline import daily_deadline
from alerts.notifiers import RunFailed
from market_calendar.priority import BackfillsLast
from market_calendar.timetable import NyseSessionTimetable

WAREHOUSE_POOL = "rotation_warehouse"  # one slot: DuckDB has one writer
IN_MAKE_RUN = bool(os.environ.get("ROTATION_MAKE_RUN"))
PUBLICATION = Asset(name="rotation_warehouse_publication", uri="rotation://publication")


@dag(
    dag_id="rotation_daily",
    schedule=NyseSessionTimetable(),
    start_date=datetime(2000, 1, 3, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    params={"session": Param(None, type=["null", "string"], description="NYSE session such as 2024-07-16")},
    tags=["rotation-warehouse", "impact:tier-1"],
    default_args={
        "owner": "data-engineering",
        "retries": 3,
        "weight_rule": BackfillsLast(),
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=15),
        "execution_timeout": timedelta(minutes=60),
    },
    dagrun_timeout=timedelta(hours=6),
    on_failure_callback=RunFailed(),
    # `airflow dags test`, which `make run` uses, fails at the end of a run that has a deadline (Airflow
    # 3.3.2): it looks for one that was never stored.
    deadline=None if IN_MAKE_RUN else daily_deadline(),
)
def rotation_daily() -> None:
    """The flow of one session."""

    # Each task imports the steps when it runs: at parse time they would cost seconds.
    @task(pool=WAREHOUSE_POOL)
    def plan(
        run_id: str, params: dict[str, Any] | None = None, dag_run: Any = None, ti: Any = None
    ) -> list[dict[str, Any]]:
        from pipeline import steps

        with steps.airflow_errors():
            run = steps.run_context(run_id, dag_run=dag_run, ti=ti, params=params, alone=IN_MAKE_RUN)
            batches = steps.plan(run).batches
        return [
            {"batch": batch.number, "dataset": batch.dataset, "inputs": len(batch.inputs)}
            for batch in batches
        ]

    # Eight more attempts with growing pauses wait about an hour for a source that is late. This task needs no
    # slot of the pool, and Airflow 3.3.2 cannot read a custom weight rule on a mapped task.
    @task(execution_timeout=timedelta(minutes=45), retries=8, weight_rule="upstream")
    def fetch(batch: dict[str, Any], run_id: str) -> dict[str, Any]:
        from pipeline import steps

        with steps.airflow_errors():
            run = steps.run_context(run_id, batch=batch["batch"], alone=IN_MAKE_RUN)
            fetched = steps.fetch(run)
        landed = sum(entry.landed is not None for entry in fetched.inputs.values())
        return {"batch": batch["batch"], "landed": landed, "failed": len(fetched.inputs) - landed}

    # A backfill may find everything in landing: then nothing is fetched but there is still data to load.
    @task(pool=WAREHOUSE_POOL, trigger_rule="none_failed_min_one_success")
    def load(fetched: list[dict[str, Any]], run_id: str) -> dict[str, Any]:
        from pipeline import steps

        with steps.airflow_errors():
            loaded = steps.load(steps.run_context(run_id, alone=IN_MAKE_RUN))
        return {"new_rows": sum(entry.new_rows for entry in loaded.datasets.values())}

    @task(pool=WAREHOUSE_POOL)
    def build(run_id: str, dag_run: Any = None, ti: Any = None) -> dict[str, Any]:
        from pipeline import steps

        with steps.airflow_errors():
            built = steps.build(steps.run_context(run_id, dag_run=dag_run, ti=ti, alone=IN_MAKE_RUN))
        return {"rows": sum(built.rows.values())}

    @task(pool=WAREHOUSE_POOL)
    def audit(run_id: str) -> dict[str, Any]:
        from pipeline import steps

        with steps.airflow_errors():
            audited = steps.audit(steps.run_context(run_id, alone=IN_MAKE_RUN))
        return {"rules": audited.rules, "failed": len(audited.failed)}

    @task(pool=WAREHOUSE_POOL, outlets=[PUBLICATION])
    def publish(run_id: str) -> dict[str, Any]:
        from pipeline import steps

        with steps.airflow_errors():
            published = steps.publish(steps.run_context(run_id, alone=IN_MAKE_RUN))
        return {"generation": published.generation}

    planned = plan()
    loaded = load(fetch.expand(batch=planned))
    planned >> loaded >> build() >> audit() >> publish()


rotation_daily()
