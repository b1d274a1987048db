"""What `rotation_watch` does: the checks of `make status`, and on Mondays a digest of optional inputs that
are behind.

In: the home. Out: the problems, in whole sentences. The digest is sent from here, because it does not make
the task fail.
"""

from __future__ import annotations

import logging
from datetime import datetime

from alerts.alert import Alert
from alerts.channels import send
from alerts.checks import StaleInput, check_publication, publication_in_place
from market_calendar.sessions import NEW_YORK
from warehouse.settings import Settings

LOG = logging.getLogger(__name__)
# A delay of a few days mostly resolves itself (a holiday of the source, a late release); a longer one needs a
# person to look.
DIGEST_DAYS, DIGEST_WEEKDAY, SHOWN_INPUTS = 5, 0, 15


def morning_check(settings: Settings, now: datetime, run_id: str | None) -> list[str]:
    """Log the state, and send the digest on its weekday.

    Returns:
        The problems, in whole sentences.
    """
    state = check_publication(settings, now)
    for line in state.lines:
        LOG.info(line)
    for sentence in (*state.problems, *state.warnings):
        LOG.warning(sentence)
    late = overdue_optional_inputs(state.stale)
    for entry in late:
        LOG.warning("optional input behind: %s", entry)
    # A broken publication has its own alert, which names its inputs; the digest waits a week.
    if not state.problems and now.astimezone(NEW_YORK).weekday() == DIGEST_WEEKDAY:
        in_place = publication_in_place(settings)
        if late:
            send(digest(late, run_id, in_place))
        if state.warnings:
            send(horizon_alert(state.warnings, run_id, in_place))
    return state.problems


def overdue_optional_inputs(stale: list[StaleInput]) -> list[StaleInput]:
    """Optional inputs at least DIGEST_DAYS behind their schedule, and those that were never served."""
    return [
        entry
        for entry in stale
        if not entry.required and ((days := entry.days_late()) is None or days >= DIGEST_DAYS)
    ]


def digest(late: list[StaleInput], run_id: str | None, in_place: str) -> Alert:
    """One alert for all of them."""
    shown = "; ".join(str(entry) for entry in late[:SHOWN_INPUTS])
    more = f"; and {len(late) - SHOWN_INPUTS} more (ops.freshness)" if len(late) > SHOWN_INPUTS else ""
    noun = "input is" if len(late) == 1 else "inputs are"
    return Alert(
        "stale_inputs",
        f"Rotation: {len(late)} optional {noun} stale",
        f"{shown}{more}.",
        "rotation_watch",
        run_id,
        in_place=in_place,
        severity="warning",
    )


def horizon_alert(warnings: list[str], run_id: str | None, in_place: str) -> Alert:
    """One alert for the lists of the reference data that end soon."""
    noun = "list ends" if len(warnings) == 1 else "lists end"
    return Alert(
        "horizon",
        f"Rotation: {len(warnings)} {noun} soon",
        " ".join(warnings),
        "rotation_watch",
        run_id,
        in_place=in_place,
        severity="warning",
    )


def send_test_alert(run_id: str | None) -> list[str]:
    """Send a test alert through every channel.

    Returns:
        A message for each channel that failed.
    """
    message = "A person asked for this test of the alert channels; nothing is wrong."
    alert = Alert(
        "test", "Rotation: test of the alerts", message, "rotation_watch", run_id, severity="warning"
    )
    delivery = send(alert)
    LOG.info("the test alert was sent to: %s", ", ".join(delivery.delivered))
    return [f"Not delivered by {sentence}" for sentence in delivery.failed]
