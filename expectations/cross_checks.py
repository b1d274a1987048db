"""Both sides of what the warehouse holds twice are compared: the rows of `ref.cross_checks`.

In: a connection on which `staging` and `ref` can be read (the publication that is being built), and, where
they exist, the tables `second_source_rates` and `equity_prices` (for adj_close) of `pipeline.raw`. Out: one
result per check for `ops.validation_results`, and rows of `ops.cross_checks`: the newest days and every day
that failed. A kind of comparison is one file `kinds/<kind>.sql` over the temporary tables that are made here;
every join has an equality. Of inputs that disagree the likely wrong one is named (`offenders`).

A check whose severity is critical stops the publication only where an input that may be wrong is required:
an optional one warns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from expectations.cross_check_scope import (
    BEGINNING,
    KEPT_DAYS,
    Earlier,
    add_kept_rows,
    is_in_part,
    limit_checks,
    must_see_all,
    named_before,
)
from expectations.cross_check_terms import RIGHT_SIDES, Side, parse_sides
from expectations.offenders import Disagreement, find_disagreements
from expectations.results import SAMPLE_ROWS, RuleResult
from warehouse.database import append

TABLE = "ops.cross_checks"
SECOND_SOURCES, PRICES = "second_source_rates", "equity_prices"
ADJUSTED_COLUMNS = (
    "''::varchar as symbol, null::date as day, 0.0 as close, 0.0 as previous_close, 0.0 as dividend,"
    " 0.0 as adj_close, 0.0 as previous_adj_close, 0.0 as adj_rounding, 0.0 as close_rounding"
)
KINDS = Path(__file__).resolve().parent / "kinds"
# These kinds share a statement with another one.
STATEMENTS = {
    "second_source": "value",
    "return": "change",
    "month_average_by_decisions": "month_average",
}
TEMPORARY = (
    "check_list",
    "check_terms",
    "check_present",
    "check_members",
    "check_inputs",
    "check_series",
    "check_futures",
    "check_sides",
    "check_adjusted",
    "check_results",
)


@dataclass(frozen=True)
class CrossChecks:
    """What was found: results per check, and rows of `ops.cross_checks`, both without the run."""

    results: list[RuleResult] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)


def compare(
    connection: duckdb.DuckDBPyConnection,
    required: frozenset[str] = frozenset(),
    earlier: Earlier | None = None,
) -> CrossChecks:
    """Make every comparison: over the whole history, or of the days that are new since all others passed.

    Args:
        connection: reads `staging` and `ref`, and `ops.cross_checks` where there is an earlier audit.
        required: inputs (`kind/name`) without which nothing is published.
        earlier: what the audit found that judged all other days. Where a check that it passed fails now,
            everything is compared over the whole history.
    """
    try:
        prepare(connection, earlier)
        run_kinds(connection)
        in_part = earlier is not None and is_in_part(connection)
        if earlier is not None and in_part and must_see_all(connection, earlier):
            in_part = False
            prepare(connection)
            run_kinds(connection)
        if in_part:
            add_kept_rows(connection)
        found = find_disagreements(connection)
        if in_part:
            found = named_before(connection, found)
        return CrossChecks(_results(connection, found, required), _kept_rows(connection, found, required))
    finally:
        for name in TEMPORARY:
            connection.execute(f"drop table if exists temp.{name}")
        connection.execute("drop view if exists temp.check_days")


def record_cross_checks(connection: duckdb.DuckDBPyConnection, rows: Iterable[dict[str, Any]]) -> None:
    """Replace the content of `ops.cross_checks`."""
    connection.execute(f"delete from {TABLE}")
    append(connection, TABLE, list(rows))


def prepare(connection: duckdb.DuckDBPyConnection, earlier: Earlier | None = None) -> None:
    """The checks, their terms, every series with its moves, and both sides day by day, as temporary
    tables; the series from the day on from which the checks need them.
    """
    checks = connection.execute("select * from ref.cross_checks order by check_id").df()
    sides = {
        str(row["check_id"]): parse_sides(
            str(row["check_kind"]), str(row["left_input"]), _text(row["right_input"])
        )
        for row in checks.to_dict("records")
    }
    _fill_list(connection, checks, sides)
    second = _raw_table(connection, SECOND_SOURCES)
    limit_checks(connection, _days_sql(second), earlier)
    connection.execute(f"create or replace temp table check_series as {_series_sql(second)}")
    connection.execute(f"create or replace temp table check_futures as {FUTURES}")
    connection.execute(f"create or replace temp table check_sides as {SIDES}")
    connection.execute(f"create or replace temp table check_adjusted as {_adjusted_sql(connection)}")


def run_kinds(connection: duckdb.DuckDBPyConnection) -> None:
    """Every day that was compared, as the temporary table `check_results`; days that a row of
    `ref.cross_check_exceptions` explains are left out, and checks with too few days.
    """
    present = {row[0] for row in connection.execute("select distinct check_kind from check_list").fetchall()}
    names = sorted({STATEMENTS.get(kind, kind) for kind in RIGHT_SIDES if kind in present})
    statements = [(KINDS / f"{name}.sql").read_text(encoding="utf-8") for name in names]
    columns = "check_id, dataset, input, day, value, other_source, other_value, difference, tolerance"
    compared = " union all ".join(f"select {columns} from ({text})" for text in statements)
    empty = "select null::varchar, '', '', null::date, 0.0::double, '', 0.0::double, 0.0::double, 0.0::double"
    connection.execute(f"""
        create or replace temp table check_results as
        with compared({columns}) as ({compared or empty})

        select
            compared.*,
            abs(compared.difference) <= compared.tolerance + {ROUNDING} as passed
        from compared
        inner join check_list on compared.check_id = check_list.check_id
        left join ref.cross_check_exceptions as allowed
            on compared.check_id = allowed.check_id
            and compared.day between allowed.from_date and allowed.to_date
            and compared.input glob allowed.input
        where allowed.check_id is null
            and compared.difference is not null
            and compared.day >= check_list.judged_from
            and compared.day >= coalesce(check_list.valid_from, date '1900-01-01')
            and compared.day <= coalesce(check_list.valid_to, date '9999-12-31')
        qualify check_list.counts_blocks
            or check_list.in_part
            or count(*) over (partition by compared.check_id) >= check_list.min_rows
    """)


# Sums of decimals leave dust beside their tolerance; rounded, they are the same in whatever order they are
# taken.
ROUNDING = 1e-9
SIDES = """
    with right_side as (
        select
            check_terms.check_id,
            check_series.day,
            round(sum(check_terms.factor * check_series.value), 9) as other_value,
            round(sum(check_terms.factor * check_series.move), 9) as other_move,
            min(check_series.previous_day) as other_previous_day,
            max(check_series.source) as other_provider,
            count(*) as terms,
            count(check_series.move) as moving_terms,
            min(check_series.previous_day) = max(check_series.previous_day) as same_day_before
        from check_terms
        inner join check_series
            on check_terms.dataset = check_series.dataset and check_terms.input = check_series.input
        where check_terms.side = 'right'
        group by all
    )

    select
        check_list.check_id,
        check_list.check_kind,
        check_list.min_rows,
        check_list.in_part,
        check_list.tolerance,
        check_list.tolerance_share,
        check_series.dataset,
        check_series.input,
        check_series.day,
        check_series.previous_day,
        check_series.value,
        check_series.move,
        check_list.right_input as other_source,
        right_side.other_value + check_list.constant as other_value,
        case
            when right_side.moving_terms = right_side.terms and right_side.same_day_before
                then right_side.other_move
        end as other_move,
        right_side.other_previous_day
    from check_list
    inner join check_terms on check_list.check_id = check_terms.check_id and check_terms.side = 'left'
    inner join check_series
        on check_terms.dataset = check_series.dataset and check_terms.input = check_series.input
    inner join right_side
        on check_list.check_id = right_side.check_id and check_series.day = right_side.day
    where right_side.terms = check_list.right_terms
        and check_list.check_kind in ('value', 'second_source', 'level', 'change', 'return', 'correlation')
        -- A day on which the second source stands in would be compared with itself.
        and not (
            check_list.check_kind = 'second_source'
            and coalesce(check_series.source = right_side.other_provider, false)
        )
"""


def _fill_list(
    connection: duckdb.DuckDBPyConnection, checks: pd.DataFrame, sides: dict[str, tuple[Side, Side]]
) -> None:
    numbers = pd.DataFrame(
        [(check_id, len(right.terms), right.constant) for check_id, (_, right) in sides.items()],
        columns=["check_id", "right_terms", "constant"],
    )
    terms = pd.DataFrame(
        [
            (check_id, name, position, term.factor, term.dataset, term.input)
            for check_id, pair in sides.items()
            for name, side in zip(("left", "right"), pair, strict=True)
            for position, term in enumerate(side.terms, start=1)
        ],
        columns=["check_id", "side", "position", "factor", "dataset", "input"],
    )
    connection.register("check_numbers", numbers)
    connection.register("term_rows", terms)
    try:
        connection.execute(f"""
            create or replace temp table check_list as
            select
                checks.* replace (
                    coalesce(checks.tolerance_share, 0) as tolerance_share,
                    coalesce(checks.right_input, '') as right_input
                ),
                numbers.right_terms::integer as right_terms,
                numbers.constant::double as constant,
                false as in_part,
                date '{BEGINNING}' as judged_from,
                0::bigint as before,
                checks.check_kind in ('shifted', 'correlation', 'stands_still', 'same_series')
                    as counts_blocks
            from ref.cross_checks as checks
            inner join check_numbers as numbers on checks.check_id::varchar = numbers.check_id::varchar
        """)
        connection.execute("""
            create or replace temp table check_terms as
            select check_id::varchar as check_id, side::varchar as side, position::integer as position,
                factor::double as factor, dataset::varchar as dataset, input::varchar as input
            from term_rows
        """)
    finally:
        connection.unregister("check_numbers")
        connection.unregister("term_rows")


# The strip, from the day on from which a check needs it.
FUTURES = """
    select contract, delivery_month, settlement_date, settle
    from staging.fed_funds_futures
    where settlement_date >= (select min(start) from check_inputs where dataset = 'futures')
"""


def _days_sql(second: str | None) -> str:
    """Every row of every input: (dataset, input, day)."""
    return f"""
        select 'prices' as dataset, symbol as input, session_date as day from staging.equity_prices
        union all
        select 'fred', series_id, observation_date from staging.fred_observations
        union all
        select 'futures', contract, settlement_date from staging.fed_funds_futures
        {f"union all select dataset, input, day from ({_second_sql(second)})" if second else ""}
    """


def _second_sql(place: str) -> str:
    """The second sources as they were known at the cut-off."""
    return f"""
        select
            'second' as dataset,
            source || '/' || series_id as input,
            observation_date as day,
            value,
            null::double as total_return_pct,
            source
        from {place}
        where available_at_utc <= getvariable('cutoff_utc') and value is not null
        qualify row_number() over (
            partition by source, series_id, observation_date order by known_at_utc desc
        ) = 1
    """


def _series_sql(second: str | None) -> str:
    """Every input day by day: its value, the change since the row before in the same unit, and its move:
    the total return of a price, the change of everything else.
    """
    return f"""
        with inputs(dataset, input, day, value, total_return_pct, source) as (
            select 'prices', symbol, session_date, close, total_return_pct, null from staging.equity_prices
            union all
            select 'fred', series_id, observation_date, value, null, source from staging.fred_observations
            union all
            select 'futures', contract, settlement_date, settle, null, null from staging.fed_funds_futures
            where exists (select 1 from check_terms where dataset = 'futures')
            {f"union all {_second_sql(second)}" if second else ""}
        )

        select
            dataset,
            input,
            day,
            value,
            source,
            lag(day) over days as previous_day,
            value - lag(value) over days as change,
            case when dataset = 'prices' then total_return_pct else value - lag(value) over days end as move,
            count(*) over (partition by dataset, input) - row_number() over days as age
        from inputs
        inner join check_inputs using (dataset, input)
        where day >= start
        window days as (partition by dataset, input order by day)
    """


def _raw_table(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """Where a raw table is; None where the connection has none."""
    place = connection.execute(
        "select database_name || '.' || schema_name || '.' || table_name from duckdb_tables()"
        " where schema_name = 'raw' and table_name = ?",
        [name],
    ).fetchone()
    return str(place[0]) if place else None


def _adjusted_sql(connection: duckdb.DuckDBPyConnection) -> str:
    """The closes on one basis beside adj_close as served, row by row with the row before of the same
    payload.

    Left out are symbols whose closes contain the dividends, days of a split (adj_close may be restated for it
    or not) and rows whose row before is not the one in raw. Prices that have no more than two, three or four
    decimals may be half of the last one off.
    """
    raw = _raw_table(connection, PRICES)
    wanted = "exists (select 1 from check_list where check_kind = 'adjusted_close')"
    if raw is None:
        return f"select {ADJUSTED_COLUMNS} from (select null) where false"
    return f"""
        with symbols as (
            select input as symbol, start from check_inputs where dataset = 'prices' and {wanted}
        ),

        versions as (
            select symbol, session_date, adj_close, previous_adj_close, split
            from {raw}
            inner join symbols using (symbol)
            where available_at_utc <= getvariable('cutoff_utc') and session_date >= start
            qualify row_number() over (partition by symbol, session_date order by known_at_utc desc) = 1
        ),

        served as (
            select *, lag(session_date) over (partition by symbol order by session_date) as day_before
            from versions
        ),

        used as (
            select
                symbol,
                session_date,
                close,
                dividend,
                lag(close) over days as previous_close,
                lag(session_date) over days as day_before
            from staging.equity_prices
            inner join symbols using (symbol)
            where session_date >= start
            window days as (partition by symbol order by session_date)
        ),

        pairs as (
            select
                symbol,
                used.session_date as day,
                used.close,
                used.previous_close,
                used.dividend,
                served.adj_close,
                served.previous_adj_close
            from used
            inner join served using (symbol, session_date)
            left join ref.instruments as instruments using (symbol)
            where used.day_before = served.day_before
                and coalesce(served.split, 0) in (0, 1)
                and coalesce(instruments.price_basis, '') <> 'fully_adjusted'
                and served.adj_close > 0
                and served.previous_adj_close > 0
                and used.dividend is not null
                and used.session_date >= (
                    select min(judged_from) from check_list where check_kind = 'adjusted_close'
                )
        ),

        -- The rounding counts where a dividend is paid or shown, and is that of the whole history.
        paying as (
            select distinct symbol
            from pairs
            where dividend > 0
                or 100 * abs(1 - (close / previous_close) / (adj_close / previous_adj_close)) > (
                    select min(tolerance) from check_list where check_kind = 'adjusted_close'
                )
        ),

        adjusted as (
            select symbol, {_rounding_sql("adj_close")} as adj_rounding
            from {raw}
            where available_at_utc <= getvariable('cutoff_utc') and symbol in (from paying)
            group by symbol
        ),

        closes as (
            select symbol, {_rounding_sql("close")} as close_rounding
            from staging.equity_prices
            where symbol in (from paying)
            group by symbol
        )

        select
            pairs.*,
            coalesce(adjusted.adj_rounding, 0) as adj_rounding,
            coalesce(closes.close_rounding, 0) as close_rounding
        from pairs
        left join adjusted using (symbol)
        left join closes using (symbol)
    """


def _rounding_sql(column: str) -> str:
    cases = " ".join(
        f"when bool_and(abs({column} - round({column}, {places})) < 1e-9) then {0.5 * 10**-places}"
        for places in (2, 3, 4)
    )
    return f"case {cases} else 0 end"


def _results(
    connection: duckdb.DuckDBPyConnection, found: list[Disagreement], required: frozenset[str]
) -> list[RuleResult]:
    counted = connection.execute("""
        select
            check_list.check_id, check_list.severity,
            case
                when any_value(check_list.counts_blocks and check_list.in_part)
                    then any_value(check_list.before)
                else any_value(check_list.before) + count(check_results.day)
            end,
            count(*) filter (where not check_results.passed)
        from check_list
        left join check_results on check_list.check_id = check_results.check_id
        group by check_list.check_id, check_list.severity
        order by 1
    """).fetchall()
    results: list[RuleResult] = []
    for check_id, severity, compared, failed in counted:
        of_check = [entry for entry in found if entry.check_id == check_id]
        results.append(
            {
                "table_name": TABLE,
                "rule": check_id,
                "column_name": None,
                "severity": _gravest(of_check, required) or severity,
                "passed": failed == 0,
                "checked_rows": compared,
                "failed_rows": failed,
                "sample": "; ".join(entry.sentence for entry in of_check[:SAMPLE_ROWS])
                or (None if compared else "not compared: too few days on which both sides are held"),
            }
        )
    return results


def _gravest(found: list[Disagreement], required: frozenset[str]) -> str | None:
    """The gravest severity of what was found."""
    severities = {entry.severity(required) for entry in found}
    return next((name for name in ("critical", "warning", "info") if name in severities), None)


def _kept_rows(
    connection: duckdb.DuckDBPyConnection, found: list[Disagreement], required: frozenset[str]
) -> list[dict[str, Any]]:
    rows: list[dict[Any, Any]] = (
        connection.execute(f"""
        select check_results.*, check_list.severity
        from check_results
        inner join check_list on check_results.check_id = check_list.check_id
        qualify not check_results.passed
            or dense_rank() over (partition by check_results.check_id order by check_results.day desc)
            <= {KEPT_DAYS}
        order by check_results.check_id, check_results.dataset, check_results.input, check_results.day
    """)
        .df()
        .to_dict("records")
    )
    by_input = {(entry.check_id, entry.dataset, entry.input): entry for entry in found}
    for row in rows:
        entry = by_input.get((row["check_id"], row["dataset"], row["input"]))
        if entry is not None and not row["passed"]:
            row["severity"] = entry.severity(required)
            row["offender"] = ", ".join(entry.offenders) or None
        row["other_value"] = None if pd.isna(row["other_value"]) else row["other_value"]
    return rows


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)
