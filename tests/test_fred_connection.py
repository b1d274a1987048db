"""The FRED key as an Airflow connection that is kept in Airflow's metadata: found by a worker's task, and
nowhere to be read afterwards.
"""

from __future__ import annotations

import base64
import secrets
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from tests.faults.canary import hits
from tests.faults.feed import Feed
from tests.faults.server import Server
from tests.scheduler_fixture import RunningAirflow
from warehouse.settings import REPOSITORY

STORED_KEY = "canary0key0kept0by0airflow000000"
ASKING_DAG = """
from airflow.sdk import dag, task

@dag(schedule=None)
def ask():
    @task
    def fetch():
        from datetime import date
        from sources.fred import FredSource
        from warehouse.payloads import Request
        from warehouse.settings import environment

        source = FredSource(environment())
        print("a key was found:", source.key is not None)
        return len(source.fetch(Request("fred", "DGS10", date(2024, 6, 3), date(2024, 7, 16))).content)
    fetch()

ask()
"""


def test_outside_a_task_airflow_is_not_asked_for_a_key() -> None:
    """`make status` and scripts work without Airflow, and a process that merely imported the Task SDK is no
    task.
    """
    code = (
        "import sys; from sources.fred import find_key; assert find_key({}) is None; assert not"
        " any(name.partition('.')[0] == 'airflow' for name in sys.modules), 'Airflow was imported'; import"
        " airflow.sdk.execution_time.task_runner; assert find_key({}) is None"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


@pytest.mark.full
def test_a_stored_connection_is_used_and_leaves_no_trace(tmp_path: Path) -> None:
    """In a worker of the real scheduler, with debug logs: the questions to FRED carry the key, and no file
    holds it.
    """
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "ask.py").write_text(ASKING_DAG)
    with Server(Feed(date(2024, 7, 16), only=frozenset({"DGS10"})), key=STORED_KEY) as server:
        settings = {
            "ROTATION_SOURCE": "live",
            "ROTATION_FRED_URL": server.url,
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        }
        airflow = RunningAirflow(tmp_path / "stack", settings, dags_folder=tmp_path / "dags")
        with airflow:
            airflow.airflow(
                "connections", "add", "fred_default", "--conn-type", "http", "--conn-password", STORED_KEY
            )
            airflow.unpause("ask")
            run_id = str(airflow.api("/dags/ask/dagRuns", {"logical_date": None})["dag_run_id"])
            assert airflow.wait_for_run(run_id, "ask") == "success"
        asked = server.paths()
        assert len(asked) == 2, "metadata and observations"
        assert all(f"api_key={STORED_KEY}" in path for path in asked)
        server.requests.clear()
        # `dags test` prints what a task is given when it logs for debugging: there the stored key
        # stays where it is.
        result = airflow.airflow("dags", "test", "ask")
        (tmp_path / "dags-test.log").write_text(result.stdout + result.stderr)
        assert "a key was found: False" in result.stdout
        assert [path.partition("?")[0] for path in server.paths()] == ["/graph/fredgraph.csv"]
    assert any((tmp_path / "stack").rglob("attempt=1.log")), "task logs were searched"
    assert hits([tmp_path], [STORED_KEY]) == []
