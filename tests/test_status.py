"""What the status keeps of several runs, and what `make status`, the watch and the alerts make of it; in
homes that hold nothing else.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerts.checks import check_publication, read_status
from cli import status
from pipeline.context import RunContext
from pipeline.run_record import remember_status, write_run_status
from warehouse.settings import Settings
from warehouse.status import open_runs, read_small, record_of, status_file, withdraw

OLD, NEW, NEWER = date(2024, 7, 12), date(2024, 7, 16), date(2024, 7, 17)


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """An empty home."""
    return Settings.from_environment({"ROTATION_SOURCE": "files", "ROTATION_HOME": str(tmp_path)})


def run_of(home: Settings, run_id: str, **changes: Any) -> RunContext:
    """A run of the home."""
    return RunContext(home, run_id, **changes)


def say(home: Settings, run_id: str, state: str, session: date | None, message: str | None = None) -> None:
    """One report of a run."""
    write_run_status(run_of(home, run_id), state, "load", message, session)


def problems(home: Settings, hours: float = 0) -> list[str]:
    """What is wrong, except that nothing was ever published."""
    found = check_publication(home, datetime.now(UTC) + timedelta(hours=hours)).problems
    assert found.pop() == "there is no publication"
    return found


def opened(home: Settings) -> list[tuple[str, str]]:
    """Runs that are open, with their state."""
    return [(run.run_id, run.state) for run in open_runs(read_status(home))]


def test_a_failure_is_open_until_its_session_or_a_later_one_succeeds(home: Settings) -> None:
    say(home, "a", "failed", NEW, "SPY is missing.")
    assert problems(home) == ["the last run failed at step load: SPY is missing."]
    say(home, "b", "success", OLD)
    [problem] = problems(home)
    assert problem.startswith("the run for 2024-07-16 failed on 20")
    assert problem.endswith(" UTC at step load: SPY is missing.")
    assert record_of(read_status(home), "a")["message"] == "SPY is missing."
    say(home, "c", "success", NEW)
    assert problems(home) == [] and record_of(read_status(home), "a") == {}


def test_a_later_session_makes_up_for_an_earlier_one(home: Settings) -> None:
    say(home, "a", "failed", OLD, "one")
    say(home, "b", "failed", NEW, "two")
    assert len(problems(home)) == 2
    say(home, "c", "success", NEWER)
    assert problems(home) == []


def test_of_two_failures_of_a_session_the_last_one_counts(home: Settings) -> None:
    say(home, "a", "failed", NEW, "one")
    say(home, "b", "failed", NEW, "two")
    say(home, "c", "failed", NEWER, "three")
    first, second = problems(home)
    assert first.endswith("two") and second == "the last run failed at step load: three"


def test_a_repair_that_fails_after_the_newest_session_succeeded_is_named(home: Settings) -> None:
    say(home, "a", "success", NEW)
    say(home, "b", "failed", OLD, "no bar")
    say(home, "c", "success", date(2024, 7, 11))
    [problem] = problems(home)
    assert "the run for 2024-07-12 failed" in problem
    say(home, "d", "success", NEWER)
    assert problems(home) == []


def test_a_run_that_was_killed_is_named_after_others_reported(home: Settings) -> None:
    say(home, "a", "running", NEWER)
    say(home, "b", "success", OLD)
    assert problems(home) == []
    assert problems(home, hours=7) == [
        "that run for 2024-07-17 ended without recording a result (killed?); run the session again"
    ]
    say(home, "a", "success", NEWER)
    assert problems(home, hours=7) == []


def test_a_run_that_goes_on_after_its_failure_is_no_failure(home: Settings) -> None:
    say(home, "a", "failed", NEW, "one")
    say(home, "a", "running", NEW)
    assert problems(home) == [] and opened(home) == [("a", "running")]


def test_a_session_that_turned_out_closed_is_not_missing(home: Settings) -> None:
    say(home, "a", "failed", date(2024, 7, 4), "No prices were returned.")
    assert problems(home) == []


def test_a_run_left_to_another_is_over_and_hides_nothing(home: Settings) -> None:
    say(home, "a", "failed", NEWER, "late")
    say(home, "x", "failed", OLD, "first attempt of the backfill")
    run = run_of(home, "b")
    run.state.folder.mkdir(parents=True)
    remember_status(run)
    say(home, "b", "running", OLD)
    say(home, "c", "running", NEW)
    withdraw(home, "b", OLD, read_small(run.state.folder / "status_before.json"))
    assert opened(home) == [("a", "failed"), ("c", "running")]
    assert read_status(home)["run_id"] == "c"
    withdraw(home, "c", NEW, read_small(run.state.folder / "status_before.json"))
    assert opened(home) == [("a", "failed")]
    assert (read_status(home)["run_id"], read_status(home)["state"]) == ("x", "failed")


def test_the_status_of_the_version_before_and_of_a_later_one(home: Settings) -> None:
    before = {
        "state": "failed",
        "step": "load",
        "message": "old words",
        "run_id": "a",
        "session_date": "2024-07-16",
        "written_at_utc": "2024-07-16T22:40:00",
    }
    home.published.mkdir()
    status_file(home).write_text(json.dumps(before))
    assert problems(home) == ["the last run failed at step load: old words"]
    say(home, "b", "success", OLD)
    assert opened(home) == [("a", "failed")]
    strange = [{"run_id": "z", "state": "paused"}, "words", None, {"run_id": "y"}]
    later = {**json.loads(status_file(home).read_text()), "shape": 9}
    later["open"] = [*({**entry, "colour": "red"} for entry in later["open"]), *strange]
    status_file(home).write_text(json.dumps(later))
    assert opened(home) == [("a", "failed")]
    say(home, "c", "success", NEW)
    assert opened(home) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"written_at_utc": "2024-07-16T18:40:00-04:00"},
            " failed on 2024-07-16 22:40 UTC at step load: words",
        ),
        ({"state": "running", "written_at_utc": "2024-07-16T22:40:00Z"}, " without recording a result"),
        ({"message": 5}, " failed on 2024-07-16 22:40 UTC at step load: 5"),
        ({"message": list(range(500))}, "… (published/status.json has all of it)"),
    ],
)
def test_what_somebody_else_wrote_in_the_status_breaks_no_check(
    home: Settings, changes: dict[str, Any], said: str
) -> None:
    say(home, "b", "success", OLD)
    entry = {
        "run_id": "a",
        "state": "failed",
        "step": "load",
        "message": "words",
        "session_date": "2024-07-16",
        "written_at_utc": "2024-07-16T22:40:00",
        **changes,
    }
    document = {**json.loads(status_file(home).read_text()), "open": [entry]}
    status_file(home).write_text(json.dumps(document))
    [problem] = problems(home)
    assert said in problem


def test_a_status_that_nests_without_end_is_one_that_cannot_be_read(home: Settings) -> None:
    home.published.mkdir()
    status_file(home).write_text("[" * 100_000)
    [problem] = check_publication(home, datetime.now(UTC)).problems
    assert "status.json cannot be read" in problem
    say(home, "b", "success", OLD)
    assert problems(home) == []


def test_a_home_of_an_earlier_version_is_named_once(
    home: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(status, "check_publication", lambda settings, now: sound)
    (home.home / "home.json").write_text('{"kind": "real", "layout": 4}')
    monkeypatch.setenv("ROTATION_SOURCE", "files")
    monkeypatch.setenv("ROTATION_HOME", str(home.home))
    say(home, "b", "success", OLD)
    sound = check_publication(home, datetime.now(UTC))
    sound.problems.clear()
    assert status.main() == 0
    assert capsys.readouterr().out.count("the next run migrates it to layout") == 1


def test_a_failure_without_a_session_is_over_with_the_next_success(home: Settings) -> None:
    say(home, "a", "failed", None, "ROTATION_SOURCE is unknown.")
    assert problems(home) == ["the last run failed at step load: ROTATION_SOURCE is unknown."]
    say(home, "b", "success", OLD)
    assert problems(home) == []


def test_a_long_message_leaves_room_for_the_others(home: Settings) -> None:
    say(home, "a", "failed", OLD, "long " * 500)
    say(home, "b", "failed", NEW, "short")
    first, second = problems(home)
    assert len(first) < 520 and first.endswith("… (published/status.json has all of it)")
    assert second.endswith("short")


def test_reports_side_by_side_lose_nothing(home: Settings) -> None:
    """Mapped tasks of several runs report at once."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: say(home, f"run-{n}", "failed", NEW - timedelta(days=n), "x"), range(40)))
    assert {run for run, _ in opened(home)} == {f"run-{n}" for n in range(40)}


def test_scheduled_runs_side_by_side_make_a_home_scheduled(home: Settings) -> None:
    """Fetch tasks of two runs report in turn, and each replaces the other's note."""

    def wait(number: int) -> None:
        run = run_of(home, f"scheduled__{number % 2}", scheduled=True)
        write_run_status(run, "running", "fetch", "waits", NEW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(wait, range(80)))
    assert read_small(home.published / "scheduled.json")["run_id"] in ("scheduled__0", "scheduled__1")


def test_only_a_scheduled_run_makes_a_home_scheduled(home: Settings) -> None:
    say(home, "manual__1", "failed", NEW, "x")
    assert not (home.published / "scheduled.json").exists()
    write_run_status(run_of(home, "scheduled__1", scheduled=True), "running", "plan", None, NEW)
    assert read_small(home.published / "scheduled.json")["session_date"] == "2024-07-16"
    say(home, "manual__2", "success", NEW)
    assert (home.published / "scheduled.json").exists()
