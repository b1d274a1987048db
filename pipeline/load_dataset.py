"""Landed payloads of one kind of input → validated rows → new versions in its append-only raw table.

In: landed payloads. Out: rows in `raw.*`, in one transaction with `ops.payloads`, `ops.validation_results`
and `ops.quarantine`, and a `LoadReport`. A payload whose hash was loaded before is not parsed again, and of a
file that grew only what is new is (`pipeline.grown`). A row
is new when its key is, or when a compared column differs from the latest version; nothing is updated or
deleted. An input that does not continue what is held is refused whole, whichever provider served it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from datasets.base import Dataset, Described, goes_on
from expectations.gate import GateResult, check_rows
from expectations.suites import Record
from pipeline.grown import Grown, GrownFile, grown_inputs, plain_inputs
from pipeline.holes import unserved_days
from sources.protocol import Parsed, SourceError
from sources.registry import parse_payload
from warehouse.catalog import Table, load_catalog
from warehouse.database import append, transaction
from warehouse.landing import Landed, PayloadDamaged, read_landed, set_aside
from warehouse.raw import insert_new_versions
from warehouse.settings import Settings, SettingsError

# What the pipeline adds to a served row; it is not quoted in the quarantine.
ADDED_COLUMNS = (
    "source",
    "known_at_utc",
    "available_at_utc",
    "availability",
    "payload_sha256",
    "previous_adj_close",
)
SHOWN_ROWS = 5

Rejected = tuple[str, dict[str, Any], str]
"""A row that could not be read: the rule that it broke, the row, the hash of its payload."""


@dataclass
class LoadReport:
    """What the load of one kind of input did."""

    dataset: str
    payloads: int = 0
    unchanged_payloads: int = 0
    served_rows: int = 0
    new_rows: int = 0
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    noted: list[tuple[str, str]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: LoadReport) -> None:
        """Add a later load of the same kind; an input that could be read later on is no longer a problem."""
        self.payloads += other.payloads
        self.unchanged_payloads += other.unchanged_payloads
        self.served_rows += other.served_rows
        self.new_rows += other.new_rows
        self.quarantined += other.quarantined
        self.results += other.results
        self.noted += other.noted
        self.unreadable = {
            name: text for name, text in self.unreadable.items() if name not in other.read
        } | other.unreadable
        self.read |= other.read


@dataclass
class _Read:
    """The payloads that could be read, with their rows."""

    items: list[tuple[Landed, int]] = field(default_factory=list)
    frames: list[pd.DataFrame] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    described: list[Described] = field(default_factory=list)
    doubts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    noted: list[tuple[str, str]] = field(default_factory=list)
    grown: dict[str, Grown] = field(default_factory=dict)

    def rows(self, dataset: Dataset, settings: Settings) -> pd.DataFrame:
        """Their rows since the history starts, or all of a kind that keeps its whole history; no column where
        there is no payload.
        """
        if not self.frames:
            return pd.DataFrame()
        counts = [len(frame) for frame in self.frames]
        items = [item for item, _ in self.items]
        rows = pd.concat(self.frames, ignore_index=True).assign(
            source=pd.array([item.source for item in items], dtype="str").repeat(counts),
            known_at_utc=pd.DatetimeIndex([item.fetched_at_utc for item in items]).repeat(counts),
            payload_sha256=pd.array([item.sha256 for item in items], dtype="str").repeat(counts),
            _goes_on=np.repeat([item.input in self.grown for item in items], counts),
        )
        if dataset.keeps_whole_history:
            return rows
        return rows[rows[dataset.day] >= pd.Timestamp(settings.history_start)].reset_index(drop=True)

    def without(self, inputs: Iterable[str], key: str) -> _Read:
        """The same but for some inputs."""
        left_out = set(inputs)
        if not left_out:
            return self
        pairs = zip(self.items, self.frames, strict=True)
        kept = [(item, frame) for item, frame in pairs if item[0].input not in left_out]
        hashes = {item.sha256 for (item, _), _ in kept}
        return _Read(
            [item for item, _ in kept],
            [frame for _, frame in kept],
            [entry for entry in self.rejected if entry[2] in hashes],
            [entry for entry in self.described if entry.row.get(key) not in left_out],
            {name: doubts for name, doubts in self.doubts.items() if name not in left_out},
            [entry for entry in self.noted if entry[1].split()[0] not in left_out],
            {name: file for name, file in self.grown.items() if name not in left_out},
        )

    def add(self, other: _Read) -> None:
        """Add the payloads that were read after these."""
        self.items += other.items
        self.frames += other.frames
        self.rejected += other.rejected
        self.described += other.described
        self.doubts |= other.doubts
        self.noted += other.noted
        self.grown |= other.grown

    @property
    def whole(self) -> list[Landed]:
        """The payloads of which every row was read."""
        return [item for item, _ in self.items if item.input not in self.grown]

    @property
    def unchanged(self) -> int:
        """Rows of grown files that are held as they are."""
        return sum(file.unchanged for file in self.grown.values())


@dataclass
class _Judged:
    """What is to be written: the payloads that were read, their rows and what the gate says of them."""

    read: _Read
    rows: pd.DataFrame
    gate: GateResult


def load_dataset(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    dataset: Dataset,
    landed: list[Landed],
    run_id: str,
) -> LoadReport:
    """Validate and load the landed payloads of one kind of input in one transaction."""
    table = load_catalog()[dataset.table]
    report = LoadReport(dataset.name, payloads=len(landed))
    known = _loaded_payloads(connection, dataset.name, settings.history_start)
    fresh = [item for item in landed if (item.input, item.sha256) not in known]
    report.unchanged_payloads = len(landed) - len(fresh)
    if not fresh:
        return report
    reader = _Reader(connection, settings, dataset, run_id, report)
    grown = grown_inputs(connection, settings, dataset, fresh)
    judged = None
    while judged is None:
        judged = _judged(reader, table, fresh, grown)
    read, rows, gate = judged.read, judged.rows, judged.gate
    if not read.items:
        return report
    items = [item for item, _ in read.items]
    report.read = {item.input for item in items}
    report.noted = read.noted
    report.served_rows = len(rows) + read.unchanged + len(read.rejected)
    _judge(connection, dataset, table, read, rows, gate, report, run_id)
    if gate.critical_failures:
        # Only the findings are kept, so that the next run checks the same payloads again; a backfill leaves
        # them out.
        append(connection, "ops.validation_results", report.results)
        for item in items:
            set_aside(settings.landing, item, "a critical rule failed when it was to be loaded")
        return report
    good = dataset.kept(rows, gate.broken).assign(run_id=run_id)
    report.new_rows = _write(connection, table, good, read, report, run_id)
    for item in items:
        if item.set_aside:
            set_aside(settings.landing, item, "")
    return report


def _judged(
    reader: _Reader, table: Table, fresh: list[Landed], grown: dict[str, GrownFile]
) -> _Judged | None:
    """The payloads judged; None, and `grown` is without them, where grown files turn out to need a whole
    reading.
    """
    connection, settings, dataset = reader.connection, reader.settings, reader.dataset
    whole = reader.read_whole([item for item in fresh if item.input not in grown])
    plain = plain_inputs(connection, settings, dataset, grown, whole.rows(dataset, settings)) if grown else {}
    read = reader.in_order(fresh, whole, plain)
    rows = read.rows(dataset, settings)
    broken = reader.broken(rows)
    if _left_for_whole_reading(grown, (grown.keys() - plain.keys()) | (plain.keys() & broken.keys())):
        return None
    for item, _ in read.items:
        if item.input in broken:
            _refuse(settings, reader.report, item, broken[item.input])
    if broken:
        read = read.without(broken, dataset.key)
        rows = read.rows(dataset, settings)
    if not read.items:
        return _Judged(read, rows, GateResult())
    rows = dataset.with_context(connection, dataset.with_availability(rows))
    record = Record.of_run(settings.home, reader.run_id)
    gate = check_rows(table, rows, connection, record, unchanged=read.unchanged)
    odd = set(rows.loc[gate.broken & goes_on(rows), dataset.key].astype("str"))
    if _left_for_whole_reading(grown, set(plain) if gate.critical_failures else odd):
        return None
    return _Judged(read, rows, gate)


def _left_for_whole_reading(grown: dict[str, GrownFile], inputs: Iterable[str]) -> bool:
    """Whether there are such inputs; they are taken out of the grown ones."""
    names = list(inputs)
    for name in names:
        grown.pop(name)
    return bool(names)


def _judge(
    connection: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    table: Table,
    read: _Read,
    rows: pd.DataFrame,
    gate: GateResult,
    report: LoadReport,
    run_id: str,
) -> None:
    """Note every rule's result and every row that goes to the quarantine."""
    report.results = [
        {"run_id": run_id, **result}
        for result in (
            *_rejections(table, read.rejected, len(rows) + read.unchanged),
            *gate.results,
            *_metadata_changes(read.described),
            *_doubts(table, read),
            *_no_longer_served(connection, dataset, read, rows),
            *_holes(connection, dataset, read, rows),
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
        for rule, row, sha256 in (*read.rejected, *gate.broken_rows(rows))
    ]


def _write(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    rows: pd.DataFrame,
    read: _Read,
    report: LoadReport,
    run_id: str,
) -> int:
    """New versions and all that is known of them, in one transaction; the number of new rows."""
    with transaction(connection):
        append(connection, "ops.validation_results", report.results)
        new_rows = insert_new_versions(connection, table, rows)
        changed = [entry.row for entry in read.described if entry.is_new or entry.changes]
        append(connection, "ops.series_metadata", changed)
        append(connection, "ops.quarantine", report.quarantined)
        append(connection, "ops.payloads", [_payload_row(item, count, run_id) for item, count in read.items])
    return new_rows


@dataclass
class _Reader:
    """Reads payloads, each of them once; one that cannot be read is set aside and named in the report."""

    connection: duckdb.DuckDBPyConnection
    settings: Settings
    dataset: Dataset
    run_id: str
    report: LoadReport
    done: dict[str, _Read] = field(default_factory=dict)

    def read_whole(self, landed: list[Landed]) -> _Read:
        """The payloads with all of their rows."""
        read = _Read()
        for item in landed:
            if item.input not in self.done:
                self.done[item.input] = self._read_one(item)
            read.add(self.done[item.input])
        return read

    def in_order(self, landed: list[Landed], whole: _Read, plain: dict[str, Grown]) -> _Read:
        """All payloads as they were served, those that go on plainly with their new rows."""
        if not plain:
            return whole
        read = _Read()
        for item in landed:
            if file := plain.get(item.input):
                count = file.earlier_rows + len(file.frame)
                read.add(_Read([(item, count)], [file.frame], grown={item.input: file}))
            elif item.input in self.done:
                read.add(self.done[item.input])
        return read

    def broken(self, rows: pd.DataFrame) -> dict[str, str]:
        """The inputs that do not continue what is held, with the reason."""
        if rows.empty and not len(rows.columns):
            return {}
        accepted = self.dataset.accepted()
        found = self.dataset.broken_continuity(self.connection, rows)
        return {name: reason for name, reason in found.items() if name not in accepted}

    def _read_one(self, item: Landed) -> _Read:
        dataset = self.dataset
        try:
            parsed: Parsed = parse_payload(read_landed(self.settings.landing, item))
            described = dataset.described(
                self.connection, item, parsed.metadata, self.run_id, dataset.accepted()
            )
        except SettingsError:
            # The settings or the installation are wrong, not the payload: nothing is set aside.
            raise
        except (SourceError, PayloadDamaged) as error:
            _refuse(self.settings, self.report, item, str(error))
            return _Read()
        except (ValueError, TypeError, KeyError) as error:
            _refuse(
                self.settings,
                self.report,
                item,
                f"{item.source}: {dataset.name}/{item.input}: the payload cannot be parsed"
                f" ({type(error).__name__}: {error})",
            )
            return _Read()
        return _Read(
            [(item, len(parsed.frame))],
            [parsed.frame],
            [(rule, row, item.sha256) for rule, row in parsed.rejected],
            [described] if described else [],
            {item.input: parsed.doubts} if parsed.doubts else {},
            list(parsed.noted),
        )


def _refuse(settings: Settings, report: LoadReport, item: Landed, reason: str) -> None:
    report.unreadable[item.input] = reason
    set_aside(settings.landing, item, reason)


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
        qualify row_number() over (partition by input order by fetched_at_utc desc) = 1
            and request_start_date <= ?
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


def _result(table_name: str, rule: str, checked: int, failed: list[str], failed_rows: int) -> dict[str, Any]:
    """A warning of the load as a row of `ops.validation_results`."""
    return {
        "table_name": table_name,
        "rule": rule,
        "column_name": None,
        "severity": "warning",
        "passed": not failed,
        "checked_rows": checked,
        "failed_rows": failed_rows,
        "sample": "; ".join(failed[:SHOWN_ROWS]) or None,
    }


def _rejections(table: Table, rejected: list[Rejected], read_rows: int) -> Iterator[dict[str, Any]]:
    """Rows that the parser refused, as validation results: the rule of being readable."""
    rules = sorted({rule for rule, _, _ in rejected} | {"row_is_readable"})
    for rule in rules:
        broken = [as_json(row) for name, row, _ in rejected if name == rule]
        if broken or rule == "row_is_readable":
            yield _result(table.full_name, rule, read_rows + len(rejected), broken, len(broken))


def _metadata_changes(described: list[Described]) -> Iterator[dict[str, Any]]:
    """Changed titles, first dates and accepted units, as one warning."""
    if not described:
        return
    changes = [
        f"{entry.row['series_id']}: {name} {old!r} became {new!r}"
        for entry in described
        for name, (old, new) in entry.changes.items()
    ]
    yield _result(
        "ops.series_metadata", "series_metadata_is_unchanged", len(described), changes, len(changes)
    )


def _doubts(table: Table, read: _Read) -> Iterator[dict[str, Any]]:
    """What the payloads leave open, as one warning; nothing where they leave nothing open."""
    sentences = [sentence for _, doubts in sorted(read.doubts.items()) for sentence in doubts]
    if sentences:
        yield _result(
            table.full_name, "payload_says_what_is_needed", len(read.items), sentences, len(sentences)
        )


def _no_longer_served(
    connection: duckdb.DuckDBPyConnection, dataset: Dataset, read: _Read, rows: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """Rows that are held, lie in the range that was asked and did not come: they are kept, and counted as a
    warning. A grown file has all that is held.
    """
    whole = read.whole
    gone = dataset.gone(connection, whole, rows[~goes_on(rows)]) if whole else []
    if gone is None:
        return
    shown = [f"{name} {first}..{last}: {count} rows" for name, first, last, count in gone]
    yield _result(
        dataset.table,
        "source_still_serves_what_is_held",
        len(read.items),
        shown,
        sum(count for *_, count in gone),
    )


def _holes(
    connection: duckdb.DuckDBPyConnection, dataset: Dataset, read: _Read, rows: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """Expected days without a row inside an answer, as a warning."""
    if not dataset.expects_every_day:
        return
    items, rejected = [item for item, _ in read.items], [row for _, row, _ in read.rejected]
    days = {name: file.days for name, file in read.grown.items()}
    found = unserved_days(connection, dataset, items, rows[~goes_on(rows)], days, rejected)
    shown = [
        f"{name} {', '.join(map(str, days[:SHOWN_ROWS]))}: {len(days)} {'day' if len(days) == 1 else 'days'}"
        for name, days in found
    ]
    count = sum(len(days) for _, days in found)
    yield _result(dataset.table, "every_expected_day_is_served", len(items), shown, count)
