"""The dashboards while the publication changes, is missing or damaged, and the bundle in and out of Superset.

In: a copy of a home of the small market, whose generations are published by `warehouse.publication`. Out:
assertions on what charts are answered meanwhile: one generation per answer, the newest at the next question,
no error, and old generations that can be deleted.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from tests.dashboards.bundle_read import PROVENANCE
from tests.dashboards.in_browser import chromium, visit
from tests.dashboards.served import (
    REPOSITORY,
    Served,
    ask_sql,
    environment,
    interpreter,
    prepare,
    prepared,
    served,
    sign_in,
    words,
)
from tests.shared_homes import HomeAfter, copied_home
from warehouse.publication import building_folder, current_generation, move_into_place, publish_link
from warehouse.settings import Settings

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]
READERS, GENERATIONS = 16, 6
# Of one generation all three say the same; a mixture of two does not.
STATEMENT = (
    "select (select max(generation) from ops.publication) as a,"
    " (select count(*) from ops.generation_mark) as b, (select min(generation) from ops.generation_mark) as c"
)
FIRST_STATEMENTS = """
from superset.app import create_app
app = create_app()
from dashboards import gunicorn_config
from superset.extensions import celery_app
def bound():
    tasks = celery_app._tasks
    unbound = [name for name, task in tasks.items() if task.request_stack is None]
    return "sql_lab.get_sql_results" in tasks and not unbound
before = bound()
gunicorn_config.post_worker_init(None)
print(before, bound())
"""
EXPORT = (
    "import json, sys; from superset.app import create_app; app = create_app(); app.app_context().push();"
    " from dashboards.bundle import bundle_files, exported_bundle;"
    " print('▸' + json.dumps([bundle_files(), exported_bundle()], default=str))"
)
# With the files of another folder: what a person does who edits them, or whose export writes them.
WITH_FILES = (
    "import sys; from pathlib import Path; from dashboards import bundle; bundle.BUNDLE = Path(sys.argv[1]);"
    " from dashboards import {module}; sys.exit({module}.main())"
)
# Housekeeping at the worst moment: the link has been read, and what it led to goes before it is opened.
MOVED = """
import shutil, sys
from pathlib import Path
from dashboards import connection
link, new = Path(sys.argv[1]) / "current", sys.argv[2]
opened = connection._opened
def late(link, path):
    if path.parent.name == "1":
        shutil.rmtree(path.parent)
        link.unlink()
        link.symlink_to(new)
    return opened(link, path)
connection._opened = late
print(connection.connect().cursor()._raw.execute("select 1").fetchone())
"""


@pytest.fixture(scope="module")
def home(home_after: HomeAfter, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home of this module's own."""
    return copied_home(home_after("2024-07-16"), tmp_path_factory.mktemp("homes") / "home")


@pytest.fixture(scope="module")
def server(home: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A Superset on it."""
    publish(home)
    python = interpreter()
    ready = prepared(tmp_path_factory, python, home.published)
    folder = tmp_path_factory.mktemp("superset") / "state"
    with served(python, ready, folder, home.published) as running:
        yield running


def publish(home: Settings) -> int:
    """The next generation: the present one, its number in as many rows of a table; old ones are deleted."""
    current = current_generation(home)
    assert current is not None
    number = int(current.name) + 1
    folder = building_folder(home)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(current / "warehouse.duckdb", folder / "warehouse.duckdb")
    (folder / "warehouse.duckdb").chmod(0o644)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute(
            "insert into ops.publication by name select * replace (? as generation) from ops.publication"
            " order by generation desc limit 1",
            [number],
        )
        connection.execute(
            "create or replace table ops.generation_mark as select ?::integer as generation from range(?)",
            [number, number],
        )
    move_into_place(home, number)
    publish_link(home, number)
    return number


def chart_question(client: httpx.Client, title: str) -> dict[str, Any]:
    """A chart's question about all columns of its dataset, as its form would ask it."""
    found = client.get("/api/v1/chart/", params={"q": "(page_size:500)"}).json()["result"]
    chart = next(one for one in found if one["slice_name"] == title)
    params = json.loads(client.get(f"/api/v1/chart/{chart['id']}").json()["result"]["params"])
    return {
        "datasource": {"id": chart["datasource_id"], "type": "table"},
        "queries": [{"columns": params["all_columns"], "row_limit": 10, "filters": [], "orderby": []}],
        "form_data": {"slice_id": chart["id"], "viz_type": "table"},
        "result_format": "json",
        "result_type": "full",
    }


def printed(server: Served, code: str) -> str:
    """What code prints in Superset's interpreter, with the settings of the server."""
    ran = subprocess.run(
        [str(server.python), "-c", code],
        cwd=REPOSITORY,
        env=environment(server.folder, server.published),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout


def test_the_first_statements_may_come_together(server: Served) -> None:
    """Celery binds a task when it is first called, one thread's half done work in another's sight."""
    assert printed(server, FIRST_STATEMENTS).splitlines()[-1] == "False True"


def test_generations_come_and_go_under_sixteen_readers_and_a_browser(home: Settings, server: Served) -> None:
    client = server.signed_in("analyst")
    question = chart_question(client, PROVENANCE)
    first = current_generation(home)
    assert first is not None
    ended, wrong, seen = threading.Event(), [], []

    def read() -> None:
        newest = 0
        while not ended.is_set():
            answer = client.post("/api/v1/chart/data", json=question)
            status, body = ask_sql(client, STATEMENT)
            if answer.status_code != 200 or status != 200:
                wrong.append(answer.text[:300] + words(body))
                continue
            (row,), (marks,) = answer.json()["result"][0]["data"], body["data"]
            if len(set(marks.values())) != 1 or marks["a"] < row["generation"] or row["generation"] < newest:
                wrong.append(f"{marks} after {row} after {newest}")
            newest = marks["a"]
            seen.append(newest)

    readers = [threading.Thread(target=read) for _ in range(READERS)]
    with chromium() as browser, visit(browser, server, "rotation") as looked:
        for reader in readers:
            reader.start()
        try:
            for _ in range(GENERATIONS):
                number = publish(home)
                status, body = ask_sql(client, STATEMENT)
                assert status == 200, words(body)
                assert body["data"][0]["a"] >= number, "the next question sees it"
            looked.load()
            assert [answer.said for answer in looked.answers() if answer.said] == []
            assert looked.complaints == []
            shown = looked.chart(PROVENANCE).locator("tbody tr").first.inner_text()
            assert str(number) in shown.split()
        finally:
            ended.set()
            for reader in readers:
                reader.join(timeout=120)
    assert wrong == []
    assert len(seen) > READERS and len(set(seen)) > 1
    assert not first.exists(), "an old generation was deleted while it was read"
    held = [str(path) for path in server.open_files() if "warehouse.duckdb" in path.name]
    assert [path for path in held if "deleted" in path] == [], "the server holds on to a deleted generation"


def test_a_missing_or_damaged_publication_says_what_to_do(home: Settings, server: Served) -> None:
    client = server.signed_in("analyst")
    question = chart_question(client, PROVENANCE)
    link = home.published / "current"
    target = link.readlink()
    damaged = home.published / "generations" / "damaged"
    damaged.mkdir()
    (damaged / "warehouse.duckdb").write_bytes(b"no database" * 5_000)
    try:
        for leads_to, said in (
            (None, "`make run`"),
            ("generations/none", "`make run`"),
            (damaged, "`make rebuild`"),
        ):
            link.unlink(missing_ok=True)
            if leads_to:
                link.symlink_to(leads_to)
            answer = client.post("/api/v1/chart/data", json=question)
            assert answer.status_code >= 400 and said in answer.text, answer.text[:500]
            status, body = ask_sql(client, "select 1 as one")
            assert status >= 400 and said in words(body), words(body)
            assert "Traceback" not in answer.text + words(body)
    finally:
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    assert client.post("/api/v1/chart/data", json=question).status_code == 200


def exported(server: Served) -> tuple[dict[str, Any], dict[str, Any]]:
    """The files, and what Superset holds, both as `dashboards.bundle` has them."""
    (line,) = (line for line in printed(server, EXPORT).splitlines() if line.startswith("▸"))
    files, held = json.loads(line[1:])
    return files, held


def test_an_export_equals_the_files_and_importing_again_changes_nothing(server: Served) -> None:
    files, held = exported(server)
    assert set(held) == set(files)
    assert [path for path in files if files[path] != held[path]] == []
    changed = client_times(server)
    prepare(server.python, server.folder, server.published)
    again = exported(server)
    assert again == (files, held)
    assert client_times(server) == changed, "nothing was written again"


def client_times(server: Served) -> dict[str, str]:
    """When each chart and dashboard was changed last."""
    client = server.signed_in("admin")
    return {
        f"{kind} {one['id']}": one["changed_on_utc"]
        for kind in ("chart", "dashboard")
        for one in client.get(f"/api/v1/{kind}/", params={"q": "(page_size:500)"}).json()["result"]
    }


def run_with(server: Served, module: str, files: Path) -> str:
    """Run a program of the dashboards on other files of the bundle; what it printed."""
    ran = subprocess.run(
        [str(server.python), "-c", WITH_FILES.format(module=module), str(files)],
        cwd=REPOSITORY,
        env=environment(server.folder, server.published),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout


def titles(server: Served) -> dict[str, int]:
    """The charts that there are, and their numbers."""
    client = server.signed_in("admin")
    found = client.get("/api/v1/chart/", params={"q": "(page_size:500)"}).json()["result"]
    return {chart["slice_name"]: chart["id"] for chart in found}


def test_the_next_start_takes_passwords_from_their_files_and_a_chart_goes_with_its_file(
    server: Served, tmp_path: Path
) -> None:
    files = shutil.copytree(REPOSITORY / "dashboards" / "superset", tmp_path / "superset")
    before = titles(server)
    (file,) = (
        path for path in (files / "charts").iterdir() if f"slice_name: {PROVENANCE}\n" in path.read_text()
    )
    file.unlink()
    old, new = server.password("analyst"), "another password of a test"
    (server.folder / "secrets" / "dashboards_analyst_password").write_text(new + "\n")
    said = run_with(server, "prepare", files)
    assert " 0 of " in said and "imported, 1 removed" in said
    assert set(before) - set(titles(server)) == {PROVENANCE}
    with server.client("127.0.0.4") as somebody:
        assert "/login" in sign_in(somebody, "analyst", old).headers["location"]
        assert "/login" not in sign_in(somebody, "analyst", new).headers["location"]
    prepare(server.python, server.folder, server.published)
    assert set(titles(server)) == set(before), "the file is back, and so is its chart"


def test_an_edit_that_was_exported_is_undone_by_undoing_its_file(server: Served, tmp_path: Path) -> None:
    files = shutil.copytree(REPOSITORY / "dashboards" / "superset", tmp_path / "superset")
    before = titles(server)
    title = next(title for title in before if title != PROVENANCE)
    edited = server.signed_in("admin").put(f"/api/v1/chart/{before[title]}", json={"slice_name": "By hand"})
    assert edited.status_code == 200
    assert "changed" in run_with(server, "bundle", files)
    assert any("slice_name: By hand" in path.read_text() for path in (files / "charts").iterdir())
    prepare(server.python, server.folder, server.published)
    assert titles(server) == before


def test_a_generation_that_goes_between_link_and_file_is_not_missed(
    home: Settings, server: Served, tmp_path: Path
) -> None:
    current = current_generation(home)
    assert current is not None
    shutil.copytree(current, tmp_path / "generations" / "1")
    (tmp_path / "current").symlink_to(tmp_path / "generations" / "1")
    ran = subprocess.run(
        [str(server.python), "-c", MOVED, str(tmp_path), str(current)],
        cwd=REPOSITORY,
        env=environment(server.folder, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "(1,)\n"), ran.stderr[-2000:]
    assert not (tmp_path / "generations" / "1").exists()
