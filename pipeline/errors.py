"""The ways in which a step of the run ends early or fails."""

from __future__ import annotations


class StepFailed(RuntimeError):
    """The run stops here; trying again without a change would not help. The message says what to change."""


class Refused(StepFailed):
    """The run was asked for something that cannot be run; nothing of the home was changed."""


class TryAgain(RuntimeError):
    """The source did not answer; a later attempt may work."""


class LeftToAnother(Exception):
    """This run ends here without a failure: another run will build and publish."""
