"""The operators of the morning check and of the housekeeping.

In: Airflow's context. Out: what was found or removed. Each imports its work when its task runs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from orchestration.described import DescribedOperator
from orchestration.log import show_sentences
from orchestration.noted import noted
from warehouse.settings import Settings, SettingsError

LOG = logging.getLogger(__name__)


class MorningCheckOperator(DescribedOperator):
    """Does the publication contain the session that is due, is it sound, are the required inputs fresh?

    **Reads** the published folder and nothing else. **Writes** nothing; on Mondays it sends the digest of the
    optional inputs that are behind.

    **When it fails** its message is the list of problems, which the alert `stale` carries too. Readers keep
    the publication that is there. See `docs/runbook/stale-publication.md`.
    """

    title = "Check the publication"
    runbook_page = "stale-publication.md"

    def execute(self, context: Any) -> None:
        """Check, or only send a test alert."""
        from alerts.watch import morning_check, send_test_alert

        show_sentences(AirflowFailException)
        with noted(context) as note:
            if context["params"].get("test_alert"):
                if undelivered := send_test_alert(context["run_id"]):
                    raise AirflowFailException(" ".join(undelivered))
                note.text = "A test alert was sent through every channel."
                return
            try:
                problems = morning_check(Settings.from_environment(), datetime.now(UTC), context["run_id"])
            except SettingsError as error:
                problems = [str(error)]
            if problems:
                raise AirflowFailException(" ".join(f"({n}) {text}" for n, text in enumerate(problems, 1)))
            note.text = "The publication is fresh and sound."


class CleanHomeOperator(DescribedOperator):
    """Removes what the home no longer needs, and checks that there is room for the next runs.

    **Reads** the sizes of the home's folders. **Removes** old publications, builds that no run will finish,
    folders and logs of old runs, temporary files; never anything of `landing/` or of the warehouse.

    **When it fails** a setting is wrong, or the disk has too little room for the next runs. See
    `docs/runbook/housekeeping.md`.
    """

    title = "Clean the home"
    runbook_page = "housekeeping.md"

    def execute(self, context: Any) -> dict[str, int]:
        """How many entries of each kind were removed."""
        from operations.housekeeping import clean_home, require_room

        with noted(context) as note, _failures():
            settings = Settings.from_environment()
            report = clean_home(settings)
            LOG.info(report.text())
            require_room(settings, report)
            removed = sum(part.entries for part in report.removed.values())
            note.text = f"Removed {removed:,} entries of the home; its log has the table."
        return {what: part.entries for what, part in report.removed.items()}


class CleanAirflowOperator(DescribedOperator):
    """Removes old rows and logs of Airflow itself, when the settings ask for it.

    **Removes** what is older than `ROTATION_AIRFLOW_KEEP_DAYS` and `ROTATION_AIRFLOW_LOG_KEEP_DAYS`, of all
    DAGs of this Airflow; nothing when they are not set.

    **When it fails** a setting is wrong, or Airflow's own command failed. See `docs/runbook/housekeeping.md`.
    """

    title = "Clean Airflow's records"
    runbook_page = "housekeeping.md"

    def execute(self, context: Any) -> dict[str, int]:
        """How many entries of each kind were removed."""
        from operations.housekeeping import Report, clean_airflow_logs, clean_airflow_metadata

        report = Report()
        with noted(context), _failures():
            report.removed["Airflow's log files"] = clean_airflow_logs()
            report.removed["rows of Airflow's database"] = clean_airflow_metadata()
        LOG.info(report.text())
        return {what: part.entries for what, part in report.removed.items()}


@contextmanager
def _failures() -> Iterator[None]:
    """What a person must correct is not tried again, and is shown as a sentence."""
    from operations.housekeeping import HousekeepingFailed

    show_sentences(AirflowFailException)
    try:
        yield
    except (SettingsError, HousekeepingFailed) as error:
        raise AirflowFailException(str(error)) from None
