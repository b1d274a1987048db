"""The steps of the daily run, called by the DAG's tasks in this order: plan, fetch (one per batch), load, build, audit, publish.

In: the session and the run's id; between steps only files in `<home>/runs/<run id>/` and small dictionaries of paths and counts. Out: a new
publication, or the old one untouched and the reason in `published/status.json`. Each step can be run again. Sentences that start
with `▸` are progress for a person who watches.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from market_calendar.dag_session import session_of_run
from market_calendar.sessions import cutoff_utc, last_closed_session, require_session, session_close_utc
from warehouse.database import (
    MixedData,
    append,
    high_water_session,
    pipeline_database,
    prepare_home,
    refuse_other_kind,
    refuse_other_kind_of_warehouse,
    transaction,
    utc_now,
)
from warehouse.datasets import DATASETS, Dataset, active_datasets
from warehouse.settings import Settings

# The banks' reports are asked for from this quarter on, and once they can be complete.
FIRST_BANK_QUARTER, BANK_REPORT_DAYS = date(2020, 1, 1), 60
# A served close that differs by more from the held one is on another basis, not a correction in the last cent.
RESTATED_SHARE = 0.005
# After this many attempts of a batch, what still does not answer counts as missing; `load` stops when it is required.
FETCH_ATTEMPTS = 4


class StepFailed(RuntimeError):
    """The run stops here; trying again without a change would not help. The message says what to change."""


class TryAgain(RuntimeError):
    """The source did not answer; a later attempt may work."""


@dataclass
class StepLog:
    """What a step tells `ops.runs`."""

    rows: int | None = None
    warnings: list[str] = field(default_factory=list)


def plan(settings: Settings, named: dict[str, Any], run_id: str) -> list[dict[str, Any]]:
    """Find and check the session and the home; return the fetch batches. `named` is what `session_of_run` takes."""
    refuse_other_kind(settings)
    with _status_on_failure(settings, run_id, "plan", None):
        session = _checked_session(settings, session_of_run(**named))
    with _step(settings, run_id, "plan", session) as log:
        prepare_home(settings)
        _require_space(settings)
        _write_status(settings, run_id, "running", "plan", None, session, None, [])
        from warehouse.reference_checks import check_reference_rows
        from warehouse.reference_data import ReferenceDataError, load_reference
        from warehouse.views import ensure_views

        try:
            check_reference_rows()
        except ReferenceDataError as error:
            raise StepFailed(str(error)) from None
        with pipeline_database(settings) as connection:
            ensure_views(connection)
            refuse_other_kind_of_warehouse(settings, connection)
            _heal_publication_record(settings, connection)
            high_water = high_water_session(connection)
            with transaction(connection):
                changed = load_reference(connection, settings.prices_source)
            items = {
                dataset.name: _plan_items(settings, connection, dataset, session)
                for dataset in active_datasets(settings)
            }
        target = max(session, high_water) if high_water else session
        batches = []
        for dataset, entries in items.items():
            size = DATASETS[dataset].batch_size
            for start in range(0, len(entries), size):
                batches.append({"dataset": dataset, "items": entries[start : start + size]})
        document = {
            "run_id": run_id, "session": str(session), "target": str(target), "source": settings.source, "batches": batches,
            "reference_changed": changed, "started_at_utc": utc_now().isoformat(),
        }  # fmt: skip
        _write(_run_folder(settings, run_id) / "plan.json", document)
        log.rows = sum(len(entries) for entries in items.values())
        note = (
            f" (high-water session is {target}: the raw data of {session} is repaired, then {target} is built)"
            if target != session
            else ""
        )
        _say(
            f"plan: session {session}, source {settings.source}, {log.rows} inputs in {len(batches)} batches{note}"
        )
    return [
        {"batch": number, "dataset": batch["dataset"], "inputs": len(batch["items"])}
        for number, batch in enumerate(batches)
    ]


def fetch(settings: Settings, run_id: str, number: int) -> dict[str, Any]:
    """Fetch one batch and land it; failures of single inputs are written down, not raised, unless another attempt may help."""
    document = _read_plan(settings, run_id)
    with _status_on_failure(settings, run_id, "fetch", date.fromisoformat(document["session"])):
        return _fetch_batch(settings, run_id, number, document)


def _fetch_batch(settings: Settings, run_id: str, number: int, document: dict[str, Any]) -> dict[str, Any]:
    from sources.landing import land
    from sources.protocol import Request, SourceError
    from sources.registry import open_source

    batch = document["batches"][number]
    dataset = batch["dataset"]
    source = open_source(settings, dataset)
    path = _run_folder(settings, run_id) / f"fetched-{number:03d}.json"
    done: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    waiting = []
    for item in batch["items"]:
        name = item["input"]
        if "landed" in done.get(name, {}):
            continue
        request = Request(dataset, name, date.fromisoformat(item["start"]), date.fromisoformat(item["end"]))
        try:
            payload = source.fetch(request)
            # What was served is kept, whatever is thought of it below.
            landed_payload = land(settings.landing, payload)
            if dataset == "prices" and item["start"] > str(settings.history_start):
                frame = source.parse(payload).frame
                if _has_new_split(frame, item["known_until"]) or _is_restated(frame, item.get("held", {})):
                    # A split restates every close before it: the whole history comes again on the new basis.
                    payload = source.fetch(Request(dataset, name, settings.history_start, request.end))
                    landed_payload = land(settings.landing, payload)
                    _require_one_basis(name, source.parse(payload).frame, item)
            done[name] = {"landed": landed_payload.to_json()}
        except SourceError as error:
            done[name] = {"error": str(error), "kind": type(error).__name__}
            if error.retryable and DATASETS[dataset].awaited:
                waiting.append(f"{name}: {error}")
    _write(path, done)
    attempts = path.with_suffix(".attempts")
    attempt = int(attempts.read_text(encoding="utf-8")) + 1 if attempts.exists() else 1
    attempts.write_text(str(attempt), encoding="utf-8")
    if waiting and attempt < FETCH_ATTEMPTS:
        raise TryAgain(
            f"{source.name} did not answer for {len(waiting)} of {len(batch['items'])} {dataset} inputs: {waiting[0]}"
        )
    landed = sum("landed" in entry for entry in done.values())
    _say(
        f"fetch: {dataset} batch {number + 1}/{len(document['batches'])}: {landed} of {len(done)} inputs from {source.name}"
    )
    return {"batch": number, "landed": landed, "failed": len(done) - landed, "path": path.name}


def load(settings: Settings, run_id: str) -> dict[str, Any]:
    """Validate and load what was fetched; stop when a required input is missing or unreadable."""
    from sources.landing import Landed
    from sources.registry import open_source
    from warehouse.load import load_dataset

    document = _read_plan(settings, run_id)
    session = date.fromisoformat(document["session"])
    fetch_log = StepLog()
    with _step(settings, run_id, "load", session) as log:
        outcomes: dict[str, dict[str, Any]] = {dataset.name: {} for dataset in active_datasets(settings)}
        for number, batch in enumerate(document["batches"]):
            path = _run_folder(settings, run_id) / f"fetched-{number:03d}.json"
            fetched = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            for item in batch["items"]:
                outcomes[batch["dataset"]][item["input"]] = fetched.get(
                    item["input"], {"error": "was not fetched", "kind": "NotFetched"}
                )
        # The mapped fetches share no database; their one line in ops.runs is written here.
        fetch_log.rows = sum("landed" in entry for entries in outcomes.values() for entry in entries.values())
        _record(
            settings,
            run_id,
            "fetch",
            session,
            datetime.fromisoformat(document["started_at_utc"]),
            fetch_log,
            "success",
            None,
        )
        summary: dict[str, Any] = {}
        problems: dict[tuple[str, str], str] = {}
        with pipeline_database(settings) as connection:
            for dataset, entries in outcomes.items():
                landed = [
                    Landed.from_json(entry["landed"]) for entry in entries.values() if "landed" in entry
                ]
                report = load_dataset(
                    connection, settings, dataset, landed, open_source(settings, dataset).parse, run_id
                )
                problems |= {
                    (dataset, name): entry["error"] for name, entry in entries.items() if "error" in entry
                }
                problems |= {(dataset, name): text for name, text in report.unreadable.items()}
                summary[dataset] = {
                    "source": settings.source_of(dataset), "inputs": len(entries), "fetched": len(landed), "unchanged": report.unchanged_payloads,
                    "served_rows": report.served_rows, "new_rows": report.new_rows, "quarantined": len(report.quarantined),
                    "quarantine_by_rule": _by_rule(report.quarantined),
                }  # fmt: skip
                _say(
                    f"load: {dataset}: {report.new_rows:,} new rows of {report.served_rows:,}, {len(report.quarantined)} quarantined, {report.unchanged_payloads} payloads unchanged"
                )
            stops = [r for r in _critical(connection, run_id) if r[0].startswith("raw.")]
            required = _required_inputs(connection, date.fromisoformat(document["session"]))
        log.rows = sum(entry["new_rows"] for entry in summary.values())
        optional = {key: text for key, text in problems.items() if key not in required}
        if optional:
            names = ", ".join(f"{dataset}/{name}" for dataset, name in sorted(optional))
            log.warnings = [f"{len(optional)} optional inputs missing or unreadable: {names}"]
        _write(
            _run_folder(settings, run_id) / "loaded.json",
            {"datasets": summary, "missing": sorted(optional.values())},
        )
        missing = [text for key, text in problems.items() if key in required]
        if missing:
            raise StepFailed(
                f"Required input missing or unreadable, nothing is published: {'; '.join(missing)}."
            )
        if stops:
            raise StepFailed(_critical_sentence(stops))
    return {"new_rows": log.rows, "path": "loaded.json"}


def build(settings: Settings, run_id: str) -> dict[str, Any]:
    """Build every model into a new publication that nobody reads yet."""
    from warehouse.catalog import load_catalog
    from warehouse.models import ModelError, build_models
    from warehouse.publication import building_folder, copy_tables, new_publication

    document = _read_plan(settings, run_id)
    target = date.fromisoformat(document["target"])
    with _step(settings, run_id, "build", date.fromisoformat(document["session"])) as log:
        with new_publication(settings) as connection:
            copy_tables(connection, load_catalog(), "ref")
            try:
                rows = build_models(
                    connection, session=target, cutoff_utc=cutoff_utc(target), data_source=settings.source,
                    progress=lambda text: _say(f"build: {text}"),
                )  # fmt: skip
            except ModelError as error:
                raise StepFailed(str(error)) from error
        (building_folder(settings) / ".run").write_text(run_id, encoding="utf-8")
        log.rows = sum(rows.values())
        _write(_run_folder(settings, run_id) / "built.json", rows)
    return {"rows": log.rows, "path": "built.json"}


def audit(settings: Settings, run_id: str) -> dict[str, Any]:
    """Check the built publication; a critical failure stops it and names the rows."""
    from expectations.gate import check_table
    from warehouse.catalog import load_catalog
    from warehouse.freshness import input_freshness
    from warehouse.publication import copy_tables, opened_publication

    document = _read_plan(settings, run_id)
    with _step(settings, run_id, "audit", date.fromisoformat(document["session"])) as log:
        _same_run(settings, run_id)
        catalog = load_catalog()
        results: list[dict[str, Any]] = []
        with opened_publication(settings) as connection:
            from warehouse.catalog import literal

            connection.execute(f"attach {literal(str(settings.warehouse))} as pipeline (read_only)")
            copy_tables(connection, catalog, "ops")
            connection.execute("set variable session_date = ?::date", [document["target"]])
            fresh = input_freshness(connection, date.fromisoformat(document["target"]))
            connection.execute("delete from ops.freshness")
            append(connection, "ops.freshness", fresh)
            for table in catalog.models():
                gate = check_table(connection, table)
                results += [{"run_id": run_id, **result} for result in gate.results]
            connection.execute("detach pipeline")
        with pipeline_database(settings) as connection, transaction(connection):
            connection.execute(
                "delete from ops.validation_results where run_id = ? and table_name not like 'raw.%'",
                [run_id],
            )
            append(connection, "ops.validation_results", results)
            connection.execute("delete from ops.freshness")
            append(connection, "ops.freshness", fresh)
        failed = [result for result in results if not result["passed"]]
        stale = [row for row in fresh if row["stale"]]
        _write(
            _run_folder(settings, run_id) / "audited.json",
            {"rules": len(results), "failed": failed, "stale": [f"{row['dataset']}/{row['input']} ends {row['last_date']}, expected {row['expected_date']}" for row in stale]},
        )  # fmt: skip
        log.rows = len(results)
        log.warnings = [_failure_sentence(result) for result in failed if result["severity"] == "warning"]
        _say(f"audit: {len(results)} rules, {len(failed)} failed, {len(stale)} inputs stale")
        critical = [
            (r["table_name"], r["rule"], r["failed_rows"], r["sample"])
            for r in failed
            if r["severity"] == "critical"
        ]
        if critical:
            raise StepFailed(_critical_sentence(critical))
    return {"rules": len(results), "failed": len(failed), "path": "audited.json"}


def publish(settings: Settings, run_id: str) -> dict[str, Any]:
    """Record the publication, export Parquet, draw the brief and move the link."""
    from brief.page import DrawingFailed, write_pages
    from warehouse import publication
    from warehouse.catalog import literal, load_catalog
    from warehouse.headlines import headlines

    document = _read_plan(settings, run_id)
    target = date.fromisoformat(document["target"])
    folder = _run_folder(settings, run_id)
    with _step(settings, run_id, "publish", date.fromisoformat(document["session"])) as log:
        _same_run(settings, run_id)
        catalog = load_catalog()
        with pipeline_database(settings, read_only=True) as connection:
            recorded = connection.execute("select max(generation) from ops.publication").fetchone()
        generation = publication.next_generation(settings, recorded[0] if recorded else None)
        record = {
            "generation": generation, "session_date": target, "data_source": settings.source, "published_at_utc": utc_now(),
            "storage_version": publication.STORAGE_VERSION, "code_version": publication.code_version(), "run_id": run_id,
        }  # fmt: skip
        building = publication.building_folder(settings)
        with publication.opened_publication(settings) as connection:
            connection.execute(f"attach {literal(str(settings.warehouse))} as pipeline (read_only)")
            publication.copy_tables(connection, catalog, "ops")
            connection.execute("detach pipeline")
            append(connection, "ops.publication", [record])
            publication.fill_data_dictionary(connection, catalog)
            publication.export_parquet(connection, catalog, building)
            try:
                sentences = [write_pages(connection, building), *headlines(connection, target)]
            except DrawingFailed as error:
                # A publication without its brief is not published: the last one stays, and the message says what broke (docs/adr/0006).
                raise StepFailed(
                    f"{error}. Nothing was published; the last publication stays in place."
                ) from error
        published = publication.publish(settings, generation)
        with pipeline_database(settings) as connection, transaction(connection):
            append(connection, "ops.publication", [record])
        log.rows = generation
        _write(folder / "published.json", {"generation": generation, "headlines": sentences})
        _say(f"publish: generation {generation} for {target}")
    _write_status(settings, run_id, "success", "publish", None, target, generation, sentences)
    return {"generation": generation, "path": str(published.relative_to(settings.home))}


@contextmanager
def _step(settings: Settings, run_id: str, name: str, session: date) -> Iterator[StepLog]:
    """Record a step in ops.runs; on failure also in status.json, with the publication that stays in place."""
    log, started = StepLog(), utc_now()
    try:
        with _status_on_failure(settings, run_id, name, session):
            yield log
    except MixedData:
        raise
    except BaseException as error:
        _record(settings, run_id, name, session, started, log, "failed", str(error) or type(error).__name__)
        raise
    _record(
        settings, run_id, name, session, started, log,
        "warning" if log.warnings else "success", "; ".join(log.warnings)[:2000] or None,
    )  # fmt: skip


@contextmanager
def _status_on_failure(settings: Settings, run_id: str, name: str, session: date | None) -> Iterator[None]:
    """Write a failure to status.json; what cannot be written there must not hide the failure itself."""
    try:
        yield
    except (MixedData, TryAgain):
        raise
    except BaseException as error:
        failure = _with_advice(settings, error)
        try:
            _write_status(
                settings, run_id, "failed", name, str(failure) or type(failure).__name__, session, None, []
            )
        except OSError as unwritable:
            _say(f"status.json could not be written: {unwritable}")
        if failure is error:
            raise
        raise failure from error


def _with_advice(settings: Settings, error: BaseException) -> BaseException:
    """A full or read-only disk in a sentence; everything else as it is."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        return StepFailed(
            f"{error.filename or settings.home}: {error.strerror}. Make room or writable what is below {settings.home}, then run again."
        )
    return error


def _require_space(settings: Settings) -> None:
    """A new generation needs about as much room as the present one; better said now than in the middle."""
    from warehouse.publication import current_generation

    current = current_generation(settings)
    size = sum(path.stat().st_size for path in current.rglob("*") if path.is_file()) if current else 0
    needed, free = int(1.2 * size) + 20_000_000, shutil.disk_usage(settings.home).free
    if free < needed:
        raise StepFailed(
            f"{settings.home} has {free / 1e6:,.0f} MB left and a run needs about {needed / 1e6:,.0f} MB. Make room, then run again."
        )


def _record(
    settings: Settings,
    run_id: str,
    step: str,
    session: date,
    started: datetime,
    log: StepLog,
    outcome: str,
    message: str | None,
) -> None:
    if not settings.home.is_dir():
        return
    row = {
        "run_id": run_id, "session_date": session, "step": step, "started_at_utc": started, "ended_at_utc": utc_now(),
        "rows": log.rows, "outcome": outcome, "message": message,
    }  # fmt: skip
    try:
        with pipeline_database(settings) as connection, transaction(connection):
            connection.execute("delete from ops.runs where run_id = ? and step = ?", [run_id, step])
            append(connection, "ops.runs", [row])
    except (duckdb.Error, RuntimeError, OSError):
        if outcome != "failed":
            raise


def _write_status(
    settings: Settings,
    run_id: str,
    state: str,
    step: str,
    message: str | None,
    session: date | None,
    generation: int | None,
    sentences: list[str],
) -> None:
    from warehouse.publication import current_generation, write_status

    if not settings.home.is_dir():
        return
    current = current_generation(settings)
    write_status(settings, {
        "state": state, "step": step, "message": message, "run_id": run_id, "session_date": session, "data_source": settings.source,
        "generation": generation if generation is not None else (int(current.name) if current else None), "headlines": sentences,
    })  # fmt: skip


def _checked_session(settings: Settings, text: str) -> date:
    from warehouse.settings import parse_date

    session = require_session(parse_date("session", text))
    if session < settings.history_start:
        raise StepFailed(
            f"Session {session} lies before ROTATION_HISTORY_START={settings.history_start}; set an earlier start."
        )
    now = utc_now()
    if session_close_utc(session) > now:
        raise StepFailed(
            f"Session {session} has not closed yet; the last closed session is {last_closed_session(now)}."
        )
    return session


def _plan_items(
    settings: Settings, connection: duckdb.DuckDBPyConnection, dataset: Dataset, session: date
) -> list[dict[str, str]]:
    """The inputs of one dataset with the range to ask for: all of the history once, then a trailing window up to the session."""
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
        quarters = quarter_inputs(first, session - timedelta(days=BANK_REPORT_DAYS))
        names = [name for name in quarters if name not in held or name >= str(recent)]
    else:
        # Contracts that expired since the last settlement held are still to be completed.
        newest = min(session, max(held.values())) if held else settings.history_start
        names = source.contracts(max(settings.history_start, newest - timedelta(days=45)), session)
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
            "end": str(session),
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


def _has_new_split(frame: Any, known_until: str) -> bool:
    import pandas as pd

    splits = frame[frame["split"].notna() & ~frame["split"].isin([0.0, 1.0])]
    return bool((splits["session_date"] > pd.Timestamp(known_until)).any()) if known_until else False


def _ratios(frame: Any, held: dict[str, float]) -> Any:
    """Served over held close, on the sessions that both have."""
    import pandas as pd

    served = frame.drop_duplicates("session_date").set_index("session_date")["close"]
    before = pd.Series({pd.Timestamp(day): close for day, close in held.items()}, dtype="float64")
    return (served.reindex(before.index) / before).dropna()


def _is_restated(frame: Any, held: dict[str, float]) -> bool:
    """Closes that are held come on another basis: a split whose event is late, or another company under the same symbol."""
    return bool((~_near(_ratios(frame, held), 1)).sum() > 1)


def _require_one_basis(symbol: str, frame: Any, item: dict[str, Any]) -> None:
    """A whole history may replace the held one when one factor leads from one to the other and no held session stays behind."""
    from sources.protocol import Unreadable

    ratios = _ratios(frame, item.get("held", {}))
    by_splits = ratios * 0 + 1
    for day, ratio in frame.loc[frame["split"] > 0, ["session_date", "split"]].itertuples(index=False):
        by_splits[by_splits.index < day] /= ratio
    explained = _near(ratios, 1) | _near(ratios / by_splits, 1)
    if not explained.all() and not _near(ratios / ratios.median(), 1).all():
        raise Unreadable(
            f"prices/{symbol}: the served closes differ from the held ones by factors from {ratios.min():.4g} to {ratios.max():.4g}, which no "
            f"split explains; the symbol may now stand for another company. The history held is kept; nothing new is loaded"
        )
    first = frame["session_date"].min()
    if item.get("held_from") and str(first.date()) > item["held_from"] and not _near(ratios, 1).all():
        raise Unreadable(
            f"prices/{symbol}: on the new basis the source serves from {first.date()} only, and {item['held_from']} on is held; loading it would "
            "leave a cliff. The history held is kept; nothing new is loaded"
        )


def _near(values: Any, target: float) -> Any:
    return (values / target - 1).abs() <= RESTATED_SHARE


def _heal_publication_record(settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
    """A run that was killed between moving the link and writing it down: take the record from the publication itself."""
    from warehouse.publication import current_generation

    current = current_generation(settings)
    if current is None:
        return
    names = ", ".join(
        f'"{name}"'
        for name in (
            "generation",
            "session_date",
            "data_source",
            "published_at_utc",
            "storage_version",
            "code_version",
            "run_id",
        )
    )
    try:
        with duckdb.connect(str(current / "warehouse.duckdb"), read_only=True) as reader:
            frame = reader.execute(
                f"select {names} from ops.publication where generation = ?", [int(current.name)]
            ).df()
    except duckdb.Error as error:
        _say(
            f"plan: generation {current.name} cannot be read and is replaced by this run ({str(error).splitlines()[0][:120]})"
        )
        return
    missing = connection.execute(
        "select count(*) from ops.publication where generation = ?", [int(current.name)]
    ).fetchone()
    if missing and not missing[0]:
        with transaction(connection):
            append(
                connection,
                "ops.publication",
                [
                    {str(key): value for key, value in row.items()}
                    for row in frame.astype(object).to_dict("records")
                ],
            )


def _required_inputs(connection: duckdb.DuckDBPyConnection, session: date) -> set[tuple[str, str]]:
    rows = connection.execute(
        """
        select 'prices', symbol from ref.instruments where required and coalesce(active_to, date '9999-12-31') >= $1
        union all
        select 'fred', series_id from ref.fred_series where required
        """,
        [session],
    ).fetchall()
    return {(row[0], row[1]) for row in rows}


def _critical(connection: duckdb.DuckDBPyConnection, run_id: str) -> list[tuple[str, str, int, str | None]]:
    return connection.execute(
        "select table_name, rule, failed_rows, sample from ops.validation_results where run_id = ? and not passed and severity = 'critical'",
        [run_id],
    ).fetchall()


def _critical_sentence(failures: list[tuple[str, str, int, str | None]]) -> str:
    shown = "; ".join(
        f"{table}: {rule} ({rows} rows: {sample})" for table, rule, rows, sample in failures[:5]
    )
    return f"{len(failures)} critical rules failed, the last publication stays in place: {shown}."


def _failure_sentence(result: dict[str, Any]) -> str:
    return f"{result['table_name']}: {result['rule']} failed for {result['failed_rows']:,} rows ({result['sample']})"


def _by_rule(quarantined: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Number of rows and one example per rule."""
    rules: dict[str, dict[str, Any]] = {}
    for row in quarantined:
        rules.setdefault(row["rule"], {"rows": 0, "example": row["row"]})["rows"] += 1
    return rules


def _same_run(settings: Settings, run_id: str) -> None:
    from warehouse.publication import building_folder

    marker = building_folder(settings) / ".run"
    if not marker.exists() or marker.read_text(encoding="utf-8") != run_id:
        raise StepFailed(
            "The publication that was built is not this run's; another run took its place. Run the session again."
        )


def _run_folder(settings: Settings, run_id: str) -> Path:
    folder = settings.home / "runs" / re.sub(r"[^A-Za-z0-9.-]", "_", run_id)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _read_plan(settings: Settings, run_id: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        (_run_folder(settings, run_id) / "plan.json").read_text(encoding="utf-8")
    )
    return document


def _write(path: Path, document: Any) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(document, indent=1, default=str) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def _say(text: str) -> None:
    print(f"▸ {text}", flush=True)
