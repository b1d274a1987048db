"""What a deployment rests on: from the repository's root only our DAG files are parsed, the bundle needs no
PYTHONPATH, no name collides.

In: the repository as it is, the installed distributions. Out: assertions on what Airflow itself finds.
Caveat: names that another deployment's packages take cannot be known here; docs/deploy-existing-airflow.md
gives the command that lists them there.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.utils.file import find_dag_file_paths

REPOSITORY = Path(__file__).resolve().parent.parent
DAG_FILES = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "dags").glob("*.py")}
DAG_IDS = {"rotation_daily", "rotation_housekeeping", "rotation_watch"}
OUR_PACKAGES = {path.parent.name for path in REPOSITORY.glob("*/__init__.py")}

# What the DAG processor does with a bundle: parse its root with the bundle at the end of sys.path, then
# serialize.
PARSE_THE_BUNDLE = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization

root = Path(sys.argv[1])
bag = BundleDagBag(dag_folder=root, bundle_path=root, bundle_name="rotation-warehouse")
for dag in bag.dags.values():
    DagSerialization.to_dict(dag)
heavy = {"duckdb", "exchange_calendars", "great_expectations", "pandas", "yfinance"} & set(sys.modules)
print(json.dumps({
    "errors": bag.import_errors,
    "files": sorted(Path(path).relative_to(root).as_posix() for path in bag.file_last_changed),
    "dags": sorted(bag.dags),
    "heavy": sorted(heavy),
}))
"""

# What decides whether Airflow keeps a new version of a DAG.
SERIALISE = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.serialized_objects import DagSerialization

root = Path(sys.argv[1])
bag = BundleDagBag(dag_folder=root, bundle_path=root, bundle_name="rotation-warehouse")
documents = {name: DagSerialization.to_dict(dag) for name, dag in sorted(bag.dags.items())}
print(json.dumps({
    "hashes": {name: SerializedDagModel.hash(document) for name, document in documents.items()},
    "addresses": [
        name for name, document in documents.items() if " at 0x" in json.dumps(document, default=str)
    ],
}))
"""

# What the scheduler and the API server do: they have the plugins folder and no bundle.
USE_THE_PLUGIN = """
import datetime as dt, json, sys
from airflow import plugins_manager

[timetable] = plugins_manager.get_timetables_plugins().values()
day = dt.datetime(2024, 7, 3, tzinfo=dt.UTC)
runs = timetable().iter_partition_dagrun_infos(earliest=day, latest=day + dt.timedelta(days=5))
print(json.dumps({
    "errors": plugins_manager.get_import_errors(),
    "sessions": [run.partition_key for run in runs],
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
}))
"""


def run_alone(program: str, folder: Path, *arguments: str, plugins: Path, seed: str = "0") -> Any:
    """What a program prints as JSON, run by this interpreter without PYTHONPATH and without settings of
    ours.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONPATH" and not name.startswith(("AIRFLOW", "ROTATION_"))
    }
    environment |= {
        "AIRFLOW_HOME": str(folder),
        "PYTHONHASHSEED": seed,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
    }
    result = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout.splitlines()[-1])


def python_files(folder: Path) -> set[str]:
    """Every Python file that Airflow would look at for DAGs, whether or not its text looks like one."""
    paths = find_dag_file_paths(folder, safe_mode=False)
    return {Path(path).relative_to(folder).as_posix() for path in paths}


def test_only_the_dag_files_are_parsed_from_the_repository_root() -> None:
    assert DAG_FILES
    assert python_files(REPOSITORY) == DAG_FILES


def test_a_new_folder_is_left_out_without_a_new_line(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / ".airflowignore", tmp_path)
    for name in ("dags/daily.py", "dags/parts/weekly.py", "new_package/dags/notifier.py", ".venv/lib/a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert python_files(tmp_path) == {"dags/daily.py", "dags/parts/weekly.py"}


def test_the_bundle_parses_without_pythonpath(tmp_path: Path) -> None:
    found = run_alone(PARSE_THE_BUNDLE, tmp_path, str(REPOSITORY), plugins=REPOSITORY / "plugins")
    assert found == {"errors": {}, "files": sorted(DAG_FILES), "dags": sorted(DAG_IDS), "heavy": []}


def test_the_plugin_needs_no_more_than_the_guide_copies(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    shutil.copytree(REPOSITORY / "market_calendar", plugins / "market_calendar")
    shutil.copy(REPOSITORY / "plugins" / "register.py", plugins)
    (plugins / "warehouse" / "reference").mkdir(parents=True)
    for path in (REPOSITORY / "warehouse" / "reference").glob("*.csv"):
        shutil.copy(path, plugins / "warehouse" / "reference")
    (plugins / ".airflowignore").write_text("market_calendar/\n")
    found = run_alone(USE_THE_PLUGIN, tmp_path, plugins=plugins)
    assert found["errors"] == {}
    assert found["sessions"] == ["2024-07-03", "2024-07-05", "2024-07-08"]
    # Each package that the plugin imports would be taken from the plugins folder in tasks too, not from
    # the bundle.
    assert OUR_PACKAGES & set(found["modules"]) == {"market_calendar"}


def test_no_package_of_ours_is_also_an_installed_one() -> None:
    # site-packages comes before the bundle in sys.path: an installed package of the same name would be
    # imported instead.
    assert {"market_calendar", "sources", "warehouse"} <= OUR_PACKAGES
    assert not OUR_PACKAGES & set(importlib.metadata.packages_distributions())
    assert not OUR_PACKAGES & sys.stdlib_module_names


@pytest.mark.parametrize("folder", ["dags", "plugins"])
def test_files_that_airflow_imports_by_their_bare_name_hide_no_package(folder: str) -> None:
    taken = {*OUR_PACKAGES, *importlib.metadata.packages_distributions(), *sys.stdlib_module_names}
    assert not {path.stem for path in (REPOSITORY / folder).glob("*.py")} & taken


def test_a_dag_is_serialised_alike_in_every_process(tmp_path: Path) -> None:
    """Else Airflow keeps a new version of it at almost every parse."""
    found = [
        run_alone(SERIALISE, tmp_path, str(REPOSITORY), plugins=REPOSITORY / "plugins", seed=seed)
        for seed in ("1", "2", "3")
    ]
    assert sorted(found[0]["hashes"]) == sorted(DAG_IDS)
    assert found[0] == found[1] == found[2]
    assert found[0]["addresses"] == []
