"""Which inputs a run asks for, and from which day on.

In: the pipeline's database, the session, and for a backfill what landing holds. Out: one item per input:
all of its history once, then a trailing window up to the session. A run of a backfill takes all from
landing that raw lacks, and asks the source only for inputs that do not reach its session; then up to the
last closed session, so that the first run of a backfill fetches for all of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from datasets import Dataset
from market_calendar.sessions import last_closed_session
from warehouse.database import utc_now
from warehouse.durable import replace_json
from warehouse.landing import Landed, is_whole, landed_since, safe_name
from warehouse.settings import Settings

# The banks' reports are asked for from this quarter on, and once they can be complete.
FIRST_BANK_QUARTER, BANK_REPORT_DAYS = date(2020, 1, 1), 60
# A backfill does not ask again in each of its runs for what the source did not serve a moment ago.
ASKED_IN_VAIN = timedelta(hours=24)


@dataclass
class Plan:
    """What one dataset needs: `items` to ask the source for, `replay` to load from landing, in the order in
    which it was served.
    """

    items: list[dict[str, Any]] = field(default_factory=list)
    replay: list[Landed] = field(default_factory=list)


@dataclass(frozen=True)
class Backfill:
    """What the other runs of a backfill are at: the inputs (`dataset/name`) that they fetch, and whether
    one is at work at all: then what lies in landing is its own to load.
    """

    fetched_by_others: frozenset[str] = frozenset()
    replayed_by_another: bool = False


@dataclass
class _Reach:
    """What there is of an input: its newest payload in raw, the first day ever asked for, and the range
    asked of the present kind of source.
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
) -> Plan:
    """The inputs of one dataset: in a backfill what landing holds and only the rest from the source, else
    all from the source.
    """
    if backfill is None:
        return Plan(plan_items(settings, connection, dataset, session, session))
    from_files = settings.source_of(dataset.name) == "files"
    reaches = _in_raw(connection, dataset, from_files)
    plan = Plan(replay=_replay(settings, dataset, reaches, from_files))
    if backfill.replayed_by_another:
        plan.replay.clear()
    unserved, lately = _unserved(settings), (utc_now() - ASKED_IN_VAIN).isoformat()
    for item in plan_items(settings, connection, dataset, session, last_closed_session(utc_now())):
        reach, name = reaches.get(safe_name(item["input"]), _Reach()), f"{dataset.name}/{item['input']}"
        covered = reach.start <= settings.history_start and reach.end >= session
        if not covered and name not in backfill.fetched_by_others and unserved.get(name, "") < lately:
            plan.items.append(item)
    return plan


def _replay(
    settings: Settings, dataset: Dataset, reaches: dict[str, _Reach], from_files: bool
) -> list[Landed]:
    """What landing holds and raw does not, of every input that was ever fetched, oldest first; extends
    `reaches` by it.
    """
    replay: list[Landed] = []
    for folder in sorted((settings.landing / dataset.name).glob("*/")):
        reach = reaches.setdefault(folder.name, _Reach())
        for entry in landed_since(folder, reach.fetched_at_utc):
            if entry.sha256 != reach.sha256 or entry.start < reach.first:
                if not is_whole(settings.landing, entry):
                    print(f"▸ landing: {entry.path} is damaged and left out", flush=True)
                    continue
                replay.append(entry)
            reach.sha256, reach.first = entry.sha256, min(reach.first, entry.start)
            if (entry.source == "files") == from_files:
                reach.start, reach.end = min(reach.start, entry.start), max(reach.end, entry.end)
    return sorted(replay, key=lambda entry: entry.fetched_at_utc)


def _in_raw(connection: duckdb.DuckDBPyConnection, dataset: Dataset, from_files: bool) -> dict[str, _Reach]:
    """Per folder of landing; the end of a range stands in the text of the request."""
    rows = connection.execute(
        """
        select
            input, max(fetched_at_utc), max_by(payload_sha256, fetched_at_utc), min(request_start_date),
            min(request_start_date) filter (where (source = 'files') = $2),
            max(split_part(request, '..', 2)::date) filter (where (source = 'files') = $2)
        from ops.payloads where dataset = $1 group by input
        """,
        [dataset.name, from_files],
    ).fetchall()
    return {
        safe_name(name): _Reach(fetched_at, sha256, first, start or date.max, end or date.min)
        for name, fetched_at, sha256, first, start, end in rows
    }


def remember_unserved(settings: Settings, asked: set[str], unserved: set[str]) -> None:
    """Keep in `runs/unserved.json` when an optional input (`dataset/name`) was last asked for in vain."""
    now = utc_now().isoformat()
    kept = {name: moment for name, moment in _unserved(settings).items() if name not in asked}
    replace_json(_unserved_file(settings), kept | dict.fromkeys(sorted(unserved), now))


def _unserved(settings: Settings) -> dict[str, str]:
    try:
        return dict(json.loads(_unserved_file(settings).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        # Not there, or cut off by a loss of power: then everything is asked for once more.
        return {}


def _unserved_file(settings: Settings) -> Path:
    return settings.home / "runs" / "unserved.json"


def plan_items(
    settings: Settings, connection: duckdb.DuckDBPyConnection, dataset: Dataset, session: date, until: date
) -> list[dict[str, Any]]:
    """The inputs of one dataset with the range to ask for: all of the history once, then a trailing window
    around the session, up to `until`.
    """
    from sources.registry import open_source

    held = dict(
        connection.execute(
            f"select {dataset.key}::varchar, max({dataset.day}) from {dataset.table} where {dataset.day} <= ?"
            " group by 1",
            [session],
        ).fetchall()
    )
    source = open_source(settings, dataset.name)
    if dataset.name == "prices":
        rows = connection.execute(
            "select symbol from ref.instruments where coalesce(active_from, date '1900-01-01') <= ? order"
            " by 1",
            [session],
        ).fetchall()
        names = [row[0] for row in rows]
    elif dataset.name == "fred":
        names = [
            row[0]
            for row in connection.execute("select series_id from ref.fred_series order by 1").fetchall()
        ]
    elif dataset.name == "bank_financials":
        from sources.fdic import quarter_inputs

        first = max(settings.history_start, FIRST_BANK_QUARTER)
        recent = session - timedelta(days=dataset.trailing_days)
        quarters = quarter_inputs(first, until - timedelta(days=BANK_REPORT_DAYS))
        names = [name for name in quarters if name not in held or name >= str(recent)]
    else:
        # Contracts that expired since the last settlement held are still to be completed.
        newest = min(session, max(held.values())) if held else settings.history_start
        names = source.contracts(max(settings.history_start, newest - timedelta(days=45)), until)
    closes = _held_closes(connection, session) if dataset.name == "prices" and source.name != "files" else {}
    asked_from = dict(
        connection.execute(
            "select input, min(request_start_date) from ops.payloads where dataset = ? group by 1",
            [dataset.name],
        ).fetchall()
    )
    items = []
    for name in names:
        start = settings.history_start
        # A start that was set earlier since asks for the whole history again.
        if (
            name in held
            and source.name != "files"
            and asked_from.get(name, date.max) <= settings.history_start
        ):
            start = max(start, min(held[name], session) - timedelta(days=dataset.trailing_days))
        item = {
            "input": name,
            "start": str(start),
            "end": str(until),
            "known_until": str(held.get(name, "")),
        }
        items.append(item | closes.get(name, {}))
    return items


def _held_closes(connection: duckdb.DuckDBPyConnection, session: date) -> dict[str, dict[str, Any]]:
    """Per symbol the last closes that are held, which the next answer must agree with, and the first
    session held.
    """
    rows = connection.execute(
        """
        with latest as (
            select symbol, session_date, close
            from raw.equity_prices
            where session_date <= $1
            qualify row_number() over (partition by symbol, session_date order by known_at_utc desc) = 1
        )

        select symbol, min(session_date), max_by(session_date, session_date, 8), max_by(close, session_date, 8)
        from latest group by symbol
        """,
        [session],
    ).fetchall()
    return {
        symbol: {
            "held_from": str(first),
            "held": {str(day): close for day, close in zip(days, closes, strict=True)},
        }
        for symbol, first, days, closes in rows
    }
