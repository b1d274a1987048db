"""Whatever order a scheduler chooses: one publication per backfill, at its latest session, and no run waits
for ever.

The decisions of `pipeline.turns` on a home that holds nothing but the files they read: what the runs know of
each other and their hand-overs. The runs are made up: a `Run` asks for its turn where `pipeline.plan`,
`build` and `publish` do (tests/test_turns.py has real ones), and `Queue` is what Airflow would answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.base import PlannedInput
from market_calendar.sessions import sessions_between
from pipeline.endings import LeftToAnother, TryAgain
from pipeline.home_state import HomeState
from pipeline.state import FetchBatch, LoadSummary, RunPlan, RunState
from pipeline.turns import Backfill, Turns, forget_left
from tests.queued_runs import Queue
from warehouse import durable
from warehouse.clock import utc_now
from warehouse.database import LAYOUT

LAST_HELD = date(2024, 12, 31)
SESSIONS = sessions_between(date(2023, 1, 3), date(2024, 7, 16))


@dataclass
class Home:
    """A home as the turns see it, and what was published from it."""

    folder: Path
    built_by: str | None = None
    published: list[tuple[str, date]] = field(default_factory=list)
    waited: int = 0


@dataclass
class Run:
    """One run; `go_on` takes its next step, or again the one in which it had to wait."""

    home: Home
    turns: Turns
    session: date
    finds_work: bool = True
    ended: bool = False

    def __post_init__(self) -> None:
        self._step = self._steps()

    def go_on(self) -> bool:
        """Take a step; whether it was more than waiting."""
        waited = self.home.waited
        try:
            next(self._step)
        except (StopIteration, LeftToAnother):
            self.ended = True
        return self.home.waited == waited

    def _steps(self) -> Iterator[None]:
        folder, turns, target = self.home.folder, self.turns, self.session
        turns.begin(folder)
        if turns.is_backfill:
            turns.at_work(folder)
        if not self.finds_work:
            target = turns.leave_to_another(folder, target, LAST_HELD)
        RunState(folder, turns.run_id).write("plan", plan_of(self))
        if turns.is_backfill:
            turns.announce_work(folder)
        yield
        RunState(folder, turns.run_id).write("loaded", LoadSummary())
        yield
        while True:
            published = max((session for _, session in self.home.published), default=target)
            target = turns.leave_to_another(folder, max(target, published), LAST_HELD)
            try:
                turns.wait_for(self.home.built_by or turns.run_id)
                break
            except TryAgain:
                self.home.waited += 1
                yield
        self.home.built_by = turns.run_id
        yield
        assert self.home.built_by == turns.run_id, "nobody takes the build of a run that is at work"
        self.home.published.append((turns.run_id, target))
        forget_left(folder, target)
        self.home.built_by = None


@pytest.fixture(scope="module", autouse=True)
def without_waiting_for_the_disk() -> Iterator[None]:
    """Nothing is cut off here, and thousands of small files are written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "sync", lambda path: None)
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


def plan_of(run: Run) -> RunPlan:
    """A plan that fetches SPY, or nothing."""
    batch = FetchBatch(number=0, dataset="prices", inputs=(PlannedInput("SPY", run.session, run.session),))
    return RunPlan(
        run_id=run.turns.run_id,
        session=run.session,
        target=run.session,
        source="files",
        started_at_utc=utc_now(),
        layout=LAYOUT,
        batches=(batch,) if run.finds_work else (),
    )


def play(data: st.DataObject, queue: Queue, runs: list[Run], *, deaths: int = 0) -> None:
    """All steps of all runs in an order that hypothesis chooses, until Airflow counts none of them; `deaths`
    of them die on the way. Airflow notices the end of a run some time after its last task.
    """
    going, noticed_late, waited = list(runs), [], 0
    while going:
        run = data.draw(st.sampled_from(going))
        if deaths and data.draw(st.integers(0, 9)) == 0:
            deaths, run.ended = deaths - 1, True
        elif run.go_on():
            waited = 0
        else:
            # Every one of them had the time to go on many times over.
            waited += 1
            assert waited < 50 * len(runs), "the runs wait for each other"
        if run.ended:
            going.remove(run)
            noticed_late.append(run)
        while noticed_late and (waited > 10 or data.draw(st.booleans())):
            queue.active.remove(noticed_late.pop(0).turns.run_id)


def backfill(home: Home, queue: Queue, sessions: list[date], idle: set[int]) -> list[Run]:
    """The runs of a backfill; those of `idle` find nothing to fetch."""
    runs = [
        Run(home, queue.turns(f"backfill__{session}"), session, number not in idle)
        for number, session in enumerate(sessions)
    ]
    queue.active += [run.turns.run_id for run in runs]
    return runs


IDLE = st.sets(st.integers(0, 11))


@given(data=st.data(), count=st.integers(1, 12), idle=IDLE)
def test_a_backfill_publishes_once_at_its_latest_session(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, count: int, idle: set[int]
) -> None:
    home, queue = Home(tmp_path_factory.mktemp("home")), Queue([])
    play(data, queue, backfill(home, queue, SESSIONS[:count], idle))
    assert [session for _, session in home.published] == [SESSIONS[count - 1]]
    assert HomeState.read(home.folder).left_session is None


@given(data=st.data(), count=st.integers(1, 8), others=st.integers(1, 3), idle=IDLE)
def test_other_runs_publish_while_a_backfill_goes_on_and_never_go_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, count: int, others: int, idle: set[int]
) -> None:
    """Each scheduled run publishes; the backfill once at most: it may be left to a scheduled run."""
    home, queue = Home(tmp_path_factory.mktemp("home")), Queue([])
    runs = backfill(home, queue, SESSIONS[10 : 10 + count], idle)
    for number in range(others):
        session = SESSIONS[data.draw(st.integers(0, 20))]
        runs.append(Run(home, queue.turns(f"scheduled__{number}", backfill=False), session))
        queue.active.append(f"scheduled__{number}")
    play(data, queue, runs)
    scheduled = [run_id for run_id, _ in home.published if run_id.startswith("scheduled")]
    assert sorted(scheduled) == [f"scheduled__{number}" for number in range(others)]
    assert others <= len(home.published) <= others + 1
    targets = [session for _, session in home.published]
    assert targets == sorted(targets) and targets[-1] == max(run.session for run in runs)


@given(data=st.data(), count=st.integers(2, 8), deaths=st.integers(1, 8), idle=IDLE)
def test_nobody_waits_for_the_dead_and_the_next_run_publishes_what_was_left_to_them(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, count: int, deaths: int, idle: set[int]
) -> None:
    home, queue = Home(tmp_path_factory.mktemp("home")), Queue([])
    play(data, queue, backfill(home, queue, SESSIONS[:count], idle), deaths=deaths)
    left = HomeState.read(home.folder).left_session
    queue.active = ["scheduled__next"]
    play(data, queue, [Run(home, queue.turns("scheduled__next", backfill=False), SESSIONS[0])])
    run_id, session = home.published[-1]
    assert run_id == "scheduled__next"
    assert session == max([SESSIONS[0], *([left] if left else []), *(day for _, day in home.published)])
    assert HomeState.read(home.folder).left_session is None


def test_what_was_left_is_built_no_later_than_raw_holds(tmp_path: Path) -> None:
    queue = Queue(["backfill__late", "backfill__early"])
    with pytest.raises(LeftToAnother):
        queue.turns("backfill__late").leave_to_another(tmp_path, SESSIONS[9], None)
    early = queue.turns("backfill__early")
    assert early.leave_to_another(tmp_path, SESSIONS[2], SESSIONS[5]) == SESSIONS[5]
    assert early.leave_to_another(tmp_path, SESSIONS[2], SESSIONS[1]) == SESSIONS[2]
    assert early.leave_to_another(tmp_path, SESSIONS[2], None) == SESSIONS[2]


def test_what_others_fetch_is_known_until_they_have_loaded(tmp_path: Path) -> None:
    home, queue = Home(tmp_path), Queue([])
    first, second = backfill(home, queue, SESSIONS[:2], set())
    first.go_on()
    assert second.turns.at_work(tmp_path) == Backfill(frozenset({"prices/SPY"}), (first.turns.run_id,))
    assert first.turns.at_work(tmp_path) == Backfill()
    first.go_on()
    assert second.turns.at_work(tmp_path) == Backfill()
    # A run that died in its fetch is no longer active: nobody relies on it.
    second.go_on()
    queue.active.remove(second.turns.run_id)
    assert first.turns.at_work(tmp_path) == Backfill()


@settings(max_examples=60)
@given(data=st.data(), count=st.integers(1, 130), repeated=st.integers(0, 3))
def test_exactly_the_last_to_decide_publishes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, count: int, repeated: int
) -> None:
    """In any order, with runs that end late, end at once, or are started again."""
    home = tmp_path_factory.mktemp("home")
    sessions = [str(day) for day in SESSIONS[:count]]
    queue = Queue([f"backfill__{session}" for session in sessions])
    waiting = data.draw(st.permutations(queue.active))
    again = waiting[:repeated]
    decided: list[tuple[str, bool]] = []
    for run_id in waiting:
        turns = queue.turns(run_id)
        for _ in range(2 if run_id in again else 1):
            turns.begin(home)
            try:
                session = date.fromisoformat(run_id.removeprefix("backfill__"))
                built_at = turns.leave_to_another(home, session, date(2024, 12, 31))
                published = True
            except LeftToAnother:
                published = False
        decided.append((run_id, published))
        # Airflow notices the end of a run some time after its last task.
        for ended in [run for run, _ in decided if run in queue.active][: data.draw(st.integers(0, 2))]:
            queue.active.remove(ended)
    assert [published for _, published in decided] == [False] * (count - 1) + [True]
    assert str(built_at) == max(sessions)
