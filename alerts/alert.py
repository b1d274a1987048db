"""One alert in words: for a log line, a mail and a webhook.

In: what a callback knows. Out: plain text, HTML and JSON. Any of the text may come from a source's answer, so
none of it is interpreted as a template, markup or a mail header. Caveat: a long message is cut; the log of
the task has all of it.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

# A page of docs/runbook/ for each kind; a test asserts that they are there.
RUNBOOK_PAGES = {
    "failed": "failed.md",
    "refused": "failed.md",
    "stale": "stale-publication.md",
    "stale_inputs": "stale-inputs.md",
    "horizon": "horizon.md",
    "deadline": "deadline.md",
    "housekeeping": "housekeeping.md",
    "watch": "watch.md",
    "test": "channel-broken.md",
}
LONGEST_MESSAGE, LONGEST_SUBJECT = 2000, 120
STALE_SUBJECT = "Rotation: the publication is not fresh or not sound"
KIND_OF_DAG = {
    "rotation_daily": "failed",
    "rotation_housekeeping": "housekeeping",
    "rotation_watch": "watch",
}


@dataclass(frozen=True)
class Alert:
    """`kind` is a key of RUNBOOK_PAGES; `session` and `step` are None when they are not known."""

    kind: str
    subject: str
    message: str
    dag_id: str
    run_id: str | None = None
    session: str | None = None
    step: str | None = None
    in_place: str | None = None
    severity: str = "error"
    at_utc: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def short_subject(self) -> str:
        """One line without control characters: it becomes a mail header."""
        return _one_line(self.subject, LONGEST_SUBJECT)

    def to_json(self, runbook_url: str) -> dict[str, Any]:
        """The body of a webhook: `text` for chat rooms, the other fields for machines."""
        return {
            "text": self._chat_text(runbook_url),
            "alert": self.kind,
            "severity": self.severity,
            "subject": self.short_subject(),
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "session": self.session,
            "step": self.step,
            "message": _cut(self.message),
            "in_place": self.in_place,
            "runbook": self.runbook(runbook_url),
            "at_utc": self.at_utc.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def to_html(self, runbook_url: str) -> str:
        """The body of a mail; every word is escaped."""
        rows = "".join(
            f"<tr><td><b>{html.escape(name)}</b></td><td>{html.escape(text)}</td></tr>"
            for name, text in self._facts(runbook_url)
        )
        return f"<p>{html.escape(_cut(self.message)).replace(chr(10), '<br>')}</p><table>{rows}</table>"

    def to_line(self, runbook_url: str) -> str:
        """One line of a log."""
        facts = " | ".join(f"{name}: {text}" for name, text in self._facts(runbook_url))
        return _one_line(
            f"ALERT {self.kind}: {self.short_subject()}: {_cut(self.message)} | {facts}", 2 * LONGEST_MESSAGE
        )

    def runbook(self, runbook_url: str) -> str:
        """The page to read: a path in the repository, or a URL when ROTATION_RUNBOOK_URL is set."""
        path = f"docs/runbook/{RUNBOOK_PAGES[self.kind]}"
        return f"{runbook_url.rstrip('/')}/{path}" if runbook_url else path

    def _chat_text(self, runbook_url: str) -> str:
        facts = "\n".join(f"{name}: {text}" for name, text in self._facts(runbook_url))
        text = f"{self.short_subject()}\n{_cut(self.message)}\n{facts}"
        # Chat rooms interpret <!channel> and <address|text> as commands; the field `message` keeps
        # the original text.
        return text.replace("<", "‹").replace(">", "›")

    def _facts(self, runbook_url: str) -> list[tuple[str, str]]:
        facts = {
            "Session": self.session,
            "Step": self.step,
            "Stays in place": self.in_place,
            "Run": f"{self.dag_id} {self.run_id}" if self.run_id else self.dag_id,
            "At": f"{self.at_utc:%Y-%m-%d %H:%M} UTC",
            "Runbook": self.runbook(runbook_url),
        }
        return [(name, _one_line(text, LONGEST_MESSAGE)) for name, text in facts.items() if text]


def failed_alert(
    dag_id: str,
    run_id: str,
    session: str | None,
    step: str | None,
    message: str,
    *,
    in_place: str | None = None,
    found: bool = True,
) -> Alert:
    """The alert of a failed run, by its DAG.

    Args:
        dag_id: of the run.
        run_id: of the run.
        session: when it is known.
        step: the one that failed, when it is known.
        message: what went wrong.
        in_place: what readers see meanwhile.
        found: whether the failed task said what is wrong; the morning check then found a problem, and did not
            break itself.
    """
    kind = KIND_OF_DAG.get(dag_id, "failed")
    if kind == "watch" and found:
        kind = "stale"
    of_session, at_step = f" for {session}" if session else "", f" at {step}" if step else ""
    subject = {
        "failed": f"Rotation: run{of_session} failed{at_step}",
        "housekeeping": "Rotation: housekeeping failed",
        "stale": STALE_SUBJECT,
        "watch": "Rotation: the morning check itself failed",
    }[kind]
    return Alert(
        kind,
        subject,
        message,
        dag_id,
        run_id,
        session,
        step,
        in_place if kind in ("failed", "stale") else None,
    )


def refused_alert(
    dag_id: str, run_id: str, session: str | None, message: str, *, in_place: str | None = None
) -> Alert:
    """The alert of a trigger that asked for something that cannot be run: nothing is wrong with the home.

    Args:
        dag_id: of the run.
        run_id: of the run.
        session: when the trigger named one.
        message: why it was refused.
        in_place: what readers see.
    """
    of_session = f" for {session}" if session else ""
    subject = f"Rotation: a run{of_session} was refused"
    message = f"{message} Nothing was changed; correct the request and trigger again."
    return Alert("refused", subject, message, dag_id, run_id, session, "plan", in_place, severity="warning")


def _one_line(text: str, longest: int) -> str:
    flat = " ".join(printable(text).split())
    return flat if len(flat) <= longest else f"{flat[: longest - 1]}…"


def _cut(text: str) -> str:
    clean = printable(text).strip()
    if len(clean) <= LONGEST_MESSAGE:
        return clean
    return f"{clean[:LONGEST_MESSAGE]}… ({len(clean) - LONGEST_MESSAGE:,} more characters in the task's log)"


def printable(text: str) -> str:
    """Replace control characters except the line feed, and unpaired surrogates, which cannot be encoded."""
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", " ", text)
