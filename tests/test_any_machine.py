"""The same files give the same rows on every machine: whatever its time zone, its language, its threads,
its folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alerts.checks import check_publication
from cli import digest, model, status
from sources.simulated import simulated_market
from tests.small_market import write_small_market
from warehouse.clock import utc_now
from warehouse.settings import REPOSITORY, Settings

START, DAY = date(2024, 6, 3), date(2024, 7, 16)
# Not PYTHONUTF8=0 under POSIX: Airflow cannot read its own configuration there.
MACHINES = {
    "Greenwich": {"TZ": "UTC", "LC_ALL": "C", "ROTATION_THREADS": "1"},
    "New York": {"TZ": "America/New_York", "LC_ALL": "C.UTF-8"},
    "Tokyo": {"TZ": "Asia/Tokyo", "LC_ALL": "POSIX"},
    "Kiritimati": {"TZ": "Pacific/Kiritimati", "LANG": "de_DE.UTF-8", "LC_ALL": "", "ROTATION_THREADS": "4"},
}


def on_machine(name: str, folder: Path, home: Path, what: str = "load") -> Any:
    """What a process prints that runs in a machine's environment and in a folder of its own."""
    elsewhere = home.parent / f"at {name}"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.any_machine", str(folder), str(home), what],
        env={**os.environ, **MACHINES[name], "PYTHONPATH": str(REPOSITORY)},
        cwd=elsewhere,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def write_in_zones(folder: Path) -> None:
    """Three inputs with days that have a time zone: in UTC, in New York, and as text with an offset."""
    market = simulated_market()
    prices = pd.read_csv(BytesIO(market.prices_csv("JPM", START, DAY)))
    futures = pd.read_csv(BytesIO(market.futures_csv("ZQU24", START, DAY)))
    series = pd.read_csv(BytesIO(market.fred_csv("VIXCLS", START, DAY)))
    for name in ("prices", "futures", "fred"):
        (folder / name).mkdir(parents=True)
    prices["date"] = pd.to_datetime(prices["date"]).dt.tz_localize("UTC")
    prices.to_parquet(folder / "prices" / "jpm.parquet")
    futures["date"] = pd.to_datetime(futures["date"]).dt.tz_localize("America/New_York")
    futures.to_parquet(folder / "futures" / "ZQU4.parquet")
    series["observation_date"] += "T00:00:00-04:00"
    series.to_csv(folder / "fred" / "VIXCLS.CSV", index=False)


@pytest.mark.slow
def test_the_same_files_load_the_same_rows_on_every_machine(tmp_path: Path) -> None:
    write_in_zones(tmp_path / "files")
    found = {
        name: on_machine(name, tmp_path / "files", tmp_path / name / "home")
        for name in MACHINES
        if (tmp_path / name).mkdir() is None
    }
    digests, last = found["Greenwich"]
    assert last == ["JPM", str(DAY)] and all(rows > 25 for rows, _ in digests.values())
    assert all(answer == found["Greenwich"] for answer in found.values()), found


@pytest.mark.slow
def test_a_whole_run_gives_the_same_marts_on_two_machines(tmp_path: Path) -> None:
    """A short history: every model runs, which is all that it takes for a zone or a language to show."""
    folder = write_small_market(tmp_path / "files", start=date(2023, 7, 3), end=DAY, whole=True)
    found = []
    for name, what in (("Greenwich", "build"), ("Kiritimati", "run")):
        (tmp_path / name).mkdir()
        found.append(on_machine(name, folder, tmp_path / name / "home", what))
    assert found[0] == found[1] and len(found[0]) > 20


def test_a_relative_folder_starts_at_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "ROTATION_SOURCE": "files",
        "ROTATION_HOME": "data/mine",
        "ROTATION_FILES_DIR": "../files",
        "ROTATION_WAREHOUSE": "data/mine/other.duckdb",
    }
    here = Settings.from_environment(environment)
    monkeypatch.chdir(tmp_path)
    assert Settings.from_environment(environment) == here
    assert here.home == REPOSITORY / "data" / "mine" and here.files_dir == REPOSITORY.parent / "files"
    assert here.warehouse == REPOSITORY / "data" / "mine" / "other.duckdb"


@pytest.mark.parametrize("files", [None, "/no/such/folder"])
def test_what_reads_the_home_alone_asks_for_no_folder_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], files: str | None
) -> None:
    """`make status`, `make digest` and `make model` speak of the home, not of the source's settings."""
    monkeypatch.setenv("ROTATION_SOURCE", "files")
    monkeypatch.setenv("ROTATION_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ROTATION_FILES_DIR", raising=False)
    if files:
        monkeypatch.setenv("ROTATION_FILES_DIR", files)
    assert check_publication(Settings.from_environment(), utc_now().astimezone()).problems
    assert status.main() == 1 and digest.main() == 1 and model.main(["marts.instrument_daily"]) == 1
    told = capsys.readouterr()
    assert "nothing has run" in told.out and "ROTATION_FILES_DIR" not in told.out + told.err
