"""What the audit of the extended generation found by its cross checks, and what changed in the inputs since.

In: the publication that is being built, with a copy of `ops`, the pipeline's database attached as `pipeline`,
and the generation that was extended. Out: `Earlier`, or None where every check must look at every day: after
a rebuild, where a rule or a reference table changed, and where the results are not those of that generation.

What changed in staging is found by comparing the rows from the first day on that the build says changed;
what was added to raw are the rows behind those that there were, which a sum of hashes proves to be the same.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import duckdb

from expectations.cross_check_scope import ADJUSTED, Earlier
from expectations.cross_checks import PRICES, SECOND_SOURCES, TABLE
from pipeline.state import BuildSummary
from transforms.changes import InputState, first_days_added
from warehouse.catalog import Table, literal, load_catalog, quoted
from warehouse.publication import building_folder, read_inputs
from warehouse.settings import Settings

EARLIER = "extended"
REFERENCE = ("cross_checks", "cross_check_exceptions", "fomc_meetings", "instruments")
# By kind of input: its table, and what of it is compared, the input and the day first.
STAGED = {
    "prices": (
        "staging.equity_prices",
        ("symbol", "session_date", "close", "dividend", "total_return_pct"),
    ),
    "fred": ("staging.fred_observations", ("series_id", "observation_date", "value", "source")),
    "futures": ("staging.fed_funds_futures", ("contract", "settlement_date", "delivery_month", "settle")),
}
SERVED = {
    ADJUSTED: (PRICES, "symbol", "session_date"),
    "second": (SECOND_SOURCES, "source || '/' || series_id", "observation_date"),
}
Days = dict[str, date]


def earlier_cross_checks(
    settings: Settings, connection: duckdb.DuckDBPyConnection, built: BuildSummary, cutoff: datetime
) -> Earlier | None:
    """What was found for the generation that was extended; None where that does not help."""
    if built.extends is None or built.rules_changed:
        return None
    results = connection.execute(
        "select rule, checked_rows, passed from ops.validation_results where table_name = ? and run_id ="
        " (select run_id from ops.publication where generation = ?)",
        [TABLE, built.extends],
    ).fetchall()
    others = connection.execute(
        f"select 1 from {TABLE} where run_id is distinct from"
        " (select run_id from ops.publication where generation = ?) limit 1",
        [built.extends],
    ).fetchall()
    if not results or others:
        return None
    folder = building_folder(settings)
    generation = folder.with_name(str(built.extends))
    connection.execute(f"attach {literal(str(generation / 'warehouse.duckdb'))} as {EARLIER} (read_only)")
    try:
        if any(_differ(connection, f"ref.{name}") for name in REFERENCE):
            return None
        changed, unknown = _changed(connection, built)
    finally:
        connection.execute(f"detach {EARLIER}")
    for kind, (name, key, day) in SERVED.items():
        added = _added(connection, load_catalog()[f"raw.{name}"], key, day, generation, folder, cutoff)
        if added is None:
            unknown.add(kind)
        else:
            changed |= {f"{kind}/{name}": first for name, first in added.items()}
    return Earlier(
        compared={rule: compared for rule, compared, _ in results},
        failed=frozenset(rule for rule, _, passed in results if not passed),
        changed_from=changed,
        unknown=frozenset(unknown),
    )


def _differ(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether a reference table has other rows than in the generation that was extended."""
    here, there = (
        connection.execute(f"select count(*), sum(hash(rows)::hugeint) from {table} as rows").fetchall()
        for table in (name, f"{EARLIER}.{name}")
    )
    return here != there


def _changed(connection: duckdb.DuckDBPyConnection, built: BuildSummary) -> tuple[Days, set[str]]:
    """By input the first day that differs in staging, and the kinds of which that is not known."""
    changed: Days = {}
    unknown = set()
    for kind, (name, columns) in STAGED.items():
        if name not in built.changed_from:
            continue
        first = built.changed_from[name]
        if first is None:
            unknown.add(kind)
            continue
        key, day = columns[:2]
        here, there = (
            f"select {', '.join(columns)} from {table} where {day} >= {literal(str(first))}::date"
            for table in (name, f"{EARLIER}.{name}")
        )
        rows = connection.execute(
            f"select {key}, min({day}) from (({here} except all {there}) union all"
            f" ({there} except all {here})) group by 1"
        ).fetchall()
        changed |= {f"{kind}/{key}": day for key, day in rows}
    return changed, unknown


def _added(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    key: str,
    day: str,
    generation: Path,
    folder: Path,
    cutoff: datetime,
) -> Days | None:
    """By key the first day of the rows of a raw table that were added or came within the cut-off; None where
    the rows before may be others.
    """
    before, now = (InputState.from_json(read_inputs(place) or {}) for place in (generation, folder))
    if before is None or now is None or not {table.full_name} <= before.raw.keys() & now.raw.keys():
        return None
    old, new = before.raw[table.full_name], now.raw[table.full_name]
    name, hashed = f"pipeline.{table.full_name}", ", ".join(map(quoted, table.column_names))
    [(added,)] = connection.execute(
        f"select coalesce(sum(hash({hashed})::hugeint), 0) from {name} where rowid >= ? and rowid < ?",
        [old.rows, new.rows],
    ).fetchall()
    if (int(new.sha, 16) - int(added)) % 2**64 != int(old.sha, 16):
        return None
    return first_days_added(connection, name, key, day, old.rows, before.cutoff_utc, cutoff)
