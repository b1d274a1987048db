"""What a task wants a person to know of its run, handed to the scheduler for the run's note.

A task cannot write the note of its run, so it leaves the text as an XCom, and `orchestration.run_notes`
copies it when the run ends. Caveat: a note that cannot be left is a warning in the log and fails no task.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException, AirflowTaskTimeout

LOG = logging.getLogger(__name__)
KEY = "note"


@dataclass
class Note:
    """The text, in Markdown, the session that it is about, and whether the request was refused; an empty text
    leaves no note.
    """

    text: str = ""
    session: str | None = None
    refused: bool = False


@contextmanager
def noted(context: Mapping[str, Any]) -> Iterator[Note]:
    """Leave the note of a task: what its body says, else its error or why it was skipped."""
    note = Note()
    try:
        yield note
    except AirflowSkipException as left:
        note.text = note.text or str(left)
        raise
    except AirflowTaskTimeout:
        note.text = "The task took longer than its limit and was stopped."
        raise
    except Exception as error:
        note.text = str(error) or f"{type(error).__name__} without a message; see the task's log."
        raise
    finally:
        if note.text:
            _leave(context, note)


def _leave(context: Mapping[str, Any], note: Note) -> None:
    try:
        value = {"text": note.text[:4000], "session": note.session, "refused": note.refused}
        context["ti"].xcom_push(key=KEY, value=value)
    except Exception as error:  # whatever it is, the task's own outcome matters more
        LOG.warning("the note for the run was not stored: %s: %s", type(error).__name__, error)
