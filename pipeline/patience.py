"""How long a late source is waited for.

In: the run, the outcome of its fetch batches so far, and ROTATION_WAIT_MINUTES. Out: until when this run
waits, when a batch is asked again, and the sentence that says so. The limit counts from the moment at which
the session's run is due, so only the run of the newest due session waits, and only on its evening. The wait
itself is Airflow's: a deferred task holds no worker (`orchestration.operators`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from market_calendar.due import newest_due, run_due_utc
from market_calendar.sessions import NotASession
from pipeline.context import RunContext
from pipeline.presence import listed
from pipeline.state import FetchBatch, FetchedBatch, RunPlan, Waiting
from sources.registry import provider_name
from warehouse.settings import SettingsError, environment

# From 18:30 to 22:30 New York. Late bars of an evening come within an hour or two, an outage takes hours;
# two of the run's six hours remain for the steps after it, and the morning check is at 07:00.
WAIT_MINUTES, MOST_MINUTES = 240.0, 100_000
# Airflow stops a run after six hours, which no wait may use up.
LONGEST_IN_A_RUN = timedelta(hours=5)
# A publication does not need an optional input: it is waited for as long as one retries a blip.
OPTIONAL_WAIT = timedelta(hours=1)
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 20, 30))


def wait_minutes() -> float:
    """ROTATION_WAIT_MINUTES; 0 for never."""
    text = environment().get("ROTATION_WAIT_MINUTES", "").strip()
    try:
        minutes = float(text) if text else WAIT_MINUTES
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes <= MOST_MINUTES:
        raise SettingsError(
            f"ROTATION_WAIT_MINUTES={text!r} is not a number of minutes from 0 (never wait) to"
            f" {MOST_MINUTES:,}; write it as {WAIT_MINUTES:g}."
        )
    return minutes


def waits_until(run: RunContext, plan: RunPlan) -> datetime | None:
    """Until when the run waits for a late source (naive UTC); None when it does not wait (any more)."""
    if not run.patient or run.unwoken or (run.turns and run.turns.is_backfill):
        return None
    now = run.clock()
    try:
        if plan.session != newest_due(now):
            return None
    except NotASession:
        return None
    due = run_due_utc(plan.session).astimezone(UTC).replace(tzinfo=None)
    until = min(due + timedelta(minutes=wait_minutes()), plan.started_at_utc + LONGEST_IN_A_RUN)
    return until if until > now else None


def next_wait(
    run: RunContext, until: datetime | None, before: Waiting | None, waiting: Waiting
) -> Waiting | None:
    """The wait of a batch with its next moment; None when it is over.

    Args:
        run: the run.
        until: when its patience ends.
        before: the wait of this batch so far.
        waiting: for what it waits now.
    """
    if until is None or (before and before.over):
        return None
    now = run.clock()
    since = before.since_utc if before else now
    if not waiting.required:
        until = min(until, since + OPTIONAL_WAIT)
    if now >= until:
        return None
    asked = before.asked if before else 0
    at = min(now + PAUSES[min(asked, len(PAUSES) - 1)], until)
    return waiting.model_copy(
        update={"since_utc": since, "asked": asked + 1, "next_utc": at, "until_utc": until}
    )


def wait_sentence(run: RunContext, plan: RunPlan) -> str:
    """What the batches of the run wait for, in one sentence."""
    found = [(batch.dataset, entry.waiting) for batch, entry in _fetched(run, plan) if entry.waiting]
    waits = [(dataset, wait) for dataset, wait in found if not wait.over]
    names = {str(provider_name(run.settings, dataset)): None for dataset, _ in waits}
    late = [name for _, wait in waits for name in wait.late]
    silent = [name for _, wait in waits for name in wait.silent]
    what = [
        *([f"{_counted(late)} no bar of {plan.session} yet"] if late else []),
        *([f"no answer for {_few(silent)}"] if silent else []),
    ]
    every = [wait for _, wait in waits]
    return (
        f"waits for {', '.join(names)}: {'; '.join(what)}; asked {_times(max(wait.asked for wait in every))}"
        f" since {_clock(min(wait.since_utc for wait in every), run.clock())}, next"
        f" {_clock(min(wait.next_utc for wait in every), run.clock())}, until"
        f" {_clock(max(wait.until_utc for wait in every), run.clock())}"
    )


def waited_sentence(run: RunContext, plan: RunPlan) -> str:
    """How long the run has waited without success, for the failure that follows; empty without a wait."""
    waits = [entry.waiting for _, entry in _fetched(run, plan) if entry.waiting and entry.waiting.over]
    if not waits:
        return ""
    broken = next((wait.broken for wait in waits if wait.broken), "")
    ended = (
        f"The source was asked {_times(max(wait.asked for wait in waits))} between"
        f" {_clock(min(wait.since_utc for wait in waits), run.clock())} and"
        f" {_clock(max(wait.next_utc for wait in waits), run.clock())}."
    )
    return f"{ended} {broken}".strip()


def _fetched(run: RunContext, plan: RunPlan) -> Iterable[tuple[FetchBatch, FetchedBatch]]:
    return ((batch, run.state.fetched(batch.number)) for batch in plan.batches)


def _few(names: Sequence[str]) -> str:
    """`SPY and 12 more`."""
    return listed(names, 1)


def _counted(names: Sequence[str]) -> str:
    return f"{_few(names)} {'have' if len(names) > 1 else 'has'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _clock(moment: datetime, now: datetime) -> str:
    """`23:10 UTC`, with its date when that is not today's."""
    day: date = moment.date()
    return f"{moment:%H:%M} UTC" if day == now.date() else f"{moment:%Y-%m-%d %H:%M} UTC"
