"""What a person sees in Airflow's web interface: names, documentation, the form, links, notes and pages.

In: the DAGs as they are parsed, and homes that hold what a run leaves behind. Out: assertions on texts and
addresses. Under a real scheduler the same is asked in `tests/test_scheduler.py`.
"""

from __future__ import annotations

import os
import posixpath
import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy
from airflow.models.dagrun import DagRunNote
from airflow.models.deadline import Deadline
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from fastapi.testclient import TestClient
from markdown_it import MarkdownIt
from sqlalchemy.orm import Session

from alerts.addresses import documentation_url, published_link, runbook_link
from alerts.alert import failed_alert
from dags.rotation_daily import rotation_daily
from dags.rotation_housekeeping import rotation_housekeeping
from dags.rotation_watch import rotation_watch
from datasets.base import PlannedInput
from orchestration import run_notes
from orchestration.context import run_context
from orchestration.links import BriefLink, FailedChecksLink, PublicationLink, RunbookLink
from orchestration.noted import noted
from orchestration.operators import LoadOperator, PlanOperator
from orchestration.pages import (
    HEADERS,
    NoSuchPage,
    contents_page,
    current_number,
    documentation,
    documentation_page,
    generation_page,
    make_app,
    published_folder,
    session_page,
)
from orchestration.params import DAILY_PARAMS
from orchestration.summary import published_note
from pipeline.context import RunContext
from pipeline.endings import StepFailed
from pipeline.state import (
    AuditSummary,
    BuildSummary,
    DatasetSummary,
    FailedRule,
    FetchBatch,
    LoadSummary,
    Published,
    RunPlan,
    RunState,
)
from warehouse.database import LAYOUT
from warehouse.settings import Settings, SettingsError

REPOSITORY = Path(__file__).resolve().parent.parent
RUN = "manual__2024-07-16T22:30:00+00:00"
INTERFACE = "https://airflow.example.com/team"


@pytest.fixture(scope="module")
def dags() -> list[DAG]:
    """The three DAGs."""
    return [rotation_daily(), rotation_watch(), rotation_housekeeping()]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An empty home, named by the environment as in a task; Airflow knows its own address."""
    for name in [name for name in os.environ if name.startswith("ROTATION_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ROTATION_SOURCE", "files")
    monkeypatch.setenv("ROTATION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", INTERFACE)
    return Settings.from_environment()


def run_that_published(home: Settings, target: str = "2024-07-16") -> RunContext:
    """The hand-overs of a run of which generation 3 came."""
    state = RunState(home.home, RUN)
    plan = RunPlan(
        run_id=RUN,
        session=date(2024, 7, 16),
        target=date.fromisoformat(target),
        source="files",
        started_at_utc=datetime(2024, 7, 16, 22, 30),
        layout=LAYOUT,
    )
    state.write("plan", plan)
    loaded = DatasetSummary(
        source="files",
        inputs=7,
        fetched=7,
        replayed=0,
        unchanged_payloads=0,
        served_rows=1300,
        new_rows=1234,
        quarantined=2,
    )
    state.write("loaded", LoadSummary(datasets={"prices": loaded}, missing=("fred/X was not served",)))
    built = BuildSummary(
        rows={"marts.a": 40_000, "marts.b": 2_000},
        extends=2,
        computed=("marts.a", "marts.b"),
        changed_from={"marts.a": date(2024, 7, 16)},
    )
    state.write("built", built)
    rules = [
        FailedRule(table_name=f"marts.t{n}", rule="is_fine", severity="warning", failed_rows=n)
        for n in range(1, 6)
    ]
    state.write("audited", AuditSummary(rules=653, failed=tuple(rules)))
    state.write("published", Published(generation=3, headlines=("Small caps led.", "Second sentence.")))
    return RunContext(home, RUN)


# ---- names and documentation


def test_every_dag_and_task_has_a_name_in_plain_words_and_an_owner(dags: list[DAG]) -> None:
    for dag in dags:
        assert dag.dag_display_name.startswith("Rotation: ")
        for task in dag.tasks:
            assert task.task_display_name != task.task_id, task.task_id
            assert 10 < len(task.task_display_name) <= 24, task.task_display_name
            assert task.owner == "data-engineering"


def test_every_task_says_what_it_does_and_what_to_do_when_it_fails(dags: list[DAG]) -> None:
    for task in [task for dag in dags for task in dag.tasks]:
        assert "**When it fails**" in task.doc_md, task.task_id
        assert re.search(r"\*\*(Writes|Removes)\*\*", task.doc_md), task.task_id
        pages = re.findall(r"`(docs/runbook/[a-z-]+\.md)`", task.doc_md)
        assert pages and all((REPOSITORY / page).is_file() for page in pages), task.task_id
        operator = getattr(task, "operator_class", type(task))
        assert pages[-1] == f"docs/runbook/{operator.runbook_page}"
        assert "Runbook" in {link.name for link in task.operator_extra_links}
        # The documentation is rendered as it stands, and is the same in every process and deployment.
        assert "://" not in task.doc_md and " at 0x" not in task.doc_md


def test_a_batch_is_named_by_its_kind_and_its_inputs() -> None:
    def batch(number: int, dataset: str, *names: str) -> FetchBatch:
        day = date(2024, 7, 16)
        return FetchBatch(
            number=number, dataset=dataset, inputs=tuple(PlannedInput(name, day, day) for name in names)
        )

    batches = (batch(0, "prices", "AGG", "CMA"), batch(1, "prices", "SPY"), batch(2, "fred", "A", "B", "C"))
    plan = RunPlan(
        run_id="x",
        session=date(2024, 7, 16),
        target=date(2024, 7, 16),
        source="files",
        started_at_utc=datetime(2024, 7, 16),
        layout=1,
        batches=batches,
    )
    assert [plan.label(entry) for entry in batches] == [
        "prices 1/2: AGG … CMA",
        "prices 2/2: SPY",
        "fred: A … C",
    ]


# ---- the form


def test_the_form_takes_a_date_a_list_and_a_switch(dags: list[DAG]) -> None:
    params = dags[0].params
    assert {name: params[name] for name in params} == {
        "session": None,
        "fetch_again": [],
        "rebuild": False,
        "dry_run": False,
    }
    # A range is no date of a calendar: the field takes text, and its description says how to write both.
    assert "2014-07-17/2024-07-16" in params.get_param("session").schema["description_md"]
    for name in params:
        assert params.get_param(name).schema["title"] and params.get_param(name).schema["description_md"]
    for name, good, bad in (
        ("session", "2024-07-16", ""),
        ("session", "2024-07-01/2024-07-16", 20240716),
        ("fetch_again", ["prices/SPY", "fred"], "prices/SPY"),
        ("rebuild", True, "yes"),
        ("dry_run", True, "yes"),
    ):
        assert params.get_param(name).resolve(good) == good
        with pytest.raises(ParamValidationError):
            params.get_param(name).resolve(bad)


def task_context(params: dict[str, Any], **more: str) -> dict[str, Any]:
    """The context of a task of a manual run; `more` is in its conf and no parameter."""
    dag_run = SimpleNamespace(
        run_id=RUN, partition_key=None, logical_date=None, run_type="manual", conf={**params, **more}
    )
    task = SimpleNamespace(retry_delay=timedelta(seconds=30), max_retry_delay=None)
    return {
        "dag_run": dag_run,
        "dag": SimpleNamespace(params=DAILY_PARAMS),
        "params": params,
        "ti": SimpleNamespace(try_number=1, max_tries=3, task=task, dag_id="rotation_daily"),
    }


def test_the_form_reaches_the_step(home: Settings) -> None:
    params = {"session": "2024-07-16", "fetch_again": ["prices/SPY", " ", "fred "], "dry_run": True}
    asked = run_context(task_context(params, sesion="x"), alone=True).requested
    assert asked.unknown == ("sesion",)
    assert (asked.parameter, asked.fetch_again, asked.dry_run) == (
        "2024-07-16",
        ("prices/SPY", "fred"),
        True,
    )


# ---- links


def links(run_id: str = RUN) -> dict[str, str]:
    """Name and address of each link of the last task."""
    operator: Any = SimpleNamespace(runbook_page="failed.md")
    kinds = (RunbookLink(), BriefLink(), PublicationLink(), FailedChecksLink())
    return {link.name: link.get_link(operator, ti_key=SimpleNamespace(run_id=run_id)) for link in kinds}


def test_links_lead_to_the_pages_of_the_web_interface_without_settings(home: Settings) -> None:
    run_that_published(home)
    base = "/team/rotation"
    assert links() == {
        "Runbook": f"{base}/docs/runbook/failed.md",
        "Morning brief": f"{base}/published/briefs/2024-07-16.html",
        "Publication": f"{base}/published/generations/3/",
        "Failed checks": f"{base}/published/generations/3/validation.html",
    }


def test_links_lead_where_the_settings_say(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run_that_published(home)
    monkeypatch.setenv("ROTATION_PUBLISHED_URL", "https://files.example.com/rotation/")
    monkeypatch.setenv("ROTATION_RUNBOOK_URL", "https://git.example.com/rotation/blob/main/")
    found = links()
    assert found["Morning brief"] == "https://files.example.com/rotation/briefs/2024-07-16.html"
    assert found["Runbook"] == "https://git.example.com/rotation/blob/main/docs/runbook/failed.md"


def test_a_run_without_a_publication_has_the_link_to_the_runbook_alone(home: Settings) -> None:
    assert {name for name, address in links("another").items() if address} == {"Runbook"}


@pytest.mark.parametrize("text", ["javascript:alert(1)", "files.example.com", "https://", "file:///etc"])
def test_an_address_that_is_none_is_refused_and_no_link_is_made(
    home: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    run_that_published(home)
    monkeypatch.setenv("ROTATION_PUBLISHED_URL", text)
    with pytest.raises(SettingsError, match="ROTATION_PUBLISHED_URL"):
        published_link("x")
    assert links()["Morning brief"] == ""
    assert "ROTATION_PUBLISHED_URL" in caplog.text


def test_alerts_name_an_address_that_can_be_followed(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert documentation_url() == f"{INTERFACE}/rotation"
    monkeypatch.setenv("ROTATION_RUNBOOK_URL", "https://git.example.com/rotation/")
    assert documentation_url() == "https://git.example.com/rotation"
    monkeypatch.delenv("ROTATION_RUNBOOK_URL")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "")
    # `make run`: there is no web interface, and a checkout at hand.
    assert documentation_url() == ""
    assert runbook_link("failed.md") == "/rotation/docs/runbook/failed.md"


# ---- notes


def test_the_note_of_a_published_run(home: Settings) -> None:
    base = "/team/rotation/published/generations/3"
    assert published_note(run_that_published(home)) == (
        "**Session 2024-07-16: [generation 3](/team/rotation/published/briefs/2024-07-16.html)**,"
        " 1,234 new rows,"
        f" 5 of 653 [rules]({base}/validation.html) failed\n\n"
        "Small caps led.\n\n"
        "Failed: marts.t1 is_fine (1 row), marts.t2 is_fine (2 rows), marts.t3 is_fine (3 rows) and 2"
        " more.\n\n"
        "2 rows in quarantine. Build: generation 2 extended: rows of 2 tables computed, 1 changed, 1 of 2"
        " kept as they were.\n\n"
        "1 optional input was not served."
    )


def test_the_note_of_a_repair_says_at_which_session_it_published(home: Settings) -> None:
    note = published_note(run_that_published(home, target="2024-07-19"))
    assert note.startswith("**Session 2024-07-16 repaired, published at 2024-07-19: ")


def test_the_note_counts_one_row_as_one(home: Settings) -> None:
    run = run_that_published(home)
    loaded = run.state.read("loaded", LoadSummary)
    assert loaded is not None
    one = {"prices": loaded.datasets["prices"].model_copy(update={"quarantined": 1})}
    run.state.write("loaded", loaded.model_copy(update={"datasets": one}))
    assert "\n1 row in quarantine. " in published_note(run)


def test_the_note_of_a_failed_run_has_the_alerts_subject_the_sentence_and_the_page(home: Settings) -> None:
    alert = failed_alert("rotation_daily", RUN, "2024-07-17", "load", "prices/SPY is missing.")
    assert run_notes.failure_note(alert) == (
        "**Rotation: run for 2024-07-17 failed at load**: prices/SPY is missing.\n\n"
        "[What to do](/team/rotation/docs/runbook/failed.md)"
    )


def test_a_note_fits_the_column_and_passes_on_no_markup(home: Settings) -> None:
    text = "<img src=x> [click](https://evil.example.com)\x00" + "x" * 5000
    note = run_notes.failure_note(failed_alert("rotation_daily", RUN, None, "load", text))
    assert len(note) <= run_notes.LONGEST
    assert note.endswith("/rotation/docs/runbook/failed.md)")
    assert not re.search(r"[<>\x00]", note)


@pytest.mark.parametrize(
    "text",
    [
        "[click](https://evil.example.com)",
        "![](https://evil.example.com/pixel.png)",
        "of the source:\n\n[x]: https://evil.example.com/pixel.png\n\n# ![x] [x]",
        "\\[click](https://evil.example.com)",
        "a table\n\n- [click]\n\n[click]: https://evil.example.com",
    ],
)
def test_no_text_of_a_source_becomes_a_link_a_picture_or_a_heading_of_the_note(
    home: Settings, text: str
) -> None:
    note = run_notes.failure_note(failed_alert("rotation_daily", RUN, None, "load", text))
    page = MarkdownIt("commonmark").enable("table").render(note)
    assert re.findall(r"<(?:a|img|h\d|li)\b[^>]*>", page) == [
        '<a href="/team/rotation/docs/runbook/failed.md">'
    ]
    # Every word of it is there to read.
    assert " ".join(text.split()) in " ".join(unescape(re.sub(r"<[^>]+>", "", page)).split())


def test_the_note_of_a_refused_run_says_what_its_alert_says(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[dict[str, Any]] = []
    context = task_context({"session": "2024-07-04"})
    context["ti"].xcom_push = lambda key, value: left.append(value)
    with pytest.raises(AirflowFailException, match="NYSE was closed"):
        PlanOperator(task_id="plan").translated(context)
    monkeypatch.setattr(run_notes, "_left", lambda dag_run, session: [("plan", left[0])])
    of_tasks: Any = SimpleNamespace(execute=lambda query: SimpleNamespace(scalars=lambda: ["plan"]))
    context["dag_run"].dag_id = "rotation_daily"
    note = run_notes._failure(context["dag_run"], of_tasks)
    assert note.startswith("**Rotation: a run for 2024-07-04 was refused**: 2024-07-04 is a Thursday")


def test_a_failed_step_of_a_run_that_named_no_session_tells_the_note_which_it_was(home: Settings) -> None:
    run_that_published(home)
    left: list[dict[str, Any]] = []
    context = task_context({})
    context["ti"].xcom_push = lambda key, value: left.append(value)

    class Fails(LoadOperator):
        def run_step(self, run: RunContext) -> dict[str, int]:
            raise StepFailed("prices/SPY is missing.")

    with pytest.raises(AirflowFailException):
        Fails(task_id="load").translated(context)
    assert left == [{"text": "prices/SPY is missing.", "session": "2024-07-16", "refused": False}]


def test_what_a_person_wrote_is_kept_and_the_runs_own_note_is_replaced() -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    DagRunNote.__table__.create(engine)
    notes = DagRunNote.__table__
    with engine.begin() as connection:

        def note() -> tuple[str, str | None]:
            row = connection.execute(sqlalchemy.select(notes.c.content, notes.c.user_id)).one()
            return row[0], row[1]

        run_notes._write(connection, 1, "first")
        assert note() == ("first", None)
        run_notes._write(connection, 1, "second")
        assert note() == ("second", None)
        connection.execute(sqlalchemy.update(notes).values(content="looked at it", user_id="ann"))
        run_notes._write(connection, 1, "third")
        run_notes._write(connection, 1, "fourth " + "x" * 2000)
        text, user = note()
        assert text.startswith("looked at it\n\n---\n\nfourth xxx") and user == "ann"
        assert len(text) == run_notes.LONGEST


def test_a_run_that_missed_its_deadline_says_so(home: Settings) -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    deadlines = Deadline.__table__
    deadlines.create(engine)
    at = datetime(2024, 7, 17, 0, 30, tzinfo=UTC)
    with Session(engine) as session:
        for run, missed in ((1, True), (2, False)):
            values = {"dagrun_id": run, "deadline_time": at, "missed": missed, "callback_id": uuid4()}
            session.execute(sqlalchemy.insert(deadlines).values(**values))
        late, in_time = (run_notes._late(SimpleNamespace(id=run), session) for run in (1, 2))
    assert late == (
        "It ended after its deadline, 2024-07-17 00:30 UTC."
        " [What to do](/team/rotation/docs/runbook/deadline.md)"
    )
    assert in_time == ""


def test_a_task_leaves_its_sentence_and_fails_as_it_would_without() -> None:
    left: list[dict[str, Any]] = []

    class Task:
        def xcom_push(self, *, key: str, value: Any) -> None:
            left.append({key: value})

    with pytest.raises(AirflowFailException), noted({"ti": Task()}):
        raise AirflowFailException("prices/SPY is missing.")
    with noted({"ti": Task()}) as note:
        note.text = "done"
    with noted({"ti": Task()}):
        pass
    assert [entry["note"]["text"] for entry in left] == ["prices/SPY is missing.", "done"]


def test_a_note_that_cannot_be_left_fails_no_task(caplog: pytest.LogCaptureFixture) -> None:
    class Task:
        def xcom_push(self, *, key: str, value: Any) -> None:
            raise OSError("the API server is away")

    with noted({"ti": Task()}) as note:
        note.text = "done"
    assert "the API server is away" in caplog.text


# ---- pages


@pytest.fixture
def published(home: Settings) -> Path:
    """A published folder with two generations, one that is being built, and a file outside of it."""
    folder = home.published
    for name in ("2", "3", "building"):
        (folder / "generations" / name).mkdir(parents=True)
        (folder / "generations" / name / "brief.html").write_text(f"<p>brief {name}</p>")
        (folder / "generations" / name / "validation.html").write_text(f"<p>checks {name}</p>")
    (folder / "current").symlink_to("generations/3")
    (folder / "briefs").mkdir()
    (folder / "briefs" / "2024-07-16.html").write_text("<p>that day</p>")
    (folder / "status.json").write_text("{}")
    (home.home / "secret.html").write_text("secret")
    (folder / "generations" / "4").symlink_to(home.home)
    (folder / "briefs" / "2024-07-17.html").symlink_to(home.home / "secret.html")
    return folder


def test_the_pages_of_a_publication_are_shown(published: Path) -> None:
    assert published_folder() == published
    assert generation_page(published, current_number(published), "brief.html") == "<p>brief 3</p>"
    assert generation_page(published, 2, "validation.html") == "<p>checks 2</p>"
    assert session_page(published, "2024-07-16.html") == "<p>that day</p>"
    assert "readers see generation 3 now" in contents_page(published, 2)
    assert 'href="brief.html"' in contents_page(published, 3)


@pytest.mark.parametrize(
    ("number", "page"),
    [
        (1, "brief.html"),
        (-1, "brief.html"),
        (4, "secret.html"),
        (4, "brief.html"),
        (3, "warehouse.duckdb"),
        (3, "../../status.json"),
        (3, "..%2f..%2fstatus.json"),
        (3, "/etc/passwd"),
        (3, "brief.html\x00"),
        (3, ""),
    ],
)
def test_nothing_else_of_a_publication_is_shown(published: Path, number: int, page: str) -> None:
    with pytest.raises(NoSuchPage):
        generation_page(published, number, page)


@pytest.mark.parametrize(
    "page",
    [
        "2024-07-17.html",
        "2024-07-18.html",
        "../status.json",
        "2024-07-16.html\n",
        "٢٠٢٤-07-16.html",
        "x.html",
    ],
)
def test_no_other_brief_is_shown(published: Path, page: str) -> None:
    with pytest.raises(NoSuchPage):
        session_page(published, page)


def test_a_page_in_a_pipe_or_folder_is_not_waited_for(published: Path) -> None:
    page = published / "generations" / "3" / "brief.html"
    page.unlink()
    os.mkfifo(page)
    with pytest.raises(NoSuchPage):
        generation_page(published, 3, "brief.html")
    page.unlink()
    page.mkdir()
    with pytest.raises(NoSuchPage):
        generation_page(published, 3, "brief.html")


def test_without_the_folder_a_page_says_what_to_set(home: Settings) -> None:
    with pytest.raises(NoSuchPage, match=r"sees no published folder at .*ROTATION_PUBLISHED_URL"):
        published_folder()


def test_the_documentation_is_shown_with_its_links_and_nothing_beside_it() -> None:
    page = documentation_page("runbook/failed.md")
    assert ">A daily run failed</h1>" in page and "<table>" in page
    assert 'href="../live-sources.md"' in page
    for path in ("../README.md", "..%2fREADME.md", "/etc/passwd", "site/conf.py", "queries/x.sql", ""):
        with pytest.raises(NoSuchPage):
            documentation_page(path)


def test_no_link_of_the_documentation_leads_nowhere() -> None:
    folder = REPOSITORY / "docs"
    shown = {path.relative_to(folder).as_posix() for path in documentation()}
    pages = {path: documentation_page(path) for path in shown}
    for path, page in pages.items():
        for address in re.findall(r'href="([^"]+)"', page):
            if address.startswith("https://") or address.startswith("http://"):
                continue
            target, _, heading = address.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) if target else path
            assert target in pages, (path, address)
            assert not heading or f' id="{heading}"' in pages[target], (path, address)
    assert '<span title=".env.example, in the repository">.env.example</span>' in pages["operations.md"]


@pytest.mark.parametrize(
    "path",
    [
        "/published/current/brief.html",
        "/published/generations/3/validation.html",
        "/published/generations/3/",
        "/published/briefs/2024-07-16.html",
        "/docs/runbook/failed.md",
    ],
)
def test_nobody_sees_a_page_without_airflows_login(published: Path, path: str) -> None:
    answer = TestClient(make_app()).get(path)
    assert answer.status_code == 401
    assert "Log in to Airflow" in answer.text
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/published/generations/3/brief.html", 200),
        ("GET", "/published/generations/three/brief.html", 404),
        ("GET", "/published/generations/3%00/", 404),
        # More digits than a name of a folder may have.
        ("GET", f"/published/generations/{'3' * 300}/brief.html", 404),
        ("GET", f"/published/generations/{'3' * 5000}/", 404),
        ("GET", f"/published/briefs/{'2' * 300}.html", 404),
        # Not UTF-8.
        ("GET", "/published/generations/2/brief.html", 404),
        ("GET", "/docs/%ff", 404),
        ("GET", "/openapi.json", 404),
        ("POST", "/published/current/brief.html", 405),
        ("DELETE", "/docs/runbook/failed.md", 405),
    ],
)
def test_every_answer_is_a_page_with_the_headers(
    published: Path, method: str, path: str, status: int
) -> None:
    (published / "generations" / "2" / "brief.html").write_bytes(b"\xff\xfe")
    app = make_app()
    [login] = app.router.dependencies
    app.dependency_overrides[login.dependency] = lambda: None
    answer = TestClient(app).request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
