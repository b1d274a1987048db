"""Which inputs a run asks for, and from which day on.

In: the pipeline's database, the session, and for a backfill what landing holds. Out: one item per input: all of its history once, then a trailing window up to
the session. A run of a backfill takes from landing what covers its session and asks the source only for the rest, and then up to the last closed session, so that the
first run of a backfill fetches for all of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from market_calendar.sessions import last_closed_session
from sources.landing import Landed, landed_since
from warehouse.database import utc_now
from warehouse.datasets import Dataset
from warehouse.run_record import write_json
from warehouse.settings import Settings

# The banks' reports are asked for from this quarter on, and once they can be complete.
FIRST_BANK_QUARTER, BANK_REPORT_DAYS = date(2020, 1, 1), 60
# A backfill does not ask again in each of its runs for what the source did not serve a moment ago.
ASKED_IN_VAIN = timedelta(hours=24)


@dataclass
class Plan:
    """What one dataset needs: `items` to ask the source for, `replay` to load from landing, in the order in which it was served."""

    items: list[dict[str, Any]] = field(default_factory=list)
    replay: list[Landed] = field(default_factory=list)


@dataclass(frozen=True)
class _Loaded:
    """What is in raw of one input: the newest payload and the range that was ever asked for."""

    fetched_at_utc: datetime | None = None
    sha256: str = ""
    start: date = date.max
    end: date = date.min


def plan_dataset(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    session: date,
    *,
    backfill: bool,
) -> Plan:
    """The inputs of one dataset: in a backfill what landing holds and only the rest from the source, else all from the source."""
    if not backfill:
        return Plan(plan_items(settings, connection, dataset, session, session))
    plan, loaded, unserved = Plan(), _loaded(connection, dataset), _unserved(settings)
    lately = (utc_now() - ASKED_IN_VAIN).isoformat()
    for item in plan_items(settings, connection, dataset, session, last_closed_session(utc_now())):
        replay, covered = _from_landing(
            settings, dataset.name, item["input"], session, loaded.get(item["input"], _Loaded())
        )
        plan.replay += replay
        if not covered and unserved.get(f"{dataset.name}/{item['input']}", "") < lately:
            plan.items.append(item)
    return plan


def remember_unserved(settings: Settings, asked: set[str], unserved: set[str]) -> None:
    """Keep in `runs/unserved.json` when an optional input (`dataset/name`) was last asked for in vain."""
    now = utc_now().isoformat()
    kept = {name: moment for name, moment in _unserved(settings).items() if name not in asked}
    write_json(_unserved_file(settings), kept | dict.fromkeys(sorted(unserved), now))


def _unserved(settings: Settings) -> dict[str, str]:
    file = _unserved_file(settings)
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def _unserved_file(settings: Settings) -> Path:
    return settings.home / "runs" / "unserved.json"


def _from_landing(
    settings: Settings, dataset: str, name: str, session: date, loaded: _Loaded
) -> tuple[list[Landed], bool]:
    """The payloads that lead from what is loaded to the session, and whether they reach it."""
    replay: list[Landed] = []
    sha256, start, end = loaded.sha256, loaded.start, loaded.end
    from_files = settings.source_of(dataset) == "files"
    for entry in landed_since(settings.landing, dataset, name, loaded.fetched_at_utc):
        if start <= settings.history_start and end >= session:
            break
        if (entry.source == "files") != from_files:
            continue
        if entry.sha256 != sha256 or start > settings.history_start:
            replay.append(entry)
        sha256, start, end = entry.sha256, min(start, entry.start), max(end, entry.end)
    return replay, start <= settings.history_start and end >= session


def _loaded(connection: duckdb.DuckDBPyConnection, dataset: Dataset) -> dict[str, _Loaded]:
    """Per input; the end of a range stands in the text of the request."""
    rows = connection.execute(
        """
        select
            input, max(fetched_at_utc), max_by(payload_sha256, fetched_at_utc), min(request_start_date),
            max(split_part(request, '..', 2)::date)
        from ops.payloads where dataset = ? group by input
        """,
        [dataset.name],
    ).fetchall()
    return {row[0]: _Loaded(*row[1:]) for row in rows}


def plan_items(
    settings: Settings, connection: duckdb.DuckDBPyConnection, dataset: Dataset, session: date, until: date
) -> list[dict[str, Any]]:
    """The inputs of one dataset with the range to ask for: all of the history once, then a trailing window around the session, up to `until`."""
    from sources.registry import open_source

    held = dict(
        connection.execute(
            f"select {dataset.key}::varchar, max({dataset.day}) from {dataset.table} where {dataset.day} <= ? group by 1",
            [session],
        ).fetchall()
    )
    source = open_source(settings, dataset.name)
    if dataset.name == "prices":
        rows = connection.execute(
            "select symbol from ref.instruments where coalesce(active_from, date '1900-01-01') <= ? order by 1",
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
    """Per symbol the last closes that are held, which the next answer must agree with, and the first session held."""
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
