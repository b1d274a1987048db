"""### After the publication

A DAG of another team: runs once for each publication of Rotation Warehouse and reads from the event which
session is there, in which folder, and whether the checks passed. Copy it into your own DAG folder; it imports
nothing of Rotation Warehouse.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset, PartitionedAssetTimetable, dag, task

LOG = logging.getLogger(__name__)
# Or a family of marts: Asset(name="rotation_marts_fed", uri="rotation://marts/fed").
PUBLICATION = Asset(name="rotation_warehouse_publication", uri="rotation://publication")


@dag(
    # The events carry the session as their partition key, and `schedule=[PUBLICATION]` does not listen to
    # events with a key.
    schedule=PartitionedAssetTimetable(assets=PUBLICATION),
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    doc_md=__doc__,
    tags=["example"],
)
def after_publication() -> None:
    """One task that says what was published."""

    @task
    def report(triggering_asset_events: Any = None) -> dict[str, Any]:
        # Two publications of one session in quick succession may share a run; the last is the newest.
        event = triggering_asset_events[PUBLICATION][-1]
        published: dict[str, Any] = event.extra
        LOG.info(
            "%s is published as generation %s, %s of %s rules failed",
            published["session"],
            published["generation"],
            published["rules_failed"],
            published["rules_checked"],
        )
        return {name: published[name] for name in ("session", "generation", "folder", "digest")}

    report()


after_publication()
