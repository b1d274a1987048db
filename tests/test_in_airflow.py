"""Airflow's side of `make run`: prepared once, exit codes handed on; real Airflow processes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


def in_airflow(home: Path, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Airflow in a folder of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "PYTHONPATH": str(REPOSITORY),
        **settings,
    }
    return subprocess.run(
        [sys.executable, "-m", "cli.in_airflow", str(home / "prepared"), *command],
        env=clean | settings,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_airflow_is_prepared_once_and_exit_codes_are_handed_on(tmp_path: Path) -> None:
    first = in_airflow(tmp_path, "pools", "list", "-o", "plain")
    assert first.returncode == 0, first.stderr
    assert "preparing Airflow (once)" in first.stdout
    with sqlite3.connect(tmp_path / "airflow.db") as connection:
        [(slots,)] = connection.execute("select slots from slot_pool where pool = 'rotation_warehouse'")
    assert slots == 1
    unknown = in_airflow(tmp_path, "dags", "test", "no_such_dag")
    assert unknown.returncode == 1
    assert "no_such_dag" in unknown.stdout + unknown.stderr
    assert "preparing" not in unknown.stdout


def test_a_preparation_that_failed_says_so_and_is_tried_again(tmp_path: Path) -> None:
    nowhere = in_airflow(
        tmp_path, "version", AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="sqlite:////no/such/folder/airflow.db"
    )
    assert nowhere.returncode != 0
    assert "airflow db migrate failed; the log says why" in nowhere.stdout.splitlines()[-1]
    assert "unable to open database file" in nowhere.stderr
    assert not (tmp_path / "prepared").exists()
