"""Which errors of a step Airflow tries again, and what a person reads of them."""

from __future__ import annotations

import errno
import json
import logging
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
import requests
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, AirflowTaskTimeout

from orchestration.context import _next_attempt
from orchestration.errors import airflow_errors
from pipeline.context import RunContext
from pipeline.endings import AskLater, LeftToAnother, Refused, StepFailed, TryAgain
from pipeline.errors import passes_by_itself
from pipeline.load import _missing_sentence, _Outcome, critical_sentence
from pipeline.run_record import status_on_failure
from pipeline.state import FailedRule
from warehouse.database import HomeError, WarehouseBusy
from warehouse.settings import Settings, SettingsError
from warehouse.status import refusal_of

AGAIN = [
    TryAgain("files did not answer"),
    WarehouseBusy("open elsewhere"),
    ConnectionResetError("reset"),
    TimeoutError("timed out"),
    requests.ConnectionError("no route"),
    OSError(errno.EIO, "Input/output error"),
    OSError(errno.ESTALE, "Stale file handle"),
    duckdb.IOException('IO Error: Could not set lock on file "w.duckdb": Conflicting lock is held'),
    MemoryError(),
    AirflowTaskTimeout("Timeout"),
]
FINAL = [
    StepFailed("SPY is missing."),
    HomeError("cannot be written"),
    SettingsError("ROTATION_SOURCE is unknown"),
    KeyError("x"),
    duckdb.BinderException("Referenced column not found"),
    duckdb.IOException("Could not write file: No space left on device"),
    duckdb.IOException('IO Error: Could not read from file "/data/clocks/w.duckdb"'),
    duckdb.IOException("IO Error: Corrupt database file: computed checksum 1 in block at location 0"),
    OSError(errno.ENOSPC, "No space left on device"),
    FileNotFoundError(errno.ENOENT, "No such file"),
    ZeroDivisionError("division by zero"),
    AssertionError(),
]


@pytest.mark.parametrize("error", AGAIN, ids=lambda error: repr(error)[:40])
def test_what_may_pass_is_tried_again(error: BaseException) -> None:
    assert passes_by_itself(error)
    with pytest.raises(type(error)) as caught, airflow_errors():
        raise error
    assert caught.value is error


@pytest.mark.parametrize("error", FINAL, ids=lambda error: repr(error)[:40])
def test_everything_else_is_not(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    assert not passes_by_itself(error)
    with pytest.raises(AirflowFailException) as caught, airflow_errors():
        raise error
    expected = isinstance(error, (StepFailed, HomeError, SettingsError))
    assert (type(error).__name__ in str(caught.value)) is not expected
    assert "\n" not in str(caught.value)
    # The trace of what nobody expected is in the log, once; a sentence that says what to do needs none.
    traces = [record for record in caplog.records if record.levelno == logging.ERROR and record.exc_info]
    assert len(traces) == (0 if expected else 1)


def test_a_run_left_to_another_is_skipped() -> None:
    with pytest.raises(AirflowSkipException, match="two more"), airflow_errors():
        raise LeftToAnother("two more runs follow")


@pytest.mark.parametrize(
    ("error", "attempt", "state", "message"),
    [
        (KeyError("x"), 1, "failed", "KeyError: 'x'"),
        (StepFailed("SPY is missing."), 1, "failed", "SPY is missing."),
        (
            TryAgain("files: no answer"),
            2,
            "running",
            "files: no answer (attempt 2 of 4, the next in a minute)",
        ),
        (TryAgain("files: no answer"), 4, "failed", "files: no answer (attempt 4 of 4, the last)"),
        (TimeoutError("slow"), 4, "failed", "TimeoutError: slow (attempt 4 of 4, the last)"),
    ],
)
def test_the_status_says_how_often_and_until_when(
    tmp_path: Path, error: Exception, attempt: int, state: str, message: str
) -> None:
    settings = Settings.from_environment({"ROTATION_SOURCE": "files", "ROTATION_HOME": str(tmp_path)})
    run = RunContext(settings, "a", attempt=attempt, attempts=4, next_attempt="in a minute")
    with pytest.raises(type(error)), status_on_failure(run, "build", date(2024, 7, 16)):
        raise error
    found = json.loads((settings.published / "status.json").read_text())
    assert (found["state"], found["message"]) == (state, message)


def test_a_damaged_database_has_its_own_sentence_in_every_step(tmp_path: Path) -> None:
    settings = Settings.from_environment({"ROTATION_SOURCE": "files", "ROTATION_HOME": str(tmp_path)})
    error = duckdb.IOException("IO Error: Corrupt database file: computed checksum 1 in block at location 0")
    run = RunContext(settings, "a", attempts=4)
    with pytest.raises(HomeError) as caught, status_on_failure(run, "load", date(2024, 7, 16)):
        raise error
    assert str(caught.value).startswith(f"A database file of {tmp_path} is damaged (IO Error: Corrupt")
    assert "Restore the last backup" in str(caught.value)
    found = json.loads((settings.published / "status.json").read_text())
    assert (found["state"], found["message"]) == ("failed", str(caught.value))


def test_a_wait_is_a_wait_where_the_status_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings.from_environment({"ROTATION_SOURCE": "files", "ROTATION_HOME": str(tmp_path)})
    settings.published.write_text("a file where the folder should be")
    wait = AskLater("waits for files", datetime(2024, 7, 16, 23))
    with pytest.raises(AskLater), status_on_failure(RunContext(settings, "a"), "fetch", date(2024, 7, 16)):
        raise wait
    assert "the status could not be written" in caplog.text


def test_a_refusal_leaves_no_status_behind(tmp_path: Path) -> None:
    settings = Settings.from_environment({"ROTATION_SOURCE": "files", "ROTATION_HOME": str(tmp_path)})
    with pytest.raises(Refused), status_on_failure(RunContext(settings, "a"), "plan", None):
        raise Refused("2024-07-04 is a Thursday.")
    assert [path.name for path in settings.published.iterdir()] == ["refused.json"]


def test_each_of_several_refusals_keeps_its_reason(tmp_path: Path) -> None:
    """The alert of the first is sent after the second was refused."""
    settings = Settings.from_environment({"ROTATION_SOURCE": "files", "ROTATION_HOME": str(tmp_path)})
    for number in range(4):
        with pytest.raises(Refused), status_on_failure(RunContext(settings, f"run-{number}"), "plan", None):
            raise Refused(f"no {number}")
    assert [refusal_of(settings, f"run-{number}") for number in range(5)] == [
        "no 0",
        "no 1",
        "no 2",
        "no 3",
        None,
    ]
    last = json.loads((settings.published / "refused.json").read_text())
    assert (last["run_id"], last["message"]) == ("run-3", "no 3")
    (settings.published / "refused.json").write_text('{"run_id": "old", "message": "of the version before"}')
    assert refusal_of(settings, "old") == "of the version before"


def test_a_message_that_may_be_long_begins_with_what_happened_and_is_bounded() -> None:
    problems = {("prices", f"S{n:02d}"): f"yahoo: S{n:02d}: {'strange answer ' * 60}" for n in range(60)}
    missing = _missing_sentence(_Outcome(problems=problems, required=set(problems)))
    assert missing.startswith(
        "Required input missing or unreadable, nothing is published (60 of them): yahoo: S00: strange"
    )
    assert missing.endswith("; and 55 more.") and len(missing) < 1400
    rules = [
        FailedRule(table_name="marts.x", rule=f"r{n}", severity="critical", failed_rows=9, sample="s" * 900)
        for n in range(60)
    ]
    critical = critical_sentence(rules)
    assert critical.startswith("60 critical rules failed, nothing is published: marts.x: r0")
    assert critical.endswith("; and 55 more.") and len(critical) < 1800
    one = _missing_sentence(_Outcome(problems={("prices", "SPY"): "no file"}, required={("prices", "SPY")}))
    assert one == "Required input missing or unreadable, nothing is published: no file."


def test_when_the_next_attempt_comes() -> None:
    task = SimpleNamespace(retry_delay=timedelta(seconds=30), max_retry_delay=timedelta(minutes=15))
    said = [_next_attempt(SimpleNamespace(task=task, try_number=number)) for number in (1, 3, 9)]
    assert said == ["in about 1 minute", "in about 2 minutes", "in about 15 minutes"]
