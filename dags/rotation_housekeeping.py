"""### Rotation Warehouse: housekeeping

Runs every night at 03:30 New York time, when no session's run is due.

**home** keeps the last `ROTATION_KEEP_GENERATIONS` publications. It removes older ones, publications that no
run will finish, folders and logs of runs older than `ROTATION_KEEP_RUNS_DAYS`, and leftover temporary files.
It prints the size of each part of the home and fails when the disk has too little room for the next runs.
Landing and the tables of the warehouse are never touched.

**airflow** deletes old rows and logs of Airflow itself when `ROTATION_AIRFLOW_KEEP_DAYS` and
`ROTATION_AIRFLOW_LOG_KEEP_DAYS` are set. The code of both is in `operations/housekeeping.py`.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from airflow.sdk import CronTriggerTimetable, dag, task
from airflow.sdk.exceptions import AirflowFailException

from alerts.notifiers import RunFailed
from warehouse.settings import Settings, SettingsError

LOG = logging.getLogger(__name__)

# Shared with the steps of the daily run, so that none of them runs at the same time.
WAREHOUSE_POOL = "rotation_warehouse"


@dag(
    dag_id="rotation_housekeeping",
    schedule=CronTriggerTimetable("30 3 * * *", timezone="America/New_York"),
    start_date=datetime(2000, 1, 3, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["rotation-warehouse", "impact:tier-3"],
    default_args={
        "owner": "data-engineering",
        "retries": 1,
        "retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(minutes=40),
    },
    dagrun_timeout=timedelta(hours=3),
    on_failure_callback=RunFailed(),
)
def rotation_housekeeping() -> None:
    """Two tasks that do not depend on each other."""

    # Goes before everything else that waits for the slot: it takes only a second.
    @task(pool=WAREHOUSE_POOL, priority_weight=2000)
    def home() -> dict[str, int]:
        from operations.housekeeping import HousekeepingFailed, clean_home, require_room
        from orchestration.log import show_sentences

        show_sentences(AirflowFailException)
        try:
            settings = Settings.from_environment()
            report = clean_home(settings)
            LOG.info(report.text())
            require_room(settings, report)
        except (SettingsError, HousekeepingFailed) as error:
            raise AirflowFailException(str(error)) from None
        return {what: part.entries for what, part in report.removed.items()}

    @task
    def airflow() -> dict[str, int]:
        from operations.housekeeping import (
            HousekeepingFailed,
            Report,
            clean_airflow_logs,
            clean_airflow_metadata,
        )
        from orchestration.log import show_sentences

        show_sentences(AirflowFailException)
        report = Report()
        try:
            report.removed["Airflow's log files"] = clean_airflow_logs()
            report.removed["rows of Airflow's database"] = clean_airflow_metadata()
        except (SettingsError, HousekeepingFailed) as error:
            raise AirflowFailException(str(error)) from None
        LOG.info(report.text())
        return {what: part.entries for what, part in report.removed.items()}

    home()
    airflow()


rotation_housekeeping()
