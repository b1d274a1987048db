"""The channels of an alert: the log always, mail and webhook where a setting asks for them.

In: an alert, the settings ROTATION_ALERT_* and Airflow's connections `smtp_default` and `alert_webhook`,
looked up when the alert is sent, so that no DAG holds an address or a secret. Out: messages; a channel that
fails is logged as an error and does not stop the others. Caveat: callbacks of a DAG have about fifty seconds
(`[dag_processor] dag_file_processor_timeout`), so each channel has its own time limit.

The webhook does not go through the HTTP provider's HttpNotifier: when a connection is refused it logs the
whole address, which for Slack is the secret, and it waits without a limit. Mail goes through SmtpNotifier,
whose `notify` is called directly: the text of an alert must not be rendered as a template.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.errors import MessageError
from email.message import EmailMessage
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from alerts.addresses import documentation_url
from alerts.alert import Alert
from warehouse.settings import SettingsError, environment

log = logging.getLogger("rotation.alerts")

MAIL_CONNECTION, WEBHOOK_CONNECTION = "smtp_default", "alert_webhook"
CONNECT_SECONDS, ANSWER_SECONDS = 5, 10
BROKEN_PAGE = "docs/runbook/channel-broken.md"


class NotDelivered(RuntimeError):
    """A channel did not deliver an alert; the message contains no secret."""


class Delivery(NamedTuple):
    """The channels that delivered an alert, and a message for each that failed."""

    delivered: list[str]
    failed: list[str]


def send(alert: Alert, *, log_only: bool = False) -> Delivery:
    """Send an alert through every channel that is set up.

    Args:
        alert: the alert.
        log_only: only write it to the log.
    """
    env = environment()
    try:
        runbook_url = documentation_url()
    except SettingsError as error:
        log.error("the alert names no address of the documentation: %s", error)
        runbook_url = ""
    level = logging.ERROR if alert.severity == "error" else logging.WARNING
    log.log(level, "%s", alert.to_line(runbook_url))
    delivered: list[str] = ["log"]
    failed: list[str] = []
    if log_only:
        return Delivery(delivered, failed)
    # The webhook first: its time is bounded, while a slow mail server may use up the callback's time.
    for channel, deliver in (("webhook", _send_webhook), ("mail", _send_mail)):
        try:
            if deliver(alert, env, runbook_url):
                delivered.append(channel)
        except (NotDelivered, SettingsError) as error:
            failed.append(f"{channel}: {error}")
            page = f"{runbook_url.rstrip('/')}/{BROKEN_PAGE}" if runbook_url else BROKEN_PAGE
            log.error("alert %s was not delivered by %s See %s.", alert.kind, failed[-1], page)
    log.info("alert %s sent to: %s", alert.kind, ", ".join(delivered))
    return Delivery(delivered, failed)


def _send_webhook(alert: Alert, env: Mapping[str, str], runbook_url: str) -> bool:
    return post(alert.to_json(runbook_url), env)


def post(body: Mapping[str, Any], env: Mapping[str, str]) -> bool:
    """Post a JSON body to the webhook; False where none is set up.

    Raises:
        NotDelivered: it did not arrive.
        SettingsError: the address is none.
    """
    import requests
    from airflow.sdk.log import mask_secret

    url = env.get("ROTATION_ALERT_WEBHOOK_URL", "").strip() or _webhook_of_connection()
    if not url:
        return False
    host = _host(url)
    mask_secret(url)
    mask_secret(urlsplit(url).path)
    try:
        answer = requests.post(
            url,
            json=dict(body),
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            allow_redirects=False,
            stream=True,
        )
        answer.close()
    except (requests.RequestException, ValueError) as error:  # ValueError: the address is none
        # The exception's own message contains the address.
        raise NotDelivered(f"{host}: {type(error).__name__}.") from None
    if not 200 <= answer.status_code < 300:
        raise NotDelivered(f"{host} answered with status {answer.status_code}.")
    return True


def _webhook_of_connection() -> str:
    """The connection's password, which Airflow encrypts, or its host; empty without such a connection."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = Connection.get(WEBHOOK_CONNECTION)
    except AirflowNotFoundException:
        return ""
    address = str(connection.password or connection.host or "").strip()
    if not address:
        raise NotDelivered(
            f"The Airflow connection {WEBHOOK_CONNECTION} is empty; set its password to the webhook's"
            " full address."
        )
    return address


def _host(url: str) -> str:
    """Scheme and host, which may be printed. Raises SettingsError for anything but a web address."""
    try:
        parts = urlsplit(url)
        named = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        parts, named = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            f"ROTATION_ALERT_WEBHOOK_URL (or the password of {WEBHOOK_CONNECTION}) is not an address that"
            " starts with https://."
        )
    return named


def _send_mail(alert: Alert, env: Mapping[str, str], runbook_url: str) -> bool:
    to = addresses("ROTATION_ALERT_MAIL_TO", env.get("ROTATION_ALERT_MAIL_TO", ""))
    if not to:
        return False
    sender = addresses("ROTATION_ALERT_MAIL_FROM", env.get("ROTATION_ALERT_MAIL_FROM", ""))
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    notifier = SmtpNotifier(
        to=to,
        from_email=sender[0] if sender else None,
        subject=alert.short_subject(),
        html_content=alert.to_html(runbook_url),
        smtp_conn_id=MAIL_CONNECTION,
    )
    notifier.hook = _bounded_hook(notifier.auth_type)
    with _mail_errors():
        notifier.notify({})
    return True


def send_mail(
    to: Sequence[str], sender: str | None, subject: str, text: str, body: str, attachment: tuple[str, str]
) -> None:
    """A mail whose HTML body has a plain alternative, with a page attached.

    Args:
        to: the recipients.
        sender: None: from_email of the connection.
        subject: one line.
        text: the body for who reads no HTML.
        body: HTML.
        attachment: name and HTML of the page.

    Raises:
        NotDelivered: it was not taken.
    """

    def with_alternative(message: Any) -> Any:
        whole = EmailMessage()
        for name, value in message.items():
            if name.lower() not in ("content-type", "mime-version"):
                whole[name] = str(value)
        whole.set_content(text)
        whole.add_alternative(body, subtype="html")
        name, page = attachment
        whole.add_attachment(page, subtype="html", filename=name)
        return whole

    with _mail_errors(), _bounded_hook("basic", with_alternative) as hook:
        hook.send_email_smtp(to=list(to), subject=subject, html_content=body, from_email=sender)


@contextmanager
def _mail_errors() -> Iterator[None]:
    from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError

    try:
        yield
    except (OSError, ValueError, MessageError, AirflowException, AirflowRuntimeError) as error:
        reason = " ".join(str(error).split())[:300].rstrip(".") or "no reason given"
        raise NotDelivered(f"connection {MAIL_CONNECTION}: {type(error).__name__}: {reason}.") from None


def _bounded_hook(auth_type: str, changed: Callable[[Any], Any] | None = None) -> Any:
    """The provider's hook with short waits and one attempt: by default a silent mail server holds it for
    three minutes.

    Args:
        auth_type: as the provider names it.
        changed: what becomes of the message, for which the provider knows one HTML part only.
    """
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    class BoundedSmtpHook(SmtpHook):  # type: ignore[misc]
        timeout = ANSWER_SECONDS
        smtp_retry_limit = 0

        def _build_mime_message(self, *arguments: Any, **named: Any) -> tuple[Any, list[str]]:
            message, recipients = super()._build_mime_message(*arguments, **named)
            return (changed(message) if changed else message), recipients

    return BoundedSmtpHook(smtp_conn_id=MAIL_CONNECTION, auth_type=auth_type)


def addresses(name: str, text: str) -> list[str]:
    """The mail addresses of a setting; raises SettingsError for a wrong one."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    for address in found:
        if not re.fullmatch(r"[^\s<>@,;:\"]+@[^\s<>@,;:\"]+", address):
            raise SettingsError(
                f"{name}={address!r} is not a mail address; write it as ops@example.com, several with commas."
            )
    return found
