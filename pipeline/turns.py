"""Who publishes, when the scheduler has several runs of the DAG going: a backfill publishes once, at its end.

In: how many runs Airflow holds as queued or running (asked of Airflow, so only a scheduler's run has
turns), and small files in the home. Out: whether this run leaves the publication to another one. The order
is that of the tasks in the pool with one slot, which is why two runs never decide at once. Caveat: `make
run` has no turns; its lock on the home keeps every other `make run` out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipeline.plan_inputs import Backfill
from pipeline.run_record import LeftToAnother, TryAgain, has_loaded, read_plan_of
from warehouse.durable import replace_durably

# Airflow takes the ids in the address of a request, which has a limit.
IDS_AT_ONCE = 50

ActiveRuns = Callable[[list[str] | None], int]


@dataclass(frozen=True)
class Turns:
    """The turns of one run; `active_runs` counts the queued and running ones among the ids that it gets, or
    among all.
    """

    run_id: str
    is_backfill: bool
    active_runs: ActiveRuns

    def begin(self, home: Path) -> None:
        """Forget what an earlier attempt of this run decided."""
        _write(home, [run for run in _decided(home) if run != self.run_id])

    def leave_to_another(self, home: Path, session: date, held_until: date | None) -> date:
        """Raise LeftToAnother when this run belongs to a backfill and a run that has not built yet follows
        it.

        Else the session to build at: the run's own, or a later one that was left to it, for the runs need
        not end in the order of their sessions; but none later than `held_until`, the last session that raw
        holds. Runs that have decided already, to leave it or to build, are not waited for: they saw less of
        `raw` than this one.
        """
        decided = self._still_active([run for run in _decided(home) if run != self.run_id])
        _write(home, [*decided, self.run_id])
        left = _left(home) or session
        to_come = self.active_runs(None) - len(decided) - 1
        if self.is_backfill and to_come > 0:
            replace_durably(_left_file(home), str(max(session, left)))
            raise LeftToAnother(f"{to_come} more runs follow; the last of them builds and publishes")
        return max(session, min(left, held_until or session))

    def at_work(self, home: Path) -> Backfill:
        """What the other active runs that have not loaded yet fetch and replay: it need not be done twice."""
        plans = [read_plan_of(home, run) for run in self._working(home) if run != self.run_id]
        return Backfill(
            frozenset(
                f"{batch['dataset']}/{item['input']}"
                for plan in plans
                for batch in plan.get("batches", [])
                for item in batch["items"]
            ),
            bool(plans),
        )

    def work(self, home: Path) -> None:
        """Tell the other runs that this one fetches or replays."""
        replace_durably(_working_file(home), "\n".join({*self._working(home), self.run_id}))

    def _working(self, home: Path) -> list[str]:
        runs = [run for run in _lines(_working_file(home)) if not has_loaded(home, run)]
        return self._still_active(runs)

    def wait_for(self, other_run_id: str) -> None:
        """Raise TryAgain while another run is between its build and its publication."""
        if other_run_id != self.run_id and self.active_runs([other_run_id]):
            raise TryAgain(f"run {other_run_id} has built and not published yet; this run waits for it")

    def _still_active(self, decided: list[str]) -> list[str]:
        active: list[str] = []
        for start in range(0, len(decided), IDS_AT_ONCE):
            some = decided[start : start + IDS_AT_ONCE]
            count = self.active_runs(some)
            active += (
                some if count == len(some) else [run for run in some if count and self.active_runs([run])]
            )
        return active


def forget_left(home: Path, published: date) -> None:
    """What was left to another run is published."""
    left = _left(home)
    if left and left <= published:
        _left_file(home).unlink()


def _left(home: Path) -> date | None:
    for text in _lines(_left_file(home)):
        return date.fromisoformat(text)
    return None


def _left_file(home: Path) -> Path:
    return home / "runs" / "left_session.txt"


def _working_file(home: Path) -> Path:
    return home / "runs" / "working.txt"


def _decided(home: Path) -> list[str]:
    return _lines(home / "runs" / "decided.txt")


def _write(home: Path, runs: list[str]) -> None:
    replace_durably(home / "runs" / "decided.txt", "\n".join(runs))


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").split() if file.exists() else []
