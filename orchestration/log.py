"""The log of a task: a failure is one readable line.

In: the exception with which a task ends. Out: for the errors that say what to do, the line "Task failed with
exception" and its twelve frames of Airflow become the sentence itself; any other error keeps its frames.
Airflow's task runner logs with structlog, and a processor at the front of its list sees every line of the
task's process. Caveat: where Airflow logs in another way, nothing changes.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Any

import structlog


class SentenceInPlaceOfFrames:
    """A structlog processor; `errors` are the types whose text is for people."""

    def __init__(self, errors: tuple[type[BaseException], ...]) -> None:
        """Keep the types."""
        self.errors = errors

    def __call__(
        self, logger: Any, method_name: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """The line without its frames where its exception is one of ours."""
        error = sys.exc_info()[1] if event.get("exc_info") is True else event.get("exc_info")
        if isinstance(error, self.errors) and str(error):
            del event["exc_info"]
            event["event"] = str(error)
        return event


def show_sentences(*errors: type[BaseException]) -> None:
    """From here on, show failures of these types as their sentence; calling it again changes nothing."""
    processors = structlog.get_config()["processors"]
    if not any(isinstance(entry, SentenceInPlaceOfFrames) for entry in processors):
        processors.insert(0, SentenceInPlaceOfFrames(errors))
