"""Registers with Airflow the session timetable, the deadline and the priorities of the daily run, and where
the packages of the tasks are at hand, the notes of the runs and the pages in the web interface.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from market_calendar.deadline import QueuedAtUnlessBackfill
from market_calendar.priority import BackfillsLast
from market_calendar.timetable import NyseSessionTimetable

LISTENERS: list[Any] = []
APPS: list[dict[str, Any]] = []
# With a git bundle the scheduler and the API server have `market_calendar` alone: then neither is there.
if find_spec("orchestration"):
    from alerts.addresses import PAGES
    from orchestration import run_notes
    from orchestration.pages import Pages

    LISTENERS.append(run_notes)
    APPS.append({"app": Pages(), "url_prefix": PAGES, "name": "Rotation Warehouse"})


class RotationWarehousePlugin(AirflowPlugin):
    """One timetable, one deadline reference, one order of priority, one listener, one application."""

    name = "rotation_warehouse"
    priority_weight_strategies = [BackfillsLast]  # noqa: RUF012
    timetables = [NyseSessionTimetable]  # noqa: RUF012 (Airflow's own convention)
    deadline_references = [QueuedAtUnlessBackfill]  # noqa: RUF012
    listeners = LISTENERS
    fastapi_apps = APPS
