"""The morning brief of a new session, delivered by the channels of the alerts. Off by default.

In: ROTATION_DELIVER_BRIEF (`mail`, `webhook` or both), the channels' settings, the session's page in the
archive. Out: a mail with the headlines, as HTML and as plain text, and the whole page attached; a post with
the headlines and a link. Mail programs strip styles and drawings and cut long mails, so the page itself is
not the body.

A channel gets each session once. It remembers the newest one that it took (`published/delivered.json`), so
neither a run that repeats a session nor one that repairs an old one delivers again: its page behind the link
is replaced. A channel that failed is a warning, and is tried again by the next run of the session; nothing
here fails a run.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from alerts.addresses import published_url
from alerts.alert import printable
from alerts.channels import NotDelivered, addresses, post, send_mail
from warehouse.durable import replace_json
from warehouse.settings import Settings, SettingsError, environment
from warehouse.status import read_small

log = logging.getLogger("rotation.alerts")

CHANNELS = ("webhook", "mail")
ADVICE = "Nothing here is investment advice, a recommendation or a forecast."
MADE_UP = "SIMULATED MARKET: every number is made up."


@dataclass(frozen=True)
class Brief:
    """What is delivered; the headlines are plain sentences, the most important first."""

    session: date
    generation: int
    headlines: tuple[str, ...]
    simulated: bool

    @property
    def subject(self) -> str:
        """One line."""
        first = f": {self.headlines[0]}" if self.headlines else ""
        text = f"{'SIMULATED · ' if self.simulated else ''}Morning brief {self.session}{first}"
        return " ".join(printable(text).split())[:120]

    def lines(self, link: str) -> list[str]:
        """The text of a delivery."""
        return [
            *([MADE_UP] if self.simulated else []),
            f"After the close of {self.session}",
            *(f"- {printable(sentence)}" for sentence in self.headlines),
            *([f"The whole page: {link}"] if link else []),
            ADVICE,
        ]

    def to_html(self, link: str) -> str:
        """The body of a mail; every word is escaped."""
        items = "".join(f"<li>{html.escape(printable(sentence))}</li>" for sentence in self.headlines)
        warning = f"<p><b>{MADE_UP}</b></p>" if self.simulated else ""
        where = f'<a href="{html.escape(link)}">Open it in the browser</a>, or open' if link else "Open"
        return (
            f"{warning}<p>After the close of {self.session}</p><ul>{items}</ul>"
            f"<p>{where} the attached page, which needs no network.</p><p>{ADVICE}</p>"
        )

    def to_json(self, link: str) -> dict[str, Any]:
        """The body of a webhook: `text` for chat rooms, the other fields for machines."""
        # Chat rooms interpret <!channel> and <address|text> as commands.
        text = "\n".join([self.subject, *self.lines(link)]).replace("<", "‹").replace(">", "›")
        return {
            "text": text,
            "brief": str(self.session),
            "generation": self.generation,
            "simulated": self.simulated,
            "headlines": list(self.headlines),
            "link": link or None,
        }


def deliver(settings: Settings, brief: Brief) -> list[str]:
    """Deliver the brief by the channels that are set up and have not had its session.

    Returns:
        The channels that took it.
    """
    env, took = environment(), []
    try:
        wanted = wanted_channels(env)
        link = published_url(f"briefs/{brief.session}.html") if wanted else ""
    except SettingsError as error:
        log.warning("the brief of %s was not delivered: %s", brief.session, error)
        return []
    for channel in wanted:
        if str(brief.session) <= str(read_small(_record(settings)).get(channel, "")):
            log.info("the brief of %s: %s has had it, or a later one", brief.session, channel)
            continue
        try:
            # Whatever cannot be recorded would be delivered by every run: it is tried before.
            replace_json(_record(settings), read_small(_record(settings)))
            _by(channel, settings, brief, env, link)
            replace_json(_record(settings), {**read_small(_record(settings)), channel: str(brief.session)})
            took.append(channel)
        except (NotDelivered, SettingsError, OSError, UnicodeDecodeError) as error:
            log.warning("the brief of %s was not delivered by %s: %s", brief.session, channel, error)
    if took:
        log.info("the brief of %s was delivered by %s", brief.session, ", ".join(took))
    return took


def wanted_channels(env: Mapping[str, str]) -> list[str]:
    """The channels of ROTATION_DELIVER_BRIEF.

    Raises:
        SettingsError: it names another.
    """
    named = [part.strip() for part in env.get("ROTATION_DELIVER_BRIEF", "").split(",") if part.strip()]
    for name in named:
        if name not in CHANNELS:
            raise SettingsError(
                f"ROTATION_DELIVER_BRIEF={name!r} is no channel; write mail, webhook or mail,webhook."
            )
    return [channel for channel in CHANNELS if channel in named]


def _by(channel: str, settings: Settings, brief: Brief, env: Mapping[str, str], link: str) -> None:
    if channel == "webhook":
        if not post(brief.to_json(link), env):
            raise SettingsError(
                "no webhook is set up; set ROTATION_ALERT_WEBHOOK_URL or the connection alert_webhook."
            )
        return
    to = _readers(env)
    sender = addresses("ROTATION_ALERT_MAIL_FROM", env.get("ROTATION_ALERT_MAIL_FROM", ""))
    page = settings.published / "briefs" / f"{brief.session}.html"
    attachment = (f"brief-{brief.session}.html", page.read_text(encoding="utf-8"))
    text = "\n".join(brief.lines(link)) + "\n"
    send_mail(to, sender[0] if sender else None, brief.subject, text, brief.to_html(link), attachment)


def _readers(env: Mapping[str, str]) -> list[str]:
    for name in ("ROTATION_BRIEF_MAIL_TO", "ROTATION_ALERT_MAIL_TO"):
        if found := addresses(name, env.get(name, "")):
            return found
    raise SettingsError(
        "there is nobody to send it to; set ROTATION_BRIEF_MAIL_TO or ROTATION_ALERT_MAIL_TO."
    )


def _record(settings: Settings) -> Path:
    return settings.published / "delivered.json"
