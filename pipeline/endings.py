"""The ways in which a step of the run ends early or fails.

Apart from `pipeline.errors`, which knows what may pass by itself and brings DuckDB: a run of a backfill that
finds nothing to do must not wait for that.
"""

from __future__ import annotations

from datetime import datetime


class StepFailed(RuntimeError):
    """The run stops here; trying again without a change would not help. The message says what to change."""


class Refused(StepFailed):
    """The run was asked for something that cannot be run; nothing of the home was changed."""


class TryAgain(RuntimeError):
    """The source did not answer; a later attempt may work."""


class AskLater(TryAgain):
    """A late source is waited for: the step is to be called again at `at` (naive UTC)."""

    def __init__(self, message: str, at: datetime) -> None:
        super().__init__(message)
        self.at = at


class LeftToAnother(Exception):
    """This run ends here without a failure: another run will build and publish."""


class NothingNew(Exception):
    """The current publication is what this run would publish: it ends here without a failure."""
