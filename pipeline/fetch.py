"""The second step, mapped: fetch one batch and land every payload as it was served.

In: the run's context with its batch. Out: payloads in `landing/`, and `fetched-<batch>.json`. It opens no
database, so that batches run side by side. A source that is late on the evening of the newest session that is
due is waited for: each call asks only for what is still missing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from datasets.base import Dataset, PlannedInput
from datasets.registry import DATASETS, active_datasets
from market_calendar.due import has_ended
from pipeline.context import RunContext
from pipeline.endings import AskLater, StepFailed, TryAgain
from pipeline.log import LOG, log_detail
from pipeline.patience import next_wait, wait_sentence, waits_until
from pipeline.presence import SHOWN, listed
from pipeline.run_record import status_on_failure
from pipeline.state import FetchBatch, Fetched, FetchedBatch, RunPlan, Waiting
from sources.protocol import BarNotThere, NotServed, NotServedNow, Provider, SourceError
from sources.registry import open_provider
from warehouse.landing import Landed, land, set_aside
from warehouse.payloads import Payload

# After this many attempts of a batch, what still does not answer counts as missing; `load` stops when it is
# required. The scheduler's run of the newest session that is due waits instead (`pipeline.patience`).
ATTEMPTS = 4
UNWOKEN = (
    "Airflow did not wake the waiting task in time, so the wait ended early: no triggerer is running. Start"
    " one (`airflow triggerer`)."
)
# A source that has nothing for an input which it served until lately is asked once more in the run (as often
# as any where the input is required) and by the next one; after this time without a row it is taken for gone.
NOT_SERVED_ATTEMPTS, LATELY = 2, timedelta(days=14)


def fetch(run: RunContext) -> FetchedBatch:
    """Fetch one batch and land it.

    Failures of single inputs are written down, not raised, unless another attempt may help.

    Raises:
        AskLater: the provider is late, and this run waits for it.
        TryAgain: the provider did not answer for some inputs, and attempts are left.
    """
    plan = run.plan
    assert run.batch is not None, "fetch is called for one batch"
    with status_on_failure(run, "fetch", plan.session):
        return _fetch_batch(run, plan, plan.batches[run.batch])


def _fetch_batch(run: RunContext, plan: RunPlan, batch: FetchBatch) -> FetchedBatch:
    dataset = DATASETS[batch.dataset]
    provider = open_provider(run.settings, dataset.name)
    if provider is None:
        raise StepFailed(
            f"The plan asks for {dataset.name}, and the settings name no provider of it any more."
        )
    before = run.state.fetched(batch.number)
    # Counted when it begins: an attempt that was killed was one.
    attempt = before.attempts + 1
    run.state.write_fetched(batch.number, before.model_copy(update={"attempts": attempt}))
    is_over = bool(before.waiting and before.waiting.over)
    until = None if is_over else waits_until(run, plan)
    awaited = before.waiting if before.waiting and not is_over else None
    # Asked once more when the time is up.
    is_waiting = until is not None or awaited is not None
    done, missing = dict(before.inputs), _Missing(_has_second_source(run, dataset))
    for item in batch.inputs:
        earlier = done.get(item.input)
        if earlier and earlier.landed and not (earlier.late and is_waiting):
            missing.with_session += 1
            continue
        if earlier and awaited and item.input not in (*awaited.late, *awaited.silent):
            continue
        found = _fetched(run, plan, dataset, provider, item, is_waiting=is_waiting)
        # An answer that had no bar of the session yet stays when the next one fails.
        done[item.input] = found if found.landed or not (earlier and earlier.landed) else earlier
        missing.add(dataset, item, found, attempt)
    missing.weigh()
    _wait(run, plan, batch, FetchedBatch(attempts=attempt, inputs=done), before.waiting, until, missing)
    if missing.silent and attempt < ATTEMPTS and not (before.waiting and before.waiting.asked):
        raise TryAgain(
            f"{provider.name} did not answer for {len(missing.silent)} of {len(batch.inputs)} {dataset.name}"
            f" inputs: {next(iter(missing.silent.values()))}"
        )
    fetched = run.state.fetched(batch.number)
    _report(batch, plan.label(batch), provider.name, fetched)
    return fetched


@dataclass
class _Missing:
    """What the provider may still serve: inputs without a row of the session, those that were not answered
    with the reason, and whether one of them is required and no second source covers it.
    """

    covered: bool
    late: list[str] = field(default_factory=list)
    silent: dict[str, str] = field(default_factory=dict)
    required: bool = False
    with_session: int = 0

    def add(self, dataset: Dataset, item: PlannedInput, found: Fetched, attempt: int) -> None:
        """Count one input, if waiting for it may help."""
        spent = found.kind == NotServedNow.__name__ and attempt >= NOT_SERVED_ATTEMPTS and not item.required
        if found.late:
            self.late.insert(0 if item.required else len(self.late), item.input)
        elif found.retryable and dataset.awaited and not spent:
            self.silent[item.input] = f"{item.input}: {found.error}"
        else:
            self.with_session += found.landed is not None
            return
        self.required = self.required or (item.required and not self.covered)

    def weigh(self) -> None:
        """A single optional bar is not waited for. Where most of a batch lacks the session, the source as a
        whole is late, and what is optional is waited for too: the publication would lack it.
        """
        if self.required or not self.late:
            return
        if len(self.late) > max(self.with_session, 1):
            self.required = True
        else:
            self.late.clear()


def _has_second_source(run: RunContext, dataset: Dataset) -> bool:
    """Whether another kind of input supplies the newest days while this one does not answer."""
    return any(other.stands_in_for == dataset.name for other in active_datasets(run.settings))


def _wait(
    run: RunContext,
    plan: RunPlan,
    batch: FetchBatch,
    fetched: FetchedBatch,
    before: Waiting | None,
    until: datetime | None,
    missing: _Missing,
) -> None:
    """Write down what was fetched and for what the batch waits.

    Raises:
        AskLater: it waits.
    """
    wanted = Waiting(late=tuple(missing.late), silent=tuple(missing.silent), required=missing.required)
    wait = next_wait(run, until, before, wanted) if missing.late or missing.silent else None
    if wait is None and before and not before.over:
        # The wait is over; what is still missing goes into the sentence of the load.
        over = None
        if wanted.late or wanted.silent:
            over = before.model_copy(
                update={
                    "late": wanted.late,
                    "silent": wanted.silent,
                    "asked": before.asked + 1,
                    "over": True,
                    "broken": UNWOKEN if run.unwoken else "",
                }
            )
            LOG.warning(
                "fetch: %s: no longer waited for: %s%s",
                plan.label(batch),
                listed([*wanted.late, *wanted.silent]),
                f". {UNWOKEN}" if run.unwoken else "",
            )
        run.state.write_fetched(batch.number, fetched.model_copy(update={"waiting": over}))
        return
    run.state.write_fetched(batch.number, fetched.model_copy(update={"waiting": wait or before}))
    if wait is not None:
        sentence = wait_sentence(run, plan)
        LOG.warning("fetch: %s: %s", plan.label(batch), sentence)
        for text in list(missing.silent.values())[:SHOWN]:
            LOG.info("fetch: %s", text)
        raise AskLater(sentence, wait.next_utc)


def _fetched(
    run: RunContext,
    plan: RunPlan,
    dataset: Dataset,
    provider: Provider,
    item: PlannedInput,
    *,
    is_waiting: bool,
) -> Fetched:
    """What came of one input; `late` only while somebody waits for it."""
    try:
        landed, payload = _fetch_input(run, dataset, provider, item)
    except SourceError as error:
        ended = isinstance(error, BarNotThere) and error.last and has_ended(error.last, plan.session)
        late = is_waiting and isinstance(error, BarNotThere) and not ended
        return Fetched(
            error=str(error), kind=type(error).__name__, retryable=error.retryable and not ended, late=late
        )
    is_held = item.known_until is not None and item.known_until >= plan.session
    proves = is_waiting and dataset.proves_sessions and not is_held
    return Fetched(landed=landed, late=proves and _is_late(plan, dataset, provider, payload))


def _is_late(plan: RunPlan, dataset: Dataset, provider: Provider, payload: Payload) -> bool:
    """Whether an answer has no row of the session yet; one that ended long before it is not waited for."""
    try:
        last = dataset.last_day(provider.parse(payload).frame)
    except SourceError:
        # The load refuses it with its own sentence.
        return False
    return last is not None and last < plan.session and not has_ended(last, plan.session)


def _fetch_input(
    run: RunContext, dataset: Dataset, provider: Provider, item: PlannedInput
) -> tuple[Landed, Payload]:
    """Fetch and land one input; all of its history where a window shows that it was restated."""
    landed, payload = _ask(run, dataset, provider, item, item.start)
    start: date = run.settings.history_start
    if item.start <= start or not dataset.needs_whole_history(lambda: provider.parse(payload).frame, item):
        return landed, payload
    set_aside(run.settings.landing, landed, "the whole history came on a new basis")
    return _ask(run, dataset, provider, item, start)


def _ask(
    run: RunContext, dataset: Dataset, provider: Provider, item: PlannedInput, start: date
) -> tuple[Landed, Payload]:
    """Fetch and land a range; once more where an expected day is missing inside it."""
    request = item.request(dataset.name, start)
    try:
        payload = provider.fetch(request)
    except NotServed as error:
        refusal = _not_served(dataset, item, str(error))
    else:
        # What was served is kept, even if it is refused later.
        landed = land(run.settings.landing, payload)
        missing = _missing_days(dataset, provider, payload)
        return (landed, payload) if not missing else _ask_again(run, dataset, provider, payload, landed)
    raise refusal


def _ask_again(
    run: RunContext, dataset: Dataset, provider: Provider, before: Payload, landed: Landed
) -> tuple[Landed, Payload]:
    """The same range once more; the second answer counts where it has more of the expected days."""
    try:
        payload = provider.fetch(before.request)
    except SourceError as error:
        LOG.debug("fetch: %s: the second answer failed: %s", before.request.describe(), error)
        return landed, before
    missing = _missing_days(dataset, provider, before)
    if len(_missing_days(dataset, provider, payload)) >= len(missing):
        return landed, before
    set_aside(run.settings.landing, landed, f"a second answer has days that it lacks ({missing[0]}, ...)")
    return land(run.settings.landing, payload), payload


def _missing_days(dataset: Dataset, provider: Provider, payload: Payload) -> list[date]:
    """Expected days without a row inside an answer; none where asking again would read the same file."""
    request = payload.request
    if not (provider.serves_ranges and dataset.expects_every_day):
        return []
    try:
        frame = provider.parse(payload).frame
    except SourceError:
        # The load refuses it with its own sentence.
        return []
    return dataset.missing_days(request.input, set(frame[dataset.day].dt.date), request.start, request.end)


def _not_served(dataset: Dataset, item: PlannedInput, text: str) -> SourceError:
    """What it means that a source has nothing: an input that it served until lately, and of which a day is
    expected, is missing for now.
    """
    last = item.known_until
    if last is None or item.end - last > LATELY or not dataset.expected_days(item.input, item.end, item.end):
        return NotServed(text)
    return NotServedNow(
        f"{text}; it was served up to {last}, so it counts as missing and is asked for again by the next run"
    )


def _report(batch: FetchBatch, label: str, provider: str, fetched: FetchedBatch) -> None:
    served = sum(entry.landed is not None for entry in fetched.inputs.values())
    LOG.info(
        "fetch: %s: %s of %s inputs from %s",
        label,
        served,
        len(fetched.inputs),
        provider,
    )
    required = {item.input for item in batch.inputs if item.required}
    for name, entry in fetched.inputs.items():
        if entry.error:
            level = _level(entry, name in required)
            log_detail(level, "fetch: %s/%s is missing: %s", batch.dataset, name, entry.error)


def _level(entry: Fetched, required: bool) -> int:
    """Of a missing input: an optional one that the source does not have is no reason to look."""
    if required:
        return logging.ERROR
    return logging.INFO if entry.kind == NotServed.__name__ else logging.WARNING
