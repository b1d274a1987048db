"""What a person reads in a task's log: each missing input and each failed rule on a line of its own, at its
level; a failure as its sentence, without Airflow's frames; nothing of Great Expectations' own.
"""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from contextlib import redirect_stdout
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipeline.endings import StepFailed
from pipeline.log import show_progress
from tests.small_market import run_day, small_settings, write_small_market
from warehouse.settings import REPOSITORY

# What Airflow's task runner does when a task raises, with Airflow's own logging.
FAIL = """
import sys
import structlog
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.log import configure_logging

configure_logging(json_output=True, output=open(sys.argv[1], "wb"))
log = structlog.get_logger(logger_name="task")
log.info("before")  # the logger is bound by now, as it is when a task starts

from orchestration.log import show_sentences
from orchestration.errors import AS_SENTENCES

for _ in range(2):
    show_sentences(*AS_SENTENCES)
for error in (AirflowFailException("prices/SPY is missing: put it back."), KeyError("close")):
    try:
        raise error
    except Exception:
        log.exception("Task failed with exception")
try:
    raise KeyError("close")
except KeyError as error:
    log.error("with the exception itself", exc_info=error)
"""


def test_a_failure_is_its_sentence_without_frames(tmp_path: Path) -> None:
    log = tmp_path / "attempt=1.log"
    subprocess.run(
        [sys.executable, "-c", FAIL, str(log)],
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY), "AIRFLOW_HOME": str(tmp_path), "PATH": ""},
        check=True,
        timeout=120,
    )
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    told = [line for line in lines if line["level"] == "error"]
    assert told[0]["event"] == "prices/SPY is missing: put it back."
    assert "error_detail" not in told[0] and "exception" not in told[0]
    # What nobody expected keeps its frames.
    for other, event in zip(
        told[1:], ("Task failed with exception", "with the exception itself"), strict=True
    ):
        assert other["event"] == event
        assert "KeyError" in json.dumps(other) and "frames" in json.dumps(other)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small market of ten weeks: a required and an optional file that cannot be read, and a wrong row."""
    folder = write_small_market(tmp_path_factory.mktemp("market"), end=date(2022, 3, 16))
    for name in ("prices/QQQ.csv", "fred/ICSA.csv"):
        (folder / name).write_text("<html>busy</html>", encoding="utf-8")
    (folder / "prices" / "SPY.csv").unlink()
    path = folder / "prices" / "KRE.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    wrong = lines[-2].split(",")
    wrong[2] = "0.01"  # the high below the close
    lines[-2] = ",".join(wrong)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_every_missing_input_and_every_failed_rule_is_a_line_at_its_level(
    market: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    show_progress()
    shown = io.StringIO()
    with redirect_stdout(shown), pytest.raises(StepFailed):
        run_day(small_settings(market, tmp_path / "home"), "2022-03-16")
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]

    def levels(start: str) -> list[str]:
        return [level for level, text in lines if text.startswith(start)]

    # Not there: required, optional. There and unreadable: required, optional. A row that breaks two rules.
    assert levels("fetch: prices/SPY is missing: files: ") == ["ERROR"]
    assert levels("fetch: prices/XLK is missing: files: ") == ["INFO"]
    assert levels("load: prices/QQQ is not taken: files: prices/QQQ: column ") == ["ERROR"]
    assert levels("load: fred/ICSA is not taken: files: fred/ICSA: column ") == ["WARNING"]
    assert levels("raw.equity_prices: high_is_not_below_low failed for 1 row (symbol=KRE, ") == ["WARNING"]
    optional = next(text for _, text in lines if "optional inputs missing" in text)
    assert len(optional) < 250 and " more; the logs of fetch and load name each" in optional
    # `make run` shows progress and keeps the single inputs for its summary.
    assert "fetch: prices 1/4: AGG … IJK: " in shown.getvalue() and "load: prices: " in shown.getvalue()
    assert " is missing: " not in shown.getvalue() and "is not taken" not in shown.getvalue()
    assert not [record for record in caplog.records if record.name.startswith("great_expectations")]
    recorded = step_messages(tmp_path / "home")["load"]
    assert "SPY" in recorded and recorded.startswith("Required input missing or unreadable")


def step_messages(home: Path) -> dict[str, str]:
    """What `ops.runs` says of each step."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return dict(connection.execute("select step, message from ops.runs").fetchall())
