"""Which inputs a run asks for, and what it replays from landing.

In: the pipeline's database, the session, and for a backfill what landing holds. Out: one `PlannedInput` per
input: all of its history once, then a trailing window up to the session. A run of a backfill loads from
landing everything that raw lacks, and asks the provider only for inputs that do not reach its session; then
up to the last closed session, so that the first run of a backfill fetches for all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import duckdb

from datasets.base import Dataset, PlannedInput, Reach
from datasets.registry import active_datasets
from market_calendar.sessions import last_closed_session, sessions_between
from pipeline.home_state import Covered, HomeState
from pipeline.log import LOG
from pipeline.turns import Backfill
from sources.registry import open_provider
from warehouse.clock import utc_now
from warehouse.landing import Landed, is_whole, landed_since, safe_name
from warehouse.settings import Settings

# The runs of a backfill do not each ask again for what the source did not serve a moment ago.
ASK_AGAIN_AFTER = timedelta(hours=24)


@dataclass
class DatasetPlan:
    """What one kind of input needs: `inputs` to ask the provider for, in batches of `batch_size`, and
    `replay` to load from landing, in the order in which it was served.
    """

    batch_size: int
    inputs: list[PlannedInput] = field(default_factory=list)
    replay: list[Landed] = field(default_factory=list)


@dataclass
class _Reach:
    """What there is of an input: its newest payload in raw, the first day ever asked for, and the range
    asked of the present provider.
    """

    fetched_at_utc: datetime | None = None
    sha256: str = ""
    first: date = date.max
    start: date = date.max
    end: date = date.min


def plan_dataset(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    session: date,
    backfill: Backfill | None,
    again: Collection[str] = (),
    first: date | None = None,
    *,
    missing_only: bool = False,
) -> DatasetPlan:
    """The inputs of one kind: what landing holds and raw lacks, unless `backfill` is None, and all from the
    provider, of a range of sessions from `first` on; with `missing_only`, as in a backfill, only the rest.
    Of those in `again` the provider is asked for the whole history in any case.
    """
    provider = open_provider(settings, dataset.name)
    if provider is None:
        return DatasetPlan(dataset.batch_size)
    if backfill is None:
        wanted = dataset.plan(connection, settings, provider, Reach(session, session), again)
        return DatasetPlan(dataset.batch_size, wanted)
    reaches = _in_raw(connection, dataset, provider.name)
    plan = DatasetPlan(dataset.batch_size, replay=_replay(settings, dataset, reaches, provider.name))
    if backfill.at_work:
        plan.replay.clear()
    if not missing_only:
        plan.inputs = dataset.plan(connection, settings, provider, Reach(session, session, first), again)
        return plan
    now = utc_now()
    unserved = HomeState.read(settings.home).unserved
    reach_of_run = Reach(session, last_closed_session(now))
    for item in dataset.plan(connection, settings, provider, reach_of_run, again):
        reach, name = reaches.get(safe_name(item.input), _Reach()), f"{dataset.name}/{item.input}"
        covered = reach.start <= settings.history_start and reach.end >= session
        asked_lately = unserved.get(name, datetime.min) >= now - ASK_AGAIN_AFTER
        wanted_now = not covered and name not in backfill.fetched_by_others and not asked_lately
        if wanted_now or item.input in again:
            plan.inputs.append(item)
    return plan


def covered_sessions(
    settings: Settings, connection: duckdb.DuckDBPyConnection, backfill: Backfill, landing: str
) -> Covered | None:
    """The sessions, from the start of the history, for which a run of a backfill would find what the present
    one has found: nothing to fetch and nothing to load. None where there are none.

    What a session asks for is among what the first and the last one ask for (`Dataset.inputs`), so these two
    tell of all between them.

    Args:
        settings: of this process.
        connection: the pipeline's database.
        backfill: what the other runs of the backfill do.
        landing: what landing was like before the run planned (`pipeline.covered`).
    """
    now, unserved = utc_now(), HomeState.read(settings.home).unserved
    first, last = settings.history_start, last_closed_session(now)
    until, ask_again = last, now + ASK_AGAIN_AFTER
    for dataset in active_datasets(settings):
        provider = open_provider(settings, dataset.name)
        assert provider is not None, "an active kind of input has a provider"
        reaches = _in_raw(connection, dataset, provider.name)
        _replay(settings, dataset, reaches, provider.name)
        for session in (first, last):
            for item in dataset.plan(connection, settings, provider, Reach(session, last)):
                reach, name = reaches.get(safe_name(item.input), _Reach()), f"{dataset.name}/{item.input}"
                asked = unserved.get(name, datetime.min) + ASK_AGAIN_AFTER
                if reach.start <= first and reach.end >= last:
                    continue
                if name in backfill.fetched_by_others:
                    continue
                if asked > now:
                    ask_again = min(ask_again, asked)
                elif reach.start <= first:
                    until = min(until, reach.end)
                else:
                    return None
    return Covered(
        sessions=tuple(sessions_between(first, until)),
        until_utc=ask_again,
        relies_on=backfill.at_work,
        landing=landing,
        home="",
    )


def _replay(settings: Settings, dataset: Dataset, reaches: dict[str, _Reach], provider: str) -> list[Landed]:
    """What landing holds and raw does not, of every input that was ever fetched, oldest first; extends
    `reaches` by it.
    """
    replay: list[Landed] = []
    for folder in sorted((settings.landing / dataset.name).glob("*/")):
        reach = reaches.setdefault(folder.name, _Reach())
        for entry in landed_since(folder, reach.fetched_at_utc):
            if entry.sha256 != reach.sha256 or entry.start < reach.first:
                if not is_whole(settings.landing, entry):
                    LOG.warning("landing: %s is damaged and left out", entry.path)
                    continue
                replay.append(entry)
            reach.sha256, reach.first = entry.sha256, min(reach.first, entry.start)
            if entry.source == provider:
                reach.start, reach.end = min(reach.start, entry.start), max(reach.end, entry.end)
    return sorted(replay, key=lambda entry: entry.fetched_at_utc)


def _in_raw(connection: duckdb.DuckDBPyConnection, dataset: Dataset, provider: str) -> dict[str, _Reach]:
    """Per folder of landing; the end of a range is part of the text of the request."""
    rows = connection.execute(
        """
        select
            input, max(fetched_at_utc), max_by(payload_sha256, fetched_at_utc), min(request_start_date),
            min(request_start_date) filter (where source = $2),
            max(split_part(request, '..', 2)::date) filter (where source = $2)
        from ops.payloads where dataset = $1 group by input
        """,
        [dataset.name, provider],
    ).fetchall()
    return {
        safe_name(name): _Reach(fetched_at, sha256, first, start or date.max, end or date.min)
        for name, fetched_at, sha256, first, start, end in rows
    }


def remember_unserved(settings: Settings, asked: Iterable[str], unserved: Iterable[str]) -> None:
    """Note when an optional input (`kind/name`) last returned nothing."""
    state, asked = HomeState.read(settings.home), set(asked)
    kept = {name: moment for name, moment in state.unserved.items() if name not in asked}
    state.change(settings.home, unserved=kept | dict.fromkeys(sorted(unserved), utc_now()))
