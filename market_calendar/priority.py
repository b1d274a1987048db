"""Which task gets the one slot of the warehouse first: the one nearest to the end of its run, and those of
a backfill after all others.

In: a task instance. Out: its weight; Airflow takes the greatest first. Without it the thousands of `plan`
tasks of a backfill would keep the evening's run waiting for hours. Caveat: registered in `plugins/`, like
the timetable, and so imports nothing but Airflow; Airflow calls the interface experimental.
"""

from __future__ import annotations

from typing import Any

from airflow.task.priority_strategy import PriorityWeightStrategy

from market_calendar.deadline import is_backfill

# More than any number of tasks in a row.
BEFORE_BACKFILLS = 1000


class BackfillsLast(PriorityWeightStrategy):
    """Own weight and one for each task upstream; runs outside a backfill start higher."""

    def get_weight(self, ti: Any) -> int:
        """The weight of one task instance."""
        upstream = len(ti.task.get_flat_relative_ids(upstream=True))
        return int(ti.task.priority_weight) + upstream + (0 if is_backfill(ti.run_id) else BEFORE_BACKFILLS)

    def __repr__(self) -> str:
        """The same text in every process: Airflow serialises it with the DAG, and a memory address in it
        would make a new DAG version at every parse.
        """
        return f"{type(self).__module__}.{type(self).__qualname__}()"
