"""Alerts as they are sent: to a real mail server and a real web server, from contexts as Airflow hands them
over, and through a running Airflow.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from cryptography.fernet import Fernet

from alerts.alert import LONGEST_MESSAGE, LONGEST_SUBJECT, RUNBOOK_PAGES, Alert
from alerts.channels import send
from alerts.checks import StaleInput, check_horizons, check_publication
from alerts.deadline import DEADLINE_MINUTES, daily_deadline
from alerts.notifiers import DeadlineMissed, PublicationStale, RunFailed
from alerts.watch import digest, horizon_alert, morning_check, overdue_optional_inputs, send_test_alert
from cli import status
from market_calendar.deadline import QueuedAtUnlessBackfill
from market_calendar.due import PUBLISHED_WITHIN, newest_due
from market_calendar.horizons import horizons
from market_calendar.sessions import NEW_YORK
from pipeline import steps
from pipeline.endings import Refused, StepFailed
from pipeline.run_record import status_on_failure, write_run_status
from tests.alert_servers import HookServer, MailServer, free_port, html_of
from tests.scheduler_fixture import RunningAirflow
from tests.shared_homes import HomeAfter
from tests.small_market import HISTORY_START, START, context, run_day, write_small_market
from warehouse.publication import current_generation
from warehouse.settings import Settings, SettingsError

REPOSITORY = Path(__file__).resolve().parent.parent
PASSWORD, HOOK_SECRET = "canary-smtp-5f2c81", "T0CANARY/B0CANARY/canary-hook-93be07"
SECRETS = (PASSWORD, HOOK_SECRET, "canary-hook-93be07")


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    """A mail server."""
    with MailServer(PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def hook() -> Iterator[HookServer]:
    """A web server."""
    with HookServer(HOOK_SECRET) as server:
        yield server


@pytest.fixture
def channels(
    mail: MailServer, hook: HookServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[pytest.LogCaptureFixture]:
    """Both channels set up and empty; at the end no secret has been logged at any level."""
    for name in [name for name in os.environ if name.startswith("ROTATION_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ROTATION_ALERT_MAIL_TO", "ops@example.com, second@example.com")
    monkeypatch.setenv("ROTATION_ALERT_MAIL_FROM", "rotation@example.com")
    monkeypatch.setenv("ROTATION_ALERT_WEBHOOK_URL", hook.url)
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mail.connection())
    hook.status = 200
    assert mail.messages.empty() and hook.bodies.empty()
    caplog.set_level(logging.INFO)
    yield caplog
    assert not [secret for secret in SECRETS if secret in caplog.text]


@pytest.fixture(scope="module")
def market(small_market_files: Path) -> Path:
    """Files of the small market."""
    return small_market_files


@pytest.fixture(scope="module")
def published_home(home_after: HomeAfter) -> Settings:
    """A home that holds 2024-07-16; tests work on copies."""
    return home_after("2024-07-16")


@pytest.fixture
def home(published_home: Settings, market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A copy of that home, named by the environment as in a callback."""
    shutil.copytree(published_home.home, tmp_path / "home", symlinks=True)
    monkeypatch.setenv("ROTATION_SOURCE", "files")
    monkeypatch.setenv("ROTATION_FILES_DIR", str(market))
    monkeypatch.setenv("ROTATION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROTATION_HISTORY_START", str(HISTORY_START))
    return Settings.from_environment()


def an_alert(**changes: Any) -> Alert:
    """An alert whose words a test may change."""
    words: dict[str, Any] = {
        "kind": "failed",
        "subject": "Rotation: run for 2024-07-17 failed at load",
        "message": "prices/SPY is missing.",
        "dag_id": "rotation_daily",
        "run_id": "manual__1",
        "session": "2024-07-17",
        "step": "load",
        "in_place": "generation 3 of session 2024-07-16",
        "at_utc": datetime(2024, 7, 17, 22, 45, tzinfo=UTC),
    }
    return Alert(**(words | changes))


def failed_run(home: Settings, run_id: str, **changes: Any) -> dict[str, Any]:
    """The context of a DAG's failure callback: the attributes that Airflow's own objects have there."""
    run = SimpleNamespace(partition_key="2024-07-17", conf={}, logical_date=None)
    return {
        # Under `airflow dags test` it is the serialised DAG, which renders no templates.
        "dag": SimpleNamespace(dag_id="rotation_daily", dagrun_timeout=timedelta(hours=6)),
        "run_id": run_id,
        "reason": "task_failure",
        "dag_run": run,
        "ti": SimpleNamespace(task_id="load"),
    } | changes


def test_an_alert_reaches_log_mail_and_webhook(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer
) -> None:
    assert send(an_alert()).delivered == ["log", "webhook", "mail"]
    assert hook.bodies.get_nowait() == {
        "text": (
            "Rotation: run for 2024-07-17 failed at load\nprices/SPY is missing.\nSession: 2024-07-17\nStep:"
            " load\nStays in place: generation 3 of session 2024-07-16\nRun: rotation_daily manual__1\nAt:"
            " 2024-07-17 22:45 UTC\nRunbook: docs/runbook/failed.md"
        ),
        "alert": "failed",
        "severity": "error",
        "subject": "Rotation: run for 2024-07-17 failed at load",
        "dag_id": "rotation_daily",
        "run_id": "manual__1",
        "session": "2024-07-17",
        "step": "load",
        "message": "prices/SPY is missing.",
        "in_place": "generation 3 of session 2024-07-16",
        "runbook": "docs/runbook/failed.md",
        "at_utc": "2024-07-17T22:45:00Z",
    }
    message = mail.messages.get_nowait()
    assert message["Subject"] == "Rotation: run for 2024-07-17 failed at load"
    assert message["From"] == "rotation@example.com"
    assert message["To"] == message["X-Recipients"] == "ops@example.com, second@example.com"
    for part in ("prices/SPY is missing.", "generation 3 of session 2024-07-16", "docs/runbook/failed.md"):
        assert part in html_of(message)
    [line] = [record for record in channels.records if record.getMessage().startswith("ALERT")]
    assert line.levelname == "ERROR"
    assert "prices/SPY is missing." in line.getMessage()
    assert "generation 3 of session 2024-07-16" in line.getMessage()


def test_the_log_alone_without_any_setting(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ROTATION_ALERT_MAIL_TO", "ROTATION_ALERT_WEBHOOK_URL"):
        monkeypatch.delenv(name)
    assert send(an_alert()).delivered == ["log"]
    assert "ALERT failed" in channels.text


def test_the_webhook_may_be_an_airflow_connection(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROTATION_ALERT_WEBHOOK_URL")
    monkeypatch.setenv("AIRFLOW_CONN_ALERT_WEBHOOK", f'{{"conn_type": "http", "password": "{hook.url}"}}')
    assert "webhook" in send(an_alert()).delivered
    assert hook.bodies.get_nowait()["alert"] == "failed"
    mail.messages.get_nowait()
    monkeypatch.setenv("AIRFLOW_CONN_ALERT_WEBHOOK", f'{{"conn_type": "http", "host": "{hook.url}"}}')
    assert "webhook" in send(an_alert()).delivered
    assert hook.bodies.get_nowait()["alert"] == "failed"
    mail.messages.get_nowait()
    monkeypatch.setenv("AIRFLOW_CONN_ALERT_WEBHOOK", '{"conn_type": "http"}')
    assert send(an_alert()).delivered == ["log", "mail"]
    mail.messages.get_nowait()
    assert "alert_webhook is empty; set its password to the webhook's full address" in channels.text


def test_the_runbook_may_have_an_address(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATION_RUNBOOK_URL", "https://git.example/rotation/blob/main/")
    send(an_alert(kind="stale"))
    expected = "https://git.example/rotation/blob/main/docs/runbook/stale-publication.md"
    assert hook.bodies.get_nowait()["runbook"] == expected
    assert expected in html_of(mail.messages.get_nowait())


@pytest.mark.parametrize("status_code", [302, 404, 500])
def test_a_webhook_that_refuses_does_not_hide_the_mail(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer, status_code: int
) -> None:
    hook.status = status_code
    assert send(an_alert()).delivered == ["log", "mail"]
    assert mail.messages.get_nowait()["Subject"]
    [error] = [r.getMessage() for r in channels.records if "was not delivered" in r.getMessage()]
    assert (
        f"by webhook: http://127.0.0.1:{hook.server.server_port} answered with status {status_code}." in error
    )
    assert "docs/runbook/channel-broken.md" in error


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"http://127.0.0.1:1/services/{HOOK_SECRET}", "http://127.0.0.1:1: ConnectionError."),
        (f"https://no-such-host.invalid/services/{HOOK_SECRET}", "https://no-such-host.invalid: "),
        (f"ftp://example.com/{HOOK_SECRET}", "is not an address that starts with https://"),
        (f"services/{HOOK_SECRET}", "is not an address that starts with https://"),
        (f"http://[::1/{HOOK_SECRET}", "is not an address that starts with https://"),
        (f"http://127.0.0.1:99999/{HOOK_SECRET}", "is not an address that starts with https://"),
    ],
)
def test_a_wrong_webhook_is_an_error_that_does_not_print_it(
    channels: pytest.LogCaptureFixture, mail: MailServer, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    channels.set_level(logging.DEBUG, logger="rotation.alerts")
    monkeypatch.setenv("ROTATION_ALERT_WEBHOOK_URL", url)
    assert send(an_alert()).delivered == ["log", "mail"]
    mail.messages.get_nowait()
    assert said in channels.text


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        (
            "AIRFLOW_CONN_SMTP_DEFAULT",
            None,
            "connection smtp_default: AirflowException: SMTP connection is not found",
        ),
        ("AIRFLOW_CONN_SMTP_DEFAULT", "refused", "connection smtp_default: ConnectionRefusedError"),
        ("AIRFLOW_CONN_SMTP_DEFAULT", "password", "connection smtp_default: SMTPAuthenticationError"),
        ("ROTATION_ALERT_MAIL_TO", "ops@example.com\nBcc: thief@example.com", "is not a mail address"),
        ("ROTATION_ALERT_MAIL_TO", "the team", "ROTATION_ALERT_MAIL_TO='the team' is not a mail address"),
        ("ROTATION_ALERT_MAIL_FROM", "Rotation", "ROTATION_ALERT_MAIL_FROM='Rotation' is not a mail address"),
    ],
)
def test_a_mail_that_cannot_go_does_not_hide_the_webhook(
    channels: pytest.LogCaptureFixture,
    mail: MailServer,
    hook: HookServer,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    value: str | None,
    said: str,
) -> None:
    made = {
        "refused": mail.connection(port=free_port()),
        "password": mail.connection(password="wrong-one"),
    }
    if value is None:
        monkeypatch.delenv(setting)
    else:
        monkeypatch.setenv(setting, made.get(value, value))
    assert send(an_alert()).delivered == ["log", "webhook"]
    assert hook.bodies.get_nowait()["alert"] == "failed"
    assert mail.messages.empty()
    assert said in channels.text
    assert "docs/runbook/channel-broken.md" in channels.text


@pytest.mark.timeout(60)
def test_a_silent_mail_server_is_given_up(
    channels: pytest.LogCaptureFixture, hook: HookServer, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.channels.ANSWER_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mail.connection(port=silent.getsockname()[1]))
        assert send(an_alert()).delivered == ["log", "webhook"]
    hook.bodies.get_nowait()
    assert "was not delivered by mail" in channels.text


def test_words_are_no_template_no_markup_no_header_and_no_command(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer
) -> None:
    nasty = "{{ 7 * 7 }} <script>alert(1)</script> <!channel>\r\nBcc: thief@example.com\x00\x1b[31m\ud800 %s"
    send(an_alert(message=nasty, subject=f"Rotation: {nasty}"))
    message = mail.messages.get_nowait()
    assert message["Bcc"] is None
    assert message["X-Recipients"] == "ops@example.com, second@example.com"
    assert message["Subject"].startswith("Rotation: {{ 7 * 7 }} <script>")
    assert "{{ 7 * 7 }} &lt;script&gt;" in html_of(message)
    body = hook.bodies.get_nowait()
    assert "<" not in body["text"]
    assert "{{ 7 * 7 }} <script>alert(1)</script> <!channel>" in body["message"]
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", body["message"] + body["text"])
    [line] = [r.getMessage() for r in channels.records if r.getMessage().startswith("ALERT")]
    assert "\n" not in line and "\x1b" not in line


def test_a_long_message_is_cut_and_says_so(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer
) -> None:
    send(an_alert(message="é" * 100_000, subject="s" * 1000))
    body = hook.bodies.get_nowait()
    assert body["message"] == f"{'é' * LONGEST_MESSAGE}… (98,000 more characters in the task's log)"
    assert len(body["text"]) < 2 * LONGEST_MESSAGE
    assert len(body["subject"]) == LONGEST_SUBJECT
    message = mail.messages.get_nowait()
    assert len(message["Subject"]) == LONGEST_SUBJECT
    assert "98,000 more characters" in html_of(message)


def test_every_kind_has_its_page_in_the_runbook() -> None:
    index = (REPOSITORY / "docs" / "runbook" / "README.md").read_text(encoding="utf-8")
    for page in [*RUNBOOK_PAGES.values(), "channel-broken.md", "component-unhealthy.md"]:
        text = (REPOSITORY / "docs" / "runbook" / page).read_text(encoding="utf-8")
        assert f"({page})" in index
        for heading in ("What it means", "Meanwhile", "Check", "Fix", "Resolved when"):
            assert f"## {heading}" in text, (page, heading)


def test_a_failed_run_tells_the_sentence_of_its_step(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer, home: Settings, market: Path
) -> None:
    run = context(home, "2024-07-17", "scheduled__1")
    with (
        pytest.raises(StepFailed, match="has no plan in "),
        status_on_failure(run, "load", date(2024, 7, 17)),
    ):
        steps.load(run)
    # Another run reports after it, and hides nothing.
    write_run_status(context(home, "2024-07-12", "manual__2"), "success", "publish", None, date(2024, 7, 12))
    RunFailed()(failed_run(home, "scheduled__1"))
    body = hook.bodies.get_nowait()
    assert "Run scheduled__1 has no plan in " in body["message"]
    assert (body["alert"], body["step"], body["session"]) == ("failed", "load", "2024-07-17")
    assert body["subject"] == "Rotation: run for 2024-07-17 failed at load"
    assert body["in_place"] == "generation 1 of session 2024-07-16"
    mail.messages.get_nowait()


def test_a_refused_trigger_is_a_warning_and_the_status_stays(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer, home: Settings
) -> None:
    before = (home.published / "status.json").read_bytes()
    with pytest.raises(Refused, match="NYSE was closed"):
        run_day(home, "2024-07-04", "manual__1")
    assert (home.published / "status.json").read_bytes() == before
    assert check_publication(home, MORNING).problems == []
    run = SimpleNamespace(partition_key=None, conf={"session": "2024-07-04"}, logical_date=None)
    RunFailed()(failed_run(home, "manual__1", dag_run=run, ti=SimpleNamespace(task_id="plan")))
    body = hook.bodies.get_nowait()
    assert (body["alert"], body["severity"], body["step"]) == ("refused", "warning", "plan")
    assert body["subject"] == "Rotation: a run for 2024-07-04 was refused"
    assert body["message"].startswith("2024-07-04 is a Thursday on which the NYSE was closed")
    mail.messages.get_nowait()
    # A machine reads the session as a date; what was asked for stands in the message.
    run.conf = {"session": "today"}
    RunFailed()(failed_run(home, "manual__1", dag_run=run, ti=SimpleNamespace(task_id="plan")))
    body = hook.bodies.get_nowait()
    assert (body["subject"], body["session"]) == ("Rotation: a run was refused", None)
    mail.messages.get_nowait()


def test_each_of_several_refused_triggers_has_its_alert_also_before_there_is_a_home(
    channels: pytest.LogCaptureFixture,
    mail: MailServer,
    hook: HookServer,
    home: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROTATION_HOME", str(tmp_path / "new"))
    new = Settings.from_environment()
    # The alerts are sent by another process, when the next run has been refused already.
    for session, run_id in (("2024-07-04", "manual__1"), ("2024-07-06", "manual__2")):
        with pytest.raises(Refused):
            run_day(new, session, run_id)
    for run_id, said in (
        ("manual__1", "2024-07-04 is a Thursday"),
        ("manual__2", "2024-07-06 is a Saturday"),
    ):
        RunFailed()(failed_run(new, run_id, ti=SimpleNamespace(task_id="plan")))
        body = hook.bodies.get_nowait()
        assert (body["alert"], body["severity"]) == ("refused", "warning")
        assert body["message"].startswith(said)
        mail.messages.get_nowait()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "The task load stopped without an error message"),
        ({"reason": "timed_out"}, "took longer than 6 hours; the running task was load"),
        ({"reason": "all_tasks_deadlocked"}, "No further task of the run could start"),
        ({"ti": None, "dag_run": None}, "The task unknown stopped without an error message"),
    ],
)
def test_a_run_that_left_no_sentence_is_told_all_the_same(
    channels: pytest.LogCaptureFixture,
    mail: MailServer,
    hook: HookServer,
    home: Settings,
    changes: dict[str, Any],
    said: str,
) -> None:
    # What another run left is not this run's reason.
    status_file = home.published / "status.json"
    told = json.loads(status_file.read_text()) | {"state": "failed", "message": "another run's sentence"}
    status_file.write_text(json.dumps(told))
    RunFailed()(failed_run(home, "scheduled__2", **changes))
    body = hook.bodies.get_nowait()
    assert said in body["message"]
    assert "another run's" not in body["message"]
    assert body["in_place"] == "generation 1 of session 2024-07-16"
    mail.messages.get_nowait()


@pytest.mark.parametrize(
    ("name", "value", "said", "in_place"),
    [
        (
            "ROTATION_SOURCE",
            "bloomberg",
            "The process that sent this alert has a wrong setting: ROTATION_SOURCE='bloomberg' is unknown",
            "unknown, because the settings are wrong",
        ),
        # Not mounted where callbacks run, as in the compose stack: the providers alone need it.
        (
            "ROTATION_FILES_DIR",
            "/no/such/folder",
            "stopped without an error message, probably killed or out of memory. See its log.",
            "generation 1 of session 2024-07-16",
        ),
    ],
)
def test_wrong_settings_are_told_when_nothing_else_is_known(
    channels: pytest.LogCaptureFixture,
    mail: MailServer,
    hook: HookServer,
    home: Settings,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    said: str,
    in_place: str,
) -> None:
    monkeypatch.setenv(name, value)
    RunFailed()(failed_run(home, "scheduled__3"))
    body = hook.bodies.get_nowait()
    assert said in body["message"]
    assert body["in_place"] == in_place
    mail.messages.get_nowait()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"state": "success"}',
        '{"state": "dancing", "session_date": "2024-07-16", "written_at_utc": "2024-07-16T22:00:00"}',
        '{"state": "success", "session_date": "yesterday", "written_at_utc": "2024-07-16T22:00:00"}',
        '{"state": "success", "session_date": 20240716, "written_at_utc": "2024-07-16T22:00:00"}',
        '{"state": "running", "session_date": "2024-07-16", "written_at_utc": null}',
    ],
)
def test_a_status_that_no_run_wrote_is_a_sentence(tmp_path: Path, content: str) -> None:
    settings = Settings.from_environment({"ROTATION_SOURCE": "files", "ROTATION_HOME": str(tmp_path)})
    settings.published.mkdir()
    (settings.published / "status.json").write_text(content)
    [problem] = check_publication(settings, datetime.now(UTC)).problems
    assert problem.endswith("status.json cannot be read; the next `make run` replaces it.")


def test_an_unreadable_home_does_not_hide_the_failure(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer, home: Settings
) -> None:
    (home.published / "status.json").write_text("{")
    RunFailed()(failed_run(home, "scheduled__4"))
    body = hook.bodies.get_nowait()
    assert "The task load stopped without an error message" in body["message"]
    assert "cannot be read here" in body["in_place"]
    mail.messages.get_nowait()


def test_a_backfill_is_told_to_the_log_alone(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer, home: Settings
) -> None:
    RunFailed()(failed_run(home, "backfill__2024-07-17T22:30:00+00:00"))
    assert channels.text.count("ALERT failed") == 1
    assert mail.messages.empty() and hook.bodies.empty()


def late_run(run_id: str, **changes: Any) -> dict[str, Any]:
    """The context of a deadline's callback: a run as the REST API shows it, and the moment."""
    run = {
        "dag_run_id": run_id,
        "dag_id": "rotation_daily",
        "state": "running",
        "queued_at": "2024-07-17T22:30:05Z",
        "partition_key": "2024-07-17",
        "conf": None,
    }
    return {
        "dag_run": run | changes,
        "deadline": {"deadline_time": datetime(2024, 7, 18, 0, 30, 5, tzinfo=UTC)},
    }


async def miss(context: dict[str, Any]) -> None:
    """As the triggerer does it."""
    await DeadlineMissed(context)


def test_a_missed_deadline_says_which_run_is_late(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer, home: Settings
) -> None:
    asyncio.run(miss(late_run("scheduled__5")))
    body = hook.bodies.get_nowait()
    assert (body["alert"], body["session"]) == ("deadline", "2024-07-17")
    assert body["subject"] == "Rotation: run for 2024-07-17 is late"
    assert "queued at 2024-07-17 22:30 UTC and should have ended by 2024-07-18 00:30 UTC" in body["message"]
    assert "another run blocks it" in body["message"]
    mail.messages.get_nowait()
    for state in ("failed", "success"):
        asyncio.run(miss(late_run("scheduled__5", state=state)))
    assert mail.messages.empty() and hook.bodies.empty()


@pytest.mark.parametrize("text", ["soon", "0", "-5", "nan", "1e9"])
def test_a_wrong_deadline_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTATION_DEADLINE_MINUTES", text)
    with pytest.raises(SettingsError, match=f"ROTATION_DEADLINE_MINUTES='{text}' is not a number of minutes"):
        daily_deadline()


def test_a_backfill_has_no_deadline() -> None:
    reference = QueuedAtUnlessBackfill()
    assert reference._evaluate_with(session=None, dag_id="rotation_daily", run_id="backfill__1") is None
    assert type(daily_deadline().reference) is QueuedAtUnlessBackfill


def test_the_deadline_is_two_hours_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROTATION_DEADLINE_MINUTES", raising=False)
    assert daily_deadline().interval == timedelta(hours=2)
    monkeypatch.setenv("ROTATION_DEADLINE_MINUTES", "45")
    assert daily_deadline().interval == timedelta(minutes=45)


@pytest.mark.parametrize(
    ("new_york", "due"),
    [
        ("2024-07-16 07:00", "2024-07-15"),
        ("2024-07-16 20:29", "2024-07-15"),
        ("2024-07-16 20:30", "2024-07-16"),
        ("2024-07-05 07:00", "2024-07-03"),  # the morning after a holiday
        ("2024-07-06 07:00", "2024-07-05"),  # Saturday
        ("2024-07-08 07:00", "2024-07-05"),  # Monday
        ("2024-11-30 07:00", "2024-11-29"),  # after a half day
        ("2024-03-11 07:00", "2024-03-08"),  # summer time began on the day before
    ],
)
def test_the_session_that_is_due(new_york: str, due: str) -> None:
    moment = datetime.fromisoformat(new_york).replace(tzinfo=NEW_YORK).astimezone(UTC)
    assert newest_due(moment, PUBLISHED_WITHIN) == date.fromisoformat(due)


def test_a_session_is_missing_when_its_run_passes_its_deadline() -> None:
    assert timedelta(minutes=DEADLINE_MINUTES) == PUBLISHED_WITHIN


def as_live(home: Settings) -> None:
    """Turn the publication into one of a live warehouse."""
    current = current_generation(home)
    assert current is not None
    path = current / "warehouse.duckdb"
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        connection.execute("update ops.publication set data_source = 'live'")
        connection.execute("update ops.freshness set stale = false")
    path.chmod(0o444)


def test_a_live_publication_must_hold_the_session_that_is_due(home: Settings) -> None:
    as_live(home)
    evening = datetime(2024, 7, 17, 20, 0, tzinfo=NEW_YORK)
    assert check_publication(home, evening.astimezone(UTC)).problems == []
    morning = datetime(2024, 7, 18, 7, 0, tzinfo=NEW_YORK)
    assert check_publication(home, morning.astimezone(UTC)).problems == [
        "Latest published session is 2024-07-16; 2024-07-17 is due."
        " Run `ROTATION_SESSION=2024-07-17 make run`."
    ]
    [problem] = check_publication(home, datetime(2029, 3, 1, tzinfo=UTC)).problems
    assert "outside the market calendar" in problem


def test_a_home_that_the_schedule_runs_must_hold_the_session_that_is_due(home: Settings) -> None:
    """Whatever its source; one that only people run holds what was last asked for."""
    morning = datetime(2024, 7, 18, 7, 0, tzinfo=NEW_YORK).astimezone(UTC)
    assert check_publication(home, morning).problems == []
    # A scheduled run of the 17th fails, and then a person repairs the 12th.
    failing = context(home, "2024-07-17", "scheduled__17", scheduled=True)
    write_run_status(failing, "failed", "load", "The source is late.", date(2024, 7, 17))
    repair = context(home, "2024-07-12", "manual__12")
    write_run_status(repair, "success", "publish", None, date(2024, 7, 12), built=date(2024, 7, 16))
    failed, due = check_publication(home, morning).problems
    assert failed.startswith("the run for 2024-07-17 failed on ")
    assert failed.endswith(" UTC at step load: The source is late.")
    marker = home.published / "scheduled.json"
    assert due == (
        "Latest published session is 2024-07-16; 2024-07-17 is due. Trigger rotation_daily for it. The"
        f" schedule has run this home (last for 2024-07-17); if it should no longer, delete {marker}."
    )
    retry = context(home, "2024-07-17", "manual__17")
    write_run_status(retry, "running", "fetch", "waits for files: SPY has no bar", date(2024, 7, 17))
    assert check_publication(home, morning).problems[1] == (
        "Latest published session is 2024-07-16; 2024-07-17 is due. Its run has not ended yet."
    )
    marker.unlink()
    write_run_status(retry, "success", "publish", None, date(2024, 7, 17), built=date(2024, 7, 16))
    assert check_publication(home, morning).problems == []


def test_a_missed_deadline_quotes_what_the_run_waits_for(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer, home: Settings
) -> None:
    wait = "waits for yahoo: SPY and 12 more have no bar of 2024-07-17 yet; asked 5 times"
    write_run_status(context(home, "", "scheduled__9"), "running", "fetch", wait, date(2024, 7, 17))
    asyncio.run(miss(late_run("scheduled__9")))
    assert hook.bodies.get_nowait()["session"] == "2024-07-17"
    blank = late_run("scheduled__9", partition_key=None, conf={"session": "   "})
    asyncio.run(miss(blank))
    body = hook.bodies.get_nowait()
    assert (body["subject"], body["session"]) == ("Rotation: run for 2024-07-17 is late", "2024-07-17")
    message = body["message"]
    assert message.startswith(f"The run {wait}. The run was queued at 2024-07-17 22:30 UTC")
    assert message.endswith("It is in progress (state running).")
    # Killed while it waited: what it waited for is not why it failed.
    RunFailed()(failed_run(home, "scheduled__9", ti=SimpleNamespace(task_id="fetch")))
    message = hook.bodies.get_nowait()["message"]
    assert message.startswith("The task fetch stopped without an error message")
    assert message.endswith(f"Before, it {wait}.")
    write_run_status(context(home, "", "scheduled__9"), "running", "build", "Busy.", date(2024, 7, 17))
    asyncio.run(miss(late_run("scheduled__9")))
    assert hook.bodies.get_nowait()["message"].endswith("(state running). Its last report: Busy.")
    for _ in range(4):
        mail.messages.get_nowait()


def test_reference_data_that_ends_is_told_first_and_fails_then(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer, home: Settings
) -> None:
    [jobs] = [entry for entry in horizons() if entry.name.startswith("Release dates of jobs")]
    as_live(home)
    later = datetime.combine(jobs.end + timedelta(days=40), time(7, 0), tzinfo=NEW_YORK).astimezone(UTC)
    state = check_publication(home, later)
    assert [text for text in state.problems if text.startswith(f"{jobs.name}: the list ended on {jobs.end}")]
    state.problems.clear()
    check_horizons(state, jobs.end)
    send(horizon_alert(state.warnings, "scheduled__6", "generation 1"))
    body = hook.bodies.get_nowait()
    assert (body["alert"], body["severity"]) == ("horizon", "warning")
    assert f"{jobs.name}: the list ends on {jobs.end}, the same day." in body["message"]
    assert body["runbook"] == "docs/runbook/horizon.md"
    assert mail.messages.get_nowait()["Subject"] == body["subject"]


def changed(home: Settings, *statements: str) -> None:
    """Change the publication."""
    current = current_generation(home)
    assert current is not None
    path = current / "warehouse.duckdb"
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    path.chmod(0o444)


MORNING = datetime(2024, 7, 17, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("table", "day", "said"),
    [
        ("policy_path_daily", "as_of_date", "Fed funds futures end on 2024-07-08, 6 settlement days before"),
        ("yield_curve_daily", "session_date", "Treasury yields end on 2024-07-08, 6 business days before"),
        ("bank_sensitivity_daily", "session_date", "Estimates of the banks' sensitivity to yields end on"),
    ],
)
def test_an_answer_that_is_too_old_is_a_problem(home: Settings, table: str, day: str, said: str) -> None:
    assert check_publication(home, MORNING).problems == []
    cut = [f"delete from marts.{table} where {day} > '2024-07-08'"]
    if table == "policy_path_daily":
        cut.append("delete from marts.fomc_meetings_daily where as_of_date > '2024-07-08'")
    changed(home, *cut)
    [problem] = check_publication(home, MORNING).problems
    assert problem.startswith(said)
    assert status.main() == 1


@pytest.mark.parametrize(("source", "problems"), [("files", 0), ("live", 1), ("simulated", 1)])
def test_a_strip_that_was_never_served_is_a_problem_where_the_source_has_one(
    home: Settings, source: str, problems: int
) -> None:
    changed(
        home,
        f"update ops.publication set data_source = '{source}'",
        "update ops.freshness set stale = false",
        "update ops.freshness set last_date = null, stale = true where input = 'strip'",
        "delete from marts.policy_path_daily",
        "delete from marts.fomc_meetings_daily",
    )
    state = check_publication(home, MORNING)
    assert len(state.problems) == problems
    assert "  behind: futures/strip was never served" in state.lines
    assert all(said.startswith("No fed funds futures have ever been served") for said in state.problems)


def test_status_lists_the_core_inputs_and_counts_the_others(home: Settings) -> None:
    changed(home, "update ops.freshness set stale = true where input in ('KRE', 'VIXCLS')")
    lines = check_publication(home, MORNING).lines
    assert re.fullmatch(r"core inputs: \d+ of \d+ are up to date .*", lines[2])
    assert re.fullmatch(r"  behind: prices/KRE ends \S+, expected \S+ \(required\)", lines[3])
    assert re.fullmatch(r"other inputs: \d+ of \d+ are up to date; ops\.freshness lists the others", lines[4])
    assert len(lines) == 5


def test_status_names_what_a_second_source_supplies(home: Settings) -> None:
    changed(
        home,
        "update ops.freshness set source = 'fred' where dataset = 'fred'",
        "insert into ops.freshness by name select * replace ('par_yields' as dataset, 'treasury' as source)"
        " from ops.freshness where input = 'DGS2'",
    )
    assert len(check_publication(home, MORNING).lines) == 4
    changed(
        home,
        "update ops.freshness set source = 'treasury', last_date = date '2024-07-15', stale = false"
        " where dataset = 'fred' and input in ('DGS2', 'DGS3MO')",
    )
    assert check_publication(home, MORNING).lines[4:] == [
        "  from a second source, treasury: fred/DGS2 2024-07-15, fred/DGS3MO 2024-07-15"
    ]
    changed(home, "alter table ops.freshness drop column source")
    assert len(check_publication(home, MORNING).lines) == 4, "of an earlier version"


def test_what_make_status_says_is_what_the_watch_says(
    home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (home.published / "generations").rglob("warehouse.duckdb"):
        path.unlink()
    assert status.main() == 1
    printed = capsys.readouterr().out
    [problem] = morning_check(home, datetime.now(UTC), None)
    assert f"NOT SOUND: {problem}\n" in printed
    assert "the publication cannot be read" in problem


def test_optional_inputs_come_as_one_digest_on_mondays(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer, home: Settings
) -> None:
    monday = datetime(2024, 7, 22, 11, 0, tzinfo=UTC)
    assert monday.astimezone(NEW_YORK).weekday() == 0
    assert check_publication(home, monday).problems == []
    for day in range(1, 6):
        assert morning_check(home, monday + timedelta(days=day), None) == []
    assert mail.messages.empty() and hook.bodies.empty()
    assert morning_check(home, monday, "scheduled__6") == []
    body = hook.bodies.get_nowait()
    assert (body["alert"], body["severity"], body["run_id"]) == ("stale_inputs", "warning", "scheduled__6")
    assert re.search(r"fred/\S+ was never served; .* more \(ops\.freshness\)", body["message"])
    assert mail.messages.get_nowait()["Subject"] == body["subject"]
    assert hook.bodies.empty() and mail.messages.empty()


def test_the_digest_leaves_out_what_is_required_or_hardly_late() -> None:
    def entry(name: str, days: int | None, required: bool = False) -> StaleInput:
        expected = date(2024, 7, 16)
        return StaleInput(name, None if days is None else expected - timedelta(days=days), expected, required)

    late = overdue_optional_inputs(
        [entry("a", 4), entry("b", 5), entry("c", None), entry("d", 90, required=True)]
    )
    assert [found.name for found in late] == ["b", "c"]
    assert (
        digest(late, None, "generation 1").message
        == "b ends 2024-07-11, expected 2024-07-16; c was never served."
    )
    assert digest(late[:1], None, "generation 1").subject == "Rotation: 1 optional input is stale"


def test_a_test_alert_names_the_channel_that_is_broken(
    channels: pytest.LogCaptureFixture, mail: MailServer, hook: HookServer
) -> None:
    assert send_test_alert("manual__7") == []
    assert hook.bodies.get_nowait()["alert"] == "test"
    assert mail.messages.get_nowait()["Subject"] == "Rotation: test of the alerts"
    hook.status = 500
    [sentence] = send_test_alert("manual__7")
    assert re.fullmatch(
        r"Not delivered by webhook: http://127\.0\.0\.1:\d+ answered with status 500\.", sentence
    )
    mail.messages.get_nowait()


@pytest.mark.parametrize(
    ("exception", "kind", "said"),
    [
        (AirflowFailException("(1) there is no publication"), "stale", "(1) there is no publication"),
        (KeyError("state"), "watch", "The check stopped before it could report anything (KeyError)"),
        (None, "watch", "The check stopped before it could report anything (killed)"),
    ],
)
def test_the_watch_tells_a_stale_publication_from_its_own_failure(
    channels: pytest.LogCaptureFixture,
    mail: MailServer,
    hook: HookServer,
    home: Settings,
    exception: BaseException | None,
    kind: str,
    said: str,
) -> None:
    context = {"dag": DAG("rotation_watch", schedule=None), "run_id": "scheduled__8", "exception": exception}
    PublicationStale()(context | {"params": {"test_alert": False}})
    body = hook.bodies.get_nowait()
    assert body["alert"] == kind
    assert said in body["message"]
    mail.messages.get_nowait()
    PublicationStale()(context | {"params": {"test_alert": True}})
    assert hook.bodies.empty() and mail.messages.empty()


def contents_with(folder: Path, secret: str) -> list[Path]:
    """The files below a folder that hold a text."""
    return [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


FAULTY_DAGS = """
import os
import signal
from datetime import timedelta

from airflow.sdk import dag, task

from alerts.notifiers import RunFailed


@dag(schedule=None, on_failure_callback=RunFailed(), dagrun_timeout=timedelta(seconds=5))
def fault_timeout():
    @task
    def waits():
        signal.pause()

    waits()


@dag(schedule=None, on_failure_callback=RunFailed())
def fault_killed():
    @task
    def killed():
        os.kill(os.getpid(), signal.SIGKILL)

    killed()


@dag(schedule=None, on_failure_callback=RunFailed())
def fault_mapped():
    @task
    def mapped(number):
        raise ValueError(number)

    mapped.expand(number=[1, 2, 3])


fault_timeout(), fault_killed(), fault_mapped()
"""


def alerts_of(
    hook: HookServer, wanted: set[tuple[str, str]], seconds: float = 180
) -> dict[tuple[str, str], Any]:
    """What the web server was sent, by DAG and kind, as soon as all that is wanted is there; twice the same
    is a failure.
    """
    found: dict[tuple[str, str], Any] = {}
    while not wanted <= set(found):
        body = hook.bodies.get(timeout=seconds)
        key = (body["dag_id"], body["alert"])
        assert key not in found, body
        found[key] = body
    return found


def message_of_deferred_run(airflow: RunningAirflow, run_id: str, home: Path) -> str:
    """What the status says while one fetch of a run is deferred; it holds no slot of a worker."""
    airflow.wait(
        lambda: any(task["state"] == "deferred" for task in airflow.tasks(run_id)),
        "the fetch to be deferred",
        120,
    )

    def free() -> bool:
        pool = airflow.api("/pools/default_pool")
        return (pool["deferred_slots"], pool["running_slots"], pool["queued_slots"]) == (1, 0, 0)

    airflow.wait(free, "the worker's slot to be free", 60)
    return str(json.loads((home / "published" / "status.json").read_text())["message"])


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_running_airflow_alerts_of_failures_a_missed_deadline_and_a_stale_publication(
    mail: MailServer, hook: HookServer, published_home: Settings, market: Path, tmp_path: Path
) -> None:
    shutil.copytree(published_home.home, tmp_path / "home", symlinks=True)
    due = newest_due(datetime.now(UTC))
    files = write_small_market(tmp_path / "market", end=due)
    spy, broken = files / "prices" / "SPY.csv", b"not a price file"
    *served, newest, _ = spy.read_text().split("\n")
    assert newest.startswith(str(due))
    spy.write_bytes(broken)
    dags = shutil.copytree(REPOSITORY / "dags", tmp_path / "dags")
    (dags / "faults.py").write_text(FAULTY_DAGS)
    settings = {
        "ROTATION_SOURCE": "files",
        "ROTATION_FILES_DIR": str(files),
        "ROTATION_HOME": str(tmp_path / "home"),
        "ROTATION_HISTORY_START": str(START),
        "ROTATION_ALERT_MAIL_TO": "ops@example.com",
        "ROTATION_DEADLINE_MINUTES": "0.02",
        # The newest session may have been due days ago, on a weekend.
        "ROTATION_WAIT_MINUTES": "20000",
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        # Only what the test starts runs.
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
    }
    hook.status = 200
    with RunningAirflow(tmp_path, settings, triggerer=True, dags_folder=dags) as airflow:

        def start(dag_id: str, **conf: Any) -> str:
            airflow.unpause(dag_id)
            body = {"logical_date": None, "conf": conf}
            return str(airflow.api(f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])

        # Both connections are in Airflow's database, as in the compose stack: no process has them
        # in its environment.
        airflow.airflow("connections", "add", "smtp_default", "--conn-json", mail.connection())
        airflow.airflow(
            "connections", "add", "alert_webhook", "--conn-type", "http", "--conn-password", hook.url
        )
        run_id = airflow.trigger("2024-07-17")
        airflow.unpause()
        found = alerts_of(hook, {("rotation_daily", "deadline"), ("rotation_daily", "failed")})
        watch_id = start("rotation_watch")
        faults = {dag_id: start(dag_id) for dag_id in ("fault_timeout", "fault_killed", "fault_mapped")}
        found |= alerts_of(hook, {("rotation_watch", "stale"), *((dag_id, "failed") for dag_id in faults)})
        assert airflow.wait_for_run(watch_id, "rotation_watch") == "failed"
        assert airflow.wait_for_run(start("rotation_watch", test_alert=True), "rotation_watch") == "success"
        found |= alerts_of(hook, {("rotation_watch", "test")})
        airflow.airflow(
            "backfill",
            "create",
            "--dag-id",
            "rotation_daily",
            "--from-date",
            "2024-07-18",
            "--to-date",
            "2024-07-18",
        )
        runs = {"rotation_daily": run_id, "rotation_watch": watch_id}
        [backfill_id] = [run["dag_run_id"] for run in airflow.runs() if run["run_type"] == "backfill"]
        assert airflow.wait_for_run(backfill_id) == "failed"
        told = f"Run: rotation_daily {backfill_id}"
        airflow.wait(
            lambda: contents_with(tmp_path / "airflow" / "logs", told),
            "the backfill's failure in the log",
            60,
        )
        assert backfill_id not in airflow.log("triggerer")
        notes = {run: airflow.api(f"/dags/{dag}/dagRuns/{run}")["note"] for dag, run in runs.items()}

        spy.write_text("\n".join(served) + "\n")
        late_id = start("rotation_daily", session=None)
        said = message_of_deferred_run(airflow, late_id, tmp_path / "home")
        spy.write_bytes(broken)
        assert airflow.wait_for_run(late_id) == "failed"
        assert {task["try_number"] for task in airflow.tasks(late_id) if task["task_id"] == "fetch"} == {1}
        waited = alerts_of(hook, {("rotation_daily", "failed"), ("rotation_daily", "deadline")})
    assert said.startswith(f"waits for files: SPY has no bar of {due} yet; asked once since ")
    # The empty field of the form is the newest session that is due.
    assert waited["rotation_daily", "failed"]["session"] == str(due)
    assert "Required input missing or unreadable" in waited["rotation_daily", "failed"]["message"]
    late, failed = found["rotation_daily", "deadline"], found["rotation_daily", "failed"]
    assert (late["run_id"], late["session"]) == (run_id, "2024-07-17")
    assert (failed["run_id"], failed["step"], failed["session"]) == (run_id, "load", "2024-07-17")
    assert "Required input missing or unreadable" in failed["message"]
    assert "prices/SPY" in failed["message"]
    assert failed["in_place"] == "generation 1 of session 2024-07-16"
    # The alerts are on the runs as notes too, and lead to pages that the web interface shows.
    assert notes[run_id].startswith(f"**{failed['subject']}**: Required input missing or unreadable")
    assert "It ended after its deadline, " in notes[run_id]
    assert notes[run_id].count("/rotation/docs/runbook/") == 2
    assert failed["runbook"].endswith("/rotation/docs/runbook/failed.md")
    assert notes[watch_id].startswith("**Rotation: the publication is not fresh or not sound**: (1) ")
    stale = found["rotation_watch", "stale"]
    assert stale["run_id"] == watch_id
    assert "the last run failed at step load" in stale["message"]
    for dag_id, sentence in {
        "fault_timeout": "took longer than 5 seconds; the running task was waits",
        "fault_killed": "The task killed stopped without an error message",
        "fault_mapped": "The task mapped stopped without an error message",
    }.items():
        assert found[dag_id, "failed"]["run_id"] == faults[dag_id]
        assert sentence in found[dag_id, "failed"]["message"]
    # One of each: nothing twice, nothing for the backfill, and as many mails.
    assert hook.bodies.empty()
    subjects = []
    while not mail.messages.empty():
        subjects.append(mail.messages.get_nowait()["Subject"])
    bodies = [*found.values(), *waited.values()]
    assert sorted(subjects) == sorted(body["subject"] for body in bodies)
    for secret in SECRETS:
        assert contents_with(tmp_path, secret) == []
