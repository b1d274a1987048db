"""### Rotation Warehouse: the morning check

Monday to Saturday at 07:00 New York time: does the publication contain the session that is due, is it sound,
are the required inputs fresh? These are the checks of `make status`. If one fails, the task fails with the
reasons and sends the alert `stale`, once a day until it is resolved. This also covers a daily run that was
never started, was paused, or was lost without a failure.

The evening's run starts at 18:30 and has ended by 07:00, and two and a half hours remain before trading
starts. On Sunday nothing can be new. Optional inputs that are behind do not fail the check: on Mondays they
are sent as one digest (`stale_inputs`), on other days they are only written to the log.

A run with the parameter `test_alert` only sends one harmless test alert through every channel, and fails when
a channel does not accept it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag, task
from airflow.sdk.exceptions import AirflowFailException

from alerts.notifiers import PublicationStale
from warehouse.settings import Settings, SettingsError


@dag(
    dag_id="rotation_watch",
    # A trigger has no data interval: after an outage the newest check runs once, without the missed ones.
    schedule=CronTriggerTimetable("0 7 * * 1-6", timezone="America/New_York"),
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    params={"test_alert": Param(False, type="boolean", description="Only send a test alert")},
    tags=["rotation-warehouse", "impact:tier-1"],
    default_args={
        "owner": "data-engineering",
        "retries": 1,
        "retry_delay": timedelta(minutes=5),
        "retry_exponential_backoff": True,
        "execution_timeout": timedelta(minutes=10),
    },
    dagrun_timeout=timedelta(hours=1),
)
def rotation_watch() -> None:
    """One task that reads the published folder and nothing else."""

    @task(on_failure_callback=PublicationStale())
    def check(params: dict[str, Any] | None = None, run_id: str | None = None) -> None:
        from alerts.watch import morning_check, send_test_alert
        from orchestration.log import show_sentences

        show_sentences(AirflowFailException)
        if (params or {}).get("test_alert"):
            if undelivered := send_test_alert(run_id):
                raise AirflowFailException(" ".join(undelivered))
            return
        try:
            problems = morning_check(Settings.from_environment(), datetime.now(UTC), run_id)
        except SettingsError as error:
            problems = [str(error)]
        if problems:
            raise AirflowFailException(" ".join(f"({n}) {text}" for n, text in enumerate(problems, 1)))

    check()


rotation_watch()
