"""Registers the session timetable with Airflow, and nothing else."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from market_calendar.timetable import NyseSessionTimetable


class RotationWarehousePlugin(AirflowPlugin):
    """One timetable."""

    name = "rotation_warehouse"
    timetables = [NyseSessionTimetable]  # noqa: RUF012 (Airflow's own convention)
