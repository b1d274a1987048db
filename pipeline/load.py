"""Load: landed payloads → validated rows → new versions in the append-only raw tables.

In: the landed payloads of a run. Out: rows in `raw.*` (one transaction a dataset, together with
`ops.payloads`, `ops.validation_results` and `ops.quarantine`), and a `LoadReport`. A payload whose hash was
loaded before is not parsed again. A row is new when its key is, or when a compared column differs from the
latest version; nothing is updated or deleted. A version that the source itself dates (availability
`vintage`) stands beside the others of its observation. A source whose units changed is refused until the
change is accepted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb
import pandas as pd

from datasets import DATASETS
from expectations.gate import GateResult, check_rows
from market_calendar.release_rules import EQUITY_RULE, FUTURES_RULE, available_at_utc
from sources.protocol import Parsed, SourceError, Unreadable
from warehouse.catalog import Table, load_catalog, quoted
from warehouse.database import append, transaction
from warehouse.landing import Landed, PayloadDamaged, read_landed, set_aside
from warehouse.payloads import Payload
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings, environment

ADDED_COLUMNS = (
    "source",
    "known_at_utc",
    "available_at_utc",
    "availability",
    "payload_sha256",
    "previous_adj_close",
)
# What is not in ref.fred_series; the banks' reports are complete about 55 days after the quarter.
RELEASE_RULES = {
    "prices": (EQUITY_RULE, "daily"),
    "futures": (FUTURES_RULE, "daily"),
    "bank_financials": ("days:60@12:00", "quarterly"),
}


@dataclass
class LoadReport:
    """What one dataset's load did."""

    dataset: str
    payloads: int = 0
    unchanged_payloads: int = 0
    served_rows: int = 0
    new_rows: int = 0
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    results: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: LoadReport) -> None:
        """Count a later load of the same dataset in; an input that can be read later on is no problem any
        more.
        """
        for name in ("payloads", "unchanged_payloads", "served_rows", "new_rows"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.quarantined += other.quarantined
        self.results += other.results
        self.unreadable = {
            name: text for name, text in self.unreadable.items() if name not in other.read
        } | other.unreadable
        self.read |= other.read


def load_dataset(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    dataset: str,
    landed: list[Landed],
    parse: Callable[[Payload], Parsed],
    run_id: str,
) -> LoadReport:
    """Validate and load the landed payloads of one dataset in one transaction."""
    table = load_catalog()[DATASETS[dataset].table]
    report = LoadReport(dataset, payloads=len(landed))
    known = _loaded_payloads(connection, dataset, settings.history_start)
    fresh = [item for item in landed if (item.input, item.sha256) not in known]
    report.unchanged_payloads = len(landed) - len(fresh)
    frames, rejected, loaded = [], [], []
    described: list[dict[str, Any]] = []
    for item in fresh:
        try:
            parsed = parse(read_landed(settings.landing, item))
            if dataset == "fred" and parsed.metadata:
                described.append(_watched_metadata(connection, item, parsed.metadata, run_id))
        except (SourceError, PayloadDamaged) as error:
            report.unreadable[item.input] = str(error)
            set_aside(settings.landing, item, str(error))
            continue
        except (ValueError, TypeError, KeyError) as error:
            report.unreadable[item.input] = (
                f"{item.source}: {dataset}/{item.input}: the payload cannot be parsed"
                f" ({type(error).__name__}: {error})"
            )
            set_aside(settings.landing, item, report.unreadable[item.input])
            continue
        frame = parsed.frame.assign(
            source=item.source, known_at_utc=pd.Timestamp(item.fetched_at_utc), payload_sha256=item.sha256
        )
        frames.append(frame)
        report.read.add(item.input)
        rejected += [(rule, row, item.sha256) for rule, row in parsed.rejected]
        loaded.append((item, len(frame)))
    if not frames:
        return report
    rows = pd.concat(frames, ignore_index=True)
    rows = rows[rows[DATASETS[dataset].day] >= pd.Timestamp(settings.history_start)].reset_index(drop=True)
    rows = _with_context(dataset, _with_availability(dataset, rows))
    if dataset == "futures":
        rows = rows.assign(
            _disagrees_with_other_source=_disagrees(connection, rows),
            _distance_from_neighbours=_distance_from_neighbours(rows, _held_neighbours(connection, rows)),
        )
    gate: GateResult = check_rows(table, rows)
    report.served_rows = len(rows) + len(rejected)
    report.results = [
        {"run_id": run_id, **result}
        for result in (
            *_rejections(table, rejected, len(rows)),
            *gate.results,
            *_metadata_changes(described),
            *_no_longer_served(connection, dataset, table, [item for item, _ in loaded], rows),
        )
    ]
    report.quarantined = [
        {
            "run_id": run_id,
            "table_name": table.full_name,
            "rule": rule,
            "row": as_json(row),
            "payload_sha256": sha256,
        }
        for rule, row, sha256 in (*rejected, *gate.broken_rows(rows))
    ]
    with transaction(connection):
        append(connection, "ops.validation_results", report.results)
        if gate.critical_failures:
            # Nothing of it is kept but what was found, so that the next run judges the same
            # payloads again; a backfill passes them by.
            for item, _ in loaded:
                set_aside(settings.landing, item, "a critical rule failed when it was to be loaded")
            return report
        report.new_rows = _insert_new_versions(connection, table, rows[~gate.broken].assign(run_id=run_id))
        append(connection, "ops.series_metadata", [entry["row"] for entry in described if entry["changed"]])
        append(connection, "ops.quarantine", report.quarantined)
        append(connection, "ops.payloads", [_payload_row(item, count, run_id) for item, count in loaded])
    for item, _ in loaded:
        if item.set_aside:
            set_aside(settings.landing, item, "")
    return report


def as_json(row: dict[Any, Any]) -> str:
    """A row as JSON text: dates as ISO, a missing value as null, without what the pipeline added to it."""
    served = {key: value for key, value in row.items() if key not in ADDED_COLUMNS}
    return json.dumps(
        {key: None if pd.isna(value) else value for key, value in served.items()},
        default=_date_text,
        ensure_ascii=False,
    )


def _date_text(value: Any) -> str:
    return str(value.date()) if isinstance(value, pd.Timestamp) and value == value.normalize() else str(value)


def _loaded_payloads(
    connection: duckdb.DuckDBPyConnection, dataset: str, history_start: date
) -> set[tuple[str, str]]:
    """The newest payload of each input that is in raw already, loaded with a history that started no later
    than the present setting.

    Only the newest: a payload that comes back after another one is a change, like any other.
    """
    rows = connection.execute(
        """
        select input, payload_sha256
        from ops.payloads
        where dataset = ?
        qualify row_number() over (partition by input order by fetched_at_utc desc) = 1 and request_start_date <= ?
        """,
        [dataset, history_start],
    ).fetchall()
    return {(row[0], row[1]) for row in rows}


def _payload_row(item: Landed, count: int, run_id: str) -> dict[str, Any]:
    return {
        "dataset": item.dataset,
        "input": item.input,
        "payload_sha256": item.sha256,
        "source": item.source,
        "request": f"{item.dataset}/{item.input} {item.start}..{item.end}",
        "fetched_at_utc": item.fetched_at_utc,
        "path": f"landing/{item.path}",
        "byte_count": item.byte_count,
        "rows": count,
        "run_id": run_id,
        "request_start_date": item.start,
    }


def _with_availability(dataset: str, rows: pd.DataFrame) -> pd.DataFrame:
    if dataset != "fred":
        rule, frequency = RELEASE_RULES[dataset]
        available = available_at_utc(rule, frequency, rows[DATASETS[dataset].day])
        return rows.assign(available_at_utc=available, availability="assumed")
    series = reference_frame("fred_series")
    rules = dict(
        zip(series["series_id"], zip(series["release_rule"], series["frequency"], strict=True), strict=True)
    )
    parts = []
    for series_id, part in rows.groupby("series_id", sort=False):
        release_rule, frequency = rules[series_id]
        parts.append(available_at_utc(release_rule, frequency, part["observation_date"]))
    available = pd.concat(parts).reindex(rows.index) if parts else pd.Series(dtype="datetime64[ns]")
    # An observation that we hold was available by then, whatever the rule says.
    if "available_at_utc" in rows:
        # Where the source dates its versions, its own date stands.
        available = rows["available_at_utc"].astype("datetime64[us]").fillna(available)
    available = available.where(available <= rows["known_at_utc"], rows["known_at_utc"])
    served = rows["availability"] if "availability" in rows else pd.Series("assumed", index=rows.index)
    return rows.assign(available_at_utc=available, availability=served.fillna("assumed"))


def _with_context(dataset: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Add what the hand-written rules compare with, as columns that start with an underscore and are not
    loaded.
    """
    calendar = reference_frame("calendar")
    if dataset == "prices":
        sessions = calendar.loc[calendar["is_nyse_session"], "calendar_date"]
        return rows.assign(_is_nyse_session=rows["session_date"].isin(sessions))
    if dataset == "futures":
        days = calendar.loc[calendar["is_settlement_day"], "calendar_date"]
        last_of_month = days.groupby(days.dt.to_period("M").dt.to_timestamp()).max()
        return rows.assign(
            _is_settlement_day=rows["settlement_date"].isin(days),
            _last_settlement_date=rows["delivery_month"].map(last_of_month),
            _distance_from_neighbours=_distance_from_neighbours(rows),
            _disagrees_with_other_source=False,  # filled where the rows that are held can be read
        )
    return rows


def _held_neighbours(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> pd.DataFrame:
    """Settlements that are held of the served days and did not come this time: the neighbours of what came."""
    connection.register("served_rows", rows[["contract", "settlement_date"]])
    try:
        return connection.execute("""
            select delivery_month, settlement_date, settle
            from raw.fed_funds_futures as held
            where settlement_date in (select settlement_date::date from served_rows)
                and (contract, settlement_date) not in (select contract, settlement_date::date from served_rows)
            qualify row_number() over (partition by contract, settlement_date order by known_at_utc desc) = 1
        """).df()
    finally:
        connection.unregister("served_rows")


def _distance_from_neighbours(served: pd.DataFrame, held: pd.DataFrame | None = None) -> pd.Series:
    """How far a settlement lies above or below both adjacent contracts of its day, in points; 0 between
    them or at an end of the strip.
    """
    columns = ["settlement_date", "delivery_month", "settle"]
    rows = served[columns]
    if held is not None and len(held):
        rows = pd.concat([rows, held[columns].set_index(pd.RangeIndex(-len(held), 0))])
    ordered = rows.sort_values(["settlement_date", "delivery_month"], kind="stable")
    settle = ordered["settle"].groupby(ordered["settlement_date"])
    nearer, farther = ordered["settle"] - settle.shift(1), ordered["settle"] - settle.shift(-1)
    both = pd.concat([nearer.abs(), farther.abs()], axis=1)
    same_side = (nearer > 0) == (farther > 0)
    distance: pd.Series = both.min(axis=1, skipna=False).where(same_side, 0.0).fillna(0.0)
    return distance.reindex(served.index)


def _rejections(
    table: Table, rejected: list[tuple[str, dict[str, Any], str]], read_rows: int
) -> Iterable[dict[str, Any]]:
    """Rows that the parser refused, as validation results: the rule of being readable."""
    rules = sorted({rule for rule, _, _ in rejected} | {"row_is_readable"})
    for rule in rules:
        broken = [as_json(row) for name, row, _ in rejected if name == rule]
        if broken or rule == "row_is_readable":
            yield {
                "table_name": table.full_name,
                "rule": rule,
                "column_name": None,
                "severity": "warning",
                "passed": not broken,
                "checked_rows": read_rows + len(rejected),
                "failed_rows": len(broken),
                "sample": "; ".join(broken[:5]) or None,
            }


def _watched_metadata(
    connection: duckdb.DuckDBPyConnection, item: Landed, metadata: dict[str, str], run_id: str
) -> dict[str, Any]:
    """What changed in a series' metadata; raises Unreadable when its numbers no longer mean the same."""
    held = connection.execute(
        """
        select title, units, frequency, cast(first_observation_date as varchar) as first_observation_date
        from ops.series_metadata where series_id = ? order by known_at_utc desc limit 1
        """,
        [item.input],
    ).fetchone()
    names = ("title", "units", "frequency", "first_observation_date")
    before = {name: value or "" for name, value in zip(names, held, strict=True)} if held else {}
    changed = {name: (value, metadata[name]) for name, value in before.items() if value != metadata[name]}
    accepted = environment().get("ROTATION_ACCEPT_UNITS", "").split(",")
    for name in ("units", "frequency"):
        if name in changed and item.input not in accepted:
            old, new = changed[name]
            raise Unreadable(
                f"FRED: {item.input}: field {name} reads {new!r}, the observations held are in {old!r};"
                " nothing of it is loaded. If the new ones belong behind the old ones, run once with"
                f" ROTATION_ACCEPT_UNITS={item.input}"
            )
    row = {
        "series_id": item.input,
        **metadata,
        "first_observation_date": metadata["first_observation_date"] or None,
        "known_at_utc": item.fetched_at_utc,
        "run_id": run_id,
        "payload_sha256": item.sha256,
    }
    return {"row": row, "changed": bool(changed) or not before, "changes": changed}


def _metadata_changes(described: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Changed titles, first dates and accepted units, as one warning."""
    if not described:
        return
    changes = [
        f"{entry['row']['series_id']}: {name} {old!r} became {new!r}"
        for entry in described
        for name, (old, new) in entry["changes"].items()
    ]
    yield {
        "table_name": "ops.series_metadata",
        "rule": "series_metadata_is_unchanged",
        "column_name": None,
        "severity": "warning",
        "passed": not changes,
        "checked_rows": len(described),
        "failed_rows": len(changes),
        "sample": "; ".join(changes[:5]) or None,
    }


def _no_longer_served(
    connection: duckdb.DuckDBPyConnection, dataset: str, table: Table, items: list[Landed], rows: pd.DataFrame
) -> Iterable[dict[str, Any]]:
    """Rows that are held, lie in the range that was asked and did not come: they are kept, and counted as a
    warning.
    """
    key, day = DATASETS[dataset].key, DATASETS[dataset].day
    if key == day:
        return
    # A trailing window of vintages holds new versions only; what it leaves out is not gone.
    dated = set(rows.loc[rows["availability"] == "vintage", key]) if dataset == "fred" else set()
    asked = [(item.input, item.start, item.end) for item in items if item.input not in dated]
    connection.register(
        "asked_ranges", pd.DataFrame(asked, columns=["input", "first_date", "last_date"], dtype=object)
    )
    connection.register("served_rows", rows[[key, day]])
    try:
        gone = connection.execute(f"""
            select held.{key}, min(held.{day}), max(held.{day}), count(distinct held.{day})
            from {table.full_name} as held
            inner join asked_ranges as asked
                on held.{key} = asked.input and held.{day} between asked.first_date::date and asked.last_date::date
            where not exists (
                select 1 from served_rows as served where served.{key} = held.{key} and served.{day}::date = held.{day}
            )
            group by 1 order by 1
        """).fetchall()
    finally:
        connection.unregister("asked_ranges")
        connection.unregister("served_rows")
    yield {
        "table_name": table.full_name,
        "rule": "source_still_serves_what_is_held",
        "column_name": None,
        "severity": "warning",
        "passed": not gone,
        "checked_rows": len(asked),
        "failed_rows": sum(count for *_, count in gone),
        "sample": (
            "; ".join(f"{name} {first}..{last}: {count} rows" for name, first, last, count in gone[:5])
            or None
        ),
    }


def _disagrees(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> pd.Series:
    """Whether another source gave a different settlement for the same contract and day; half a thousandth
    is rounding.
    """
    connection.register("futures_rows", rows.assign(position=range(len(rows))))
    try:
        found = connection.execute("""
            select distinct served.position
            from futures_rows as served
            inner join raw.fed_funds_futures as held
                on served.contract = held.contract and served.settlement_date::date = held.settlement_date
            where served.source <> held.source and abs(served.settle - held.settle) > 0.0005
        """).fetchall()
    finally:
        connection.unregister("futures_rows")
    positions = {row[0] for row in found}
    return pd.Series([position in positions for position in range(len(rows))], index=rows.index)


def _insert_new_versions(connection: duckdb.DuckDBPyConnection, table: Table, rows: pd.DataFrame) -> int:
    """Insert the rows whose key is new or whose compared values differ from the latest version.

    Versions that the source dates are compared with what is held of the same date, all others with the
    latest of their kind.
    """
    keys = [name for name in table.grain if name not in ("available_at_utc", "known_at_utc")]
    versions = (
        f"{', '.join(keys)}, availability, case when availability = 'vintage' then available_at_utc end"
    )
    columns = ", ".join(
        f"{quoted(column.name)}::{column.type} as {quoted(column.name)}" for column in table.columns
    )
    connection.register("loaded_rows", rows)
    try:
        before = _count(connection, table.full_name)
        connection.execute(f"""
            insert into {table.full_name}
            with served as (select {columns} from loaded_rows),
            latest as (
                select * from {table.full_name}
                qualify row_number() over (partition by {versions} order by known_at_utc desc) = 1
            )
            select served.*
            from served
            left join latest
                on {" and ".join(f"served.{name} = latest.{name}" for name in keys)}
                and served.availability = latest.availability
                and (served.availability <> 'vintage' or served.available_at_utc = latest.available_at_utc)
            where latest.known_at_utc is null
                or (
                    served.known_at_utc > latest.known_at_utc
                    and ({" or ".join(f"served.{quoted(name)} is distinct from latest.{quoted(name)}" for name in table.compared)})
                )
            order by {", ".join(f"served.{name}" for name in table.grain)}
        """)
        return _count(connection, table.full_name) - before
    finally:
        connection.unregister("loaded_rows")


def _count(connection: duckdb.DuckDBPyConnection, full_name: str) -> int:
    row = connection.execute(f"select count(*) from {full_name}").fetchone()
    return int(row[0]) if row else 0
