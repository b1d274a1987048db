"""`make run`, `make status` and `make digest` as a user types them: real Airflow, real exit codes, one
clear sentence per refusal.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.small_market import START, write_small_market
from warehouse.catalog import load_catalog

REPOSITORY = Path(__file__).resolve().parent.parent


def command(module: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run one of the commands with these settings alone."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ROTATION_", "AIRFLOW", "FRED_"))
    }
    environment = {**clean, "PYTHONPATH": str(REPOSITORY), "ROTATION_HISTORY_START": str(START), **settings}
    return subprocess.run(
        [sys.executable, "-m", module],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the small market."""
    return write_small_market(tmp_path_factory.mktemp("market"))


@pytest.fixture(scope="module")
def first_run(
    market: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], subprocess.CompletedProcess[str]]:
    """One run of the DAG under Airflow."""
    home = tmp_path_factory.mktemp("run") / "home"
    settings = {
        "ROTATION_SOURCE": "files",
        "ROTATION_FILES_DIR": str(market),
        "ROTATION_HOME": str(home),
        "ROTATION_SESSION": "2024-07-16",
    }
    transport = {"type": "file", "log_file_path": str(home.parent / "lineage.jsonl"), "append": True}
    return settings, command("cli.run", **settings, AIRFLOW__OPENLINEAGE__TRANSPORT=json.dumps(transport))


def test_the_dag_runs_under_airflow_and_prints_a_summary(
    first_run: tuple[dict[str, str], subprocess.CompletedProcess[str]],
) -> None:
    settings, result = first_run
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Published: generation 1 for 2024-07-16" in result.stdout
    for part in (
        "Headlines",
        "Rotation: IWM",
        "Fed funds futures (16 Jul): after the 31 Jul meeting",
        "Curve: on 2024-07-15",
    ):
        assert part in result.stdout, part
    for kind in ("prices", "futures", "fred"):
        assert re.search(rf"^ *{kind} +files ", result.stdout, re.MULTILINE), kind
    assert "SIMULATED" not in result.stdout
    assert (
        json.loads((Path(settings["ROTATION_HOME"]) / "published" / "status.json").read_text())["state"]
        == "success"
    )


def test_the_run_was_airflow_s_own(
    first_run: tuple[dict[str, str], subprocess.CompletedProcess[str]],
) -> None:
    settings, _ = first_run
    run_id = json.loads((Path(settings["ROTATION_HOME"]) / "published" / "status.json").read_text())["run_id"]
    with sqlite3.connect(REPOSITORY / ".airflow" / "airflow.db") as connection:
        states = dict(
            connection.execute(
                "select task_id, state from task_instance where dag_id = 'rotation_daily' and run_id = ?"
                " group by 1",
                [run_id],
            ).fetchall()
        )
        slots = connection.execute("select slots from slot_pool where pool = 'rotation_warehouse'").fetchone()
    assert states == dict.fromkeys(("plan", "fetch", "load", "build", "audit", "publish"), "success")
    assert slots == (1,)


def lineage_events(settings: dict[str, str]) -> list[dict[str, Any]]:
    """The events that OpenLineage's provider wrote to its file."""
    path = Path(settings["ROTATION_HOME"]).parent / "lineage.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def tables(datasets: list[dict[str, Any]]) -> list[str]:
    """The tables among the datasets of an event."""
    return sorted(entry["name"].removeprefix("warehouse.") for entry in datasets)


def test_the_lineage_of_the_models_is_the_catalog_s(
    first_run: tuple[dict[str, str], subprocess.CompletedProcess[str]],
) -> None:
    settings, _ = first_run
    home, events = settings["ROTATION_HOME"], lineage_events(first_run[0])
    jobs = [event for event in events if event["job"]["name"].startswith("rotation_daily.build.")]
    [task] = [
        event["run"]["runId"]
        for event in events
        if event["job"]["name"] == "rotation_daily.build" and event["eventType"] == "COMPLETE"
    ]
    models = {table.full_name: table for table in load_catalog().models()}
    done = [event for event in jobs if event["eventType"] == "COMPLETE"]
    assert sorted(event["job"]["name"].removeprefix("rotation_daily.build.") for event in done) == sorted(
        models
    )
    assert sorted(event["run"]["runId"] for event in jobs if event["eventType"] == "START") == sorted(
        event["run"]["runId"] for event in done
    )
    with duckdb.connect(f"{home}/published/current/warehouse.duckdb", read_only=True) as connection:
        for event in done:
            [output] = event["outputs"]
            [name] = tables([output])
            table = models[name]
            assert event["job"]["name"] == f"rotation_daily.build.{name}"
            assert tables(event["inputs"]) == sorted(table.inputs), name
            assert event["run"]["facets"]["parent"]["run"]["runId"] == task
            rows = connection.table(name).count("*").fetchall()[0][0]
            assert output["outputFacets"]["outputStatistics"]["rowCount"] == rows, name
            assert [
                (field["name"], field["type"], field["description"])
                for field in output["facets"]["schema"]["fields"]
            ] == [
                (column.name, column.type, f"{column.description} Unit: {column.unit}.")
                for column in table.columns
            ]
            for entry in [output, *event["inputs"]]:
                published = tables([entry])[0].startswith(("staging.", "marts."))
                path = f"{home}/published/current" if published else home
                assert entry["namespace"] == f"duckdb://{path}/warehouse.duckdb"
            assert ("sql" in event["job"]["facets"]) == (
                table.model is not None and table.model.suffix == ".sql"
            )


def test_the_lineage_of_the_other_steps_names_what_they_read_and_wrote(
    first_run: tuple[dict[str, str], subprocess.CompletedProcess[str]],
) -> None:
    settings, _ = first_run
    home = settings["ROTATION_HOME"]
    ends = [event for event in lineage_events(settings) if event["eventType"] == "COMPLETE"]
    loaded = {
        event["job"]["name"]: ([entry["name"] for entry in event["inputs"]], tables(event["outputs"]))
        for event in ends
        if event["job"]["name"].startswith("rotation_daily.load.")
    }
    assert loaded == {
        f"rotation_daily.load.{kind}": ([f"{home}/landing/{kind}"], [table])
        for kind, table in (
            ("prices", "raw.equity_prices"),
            ("futures", "raw.fed_funds_futures"),
            ("fred", "raw.fred_observations"),
        )
    }
    fetched = {
        (event["inputs"][0]["namespace"], event["inputs"][0]["name"], event["outputs"][0]["name"])
        for event in ends
        if event["job"]["name"].startswith("rotation_daily.fetch.")
    }
    # A provider has one name whatever it reads.
    assert fetched == {
        ("provider://files", kind, f"{home}/landing/{kind}") for kind in ("prices", "futures", "fred")
    }
    [audit] = [event for event in ends if event["job"]["name"] == "rotation_daily.audit"]
    results = sorted(
        (tables([entry])[0], rule["assertion"], rule["success"])
        for entry in audit["inputs"]
        for rule in entry["inputFacets"]["dataQualityAssertions"]["assertions"]
    )
    with duckdb.connect(f"{home}/published/current/warehouse.duckdb", read_only=True) as connection:
        assert results == sorted(
            connection.execute("select table_name, rule, passed from ops.validation_results").fetchall()
        )
    [publish] = [event for event in ends if event["job"]["name"] == "rotation_daily.publish"]
    assert tables(publish["inputs"]) == [table.full_name for table in load_catalog().in_schema("marts")]
    [folder] = publish["outputs"]
    assert folder["name"] == f"{home}/published/current"
    assert folder["facets"]["version"]["datasetVersion"] == "1"


def test_status_and_digest_read_the_publication(
    first_run: tuple[dict[str, str], subprocess.CompletedProcess[str]],
) -> None:
    settings, _ = first_run
    status = command("cli.status", **settings)
    assert status.returncode == 0, status.stdout + status.stderr
    assert "session 2024-07-16, data source files" in status.stdout
    digest = command("cli.digest", **settings)
    assert digest.returncode == 0
    lines = digest.stdout.splitlines()
    assert all(re.fullmatch(r"marts\.\w+ +\d+ [0-9a-f]{16}", line) for line in lines)
    assert len(lines) >= 7


@pytest.mark.slow
def test_the_same_again_is_nothing_new_and_starts_no_airflow(
    first_run: tuple[dict[str, str], subprocess.CompletedProcess[str]],
) -> None:
    settings, _ = first_run
    logs = Path(settings["ROTATION_HOME"]) / "logs"
    before = sorted(logs.iterdir())
    again = command("cli.run", **settings)
    assert again.returncode == 0, again.stderr
    assert "generation 1 for 2024-07-16 is up to date. No input file, reference file" in again.stdout
    assert sorted(logs.iterdir()) == before


@pytest.mark.slow
def test_a_failed_run_is_seen_by_status_and_heals(
    first_run: tuple[dict[str, str], subprocess.CompletedProcess[str]], market: Path
) -> None:
    settings, _ = first_run
    before = command("cli.digest", **settings).stdout
    kept = (market / "prices" / "SPY.csv").read_bytes()
    (market / "prices" / "SPY.csv").write_bytes(b"not a price file")
    try:
        failed = command("cli.run", **settings)
    finally:
        (market / "prices" / "SPY.csv").write_bytes(kept)
    assert failed.returncode == 1
    assert "FAILED at step load: Required input missing or unreadable" in failed.stderr
    assert "prices/SPY: column date, open, high" in failed.stderr
    assert "The last publication (generation 1) stays in place." in failed.stderr
    status = command("cli.status", **settings)
    assert status.returncode == 1
    assert "NOT SOUND: the last run failed at step load" in status.stdout
    assert command("cli.digest", **settings).stdout == before
    healed = command("cli.run", **settings)
    assert healed.returncode == 0, healed.stderr
    assert command("cli.digest", **settings).stdout == before
    assert command("cli.status", **settings).returncode == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ROTATION_SESSION": "2024-07-04"}, "2024-07-04 is a Thursday on which the NYSE was closed"),
        ({"ROTATION_SESSION": "2024-07-06"}, "2024-07-06 is a Saturday, not a session"),
        (
            {"ROTATION_SESSION": "2028-07-05"},
            "ROTATION_SESSION=2028-07-05 has not closed yet; the last closed session is",
        ),
        ({"ROTATION_SESSION": "2031-07-16"}, "2031-07-16 lies outside the market calendar"),
        ({"ROTATION_SESSION": "tomorrow"}, "ROTATION_SESSION='tomorrow' is not a date"),
        ({"ROTATION_SESSION": "'; drop table"}, "is not a date"),
        (
            {"ROTATION_SOURCE": "bloomberg"},
            "ROTATION_SOURCE='bloomberg' is unknown; choose one of live, files, simulated",
        ),
        ({"ROTATION_FILES_DIR": ""}, "ROTATION_FILES_DIR is not set"),
        ({"ROTATION_FILES_DIR": "/no/such/folder"}, "ROTATION_FILES_DIR is not a folder: /no/such/folder"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_sentence(
    market: Path, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    settings = {
        "ROTATION_SOURCE": "files",
        "ROTATION_FILES_DIR": str(market),
        "ROTATION_HOME": str(tmp_path / "home"),
        **changes,
    }
    result = command("cli.run", **settings)
    assert result.returncode == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "home").exists()


def test_an_empty_files_folder_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = command(
        "cli.run",
        ROTATION_SOURCE="files",
        ROTATION_FILES_DIR=str(tmp_path / "empty"),
        ROTATION_HOME=str(tmp_path / "home"),
    )
    assert result.returncode == 2
    assert "prices/SPY has no file; expected prices/SPY.csv" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_status_without_anything_is_not_sound(tmp_path: Path) -> None:
    result = command("cli.status", ROTATION_SOURCE="simulated", ROTATION_HOME=str(tmp_path / "home"))
    assert result.returncode == 1
    assert "nothing has run" in result.stdout


def test_no_heavy_import_when_the_dag_file_is_parsed() -> None:
    code = (
        "import sys; import dags.rotation_daily; print([m for m in ('duckdb', 'pandas', 'great_expectations',"
        " 'exchange_calendars') if m in sys.modules])"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROTATION_")}
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**clean, "PYTHONPATH": str(REPOSITORY), "AIRFLOW_HOME": str(REPOSITORY / ".airflow")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.stdout.strip().splitlines()[-1] == "[]", result.stderr


def test_dag_files_hold_no_sql_and_no_frames() -> None:
    for path in (REPOSITORY / "dags").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            alias.name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        names |= {
            node.module.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module
        }
        assert names.isdisjoint({"pandas", "duckdb", "sqlite3"})
        assert "select " not in path.read_text(encoding="utf-8").lower()


def test_the_dag_is_owned_documented_and_serialised_by_airflow(
    first_run: tuple[dict[str, str], subprocess.CompletedProcess[str]],
) -> None:
    code = """
import json
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag("dags")
dags = {}
for dag_id, dag in bag.dags.items():
    again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    dags[dag_id] = {
        "doc": bool(dag.doc_md), "tags": sorted(dag.tags), "timetable": type(again.timetable).__name__,
        "catchup": dag.catchup,
        "active": dag.max_active_runs,
        "weights": sorted({type(t.weight_rule).__name__ for t in again.tasks if t.pool != "default_pool"}),
        "tasks": {
            t.task_id: [
                t.owner, t.retries, t.pool, t.execution_timeout.total_seconds(), t.retry_exponential_backoff
            ]
            for t in dag.tasks
        },
    }
print(json.dumps({"errors": bag.import_errors, "dags": dags}))
"""
    settings, _ = first_run
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ROTATION_")}
    environment = {
        **clean,
        **settings,
        "PYTHONPATH": str(REPOSITORY),
        "AIRFLOW_HOME": str(REPOSITORY / ".airflow"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    found = json.loads(result.stdout.strip().splitlines()[-1])
    assert found["errors"] == {}
    assert sorted(found["dags"]) == ["rotation_daily", "rotation_housekeeping", "rotation_watch"]
    for dag_id, dag in found["dags"].items():
        assert dag["doc"], dag_id
        assert "rotation-warehouse" in dag["tags"], dag_id
        assert [tag for tag in dag["tags"] if tag.startswith("impact:")], dag_id
        assert not dag["catchup"], dag_id
        assert dag["active"] == 1, dag_id
        for owner, _, _, timeout, _ in dag["tasks"].values():
            assert owner == "data-engineering", dag_id
            assert timeout > 0, dag_id
    daily = found["dags"]["rotation_daily"]
    assert daily["timetable"] == "NyseSessionTimetable"
    assert daily["weights"] == ["BackfillsLast"]
    for name, (_, retries, pool, _, backoff) in daily["tasks"].items():
        assert retries >= 1
        assert backoff
        # What writes to the warehouse does so one at a time; fetches go side by side.
        assert pool == ("default_pool" if name == "fetch" else "rotation_warehouse")


def test_every_package_lies_inside_the_repository() -> None:
    import alerts
    import brief
    import cli
    import expectations
    import market_calendar
    import sources
    import transforms
    import warehouse

    for package in (alerts, brief, cli, expectations, market_calendar, sources, transforms, warehouse):
        assert Path(str(package.__file__)).is_relative_to(REPOSITORY)
