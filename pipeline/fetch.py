"""The second step, mapped: fetch one batch and land every payload as it was served.

In: the run's context with its batch. Out: payloads in `landing/`, and `fetched-<batch>.json`. It opens no
database, so that batches run side by side.
"""

from __future__ import annotations

import logging
from datetime import date, timedelta

from datasets.base import Dataset, PlannedInput
from datasets.registry import DATASETS
from pipeline.context import RunContext
from pipeline.errors import StepFailed, TryAgain
from pipeline.log import LOG, log_detail
from pipeline.run_record import status_on_failure
from pipeline.state import FetchBatch, Fetched, FetchedBatch
from sources.protocol import NotServed, NotServedNow, Provider, SourceError
from sources.registry import open_provider
from warehouse.landing import Landed, land, set_aside
from warehouse.payloads import Payload

# After this many attempts of a batch, what still does not answer counts as missing; `load` stops when it is
# required. `make run`, where a person waits, stops after the first number; the scheduler waits about an
# hour, because a source may be late on an evening.
ATTEMPTS, PATIENT_ATTEMPTS = 4, 9
# A source that has nothing for an input which it served until lately is asked once more in the run (as often
# as any where the input is required) and by the next one; after this time without a row it is taken for gone.
NOT_SERVED_ATTEMPTS, LATELY = 2, timedelta(days=14)


def fetch(run: RunContext) -> FetchedBatch:
    """Fetch one batch and land it.

    Failures of single inputs are written down, not raised, unless another attempt may help.

    Raises:
        TryAgain: the provider did not answer for some inputs, and attempts are left.
    """
    plan = run.plan
    assert run.batch is not None, "fetch is called for one batch"
    with status_on_failure(run, "fetch", plan.session):
        return _fetch_batch(run, plan.batches[run.batch], len(plan.batches))


def _fetch_batch(run: RunContext, batch: FetchBatch, batches: int) -> FetchedBatch:
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
    done, waiting = dict(before.inputs), []
    for item in batch.inputs:
        earlier = done.get(item.input)
        if earlier and earlier.landed:
            continue
        try:
            done[item.input] = Fetched(landed=_fetch_input(run, dataset, provider, item))
        except SourceError as error:
            done[item.input] = Fetched(error=str(error), kind=type(error).__name__, retryable=error.retryable)
            spent = isinstance(error, NotServedNow) and attempt >= NOT_SERVED_ATTEMPTS and not item.required
            if error.retryable and dataset.awaited and not spent:
                waiting.append(f"{item.input}: {error}")
    fetched = FetchedBatch(attempts=attempt, inputs=done)
    run.state.write_fetched(batch.number, fetched)
    if waiting and attempt < (PATIENT_ATTEMPTS if run.patient else ATTEMPTS):
        raise TryAgain(
            f"{provider.name} did not answer for {len(waiting)} of {len(batch.inputs)} {dataset.name} inputs:"
            f" {waiting[0]}"
        )
    _report(batch, batches, provider.name, fetched)
    return fetched


def _fetch_input(run: RunContext, dataset: Dataset, provider: Provider, item: PlannedInput) -> Landed:
    """Fetch and land one input; all of its history where a window shows that it was restated."""
    landed, payload = _ask(run, dataset, provider, item, item.start)
    start: date = run.settings.history_start
    if item.start <= start or not dataset.needs_whole_history(lambda: provider.parse(payload).frame, item):
        return landed
    set_aside(run.settings.landing, landed, "the whole history came on a new basis")
    return _ask(run, dataset, provider, item, start)[0]


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


def _report(batch: FetchBatch, batches: int, provider: str, fetched: FetchedBatch) -> None:
    served = sum(entry.landed is not None for entry in fetched.inputs.values())
    LOG.info(
        "fetch: %s batch %s/%s: %s of %s inputs from %s",
        batch.dataset,
        batch.number + 1,
        batches,
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
