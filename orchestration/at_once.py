"""A run of a backfill that has nothing to do ends before anything heavy is imported.

In: Airflow's context of the task `plan`. Out: whether the run is left, or else plans in full. A backfill
of ten years has 2,500 such runs: what each of them imports, asks and writes is what it costs
(benchmarks/backfill.py).
"""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

from pipeline.covered import is_covered
from pipeline.endings import LeftToAnother
from pipeline.home_state import run_folder
from pipeline.turns import Turns, active_runs_of
from warehouse.clock import utc_now
from warehouse.settings import Settings, SettingsError

LOG = logging.getLogger("pipeline")


def is_left_at_once(context: Any) -> bool:
    """Whether an earlier run of the backfill found that this one's session needs nothing, and another follows
    that publishes. Whatever is unusual is left to the plan, which knows the words for it.
    """
    dag_run, ti = context["dag_run"], context["ti"]
    if dag_run.run_type != "backfill" or dag_run.conf:
        return False
    try:
        settings, session = Settings.from_environment(), date.fromisoformat(dag_run.partition_key or "")
    except (SettingsError, ValueError):
        return False
    turns = Turns(dag_run.run_id, True, active_runs_of(ti))
    if run_folder(settings.home, dag_run.run_id).exists():
        # It has begun before, and may have left something that has to be tidied up.
        return False
    if not is_covered(settings, session, utc_now(), turns.active_runs):
        return False
    try:
        turns.leave_at_once(settings.home, session)
    except LeftToAnother as left:
        LOG.info("plan: nothing to load for %s, left to another run (%s)", session, left)
        return True
    return False
