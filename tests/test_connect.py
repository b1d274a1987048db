"""docs/connect.md says true things: its code runs, a new generation is seen on connecting again, and the
two settings hold.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.shared_homes import HomeAfter, copied_home
from tests.small_market import run_unaudited
from warehouse.settings import REPOSITORY

TEXT = (REPOSITORY / "docs" / "connect.md").read_text(encoding="utf-8")
LOCKED = {"enable_external_access": "false", "lock_configuration": "true"}
LAST = "select max(session_date)::varchar from marts.instrument_daily"


@pytest.fixture(scope="module")
def home(home_after: HomeAfter, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A home with two generations; yields it with what connections that were open in between saw."""
    settings = copied_home(home_after("2024-07-16"), tmp_path_factory.mktemp("connect") / "home")
    home = settings.home
    path = str(home / "published" / "current" / "warehouse.duckdb")
    held = duckdb.connect(path, read_only=True)
    host = duckdb.connect()
    host.execute(f"attach '{path}' as warehouse (read_only)")
    before = [
        held.execute(LAST).fetchone(),
        host.execute(LAST.replace("marts.", "warehouse.marts.")).fetchone(),
    ]
    run_unaudited(settings, "2024-07-17")
    yield {"home": home, "path": path, "held": held, "host": host, "before": before}
    held.close()
    host.close()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_an_open_connection_keeps_its_generation_and_a_new_one_sees_the_next(home: dict[str, Any]) -> None:
    assert home["before"] == [("2024-07-16",), ("2024-07-16",)]
    assert home["held"].execute(LAST).fetchone() == ("2024-07-16",)
    # The same path in the same process, while the old file is open.
    with duckdb.connect(home["path"], read_only=True) as again:
        assert again.execute(LAST).fetchone() == ("2024-07-17",)
    assert home["held"].execute(LAST).fetchone() == ("2024-07-16",)


def test_attaching_again_takes_up_the_new_generation(home: dict[str, Any]) -> None:
    host, last = home["host"], LAST.replace("marts.", "warehouse.marts.")
    assert host.execute(last).fetchone() == ("2024-07-16",)
    host.execute("detach warehouse")
    host.execute(f"attach '{home['path']}' as warehouse (read_only)")
    assert host.execute(last).fetchone() == ("2024-07-17",)


def test_the_two_settings_keep_queries_inside(home: dict[str, Any], tmp_path: Path) -> None:
    with duckdb.connect(home["path"], read_only=True, config=LOCKED) as connection:
        assert connection.execute(LAST).fetchone() == ("2024-07-17",)
        for statement in (
            f"copy ref.pairs to '{tmp_path / 'copy.csv'}'",
            "select * from read_text('/etc/passwd')",
            f"attach '{tmp_path / 'other.duckdb'}' as other",
            "install httpfs",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)
        with pytest.raises(duckdb.Error, match="locked"):
            connection.execute("set enable_external_access = true")
        with pytest.raises(duckdb.Error, match="read-only"):
            connection.execute("create table marts.mine (x integer)")
    assert list(tmp_path.iterdir()) == []


def test_python_of_the_page_runs(home: dict[str, Any]) -> None:
    assert len(blocks("python")) == 2
    for code in blocks("python"):
        scope: dict[str, Any] = {}
        exec(code.replace("data/simulated", str(home["home"])), scope)
        if "summary" in scope:
            assert len(scope["summary"]) > 100
            assert set(scope["meaning"]["column_name"]) == set(scope["summary"].columns)
        else:
            assert scope["generation"] == "2"


def test_sql_of_the_page_runs(home: dict[str, Any]) -> None:
    [statements] = blocks("sql")
    connection = duckdb.connect()
    for statement in statements.replace("data/simulated", str(home["home"])).split(";")[:-1]:
        connection.execute(statement)
    connection.close()


def test_the_settings_of_superset_are_json() -> None:
    [text] = blocks("json")
    assert json.loads(text)["connect_args"] == {"read_only": True, "config": LOCKED}


def test_cli_of_the_page_runs(home: dict[str, Any]) -> None:
    if shutil.which("duckdb") is None:
        pytest.skip("no duckdb command on the path (pip install duckdb-cli in an environment of its own)")
    [session] = blocks("console")
    lines = [line.removeprefix("D ") for line in session.split("\n") if line.startswith("D ")]
    command = ["duckdb", "-readonly", "-csv", home["path"]]
    answer = subprocess.run(
        command, input="\n".join(lines), capture_output=True, text=True, timeout=60, check=True
    )
    assert "2024-07-17" in answer.stdout


def test_parquet_files_are_those_of_the_tables(home: dict[str, Any]) -> None:
    folder = Path(home["home"]) / "published" / "current"
    with duckdb.connect(home["path"], read_only=True) as connection:
        names = connection.execute(
            "select schema_name, table_name from duckdb_tables() where schema_name in ('marts', 'ref', 'ops')"
            " order by all"
        ).fetchall()
        for schema, name in names:
            file = folder / "parquet" / schema / f"{name}.parquet"
            if not file.exists():
                file = folder / "parquet" / schema / name / "*.parquet"
            inside = connection.execute(f"select count(*), sum(hash(t)) from {schema}.{name} as t").fetchone()
            outside = connection.execute(
                f"select count(*), sum(hash(t)) from read_parquet('{file}') as t"
            ).fetchone()
            assert inside == outside, name
