"""
### Rotation Warehouse: the daily run

One run per NYSE session. **plan** checks the session and lists what to fetch · **fetch** (mapped) lands every payload as it was served ·
**load** validates the rows and appends new versions to `raw` · **build** computes `staging` and `marts` into a new publication ·
**audit** checks it; a critical failure stops here and the last publication stays in place · **publish** moves one link.

The session comes from the partition key, else the parameter `session`, else the explicit logical date. Running a session again changes
nothing; a session before the high-water session repairs raw data and publishes at the high-water session.
What each step does is in `warehouse/daily.py`; where things went wrong is in `published/status.json` and `ops.runs`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, Param, dag, task
from airflow.sdk.exceptions import AirflowFailException

from market_calendar.timetable import NyseSessionTimetable

WAREHOUSE_POOL = "rotation_warehouse"  # one slot: DuckDB has one writer
PUBLICATION = Asset(name="rotation_warehouse_publication", uri="rotation://publication")


def run_step(name: str, *arguments: Any) -> Any:
    """Call one step of `warehouse.daily`; a failure that another attempt cannot mend is not retried."""
    from market_calendar.dag_session import SessionUnknown
    from market_calendar.sessions import NotASession
    from warehouse import daily
    from warehouse.database import HomeError
    from warehouse.settings import Settings, SettingsError

    try:
        return getattr(daily, name)(Settings.from_environment(), *arguments)
    except (SettingsError, HomeError, NotASession, SessionUnknown, daily.StepFailed) as error:
        raise AirflowFailException(str(error)) from None


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
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=15),
        "execution_timeout": timedelta(minutes=60),
    },
    dagrun_timeout=timedelta(hours=6),
)
def rotation_daily() -> None:
    """The flow of one session."""

    @task
    def plan(
        params: dict[str, Any] | None = None, dag_run: Any = None, run_id: str | None = None
    ) -> list[dict[str, Any]]:
        named = {
            "partition_key": getattr(dag_run, "partition_key", None),
            "parameter": (params or {}).get("session"),
            "logical_date": dag_run.logical_date,
        }
        batches: list[dict[str, Any]] = run_step("plan", named, run_id)
        return batches

    @task(execution_timeout=timedelta(minutes=45))
    def fetch(batch: dict[str, Any], run_id: str | None = None) -> dict[str, Any]:
        result: dict[str, Any] = run_step("fetch", run_id, batch["batch"])
        return result

    @task(pool=WAREHOUSE_POOL)
    def load(fetched: list[dict[str, Any]], run_id: str | None = None) -> dict[str, Any]:
        result: dict[str, Any] = run_step("load", run_id)
        return result

    @task(pool=WAREHOUSE_POOL)
    def build(run_id: str | None = None) -> dict[str, Any]:
        result: dict[str, Any] = run_step("build", run_id)
        return result

    @task(pool=WAREHOUSE_POOL)
    def audit(run_id: str | None = None) -> dict[str, Any]:
        result: dict[str, Any] = run_step("audit", run_id)
        return result

    @task(pool=WAREHOUSE_POOL, outlets=[PUBLICATION])
    def publish(run_id: str | None = None) -> dict[str, Any]:
        result: dict[str, Any] = run_step("publish", run_id)
        return result

    fetched = fetch.expand(batch=plan())
    load(fetched) >> build() >> audit() >> publish()


rotation_daily()
