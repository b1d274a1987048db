"""What Airflow would answer about the runs of the DAG."""

from __future__ import annotations

from pipeline.turns import Turns


class Queue:
    """The queued and running runs, as Airflow counts them."""

    def __init__(self, runs: list[str]) -> None:
        self.active = list(runs)

    def count(self, run_ids: list[str] | None) -> int:
        """How many of the ids, or of all, have not ended."""
        return len(self.active if run_ids is None else [run for run in run_ids if run in self.active])

    def turns(self, run_id: str, *, backfill: bool = True) -> Turns:
        """What one run is told."""
        return Turns(run_id, backfill, self.count)
