"""Housekeeping: what goes, what stays, that no link leads out of the home, that runs and kills beside it do
no harm; real files, real processes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from operations import housekeeping
from operations.housekeeping import HousekeepingFailed, Report, clean_home, remove_old_files
from tests.shared_homes import HomeAfter
from tests.small_market import published_digests, small_settings
from warehouse import publication
from warehouse.settings import Settings, SettingsError

REPOSITORY = Path(__file__).resolve().parent.parent
DAY = 86_400


@pytest.fixture(autouse=True)
def no_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests do not count."""
    for name in list(os.environ):
        if name.startswith(("ROTATION_", "AIRFLOW__")):
            monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with five generations, the last one current, and a status of a run that ended."""
    home = tmp_path / "home"
    for name in ("landing/prices", "runs", "logs", "tmp", "published/generations"):
        (home / name).mkdir(parents=True)
    for number in range(1, 6):
        generation(home, str(number))
    (home / "published" / "current").symlink_to("generations/5")
    write_run_status(home, "success", "run-5")
    return Settings.from_environment({"ROTATION_SOURCE": "simulated", "ROTATION_HOME": str(home)})


def generation(home: Path, name: str, files: int = 3) -> Path:
    """A folder that looks like a generation, with read-only files."""
    folder = home / "published" / "generations" / name
    (folder / "parquet" / "marts").mkdir(parents=True)
    for number in range(files):
        path = folder / "parquet" / "marts" / f"{number}.parquet"
        path.write_bytes(b"x" * 100)
        path.chmod(0o444)
    (folder / "warehouse.duckdb").write_bytes(b"y" * 1000)
    return folder


def write_run_status(home: Path, state: str, run_id: str) -> None:
    """`published/status.json` as far as housekeeping reads it."""
    (home / "published" / "status.json").write_text(json.dumps({"state": state, "run_id": run_id}))


def aged(path: Path, days: float) -> Path:
    """Set the time of a file, or of a folder and all in it, back by so many days."""
    then = time.time() - days * DAY
    inside = sorted(path.rglob("*"), reverse=True) if path.is_dir() and not path.is_symlink() else []
    for entry in (*inside, path):
        os.utime(entry, (then, then), follow_symlinks=False)
    return path


def names(folder: Path) -> set[str]:
    """Names in a folder."""
    return {path.name for path in folder.iterdir()}


def test_the_last_generations_stay(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    report = clean_home(settings)
    assert names(settings.published / "generations") == {"3", "4", "5"}
    assert (report.removed["old generations"].entries, report.removed["old generations"].freed_bytes) == (
        2,
        2600,
    )
    assert clean_home(settings).removed["old generations"].entries == 0
    monkeypatch.setenv("ROTATION_KEEP_GENERATIONS", "2")
    clean_home(settings)
    assert names(settings.published / "generations") == {"4", "5"}


def test_what_the_link_leads_to_stays_however_old(settings: Settings) -> None:
    link = settings.published / "current"
    link.unlink()
    link.symlink_to("generations/1")
    clean_home(settings)
    assert names(settings.published / "generations") == {"1", "3", "4", "5"}


def test_publishing_keeps_the_same_number(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb

    building = publication.building_folder(settings)
    building.mkdir()
    with duckdb.connect(str(building / "warehouse.duckdb")) as connection:
        connection.execute("create schema ops")
        connection.execute("create table ops.publication (generation integer)")
    monkeypatch.setenv("ROTATION_KEEP_GENERATIONS", "1")
    with pytest.raises(SettingsError, match="ROTATION_KEEP_GENERATIONS='1' must be a whole number of 2"):
        publication.move_into_place(settings, 6)
    assert building.exists()
    assert (settings.published / "current").readlink() == Path("generations/5")
    monkeypatch.setenv("ROTATION_KEEP_GENERATIONS", "4")
    publication.move_into_place(settings, 6)
    publication.publish_link(settings, 6)
    assert names(settings.published / "generations") == {"3", "4", "5", "6"}


@pytest.mark.parametrize(
    ("age_days", "state", "owner", "stays"),
    [
        (0.5, "failed", "run-5", True),  # a person may want to look at what failed
        (2, "failed", "run-5", False),
        (2, "running", "run-5", True),  # its own run is still to audit it
        (2, "running", None, True),  # the run at work is still building it
        (2, "running", "run-4", False),
        (2, "success", None, False),
    ],
)
def test_a_half_built_publication_goes_when_no_run_owns_it(
    settings: Settings, age_days: float, state: str, owner: str | None, stays: bool
) -> None:
    building = generation(settings.home, "building")
    if owner:
        (building / ".run").write_text(owner)
    aged(building, age_days)
    write_run_status(settings.home, state, "run-5")
    clean_home(settings)
    assert building.exists() == stays
    assert {"3", "4", "5"} <= names(settings.published / "generations")


def test_an_unreadable_status_counts_as_a_run_at_work(settings: Settings) -> None:
    building = aged(generation(settings.home, "building"), 2)
    (settings.published / "status.json").write_text("{")
    clean_home(settings)
    assert building.exists()


def test_old_runs_and_logs_go_the_present_run_stays(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, logs = settings.home / "runs", settings.home / "logs"
    for name, days in (("old", 91), ("young", 89), ("run-5", 400), ("rerun", 91)):
        (runs / name).mkdir()
        (runs / name / "plan.json").write_text("{}")
        aged(runs / name, days)
    (runs / "rerun" / "audited.json").write_text("{}")  # an old run that was run again today
    for name, days in (("old.log", 91), ("young.log", 1), ("old.txt", 91)):
        (logs / name).write_text("x")
        aged(logs / name, days)
    clean_home(settings)
    assert names(runs) == {"young", "run-5", "rerun"}
    assert names(logs) == {"young.log", "old.txt"}
    monkeypatch.setenv("ROTATION_KEEP_RUNS_DAYS", "30")
    clean_home(settings)
    assert names(runs) == {"run-5", "rerun"}


def test_leftovers_of_dead_processes_go_and_landing_stays(settings: Settings) -> None:
    leftovers = [
        settings.home / "tmp" / "duckdb_temp_storage_DEFAULT-0.tmp",
        settings.landing / "prices" / "a.csv.gz.tmp",
        settings.published / "status.json.tmp",
        settings.home / "runs" / "young" / "plan.json.tmp",
    ]
    payload = settings.landing / "prices" / "a.csv.gz"
    (settings.home / "runs" / "young").mkdir()
    for path in (*leftovers, payload):
        path.write_bytes(b"x")
        aged(path, 2000)
    at_work = settings.home / "tmp" / "duckdb_temp_storage_DEFAULT-1.tmp"
    at_work.write_bytes(b"x")
    clean_home(settings)
    assert [path for path in leftovers if path.exists()] == []
    assert payload.exists() and at_work.exists()


def test_no_link_leads_out_of_the_home(settings: Settings, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "old-run").mkdir(parents=True)
    for name in ("old-run/plan.json", "a.log", "b.tmp", "warehouse.duckdb"):
        (outside / name).write_text("precious")
    home = settings.home
    (home / "logs" / "linked.log").symlink_to(outside / "a.log")
    (home / "logs" / "linked").symlink_to(outside)
    (home / "tmp" / "linked").symlink_to(outside)
    (home / "landing" / "linked").symlink_to(outside)
    shutil.rmtree(home / "runs")
    (home / "runs").symlink_to(outside)
    (home / "published" / "generations" / "0").symlink_to(outside)
    (home / "published" / "generations" / ".removed-7").symlink_to(outside)
    (home / "published" / "generations" / "building").symlink_to(outside)
    (home / "published" / "generations" / "1" / "linked").symlink_to(outside)
    aged(outside, 2000)
    aged(home / "logs", 2000)
    before = {path: path.read_text() for path in outside.rglob("*") if path.is_file()}
    clean_home(settings)
    assert not (home / "published" / "generations" / "1").exists()
    assert {path: path.read_text() for path in outside.rglob("*") if path.is_file()} == before
    assert len(before) == 4


def test_a_linked_generations_folder_or_lock_is_left_alone(settings: Settings, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (settings.published / "generations").rename(outside)
    (settings.published / "generations").symlink_to(outside)
    clean_home(settings)
    assert names(outside) == {"1", "2", "3", "4", "5"}
    (settings.home / ".run.lock").unlink()
    (settings.home / ".run.lock").symlink_to(outside / "new")
    with pytest.raises(OSError, match="symbolic links"):
        clean_home(settings)
    assert not (outside / "new").exists()


def test_nothing_is_removed_while_make_run_is_at_work(settings: Settings) -> None:
    holder = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print('held',"
        " flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(settings.home / ".run.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "held\n"
        report = clean_home(settings)
        process.stdin.close()
    assert "A run is in progress" in report.text()
    assert names(settings.published / "generations") == {"1", "2", "3", "4", "5"}
    assert clean_home(settings).removed["old generations"].entries == 2


def test_killed_half_way_the_next_one_ends_it(settings: Settings) -> None:
    generations = settings.published / "generations"
    shutil.rmtree(generations / "1")
    generation(settings.home, "1", files=30_000)
    code = (
        "from warehouse.settings import Settings; from operations.housekeeping import clean_home;"
        " clean_home(Settings.from_environment())"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "ROTATION_SOURCE": "simulated",
        "ROTATION_HOME": str(settings.home),
    }
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as process:
        gone = generations / ".removed-1" / "parquet" / "marts"
        while process.poll() is None and not (gone.exists() and len(os.listdir(gone)) < 30_000):
            pass
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert 0 < len(os.listdir(gone)) < 30_000
    assert "1" not in names(generations)  # nothing half removed bears the name of a generation
    clean_home(settings)
    assert names(generations) == {"3", "4", "5"}


@pytest.mark.slow
def test_a_run_at_work_meanwhile_publishes_what_it_would(
    small_market_files: Path, home_after: HomeAfter, tmp_path: Path
) -> None:
    """Housekeeping over and over beside a real run in another process, as if the pool and the lock were not
    there.
    """
    market, undisturbed = small_market_files, home_after("2024-07-16")
    disturbed = small_settings(market, tmp_path / "disturbed")
    code = (
        "import sys; from pathlib import Path; from tests.small_market import run_day, small_settings;"
        "run_day(small_settings(Path(sys.argv[1]), Path(sys.argv[2])), '2024-07-16')"
    )
    rounds = 0
    with subprocess.Popen(
        [sys.executable, "-c", code, str(market), str(disturbed.home)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            clean_home(disturbed)
            rounds += 1
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
    assert process.returncode == 0
    assert rounds > 10
    assert published_digests(disturbed) == published_digests(undisturbed)


def test_the_report_weighs_the_home(settings: Settings) -> None:
    (settings.landing / "prices" / "a.csv.gz").write_bytes(b"x" * 2_000_000)
    report = clean_home(settings)
    assert report.sizes_bytes["landing"] == 2_000_000
    assert report.sizes_bytes["published"] > 3 * 1300
    assert report.needed_bytes == int(1.2 * 1300) + 20_000_000
    assert report.free_bytes > 0
    text = report.text()
    for part in ("old generations", "landing", "2.0 MB", "total", "the next run needs about 20.0 MB"):
        assert part in text


def test_a_short_disk_is_a_failure_with_a_sentence(settings: Settings) -> None:
    housekeeping.require_room(settings, Report(free_bytes=200_000_000, needed_bytes=100_000_000))
    with pytest.raises(HousekeepingFailed, match=r"has 199\.0 MB left and each run needs about 100\.0 MB"):
        housekeeping.require_room(settings, Report(free_bytes=199_000_000, needed_bytes=100_000_000))


def test_a_home_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {"ROTATION_SOURCE": "simulated", "ROTATION_HOME": str(tmp_path / "none")}
    )
    assert "nothing has run" in clean_home(settings).text()
    assert not settings.home.exists()


@pytest.mark.parametrize(
    ("name", "value"), [("ROTATION_KEEP_RUNS_DAYS", "0"), ("ROTATION_KEEP_GENERATIONS", "many")]
)
def test_a_wrong_number_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}='{value}' must be a whole number"):
        clean_home(settings)
    assert names(settings.published / "generations") == {"1", "2", "3", "4", "5"}


def test_of_airflow_s_logs_only_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = tmp_path / "logs"
    old, young = logs / "dag_id=a" / "run_id=1" / "task_id=t", logs / "dag_id=a" / "run_id=2"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "attempt=1.log").write_text("x" * 100)
    (logs / "dag_id=a" / "notes.txt").write_text("mine")
    aged(logs, 31)
    os.utime(young / "attempt=1.log")
    (logs / "dag_id=new").mkdir()  # somebody is about to write there
    (logs / "latest").symlink_to(young)
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(logs))
    assert housekeeping.clean_airflow_logs().entries == 0  # left alone unless asked
    monkeypatch.setenv("ROTATION_AIRFLOW_LOG_KEEP_DAYS", "30")
    removed = housekeeping.clean_airflow_logs()
    assert (removed.entries, removed.freed_bytes) == (1, 100)
    assert names(logs / "dag_id=a") == {"run_id=2", "notes.txt"}
    assert (logs / "latest").is_symlink() and (logs / "dag_id=new").is_dir()
    assert remove_old_files(tmp_path / "absent", "*.log", 1).entries == 0


@pytest.fixture(scope="module")
def metadata(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh Airflow database with two runs, one of them a year old."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=environment,
        check=True,
        capture_output=True,
        timeout=180,
    )
    with closing(sqlite3.connect(home / "airflow.db")) as connection, connection:
        for days in (1, 365):
            connection.execute(
                "insert into log (dttm, event) values (datetime('now', ?), 'test')", [f"-{days} days"]
            )
    return home


def log_rows(home: Path) -> int:
    """Rows of the audit log."""
    with closing(sqlite3.connect(home / "airflow.db")) as connection:
        return int(connection.execute("select count(*) from log where event = 'test'").fetchone()[0])


def test_airflow_s_database_is_cleaned_from_within_a_task(
    metadata: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(metadata))
    # What the supervisor of a task does to the environment.
    for name in housekeeping.CONNECTION_VARIABLES:
        monkeypatch.setenv(name, "airflow-db-not-allowed:///")
    assert housekeeping.clean_airflow_metadata().entries == 0
    assert log_rows(metadata) == 2  # left alone unless asked
    monkeypatch.setenv("ROTATION_AIRFLOW_KEEP_DAYS", "90")
    with pytest.raises(HousekeepingFailed, match="AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD"):
        housekeeping.clean_airflow_metadata()
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", "echo sqlite:////nowhere/airflow.db")
    with pytest.raises(HousekeepingFailed, match="airflow db clean ended with 1"):
        housekeeping.clean_airflow_metadata()
    # With the newline of `echo` SQLite opens another, empty file.
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", f"echo sqlite:///{metadata}/airflow.db")
    with pytest.raises(HousekeepingFailed, match="found none of Airflow's tables"):
        housekeeping.clean_airflow_metadata()
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", f"printf sqlite:///{metadata}/airflow.db")
    removed = housekeeping.clean_airflow_metadata()
    assert removed.entries == 1
    assert log_rows(metadata) == 1


def test_a_command_in_airflow_cfg_serves_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "airflow-db-not-allowed:///")
    config = tmp_path / "airflow.cfg"
    # The address that Airflow writes into a new file is its own SQLite, not what the deployment uses.
    config.write_text("[database]\nsql_alchemy_conn = sqlite:////default/airflow.db\n")
    with pytest.raises(HousekeepingFailed):
        housekeeping._operator_environment()
    config.write_text("[database]\nsql_alchemy_conn_cmd = cat 100%/file\n")
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" not in housekeeping._operator_environment()


@pytest.mark.full
def test_the_scheduler_runs_housekeeping(tmp_path: Path) -> None:
    """Under a real scheduler, where a task has no access to Airflow's database: both tasks succeed and the
    old rows are gone.
    """
    from tests.scheduler_fixture import RunningAirflow

    home, airflow_home = tmp_path / "home", tmp_path / "airflow"
    for number in range(1, 6):
        generation(home, str(number))
    (home / "published" / "current").symlink_to("generations/5")
    settings = {
        "ROTATION_SOURCE": "simulated",
        "ROTATION_HOME": str(home),
        "ROTATION_AIRFLOW_KEEP_DAYS": "90",
        "ROTATION_AIRFLOW_LOG_KEEP_DAYS": "30",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": f"printf sqlite:///{airflow_home}/airflow.db",
    }
    with RunningAirflow(tmp_path, settings) as airflow:
        with closing(sqlite3.connect(airflow_home / "airflow.db")) as connection, connection:
            connection.executemany(
                "insert into log (dttm, event) values (datetime('now', ?), 'test')",
                [("-365 days",), ("-1 days",)],
            )
        old_log = airflow_home / "logs" / "dag_id=old" / "attempt=1.log"
        old_log.parent.mkdir(parents=True, exist_ok=True)
        old_log.write_text("x")
        aged(old_log.parent, 60)
        dag = "rotation_housekeeping"
        airflow.unpause(dag)
        run_id = airflow.api(f"/dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"]
        state = airflow.wait_for_run(run_id, dag)
        states = {task["task_id"]: task["state"] for task in airflow.tasks(run_id, dag)}
        logs = "".join(
            path.read_text(errors="replace") for path in (airflow_home / "logs").rglob("attempt=*.log")
        )
    assert (state, states) == ("success", {"home": "success", "airflow": "success"}), logs[-4000:]
    assert names(home / "published" / "generations") == {"3", "4", "5"}
    assert log_rows(airflow_home) == 1
    assert not old_log.parent.exists()
    assert "the next run needs about" in logs
