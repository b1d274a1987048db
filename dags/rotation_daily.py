"""### Rotation Warehouse: the daily run

One run per NYSE session, in six steps; the documentation of each is on its task:

* **plan** checks the session and lists what to fetch,
* **fetch** (mapped) keeps every answer in `landing` as it was served,
* **load** checks the rows and appends new versions to `raw`,
* **build** computes `staging` and `marts` into a new publication,
* **audit** checks it; a critical failure stops here and the last publication stays in place,
* **publish** switches readers to it, by one link.

When the run has ended, its note says what was published, or what failed and what to do.

The session comes from the partition key, else the parameter `session`, else the explicit logical date, else
it is the newest session that is due. The parameter may name a range, `2014-07-17/2024-07-16`: one run loads
all of its sessions and publishes once. A source that is late on its evening is waited for
(`ROTATION_WAIT_MINUTES`). Running a session again changes nothing. Running an older session than the latest
one repairs its raw data and publishes at the latest session. The runs of a backfill use the payloads in
`landing`, ask the sources only for the rest, and only the last of them publishes. The code of each step is in
`pipeline/`, what Airflow sees of it in `orchestration/`; errors are in `status.json` and `ops.runs`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag

from alerts.deadline import daily_deadline
from alerts.notifiers import RunFailed
from market_calendar.priority import BackfillsLast
from market_calendar.timetable import NyseSessionTimetable
from orchestration.assets import OUTLETS
from orchestration.operators import (
    IN_MAKE_RUN,
    AuditOperator,
    BuildOperator,
    FetchOperator,
    LoadOperator,
    PlanOperator,
    PublishOperator,
)
from orchestration.params import DAILY_PARAMS

WAREHOUSE_POOL = "rotation_warehouse"  # one slot: DuckDB has one writer


@dag(
    dag_id="rotation_daily",
    dag_display_name="Rotation: daily run",
    schedule=NyseSessionTimetable(),
    start_date=datetime(2000, 1, 3, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    params=DAILY_PARAMS,
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
    plan = PlanOperator(task_id="plan", **PlanOperator.words(), pool=WAREHOUSE_POOL)
    # A source that is late is waited for in a deferred task, not by retries (pipeline/patience.py). This task
    # needs no slot of the pool, and Airflow 3.3.2 cannot read a custom weight rule on a mapped task.
    fetch = FetchOperator.partial(
        task_id="fetch",
        **FetchOperator.words(),
        map_index_template=FetchOperator.map_label,
        execution_timeout=timedelta(minutes=45),
        weight_rule="upstream",
    ).expand(batch=plan.output)
    # A backfill may find everything in landing: then nothing is fetched but there is still data to load.
    load = LoadOperator(
        task_id="load",
        **LoadOperator.words(),
        pool=WAREHOUSE_POOL,
        trigger_rule="none_failed_min_one_success",
    )
    build = BuildOperator(task_id="build", **BuildOperator.words(), pool=WAREHOUSE_POOL)
    audit = AuditOperator(task_id="audit", **AuditOperator.words(), pool=WAREHOUSE_POOL)
    publish = PublishOperator(
        task_id="publish", **PublishOperator.words(), pool=WAREHOUSE_POOL, outlets=OUTLETS
    )

    plan >> [fetch, load]
    fetch >> load >> build >> audit >> publish


rotation_daily()
