"""Registers with Airflow the session timetable, the deadline and the priorities of the daily run, and
nothing else.
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from market_calendar.deadline import QueuedAtUnlessBackfill
from market_calendar.priority import BackfillsLast
from market_calendar.timetable import NyseSessionTimetable


class RotationWarehousePlugin(AirflowPlugin):
    """One timetable, one deadline reference, one order of priority."""

    name = "rotation_warehouse"
    priority_weight_strategies = [BackfillsLast]  # noqa: RUF012
    timetables = [NyseSessionTimetable]  # noqa: RUF012 (Airflow's own convention)
    deadline_references = [QueuedAtUnlessBackfill]  # noqa: RUF012
