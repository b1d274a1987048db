"""The one argument of every step: what it knows about its run."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from market_calendar.dag_session import sessions_of_run
from pipeline.endings import StepFailed
from pipeline.state import RunPlan, RunState
from pipeline.turns import Turns
from warehouse.clock import utc_now
from warehouse.settings import Settings


@dataclass(frozen=True)
class Requested:
    """What a run was asked for.

    Attributes:
        partition_key, parameter, logical_date: where it names its session; the first that is set counts.
            `parameter` is as a person wrote it, and may name a range.
        fetch_again: inputs (`prices/SPY`) or kinds (`prices`) whose whole history is fetched again.
        dry_run: whether it only says what it would do.
        rebuild: whether every model is built anew instead of extended.
        unknown: names of parameters that there are not, such as a misspelt one.
    """

    partition_key: str | None = None
    parameter: Any = None
    logical_date: datetime | None = None
    fetch_again: tuple[str, ...] = ()
    dry_run: bool = False
    rebuild: bool = False
    unknown: tuple[str, ...] = ()

    def session_texts(self, now: datetime) -> tuple[str, str]:
        """The first and the last session as they were written, not checked yet; the newest one that is due
        when nothing names one.

        Raises:
            SessionUnknown: the parameter is neither one date nor a range.
        """
        return sessions_of_run(
            partition_key=self.partition_key,
            parameter=self.parameter,
            logical_date=self.logical_date,
            now=now,
        )


@dataclass(frozen=True)
class RunContext:
    """One run as a step sees it.

    Attributes:
        settings: of this process.
        run_id: the run, as Airflow calls it.
        requested: which session it is for; only `plan` asks.
        turns: whose turn it is among the runs of a scheduler; None in `make run`, which holds the home.
        batch: the fetch batch of a mapped task; only `fetch` asks.
        patient: whether a provider that is late is waited for, as a scheduler does and a person does not.
        unwoken: whether the wait for a late provider ended because nobody woke the task: no triggerer runs.
        scheduled: whether the schedule started it.
        attempt: the number of this attempt of the step.
        attempts: how many there are at most; 0 where nobody counts them.
        next_attempt: when the next one comes, in words.
        clock: the present moment as naive UTC.
    """

    settings: Settings
    run_id: str
    requested: Requested = field(default_factory=Requested)
    turns: Turns | None = None
    batch: int | None = None
    patient: bool = False
    unwoken: bool = False
    scheduled: bool = False
    attempt: int = 1
    attempts: int = 0
    next_attempt: str = ""
    clock: Callable[[], datetime] = utc_now

    def for_batch(self, number: int) -> RunContext:
        """The same run, for one fetch batch."""
        return replace(self, batch=number)

    @property
    def is_last_attempt(self) -> bool:
        """Whether no other attempt follows a failure."""
        return 0 < self.attempts <= self.attempt

    @property
    def attempt_text(self) -> str:
        """How often an error that may pass was met, and when the next attempt comes."""
        if not self.attempts:
            return ""
        then = "the last" if self.is_last_attempt else f"the next {self.next_attempt or 'soon'}"
        return f" (attempt {self.attempt} of {self.attempts}, {then})"

    @property
    def state(self) -> RunState:
        """The run's hand-overs."""
        return RunState(self.settings.home, self.run_id)

    @property
    def plan(self) -> RunPlan:
        """What `plan` decided.

        Raises:
            StepFailed: its folder is not here: removed, as after a restore, or on another machine.
        """
        plan = self.state.plan
        if plan is None:
            raise StepFailed(
                f"Run {self.run_id} has no plan in {self.state.folder} (seen from {socket.gethostname()}). If"
                " it was planned on another machine, give every worker of this DAG the same folder as"
                " ROTATION_HOME (docs/deploy-existing-airflow.md, Where tasks run); if the folder was"
                " removed, start the run again from its first task."
            )
        return plan

    @property
    def session(self) -> date:
        """The session that the run is for, the last one of a range."""
        return self.plan.session

    @property
    def target(self) -> date:
        """The session at which it builds: its own, or the high-water session when that is later."""
        return self.plan.target
