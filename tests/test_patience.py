"""How a fetch waits for a late source: what it asks for again, how often, until when, and what it says.

A folder of files is the source, the clock is the test's, and no database is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from datasets.base import PlannedInput
from market_calendar.sessions import sessions_between
from orchestration.operators import FetchOperator
from pipeline import steps
from pipeline.context import RunContext
from pipeline.endings import AskLater, TryAgain
from pipeline.patience import wait_minutes, waited_sentence
from pipeline.state import FetchBatch, RunPlan
from pipeline.turns import Turns
from sources.files import FilesProvider
from sources.protocol import BarNotThere, SourceUnavailable
from warehouse.database import LAYOUT
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings, SettingsError

SESSION, BEFORE = date(2024, 7, 16), date(2024, 7, 15)
DUE = datetime(2024, 7, 16, 22, 30)
HEADER = "Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits\n"


class World:
    """A run of SPY and IWM (required) and of DIA, XLE, XLF, its source and its clock; DIA is there."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = DUE + timedelta(minutes=1)
        self.files = folder / "files"
        (self.files / "prices").mkdir(parents=True)
        self.settings = Settings.from_environment(
            {
                "ROTATION_SOURCE": "files",
                "ROTATION_FILES_DIR": str(self.files),
                "ROTATION_HOME": str(folder / "home"),
                "ROTATION_HISTORY_START": "2024-07-01",
            }
        )
        self.asked: list[str] = []
        self.silent: dict[str, Exception] = {}
        fetch = FilesProvider.fetch

        def watched(source: FilesProvider, request: Request) -> Payload:
            self.asked.append(request.input)
            if request.input in self.silent:
                raise self.silent[request.input]
            return fetch(source, request)

        monkeypatch.setattr(FilesProvider, "fetch", watched)
        for symbol in ("SPY", "IWM", "XLE", "XLF"):
            self.write(symbol, BEFORE)
        self.write("DIA", SESSION)

    def remove(self, symbol: str) -> None:
        """The source has no file of the symbol."""
        (self.files / "prices" / f"{symbol}.csv").unlink()

    def write(self, symbol: str, last: date) -> None:
        """The symbol's file up to a day."""
        days = sessions_between(date(2024, 5, 1), last)
        rows = "".join(f"{day},10,11,9,10,10,1000,0,0\n" for day in days)
        (self.files / "prices" / f"{symbol}.csv").write_text(HEADER + rows)

    def run(self, **changes: Any) -> RunContext:
        """The run with its plan: three batches."""
        given: dict[str, Any] = {"patient": True, "batch": 0, "clock": lambda: self.now, "scheduled": True}
        run = RunContext(self.settings, "scheduled__1", **(given | changes))
        if not (run.state.folder / "plan.json").exists():
            self.plan(run, SESSION)
        return run

    def plan(self, run: RunContext, session: date) -> None:
        def planned(name: str, required: bool) -> PlannedInput:
            return PlannedInput(name, date(2024, 7, 1), session, required=required)

        batches = (
            FetchBatch(number=0, dataset="prices", inputs=(planned("SPY", True), planned("DIA", False))),
            FetchBatch(number=1, dataset="prices", inputs=(planned("IWM", True),)),
            FetchBatch(number=2, dataset="prices", inputs=(planned("XLE", False), planned("XLF", False))),
        )
        plan = RunPlan(
            run_id=run.run_id,
            session=session,
            target=session,
            source="files",
            started_at_utc=DUE,
            layout=LAYOUT,
            batches=batches,
        )
        run.state.write("plan", plan)

    @property
    def status(self) -> dict[str, Any]:
        """What the status file says."""
        found: dict[str, Any] = json.loads((self.settings.published / "status.json").read_text())
        return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.delenv("ROTATION_WAIT_MINUTES", raising=False)
    yield World(tmp_path, monkeypatch)


def wait(run: RunContext) -> AskLater:
    """One call that waits."""
    with pytest.raises(AskLater) as caught:
        steps.fetch(run)
    return caught.value


def test_a_bar_that_is_late_is_waited_for_and_only_it_is_asked_for_again(world: World) -> None:
    run = world.run()
    first = wait(run)
    assert first.at == world.now + timedelta(minutes=1)
    assert str(first) == (
        "waits for files: SPY has no bar of 2024-07-16 yet; asked once since 22:31 UTC, next 22:32 UTC,"
        " until 2024-07-17 02:30 UTC"
    )
    assert (world.status["state"], world.status["message"]) == ("running", str(first))
    assert world.asked == ["SPY", "DIA"]
    world.now = first.at
    second = wait(run)
    assert second.at - world.now == timedelta(minutes=2) and world.asked == ["SPY", "DIA", "SPY"]
    assert "asked 2 times since 22:31 UTC" in str(second)
    world.write("SPY", SESSION)
    world.now = second.at
    fetched = steps.fetch(run)
    assert world.asked == ["SPY", "DIA", "SPY", "SPY"]
    assert fetched.waiting is None and not fetched.inputs["SPY"].late
    assert waited_sentence(run, run.plan) == ""


def test_what_the_source_does_not_have_is_not_asked_for_at_each_wait(world: World) -> None:
    world.remove("DIA")
    run = world.run()
    world.now = wait(run).at
    wait(run)
    assert world.asked == ["SPY", "DIA", "SPY"]


def test_batches_that_wait_are_one_sentence(world: World) -> None:
    wait(world.run())
    both = wait(world.run(batch=1))
    assert "waits for files: SPY and 1 more have no bar of 2024-07-16 yet" in str(both)


def test_after_the_deadline_the_run_goes_on_with_what_there_is(world: World) -> None:
    run, pauses = world.run(), []
    while True:
        try:
            steps.fetch(run)
        except AskLater as later:
            pauses.append((later.at - world.now) / timedelta(minutes=1))
            world.now = later.at
        else:
            break
    assert pauses == sorted(pauses[:-1]) + pauses[-1:]
    assert pauses[:7] == [1, 2, 5, 10, 15, 20, 30]
    assert world.now == DUE + timedelta(minutes=240)
    assert run.state.fetched(0).inputs["SPY"].landed, "what was served is loaded"
    assert waited_sentence(run, run.plan) == (
        f"The source was asked {len(pauses) + 1} times between 2024-07-16 22:31 UTC and 02:30 UTC."
    )
    before = len(world.asked)
    steps.fetch(run)
    assert len(world.asked) == before, "an attempt after a kill does not wait again"


@pytest.mark.parametrize(
    "changes",
    [
        {"patient": False},
        {"turns": Turns("backfill__1", True, lambda ids: 1)},
        {"clock": lambda: datetime(2024, 7, 17, 22, 31)},  # the next session is due
        {"clock": lambda: DUE + timedelta(minutes=241)},
    ],
    ids=["make run", "backfill", "an older session", "late in the evening"],
)
def test_who_does_not_wait(world: World, changes: dict[str, Any]) -> None:
    assert steps.fetch(world.run(**changes)).waiting is None
    assert world.asked == ["SPY", "DIA"]


def test_an_older_session_is_not_waited_for_whatever_the_setting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATION_WAIT_MINUTES", "20000")
    world.now = DUE + timedelta(days=1, minutes=1)
    run = world.run()
    run.state.write("plan", run.plan.model_copy(update={"started_at_utc": world.now}))
    assert steps.fetch(run).waiting is None


def test_an_optional_bar_is_not_waited_for(world: World) -> None:
    world.write("SPY", SESSION)
    world.write("DIA", BEFORE)
    assert steps.fetch(world.run()).waiting is None


def test_an_optional_bar_is_asked_for_again_while_a_required_one_is(world: World) -> None:
    world.write("DIA", BEFORE)
    run = world.run()
    first = wait(run)
    assert "SPY and 1 more have no bar" in str(first)
    world.write("SPY", SESSION)
    world.now = first.at
    assert steps.fetch(run).waiting is None
    assert world.asked == ["SPY", "DIA", "SPY", "DIA"]


def test_a_source_that_is_late_as_a_whole_is_waited_for_by_optional_inputs_too(world: World) -> None:
    later = wait(world.run(batch=2))
    assert "XLE and 1 more have no bar of 2024-07-16 yet" in str(later) and "until 2024-07-17 02:30" in str(
        later
    )
    world.write("XLF", SESSION)
    world.now = later.at
    assert steps.fetch(world.run(batch=2)).waiting is None


@pytest.mark.parametrize(("last", "waits"), [("2024-07-11", True), ("2024-07-10", False)])
def test_a_source_that_ended_is_not_waited_for(world: World, last: str, waits: bool) -> None:
    """Three sessions missing are late, four are the end."""
    world.write("SPY", date.fromisoformat(last))
    if waits:
        wait(world.run())
    else:
        assert steps.fetch(world.run()).waiting is None


@pytest.mark.parametrize(("last", "waits"), [(BEFORE, True), (date(2024, 4, 1), False), (None, True)])
def test_a_provider_that_says_so_itself(world: World, last: date | None, waits: bool) -> None:
    world.silent["SPY"] = BarNotThere("yahoo: SPY: the bar of 2024-07-16 is missing", last)
    if waits:
        assert "SPY has no bar of 2024-07-16 yet" in str(wait(world.run()))
    else:
        assert steps.fetch(world.run()).inputs["SPY"].kind == "BarNotThere"


def test_a_source_that_does_not_answer(world: World) -> None:
    world.silent["SPY"] = SourceUnavailable("files: SPY: timed out")
    run = world.run()
    assert "waits for files: nothing served for SPY; asked once" in str(wait(run))
    world.silent.clear()
    world.now += timedelta(minutes=1)
    # It answers, and its bar is late.
    assert "SPY has no bar" in str(wait(run))
    world.silent["SPY"] = SourceUnavailable("files: SPY: timed out")
    world.now += timedelta(minutes=2)
    wait(run)
    assert run.state.fetched(0).inputs["SPY"].landed, "the answer before stays"


def test_an_optional_input_that_does_not_answer_is_waited_for_an_hour(world: World) -> None:
    world.write("SPY", SESSION)
    world.silent["DIA"] = SourceUnavailable("files: DIA: timed out")
    run, start = world.run(), world.now
    while True:
        try:
            steps.fetch(run)
        except AskLater as later:
            world.now = later.at
        else:
            break
    assert world.now - start == timedelta(hours=1)


def test_without_patience_a_silent_source_is_asked_four_times(world: World) -> None:
    world.silent["SPY"] = SourceUnavailable("files: SPY: timed out")
    run = world.run(patient=False)
    for _ in range(3):
        with pytest.raises(TryAgain):
            steps.fetch(run)
    assert steps.fetch(run).inputs["SPY"].kind == "SourceUnavailable"


@pytest.mark.parametrize(("text", "minutes"), [("", 240), ("0", 0), ("90", 90), ("12.5", 12.5)])
def test_the_setting(monkeypatch: pytest.MonkeyPatch, text: str, minutes: float) -> None:
    monkeypatch.setenv("ROTATION_WAIT_MINUTES", text)
    assert wait_minutes() == minutes


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf", "1e9", "4 h"])
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ROTATION_WAIT_MINUTES", text)
    with pytest.raises(SettingsError, match=re.escape(f"ROTATION_WAIT_MINUTES={text!r}")):
        wait_minutes()


def test_a_wait_ends_before_airflow_stops_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTATION_WAIT_MINUTES", "5000")
    assert "until 2024-07-17 03:30 UTC" in str(wait(world.run()))


def test_no_wait_at_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTATION_WAIT_MINUTES", "0")
    assert steps.fetch(world.run()).waiting is None


def test_where_no_triggerer_wakes_the_task_the_wait_ends(world: World) -> None:
    run = world.run()
    wait(run)
    world.now += timedelta(minutes=7)
    steps.fetch(world.run(unwoken=True))
    assert world.asked == ["SPY", "DIA", "SPY"]
    assert waited_sentence(run, run.plan) == (
        "The source was asked 2 times between 22:31 UTC and 22:32 UTC. Airflow did not wake the waiting task"
        " in time, so the wait ended early: no triggerer is running. Start one (`airflow triggerer`)."
    )
    steps.fetch(run)
    assert world.asked == ["SPY", "DIA", "SPY"], "a later attempt does not wait again"


def test_the_operator_defers_and_resumes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = FetchOperator(task_id="fetch", batch={"batch": 0})
    unwoken: list[bool] = []

    def context_of(context: Any, **given: Any) -> RunContext:
        unwoken.append(given["unwoken"])
        return world.run(unwoken=given["unwoken"])

    monkeypatch.setattr("orchestration.context.run_context", context_of)
    with pytest.raises(TaskDeferred) as deferred:
        operator.translated({})
    found = deferred.value
    assert found.trigger.moment == (DUE + timedelta(minutes=2)).replace(tzinfo=UTC)
    assert (found.method_name, found.timeout) == ("ask_again", timedelta(minutes=6))
    world.now += timedelta(minutes=1)
    with pytest.raises(TaskDeferred):
        operator.resume_execution("ask_again", {"event": None}, {})
    assert operator.resume_execution("__fail__", {"error": "Trigger timeout"}, {})["landed"] == 2
    assert unwoken == [False, False, True]
