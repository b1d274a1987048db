"""Who publishes, when the scheduler has several runs of the DAG going: a backfill publishes once, at its end.

In: how many runs Airflow holds as queued or running (asked of Airflow, so only a scheduler's run has turns),
and the home's `HomeState`. Out: whether this run leaves the publication to another one. The order is that of
the tasks in the pool with one slot, which is why two runs never decide at once.
Caveat: `make run` has no turns; its lock on the home keeps every other `make run` out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipeline.endings import LeftToAnother, TryAgain
from pipeline.home_state import HomeState

# Airflow takes the ids in the address of a request, which has a limit.
IDS_AT_ONCE = 50

ActiveRuns = Callable[[list[str] | None], int]


@dataclass(frozen=True)
class Backfill:
    """What other runs of a backfill, or for a range, do: the inputs (`kind/name`) that they fetch, and which
    are in progress; one of these loads what is in landing.
    """

    fetched_by_others: frozenset[str] = frozenset()
    at_work: tuple[str, ...] = ()


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
        state = HomeState.read(home)
        state.change(home, decided=[run for run in state.decided if run != self.run_id])

    def leave_to_another(self, home: Path, session: date, held_until: date | None) -> date:
        """The session to build at: the run's own, or a later one that was left to it.

        The runs need not end in the order of their sessions, but none builds later than `held_until`, the
        last session that raw holds. Runs that have decided already, to leave it or to build, are not waited
        for: they saw less of `raw` than this one.

        Raises:
            LeftToAnother: this run belongs to a backfill and a run that has not built yet follows it.
        """
        state = HomeState.read(home)
        left = state.left_session or session
        decided, to_come = self._to_come(state)
        if self.is_backfill and to_come > 0:
            raise self._leave(home, state, session, decided, to_come)
        state.change(home, decided=[*decided, self.run_id])
        return max(session, min(left, held_until or session))

    def leave_at_once(self, home: Path, session: date) -> None:
        """Leave the publication to another run without a look at the home: for a run of a backfill that has
        nothing to load. Returns where it is the last to decide; it then plans as any other.

        Raises:
            LeftToAnother: a run that has not built yet follows it.
        """
        state = HomeState.read(home)
        decided, to_come = self._to_come(state)
        if to_come > 0:
            raise self._leave(home, state, session, decided, to_come)

    def _to_come(self, state: HomeState) -> tuple[list[str], int]:
        """Other active runs that have decided, and how many have still to."""
        decided = self._still_active(run for run in state.decided if run != self.run_id)
        return decided, self.active_runs(None) - len(decided) - 1

    def _leave(
        self, home: Path, state: HomeState, session: date, decided: list[str], to_come: int
    ) -> LeftToAnother:
        left = max(session, state.left_session or session)
        state.change(home, decided=[*decided, self.run_id], left_session=left)
        return LeftToAnother(f"{to_come} more runs follow; the last of them builds and publishes")

    def at_work(self, home: Path) -> Backfill:
        """What the other active runs that have not loaded yet fetch and replay; it is not done twice."""
        from pipeline.state import RunState

        others = [run for run in self._working(home) if run != self.run_id]
        plans = [RunState(home, run).plan for run in others]
        return Backfill(
            frozenset(
                f"{batch.dataset}/{item.input}"
                for plan in plans
                if plan is not None
                for batch in plan.batches
                for item in batch.inputs
            ),
            tuple(others),
        )

    def announce_work(self, home: Path) -> None:
        """Tell the other runs that this one fetches or replays."""
        working = self._working(home)
        HomeState.read(home).change(home, working=sorted({*working, self.run_id}))

    def _working(self, home: Path) -> list[str]:
        from pipeline.state import RunState

        return self._still_active(
            run for run in HomeState.read(home).working if not RunState(home, run).has_loaded
        )

    def wait_for(self, other_run_id: str) -> None:
        """Wait while another run is between its build and its publication.

        Raises:
            TryAgain: it is.
        """
        if other_run_id != self.run_id and self.active_runs([other_run_id]):
            raise TryAgain(f"run {other_run_id} has built and not published yet; this run waits for it")

    def _still_active(self, runs: Iterable[str]) -> list[str]:
        ids, active = list(runs), []
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = ids[start : start + IDS_AT_ONCE]
            ended = len(some) - self.active_runs(some)
            # The oldest first: each question is a request, and most often it is they that have ended.
            for number, run in enumerate(some):
                if not ended:
                    active += some[number:]
                    break
                if ended < len(some) - number and self.active_runs([run]):
                    active.append(run)
                else:
                    ended -= 1
        return active


def active_runs_of(ti: Any) -> ActiveRuns:
    """How a task instance asks Airflow for the queued and running runs of its DAG."""

    def active_runs(run_ids: list[str] | None) -> int:
        return int(ti.get_dr_count(dag_id=ti.dag_id, run_ids=run_ids, states=["queued", "running"]))

    return active_runs


def forget_left(home: Path, published: date) -> date | None:
    """What was left to another run is published: the latest such session; None when nothing was left."""
    state = HomeState.read(home)
    if state.left_session is None or state.left_session > published:
        return None
    state.change(home, left_session=None)
    return state.left_session
