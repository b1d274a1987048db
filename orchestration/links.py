"""Links on the tasks: the brief, the publication, its failed checks, the page of the runbook.

Airflow asks for them in the task's process when the task ends, failed or not, and stores the address; the
API server needs none of these classes. An empty address hides the link.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

from alerts.addresses import published_link, runbook_link
from warehouse.settings import Settings, SettingsError

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from pipeline.state import Published, RunState

LOG = logging.getLogger(__name__)


class RunbookLink(BaseOperatorLink):
    """What to do when the task fails."""

    name = "Runbook"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The page that the operator names."""
        try:
            return runbook_link(getattr(operator, "runbook_page", "failed.md"))
        except SettingsError as error:
            LOG.warning("%s has no address: %s", self.name, error)
            return ""


class PublishedLink(BaseOperatorLink):
    """A file of the generation that the run published."""

    name = "Publication"
    file = ""

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The file; none when the run has published nothing."""
        from pipeline.state import Published, RunState

        try:
            state = RunState(Settings.from_environment().home, ti_key.run_id)
            published = state.read("published", Published)
            return published_link(self.path(state, published)) if published else ""
        except SettingsError as error:
            LOG.warning("%s has no address: %s", self.name, error)
            return ""

    def path(self, state: RunState, published: Published) -> str:
        """Of the file, below the published folder."""
        return f"generations/{published.generation}/{self.file}"


class PublicationLink(PublishedLink):
    """The folder of the generation."""


class BriefLink(PublishedLink):
    """The session's brief in the archive: it stays when the generation is deleted."""

    name = "Morning brief"

    def path(self, state: RunState, published: Published) -> str:
        """Of the page."""
        return f"briefs/{state.plan.target}.html" if state.plan else ""


class FailedChecksLink(PublishedLink):
    """Every rule that the run checked, failed ones first."""

    name = "Failed checks"
    file = "validation.html"
