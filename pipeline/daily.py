"""The steps of the daily run, called by the DAG's tasks in this order: plan, fetch (one per batch), load,
build, audit, publish.

In: the session and the run's id; between steps only files in `<home>/runs/<run id>/` and small dictionaries
of paths and counts. Out: a new publication, or the old one untouched and the reason in
`published/status.json`. Each step can be run again. Sentences that start with `▸` are progress for a person
who watches.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from datasets import DATASETS, active_datasets
from datasets.price_basis import has_new_split, is_restated, require_one_basis
from market_calendar.dag_session import session_of_run
from market_calendar.sessions import (
    calendar_ends_soon,
    cutoff_utc,
    is_session,
    last_closed_session,
    previous_session,
    require_session,
    session_close_utc,
)
from pipeline.plan_inputs import plan_dataset, remember_unserved
from pipeline.run_record import (
    StepFailed,
    StepLog,
    TryAgain,
    read_plan,
    record_step,
    remember_status,
    require_space,
    run_folder,
    say,
    status_on_failure,
    step,
    write_run_status,
)
from pipeline.turns import forget_left
from warehouse.database import (
    append,
    high_water_session,
    pipeline_database,
    prepare_home,
    refuse_other_kind,
    refuse_other_kind_of_warehouse,
    transaction,
    utc_now,
)
from warehouse.durable import replace_json
from warehouse.settings import Settings

if TYPE_CHECKING:
    from pipeline.turns import Turns
    from warehouse.landing import Landed

# After this many attempts of a batch, what still does not answer counts as missing; `load` stops when it is
# required. A person who waits at `make run` is told after the first number; the scheduler waits about an
# hour, because a source may be late on an evening.
FETCH_ATTEMPTS, PATIENT_FETCH_ATTEMPTS = 4, 9


def plan(
    settings: Settings, named: dict[str, Any], run_id: str, turns: Turns | None = None
) -> list[dict[str, Any]]:
    """Find and check the session and the home; return the fetch batches. `named` is what `session_of_run`
    takes.

    Raises LeftToAnother when a run of a backfill finds nothing to fetch or to load and another run follows.
    """
    refuse_other_kind(settings)
    with status_on_failure(settings, run_id, "plan", None):
        session = _checked_session(settings, session_of_run(**named))
    with step(settings, run_id, "plan", session) as log:
        prepare_home(settings)
        if turns:
            turns.begin(settings.home)
        # A run that is started again starts from nothing.
        shutil.rmtree(run_folder(settings, run_id))
        require_space(settings)
        from expectations.reference_checks import check_reference_rows
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
            high_water = _high_water(connection)
            with transaction(connection):
                changed = load_reference(connection, settings.prices_source)
            backfill = turns.at_work(settings.home) if turns and turns.is_backfill else None
            plans = {
                dataset.name: plan_dataset(settings, connection, dataset, session, backfill)
                for dataset in active_datasets(settings)
            }
            held_until = _held_until(connection)
        target = max(session, high_water) if high_water else session
        batches = []
        for dataset, needed in plans.items():
            size = DATASETS[dataset].batch_size
            for start in range(0, len(needed.items), size):
                batches.append({"dataset": dataset, "items": needed.items[start : start + size]})
        replay = {
            dataset: [entry.to_json() for entry in needed.replay]
            for dataset, needed in plans.items()
            if needed.replay
        }
        if turns and not batches and not replay:
            target = turns.leave_to_another(settings.home, target, held_until)
        remember_status(settings, run_id)
        write_run_status(settings, run_id, "running", "plan", None, session, None, [])
        document = {
            "run_id": run_id,
            "session": str(session),
            "target": str(target),
            "source": settings.source,
            "batches": batches,
            "replay": replay,
            "reference_changed": changed,
            "started_at_utc": utc_now().isoformat(),
        }
        replace_json(run_folder(settings, run_id) / "plan.json", document)
        if turns and turns.is_backfill:
            turns.work(settings.home)
        log.rows = sum(len(needed.items) for needed in plans.values())
        note = (
            f" (high-water session is {target}: the raw data of {session} is repaired, then {target} is"
            " built)"
            if target != session
            else ""
        )
        replayed = sum(len(needed.replay) for needed in plans.values())
        say(
            f"plan: session {session}, source {settings.source}, {log.rows} inputs in {len(batches)} batches"
            f"{f', {replayed} payloads from landing' if replayed else ''}{note}"
        )
    return [
        {"batch": number, "dataset": batch["dataset"], "inputs": len(batch["items"])}
        for number, batch in enumerate(batches)
    ]


def fetch(settings: Settings, run_id: str, number: int, *, patient: bool = False) -> dict[str, Any]:
    """Fetch one batch and land it; failures of single inputs are written down, not raised, unless another
    attempt may help.
    """
    document = read_plan(settings, run_id)
    with status_on_failure(settings, run_id, "fetch", date.fromisoformat(document["session"])):
        return _fetch_batch(
            settings, run_id, number, document, PATIENT_FETCH_ATTEMPTS if patient else FETCH_ATTEMPTS
        )


def _fetch_batch(
    settings: Settings, run_id: str, number: int, document: dict[str, Any], attempts_allowed: int
) -> dict[str, Any]:
    from sources.protocol import SourceError
    from sources.registry import open_source
    from warehouse.landing import land, set_aside
    from warehouse.payloads import Request

    batch = document["batches"][number]
    dataset = batch["dataset"]
    source = open_source(settings, dataset)
    path = run_folder(settings, run_id) / f"fetched-{number:03d}.json"
    done: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    # Counted when it begins: an attempt that was killed was one.
    attempts = path.with_suffix(".attempts")
    attempt = int(attempts.read_text(encoding="utf-8")) + 1 if attempts.exists() else 1
    attempts.write_text(str(attempt), encoding="utf-8")
    waiting = []
    for item in batch["items"]:
        name = item["input"]
        if "landed" in done.get(name, {}):
            continue
        request = Request(dataset, name, date.fromisoformat(item["start"]), date.fromisoformat(item["end"]))
        try:
            payload = source.fetch(request)
            # What was served is kept, whatever is thought of it below.
            landed = [land(settings.landing, payload)]
            if dataset == "prices" and item["start"] > str(settings.history_start):
                frame = source.parse(payload).frame
                if has_new_split(frame, item["known_until"]) or is_restated(frame, item.get("held", {})):
                    # A split restates every close before it: the whole history comes again on the new basis.
                    set_aside(settings.landing, landed[0], "the whole history came on a new basis")
                    payload = source.fetch(Request(dataset, name, settings.history_start, request.end))
                    landed.append(land(settings.landing, payload))
                    try:
                        require_one_basis(name, source.parse(payload).frame, item)
                    except SourceError as error:
                        set_aside(settings.landing, landed[-1], str(error))
                        raise
            done[name] = {"landed": landed[-1].to_json()}
        except SourceError as error:
            done[name] = {"error": str(error), "kind": type(error).__name__}
            if error.retryable and DATASETS[dataset].awaited:
                waiting.append(f"{name}: {error}")
    replace_json(path, done)
    if waiting and attempt < attempts_allowed:
        raise TryAgain(
            f"{source.name} did not answer for {len(waiting)} of {len(batch['items'])} {dataset} inputs:"
            f" {waiting[0]}"
        )
    served = sum("landed" in entry for entry in done.values())
    say(
        f"fetch: {dataset} batch {number + 1}/{len(document['batches'])}: {served} of {len(done)} inputs from"
        f" {source.name}"
    )
    return {"batch": number, "landed": served, "failed": len(done) - served, "path": path.name}


def load(settings: Settings, run_id: str) -> dict[str, Any]:
    """Validate and load what was fetched; stop when a required input is missing or unreadable."""
    from pipeline.load import LoadReport, load_dataset
    from pipeline.presence import passed_over_sentence, session_presence, sessions_passed_over
    from sources.registry import parse_payload
    from warehouse.landing import Landed

    document = read_plan(settings, run_id)
    session = date.fromisoformat(document["session"])
    replay = {
        dataset: [Landed.from_json(entry) for entry in entries]
        for dataset, entries in document["replay"].items()
    }
    fetch_log = StepLog()
    with step(settings, run_id, "load", session) as log:
        outcomes: dict[str, dict[str, Any]] = {dataset.name: {} for dataset in active_datasets(settings)}
        for number, batch in enumerate(document["batches"]):
            path = run_folder(settings, run_id) / f"fetched-{number:03d}.json"
            fetched = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            for item in batch["items"]:
                outcomes[batch["dataset"]][item["input"]] = fetched.get(
                    item["input"], {"error": "was not fetched", "kind": "NotFetched"}
                )
        # The mapped fetches share no database; their one line in ops.runs is written here.
        fetch_log.rows = sum("landed" in entry for entries in outcomes.values() for entry in entries.values())
        record_step(
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
                # Payloads of one input go in one after the other, as they were served: a
                # later one is a later version.
                report = LoadReport(dataset)
                for payloads in (*_one_of_each_input(replay.get(dataset, [])), landed):
                    report.add(load_dataset(connection, settings, dataset, payloads, parse_payload, run_id))
                problems |= {
                    (dataset, name): entry["error"] for name, entry in entries.items() if "error" in entry
                }
                problems |= {(dataset, name): text for name, text in report.unreadable.items()}
                summary[dataset] = {
                    "source": settings.source_of(dataset),
                    "inputs": len(entries),
                    "fetched": len(landed),
                    "replayed": len(replay.get(dataset, [])),
                    "unchanged": report.unchanged_payloads,
                    "served_rows": report.served_rows,
                    "new_rows": report.new_rows,
                    "quarantined": len(report.quarantined),
                    "quarantine_by_rule": _by_rule(report.quarantined),
                }
                say(
                    f"load: {dataset}: {report.new_rows:,} new rows of {report.served_rows:,},"
                    f" {len(report.quarantined)} quarantined, {report.unchanged_payloads} payloads unchanged"
                )
            stops = [r for r in _critical(connection, run_id) if r[0].startswith("raw.")]
            target = date.fromisoformat(document["target"])
            # Whoever did not answer, or not readably, says nothing about whether the session took place.
            failed = {name: "Unreadable" for dataset, name in problems if dataset == "prices"} | {
                name: str(entry.get("kind")) for name, entry in outcomes["prices"].items() if "error" in entry
            }
            presence = session_presence(connection, target, failed)
            passed_over = sessions_passed_over(connection, high_water_session(connection), target)
            required = _required_inputs(connection, date.fromisoformat(document["session"]))
        log.rows = sum(entry["new_rows"] for entry in summary.values())
        optional = {key: text for key, text in problems.items() if key not in required}
        remember_unserved(
            settings,
            {f"{dataset}/{name}" for dataset, entries in outcomes.items() for name in entries},
            {f"{dataset}/{name}" for dataset, name in optional},
        )
        if optional:
            names = ", ".join(f"{dataset}/{name}" for dataset, name in sorted(optional))
            log.warnings = [f"{len(optional)} optional inputs missing or unreadable: {names}"]
        if presence.verdict == "late" and presence.required_without_bar:
            log.warnings.append(presence.sentence)
        replace_json(
            run_folder(settings, run_id) / "loaded.json",
            {"datasets": summary, "missing": sorted(optional.values())},
        )
        if presence.verdict == "nothing_served":
            raise StepFailed(presence.sentence)
        if passed_over:
            raise StepFailed(passed_over_sentence(passed_over))
        missing = [text for key, text in problems.items() if key in required]
        if missing:
            raise StepFailed(
                f"Required input missing or unreadable, nothing is published: {'; '.join(missing)}."
            )
        if stops:
            raise StepFailed(_critical_sentence(stops))
    return {"new_rows": log.rows, "path": "loaded.json"}


def build(settings: Settings, run_id: str, turns: Turns | None = None) -> dict[str, Any]:
    """Build every model into a new publication that nobody reads yet.

    Raises LeftToAnother when a run of a backfill is not the last, TryAgain while another run is between its
    build and its publication.
    """
    from transforms.runner import ModelError, build_models
    from warehouse.catalog import load_catalog
    from warehouse.publication import building_folder, copy_tables, new_publication

    document = read_plan(settings, run_id)
    target = date.fromisoformat(document["target"])
    with step(settings, run_id, "build", date.fromisoformat(document["session"])) as log:
        if turns:
            with pipeline_database(settings, read_only=True) as connection:
                # Another run may have published a later session since this one was planned.
                target = max(target, _high_water(connection) or target)
                held_until = _held_until(connection)
            target = turns.leave_to_another(settings.home, target, held_until)
            replace_json(run_folder(settings, run_id) / "plan.json", document | {"target": str(target)})
            built_by = _built_by(settings)
            if built_by:
                turns.wait_for(built_by)
        with new_publication(settings) as connection:
            copy_tables(connection, load_catalog(), "ref")
            try:
                rows = build_models(
                    connection,
                    session=target,
                    cutoff_utc=cutoff_utc(target),
                    data_source=settings.source,
                    progress=lambda text: say(f"build: {text}"),
                )
            except ModelError as error:
                raise StepFailed(str(error)) from error
        (building_folder(settings) / ".run").write_text(run_id, encoding="utf-8")
        log.rows = sum(rows.values())
        replace_json(run_folder(settings, run_id) / "built.json", rows)
    return {"rows": log.rows, "path": "built.json"}


def audit(settings: Settings, run_id: str) -> dict[str, Any]:
    """Check the built publication; a critical failure stops it and names the rows."""
    from datasets.freshness import input_freshness
    from expectations.gate import check_table
    from warehouse.catalog import load_catalog
    from warehouse.publication import attached_pipeline, copy_tables, opened_publication

    document = read_plan(settings, run_id)
    with step(settings, run_id, "audit", date.fromisoformat(document["session"])) as log:
        _same_run(settings, run_id)
        catalog = load_catalog()
        results: list[dict[str, Any]] = []
        with opened_publication(settings) as connection, attached_pipeline(connection, settings):
            copy_tables(connection, catalog, "ops")
            connection.execute("set variable session_date = ?::date", [document["target"]])
            fresh = input_freshness(connection, date.fromisoformat(document["target"]))
            connection.execute("delete from ops.freshness")
            append(connection, "ops.freshness", fresh)
            for table in catalog.models():
                gate = check_table(connection, table)
                results += [{"run_id": run_id, **result} for result in gate.results]
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
        replace_json(
            run_folder(settings, run_id) / "audited.json",
            {
                "rules": len(results),
                "failed": failed,
                "stale": [
                    f"{row['dataset']}/{row['input']} ends {row['last_date']}, expected"
                    f" {row['expected_date']}"
                    for row in stale
                ],
            },
        )
        log.rows = len(results)
        log.warnings = [_failure_sentence(result) for result in failed if result["severity"] == "warning"]
        if ends := calendar_ends_soon(date.fromisoformat(document["target"])):
            log.warnings.append(ends)
        say(f"audit: {len(results)} rules, {len(failed)} failed, {len(stale)} inputs stale")
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
    from brief.headlines import headlines
    from brief.page import DrawingFailed, write_pages
    from warehouse import publication
    from warehouse.catalog import load_catalog

    document = read_plan(settings, run_id)
    target = date.fromisoformat(document["target"])
    folder = run_folder(settings, run_id)
    with step(settings, run_id, "publish", date.fromisoformat(document["session"])) as log:
        generation = publication.generation_of_run(settings, run_id)
        if generation is None:
            _same_run(settings, run_id)
            catalog = load_catalog()
            with pipeline_database(settings, read_only=True) as connection:
                recorded = connection.execute("select max(generation) from ops.publication").fetchone()
            generation = publication.next_generation(settings, recorded[0] if recorded else None)
            record = {
                "generation": generation,
                "session_date": target,
                "data_source": settings.source,
                "published_at_utc": utc_now(),
                "storage_version": publication.STORAGE_VERSION,
                "code_version": publication.code_version(),
                "run_id": run_id,
            }
            building = publication.building_folder(settings)
            with publication.opened_publication(settings) as connection:
                with publication.attached_pipeline(connection, settings):
                    publication.copy_tables(connection, catalog, "ops")
                append(connection, "ops.publication", [record])
                publication.fill_data_dictionary(connection, catalog)
                publication.export_parquet(connection, catalog, building)
                try:
                    sentences = [write_pages(connection, building), *headlines(connection, target)]
                except DrawingFailed as error:
                    # A publication without its brief is not published: the last one
                    # stays, and the message says what broke (docs/adr/0006).
                    raise StepFailed(
                        f"{error}. Nothing was published; the last publication stays in place."
                    ) from error
            replace_json(folder / "published.json", {"generation": generation, "headlines": sentences})
            publication.move_into_place(settings, generation)
        # From here on each part may have been done by an attempt that was killed, and can be done again.
        sentences = json.loads((folder / "published.json").read_text(encoding="utf-8"))["headlines"]
        published = publication.link(settings, generation)
        with pipeline_database(settings) as connection:
            _heal_publication_record(settings, connection)
        forget_left(settings.home, target)
        publication.finish(settings, generation)
        log.rows = generation
        say(f"publish: generation {generation} for {target}")
    write_run_status(settings, run_id, "success", "publish", None, target, generation, sentences)
    return {"generation": generation, "path": str(published.relative_to(settings.home))}


def _high_water(connection: duckdb.DuckDBPyConnection) -> date | None:
    """The latest session that was published; the one before it when that day turned out to be closed."""
    session: date | None = high_water_session(connection)
    return previous_session(session) if session and not is_session(session) else session


def _held_until(connection: duckdb.DuckDBPyConnection) -> date | None:
    """The last session of which raw holds a price."""
    row = connection.execute("select max(session_date) from raw.equity_prices").fetchone()
    return row[0] if row else None


def _checked_session(settings: Settings, text: str) -> date:
    from warehouse.settings import parse_date

    session = require_session(parse_date("session", text))
    if session < settings.history_start:
        raise StepFailed(
            f"Session {session} lies before ROTATION_HISTORY_START={settings.history_start}; set an earlier"
            " start."
        )
    now = utc_now()
    if session_close_utc(session) > now:
        raise StepFailed(
            f"Session {session} has not closed yet; the last closed session is {last_closed_session(now)}."
        )
    return session


def _heal_publication_record(settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
    """A run that was killed between moving the link and writing it down: take the record from the
    publication itself.
    """
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
        say(
            f"plan: generation {current.name} cannot be read and is replaced by this run"
            f" ({str(error).splitlines()[0][:120]})"
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
        "select table_name, rule, failed_rows, sample from ops.validation_results where run_id = ? and not"
        " passed and severity = 'critical'",
        [run_id],
    ).fetchall()


def _critical_sentence(failures: list[tuple[str, str, int, str | None]]) -> str:
    shown = "; ".join(
        f"{table}: {rule} ({rows} rows: {sample})" for table, rule, rows, sample in failures[:5]
    )
    return f"{len(failures)} critical rules failed, the last publication stays in place: {shown}."


def _failure_sentence(result: dict[str, Any]) -> str:
    return (
        f"{result['table_name']}: {result['rule']} failed for {result['failed_rows']:,} rows"
        f" ({result['sample']})"
    )


def _by_rule(quarantined: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Number of rows and one example per rule."""
    rules: dict[str, dict[str, Any]] = {}
    for row in quarantined:
        rules.setdefault(row["rule"], {"rows": 0, "example": row["row"]})["rows"] += 1
    return rules


def _one_of_each_input(landed: list[Landed]) -> list[list[Landed]]:
    """The payloads in rounds: the first of every input, the second of every input, and so on."""
    rounds: list[list[Landed]] = []
    seen: dict[str, int] = defaultdict(int)
    for entry in landed:
        if seen[entry.input] == len(rounds):
            rounds.append([])
        rounds[seen[entry.input]].append(entry)
        seen[entry.input] += 1
    return rounds


def _built_by(settings: Settings) -> str | None:
    """The run whose built publication waits to be audited and published."""
    from warehouse.publication import building_folder

    marker = building_folder(settings) / ".run"
    return marker.read_text(encoding="utf-8") if marker.exists() else None


def _same_run(settings: Settings, run_id: str) -> None:
    if _built_by(settings) != run_id:
        raise StepFailed(
            "The publication that was built is not this run's; another run took its place. Run the session"
            " again."
        )
