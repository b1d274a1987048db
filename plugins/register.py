"""Registers the session timetable and the deadline of the daily run with Airflow, and nothing else."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from market_calendar.deadline import QueuedAtUnlessBackfill
from market_calendar.timetable import NyseSessionTimetable


class RotationWarehousePlugin(AirflowPlugin):
    """One timetable, one deadline reference."""

    name = "rotation_warehouse"
    timetables = [NyseSessionTimetable]  # noqa: RUF012 (Airflow's own convention)
    deadline_references = [QueuedAtUnlessBackfill]  # noqa: RUF012
