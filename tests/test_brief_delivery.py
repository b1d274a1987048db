"""The brief delivered by mail and webhook, to a real mail server and a real web server: once for each
session, never so that a run fails, and not at all unless it is asked for.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alerts.delivery import Brief, deliver
from orchestration.operators import PublishOperator
from tests.alert_servers import HookServer, MailServer, free_port, html_of
from tests.shared_homes import HomeAfter, copied_home
from tests.small_market import HISTORY_START
from warehouse.settings import Settings

PASSWORD, HOOK_SECRET = "canary-smtp-77aa10", "T1CANARY/canary-hook-88bb21"
HEADLINES = ("Small caps led tech by 2.1 pp <over> five sessions", "A cut in September is priced at 62 %")


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    with MailServer(PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def hook() -> Iterator[HookServer]:
    with HookServer(HOOK_SECRET) as server:
        yield server


@pytest.fixture
def home(
    home_after: HomeAfter, tmp_path: Path, mail: MailServer, hook: HookServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """A published home, both channels set up, delivery by both."""
    settings = copied_home(home_after("2024-07-16"), tmp_path / "home")
    for name in [name for name in os.environ if name.startswith("ROTATION_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ROTATION_SOURCE", "files")
    monkeypatch.setenv("ROTATION_FILES_DIR", str(settings.files_dir))
    monkeypatch.setenv("ROTATION_HOME", str(settings.home))
    monkeypatch.setenv("ROTATION_HISTORY_START", str(HISTORY_START))
    monkeypatch.setenv("ROTATION_DELIVER_BRIEF", "mail,webhook")
    monkeypatch.setenv("ROTATION_BRIEF_MAIL_TO", "desk@example.com, pm@example.com")
    monkeypatch.setenv("ROTATION_ALERT_MAIL_TO", "ops@example.com")
    monkeypatch.setenv("ROTATION_ALERT_WEBHOOK_URL", hook.url)
    monkeypatch.setenv("ROTATION_PUBLISHED_URL", "https://files.example.com/rotation")
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mail.connection())
    hook.status = 200
    yield settings
    for queue in (mail.messages, hook.bodies):
        while not queue.empty():
            queue.get()


def a_brief(session: str = "2024-07-16", *, simulated: bool = False) -> Brief:
    return Brief(date.fromisoformat(session), 3, HEADLINES, simulated)


def test_a_mail_has_headlines_as_text_and_html_and_the_page(
    home: Settings, mail: MailServer, hook: HookServer
) -> None:
    assert deliver(home, a_brief()) == ["webhook", "mail"]
    message = mail.messages.get(timeout=10)
    assert message["X-Recipients"] == "desk@example.com, pm@example.com"
    assert message["From"] == "rotation@example.com"
    assert message["Subject"].strip().startswith("Morning brief 2024-07-16: Small caps led tech")
    plain = message.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().splitlines() == [
        "After the close of 2024-07-16",
        *(f"- {sentence}" for sentence in HEADLINES),
        "The whole page: https://files.example.com/rotation/briefs/2024-07-16.html",
        "Nothing here is investment advice, a recommendation or a forecast.",
    ]
    body = html_of(message)
    assert "tech by 2.1 pp &lt;over&gt; five" in body and "<script" not in body
    assert 'href="https://files.example.com/rotation/briefs/2024-07-16.html"' in body
    (attached,) = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type()) == ("brief-2024-07-16.html", "text/html")
    page = (home.published / "briefs" / "2024-07-16.html").read_text(encoding="utf-8")
    assert attached.get_content().replace("\r\n", "\n").strip() == page.strip()
    hook.bodies.get(timeout=10)


def test_a_post_has_the_headlines_and_a_link(home: Settings, mail: MailServer, hook: HookServer) -> None:
    deliver(home, a_brief(simulated=True))
    body = hook.bodies.get(timeout=10)
    assert {name: body[name] for name in body if name != "text"} == {
        "brief": "2024-07-16",
        "generation": 3,
        "simulated": True,
        "headlines": list(HEADLINES),
        "link": "https://files.example.com/rotation/briefs/2024-07-16.html",
    }
    assert body["text"].startswith("SIMULATED · Morning brief 2024-07-16")
    assert "every number is made up" in body["text"] and "<" not in body["text"]
    message = mail.messages.get(timeout=10)
    assert message["Subject"].strip().startswith("SIMULATED · ") and "every number is made up" in html_of(
        message
    )


def test_a_session_is_delivered_once_and_an_older_one_never_after_it(
    home: Settings, mail: MailServer, hook: HookServer
) -> None:
    assert deliver(home, a_brief()) == ["webhook", "mail"]
    assert deliver(home, a_brief()) == []
    assert deliver(home, a_brief("2024-07-15")) == []
    assert (mail.messages.qsize(), hook.bodies.qsize()) == (1, 1)
    (home.published / "briefs" / "2024-07-17.html").write_text("<p>next</p>")
    assert deliver(home, a_brief("2024-07-17")) == ["webhook", "mail"]


def test_a_channel_that_fails_is_a_warning_and_is_tried_again_alone(
    home: Settings,
    mail: MailServer,
    hook: HookServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hook.status = 500
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mail.connection(port=free_port()))
    assert deliver(home, a_brief()) == []
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any(
        "was not delivered by webhook: http://127.0.0.1" in text and "status 500" in text for text in warnings
    )
    assert any("was not delivered by mail: connection smtp_default" in text for text in warnings)
    assert PASSWORD not in caplog.text and "canary-hook" not in caplog.text
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mail.connection())
    assert deliver(home, a_brief()) == ["mail"]
    mail.messages.get(timeout=10)
    hook.status = 200
    assert deliver(home, a_brief()) == ["webhook"]
    hook.bodies.get(timeout=10)
    assert json.loads((home.published / "delivered.json").read_text()) == {
        "mail": "2024-07-16",
        "webhook": "2024-07-16",
    }


def test_an_address_that_is_none_stops_no_other_channel(
    home: Settings, mail: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ROTATION_ALERT_WEBHOOK_URL", "http://hooks..example.com/secret-path")
    assert deliver(home, a_brief()) == ["mail"]
    mail.messages.get(timeout=10)
    assert "was not delivered by webhook" in caplog.text and "secret-path" not in caplog.text


def test_what_cannot_be_recorded_is_not_delivered(
    home: Settings, mail: MailServer, hook: HookServer, caplog: pytest.LogCaptureFixture
) -> None:
    (home.published / "delivered.json").mkdir()
    assert deliver(home, a_brief()) == []
    assert (mail.messages.qsize(), hook.bodies.qsize()) == (0, 0)
    assert caplog.text.count("was not delivered by") == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ROTATION_DELIVER_BRIEF": "mail,fax"}, "'fax' is no channel; write mail, webhook or mail,webhook."),
        ({"ROTATION_BRIEF_MAIL_TO": "desk"}, "ROTATION_BRIEF_MAIL_TO='desk' is not a mail address"),
        ({"ROTATION_BRIEF_MAIL_TO": "", "ROTATION_ALERT_MAIL_TO": ""}, "there is nobody to send it to; set"),
        ({"ROTATION_ALERT_WEBHOOK_URL": ""}, "no webhook is set up; set ROTATION_ALERT_WEBHOOK_URL"),
    ],
)
def test_a_wrong_setting_is_a_warning(
    home: Settings,
    mail: MailServer,
    hook: HookServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, str],
    said: str,
) -> None:
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    deliver(home, a_brief())
    assert said in caplog.text


def test_nothing_is_delivered_unless_it_is_asked_for(
    home: Settings, mail: MailServer, hook: HookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROTATION_DELIVER_BRIEF")
    assert deliver(home, a_brief()) == []
    assert mail.messages.empty() and hook.bodies.empty() and not (home.published / "delivered.json").exists()


@pytest.mark.parametrize(("run_id", "delivered"), [("manual__1", 1), ("backfill__2024-07-16", 0)])
def test_the_last_task_delivers_what_its_run_published_but_no_backfill(
    home: Settings, mail: MailServer, hook: HookServer, run_id: str, delivered: int
) -> None:
    published = SimpleNamespace(generation=1, headlines=HEADLINES)
    plan = SimpleNamespace(target=date(2024, 7, 16))
    run: Any = SimpleNamespace(
        settings=home, run_id=run_id, plan=plan, state=SimpleNamespace(read=lambda name, kind: published)
    )
    PublishOperator._deliver(object(), run, 1)  # type: ignore[arg-type]
    assert (mail.messages.qsize(), hook.bodies.qsize()) == (delivered, delivered)
