"""The deadline of the daily run.

In: ROTATION_DEADLINE_MINUTES. Out: what `rotation_daily` passes to Airflow as `deadline`; which runs have
one is in `market_calendar.deadline`.
"""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert

from market_calendar.deadline import QueuedAtUnlessBackfill
from warehouse.settings import SettingsError

DEADLINE_MINUTES = 120.0


def daily_deadline() -> DeadlineAlert:
    """ROTATION_DEADLINE_MINUTES after the run was queued, two hours by default."""
    text = os.environ.get("ROTATION_DEADLINE_MINUTES", "").strip()
    try:
        minutes = float(text) if text else DEADLINE_MINUTES
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 100_000:
        raise SettingsError(
            f"ROTATION_DEADLINE_MINUTES={text!r} is not a number of minutes above 0; write it as 120."
        )
    return DeadlineAlert(
        reference=QueuedAtUnlessBackfill(),
        interval=timedelta(minutes=minutes),
        # As a path: the scheduler only stores it, the triggerer imports and calls it.
        callback=AsyncCallback("alerts.notifiers.DeadlineMissed"),
        name="end of the daily run",
    )
