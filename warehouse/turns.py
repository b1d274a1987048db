"""Who publishes, when the scheduler has several runs of the DAG going: a backfill publishes once, at its end.

In: how many runs Airflow holds as queued or running (asked of Airflow, so only a scheduler's run has turns), and small files in the home. Out: whether
this run leaves the publication to another one. The order is that of the tasks in the pool with one slot, which is why two runs never decide at once.
Caveat: `make run` has no turns; its lock on the home keeps every other `make run` out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NoReturn

from warehouse.run_record import LeftToAnother, TryAgain, has_loaded

# Airflow takes the ids in the address of a request, which has a limit.
IDS_AT_ONCE = 50

ActiveRuns = Callable[[list[str] | None], int]


@dataclass(frozen=True)
class Turns:
    """The turns of one run; `active_runs` counts the queued and running ones among the ids that it gets, or among all."""

    run_id: str
    is_backfill: bool
    active_runs: ActiveRuns

    def begin(self, home: Path) -> None:
        """Forget what an earlier attempt of this run decided."""
        _write(home, [run for run in _decided(home) if run != self.run_id])

    def leave_to_another(self, home: Path, session: date) -> date:
        """Raise LeftToAnother when this run belongs to a backfill and a run that has not built yet follows it.

        Else the session to build at: the run's own, or a later one that was left to it, for the runs need not end in the order of their sessions.
        Runs that have decided already, to leave it or to build, are not waited for: they saw less of `raw` than this one.
        """
        decided = self._still_active([run for run in _decided(home) if run != self.run_id])
        _write(home, [*decided, self.run_id])
        to_come = self.active_runs(None) - len(decided) - 1
        if self.is_backfill and to_come > 0:
            _leave(home, session, f"{to_come} more runs follow; the last of them builds and publishes")
        return max(session, _left(home) or session)

    def fetch_for_all(self, home: Path, session: date) -> None:
        """Be the one run of a backfill that fetches; raise LeftToAnother while another one is at it, for it fetches up to the last closed session."""
        file = home / "runs" / "fetching.txt"
        other = file.read_text(encoding="utf-8") if file.exists() else ""
        if other not in ("", self.run_id) and self.active_runs([other]) and not has_loaded(home, other):
            decided = [run for run in _decided(home) if run != self.run_id]
            _write(home, [*decided, self.run_id])
            _leave(home, session, f"run {other} is fetching for all sessions")
        _replace(file, self.run_id)

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


def _file(home: Path) -> Path:
    return home / "runs" / "decided.txt"


def _decided(home: Path) -> list[str]:
    return _file(home).read_text(encoding="utf-8").split() if _file(home).exists() else []


def _leave(home: Path, session: date, why: str) -> NoReturn:
    _replace(_left_file(home), str(max(session, _left(home) or session)))
    raise LeftToAnother(why)


def forget_left(home: Path, published: date) -> None:
    """What was left to another run is published."""
    left = _left(home)
    if left and left <= published:
        _left_file(home).unlink()


def _left(home: Path) -> date | None:
    file = _left_file(home)
    return date.fromisoformat(file.read_text(encoding="utf-8")) if file.exists() else None


def _left_file(home: Path) -> Path:
    return home / "runs" / "left_session.txt"


def _write(home: Path, runs: list[str]) -> None:
    _replace(_file(home), "\n".join(runs))


def _replace(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
