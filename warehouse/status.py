"""`published/status.json` and the two small files beside it: what is known of a home with Airflow stopped.

In: what a step reports. Out: `status.json` with the last report at its top and, under `open`, every run that
failed or has not ended, until its session or a later one succeeds; `scheduled.json`, written by runs that the
schedule started, so that the home is known to be scheduled; `refused.json`, the last triggers that asked for
something that cannot be run. Caveat: several processes write, so each change is made under a lock; readers
need none. DAG files import this module through the alerts, so it is light.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from warehouse.clock import naive_utc, utc_now
from warehouse.durable import replace_json
from warehouse.settings import Settings

FAILED, RUNNING, SUCCESS = "failed", "running", "success"
# More are not kept; the newest are.
KEPT_RUNS = 50


@dataclass(frozen=True)
class OpenRun:
    """A run that failed or has not ended; `session` is None when it never came to know it."""

    run_id: str
    state: str
    session: date | None
    step: str | None
    message: str | None
    at_utc: datetime

    @classmethod
    def read(cls, entry: Any) -> OpenRun | None:
        """From an entry of the file; None when it is not one."""
        try:
            session = entry.get("session_date")
            found = cls(
                run_id=str(entry["run_id"]),
                state=str(entry["state"]),
                session=date.fromisoformat(session) if session else None,
                step=_text(entry.get("step")),
                message=_text(entry.get("message")),
                at_utc=naive_utc(datetime.fromisoformat(entry["written_at_utc"])),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return None
        return found if found.state in (FAILED, RUNNING) else None

    def as_entry(self) -> dict[str, Any]:
        """As it stands in the file."""
        fields = asdict(self)
        fields["session_date"] = fields.pop("session")
        fields["written_at_utc"] = fields.pop("at_utc").isoformat(timespec="seconds")
        return fields


def _text(value: Any) -> str | None:
    """What a later version or a person wrote in a field of words, as words."""
    return None if value is None else str(value)


def status_file(settings: Settings) -> Path:
    """Where the status is."""
    return settings.published / "status.json"


def open_runs(document: dict[str, Any]) -> list[OpenRun]:
    """The runs that failed or have not ended, oldest first; a status of an earlier version names the last one
    only.
    """
    listed = document.get("open")
    entries = listed if isinstance(listed, list) else [document]
    return [found for entry in entries if (found := OpenRun.read(entry))]


def record_of(document: dict[str, Any], run_id: str) -> dict[str, Any]:
    """What the status says of one run; empty when it says nothing."""
    if document.get("run_id") == run_id:
        return document
    return next((found.as_entry() for found in open_runs(document) if found.run_id == run_id), {})


def read_small(path: Path) -> dict[str, Any]:
    """A JSON object; empty where the file is missing or cannot be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def report(settings: Settings, entry: dict[str, Any], session: date | None) -> None:
    """Replace what is at the top of the status, and change what is open accordingly.

    Args:
        settings: of the home.
        entry: the fields of the report: state, step, message, run_id, session_date and others.
        session: of the run; a success closes what is open for it and for earlier ones.
    """

    def changed(before: dict[str, Any]) -> dict[str, Any]:
        now = utc_now()
        kept = [found for found in open_runs(before) if found.run_id != entry["run_id"]]
        if entry["state"] == SUCCESS:
            kept = [found for found in kept if session and found.session and found.session > session]
        else:
            own = OpenRun(entry["run_id"], entry["state"], session, entry["step"], entry["message"], now)
            if own.state == FAILED:
                kept = [found for found in kept if found.state != FAILED or found.session != session]
            kept = [*kept, own][-KEPT_RUNS:]
        return {
            **entry,
            "written_at_utc": now.isoformat(timespec="seconds"),
            "open": [found.as_entry() for found in kept],
        }

    _change(settings, changed)


def withdraw(settings: Settings, run_id: str, session: date, before: dict[str, Any]) -> None:
    """Take a run that leaves its work to another one out of the status; `before` is what the status said when
    it began. An earlier failure of its session is over as well: its data is loaded or needs no load.
    """

    def changed(document: dict[str, Any]) -> dict[str, Any]:
        kept = [
            found.as_entry()
            for found in open_runs(document)
            if found.run_id != run_id and not (found.state == FAILED and found.session == session)
        ]
        top = before if before and document.get("run_id") == run_id else document
        return {**top, "open": kept}

    _change(settings, changed)


def note_scheduled(settings: Settings, run_id: str, session: date | None) -> None:
    """Remember that the schedule started a run: the home has a due session from now on, whatever its
    source.
    """
    path = settings.published / "scheduled.json"
    with _locked(settings):
        if read_small(path).get("run_id") != run_id:
            written = utc_now().isoformat(timespec="seconds")
            replace_json(path, {"run_id": run_id, "session_date": session, "written_at_utc": written})


def is_scheduled(settings: Settings) -> bool:
    """Whether the schedule has started a run of this home, and nobody has said since that it no longer does
    (by deleting the file).
    """
    return (settings.published / "scheduled.json").is_file()


def note_refused(settings: Settings, run_id: str, message: str) -> None:
    """Keep why a trigger was refused, for its alert, in a new home too; the status stays as it is.

    Several are kept: the alert of the first is sent after the second may have been refused.
    """
    with _locked(settings):
        others = [entry for entry in _refusals(settings) if entry.get("run_id") != run_id]
        own = {
            "run_id": run_id,
            "message": message,
            "written_at_utc": utc_now().isoformat(timespec="seconds"),
        }
        replace_json(_refused_file(settings), {**own, "earlier": others[-KEPT_RUNS:]})


def refusal_of(settings: Settings, run_id: str) -> str | None:
    """Why a run was refused; None when it was not."""
    found = (entry.get("message") for entry in _refusals(settings) if entry.get("run_id") == run_id)
    return next((str(message) for message in found), None)


def _refusals(settings: Settings) -> list[dict[str, Any]]:
    """Oldest first; the last one stands at the top of the file."""
    last = read_small(_refused_file(settings))
    earlier = last.pop("earlier", None)
    listed = [*earlier, last] if isinstance(earlier, list) else [last]
    return [entry for entry in listed if isinstance(entry, dict) and entry.get("run_id")]


def _refused_file(settings: Settings) -> Path:
    return settings.published / "refused.json"


def _change(settings: Settings, changed: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    with _locked(settings):
        path = status_file(settings)
        replace_json(path, changed(read_small(path)))


@contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    """One writer at a time: mapped tasks report side by side."""
    folder = settings.home / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".status.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
