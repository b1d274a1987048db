"""From which day on each cross check is judged, where all days before passed, and which rows that takes.

In: the temporary tables `check_list` and `check_terms` of `cross_checks`, `ops.cross_checks` as the last
audit left it, and what that audit found (`Earlier`). Out: `in_part`, `judged_from` and `before` of each
check, and the table `check_inputs`: from which day on the rows of an input are read.

A check is judged on every day where it is not known to have passed, and where an input changed further back
than its kept days reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import duckdb

from expectations.cross_check_terms import LEFT_PATTERNS
from expectations.offenders import Disagreement

# So many of a check's newest days are kept, and all that failed.
KEPT_DAYS = 10
BEGINNING, NEVER = date(1, 1, 1), date(9999, 12, 31)
# adj_close as served is in no table of staging.
ADJUSTED = "adjusted"
# Rows of an input that are read before the first judged one, beside twice the longest block: the days of a
# month that is averaged and the five days of a change.
LEAST_ROWS = 45
# A run of equal moves is followed so far back, and further where it does not end there.
RUN_DAYS = 400


@dataclass(frozen=True)
class Earlier:
    """What the audit of the extended generation found, and what changed since.

    Attributes:
        compared: by check the days, or blocks, that were compared.
        failed: checks that failed.
        changed_from: by input, `kind/name`, the first day that changed; of prices as served the kind is
            `adjusted`. What is not among them did not change.
        unknown: kinds of inputs of which nobody knows what changed.
    """

    compared: Mapping[str, int] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()
    changed_from: Mapping[str, date] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()


def limit_checks(connection: duckdb.DuckDBPyConnection, rows_of_inputs: str, earlier: Earlier | None) -> None:
    """Fill `judged_from` and `before` of `check_list`, and `check_inputs`.

    Args:
        connection: with `check_list` and `check_terms`.
        rows_of_inputs: a query for (dataset, input, day) of every row.
        earlier: None: every check is judged on every day.
    """
    connection.execute(f"create or replace temp view check_days as {rows_of_inputs}")
    connection.execute(
        "create or replace temp table check_present as"
        " select dataset, input, min(day) as first_day from check_days group by all"
    )
    connection.execute(f"create or replace temp table check_members as {MEMBERS}")
    if earlier is not None:
        days = _first_days(connection, earlier)
        connection.execute("create or replace temp table check_firsts (check_id varchar, day date, n bigint)")
        if days:
            connection.executemany(
                "insert into check_firsts values (?, ?, ?)",
                [(check, day, earlier.compared[check]) for check, day in days.items()],
            )
        connection.execute(LIMIT)
        connection.execute("drop table check_firsts")
    connection.execute(f"create or replace temp table check_inputs as {INPUTS}")


def add_kept_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """Add to `check_results` what was compared before, of the checks that are judged in part."""
    connection.execute(KEPT_BEFORE)


def is_in_part(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether some check is judged on its new days alone."""
    return bool(connection.execute("select 1 from check_list where in_part limit 1").fetchall())


def must_see_all(connection: duckdb.DuckDBPyConnection, earlier: Earlier) -> bool:
    """Whether only the whole history tells: a check that had passed failed, or what failed before has
    witnesses that changed further back than their kept days reach.
    """
    rows = connection.execute(
        "select 1 from check_results inner join check_list using (check_id)"
        " where check_list.in_part and not check_results.passed limit 1"
    ).fetchall()
    [(known_from,)] = connection.execute(
        "select max(first_day) from ("
        f" select min(day) as first_day, count(distinct day) as days from ops.cross_checks group by check_id"
        f" having days >= {KEPT_DAYS})"
    ).fetchall()
    first = BEGINNING if earlier.unknown else min(earlier.changed_from.values(), default=NEVER)
    return bool(rows) or bool(earlier.failed and first < (known_from or BEGINNING))


def named_before(connection: duckdb.DuckDBPyConnection, found: list[Disagreement]) -> list[Disagreement]:
    """Disagreements with the offenders that were named when they began, by witnesses whose rows of those days
    are not kept; one that begins now is judged by those of the newest days.
    """
    rows = connection.execute(
        "select check_id, dataset, input, max(day), arg_max_null(offender, day) from ops.cross_checks"
        " where not passed group by all"
    ).fetchall()
    named = {tuple(key): (last, offender) for *key, last, offender in rows}
    result = []
    for entry in found:
        last, offender = named.get((entry.check_id, entry.dataset, entry.input), (BEGINNING, None))
        if entry.first <= last:
            offenders = tuple(offender.split(", ")) if offender else ()
            entry = replace(entry, by_votes=offenders, by_history=entry.by_history if offenders else ())
        result.append(entry)
    return result


def _first_days(connection: duckdb.DuckDBPyConnection, earlier: Earlier) -> dict[str, date]:
    """By check the first day to judge; a check that is not among them is judged on every day."""
    rows = connection.execute("""
        select
            check_list.check_id,
            check_list.counts_blocks,
            check_list.check_kind = 'adjusted_close',
            kept.first_day,
            coalesce(kept.days, 0),
            list(distinct (members.dataset, members.input)) filter (where members.dataset is not null),
            coalesce(bool_or(members.is_absent), false)
        from check_list
        left join check_members as members on check_list.check_id = members.check_id
        left join (
            select check_id, min(day) as first_day, count(distinct day) as days
            from ops.cross_checks
            group by check_id
        ) as kept on check_list.check_id = kept.check_id
        group by all
    """).fetchall()
    found = {}
    for check, blocks, adjusted, kept_from, kept_days, members, absent in rows:
        compared = earlier.compared.get(check)
        if compared == 0 and absent:
            # Without one of its sides there is nothing to compare.
            found[check] = NEVER
            continue
        if not compared or not kept_days or check in earlier.failed:
            continue
        read = [*members, *((ADJUSTED, name) for _, name in members if adjusted)]
        if any(kind in earlier.unknown for kind, _ in read):
            continue
        names = [f"{kind}/{name}" for kind, name in read]
        first = min(
            (earlier.changed_from[name] for name in names if name in earlier.changed_from), default=NEVER
        )
        # How many days of those that were compared lie behind the first is known within the kept ones.
        if blocks or kept_days < KEPT_DAYS or first > kept_from:
            found[check] = first
    return found


# The inputs of each check; `leads` are those whose rows are judged or are compared with day by day.
MEMBERS = f"""
    with patterns as (
        select check_id, left_input as pattern, true as leads
        from check_list
        where check_kind in ({", ".join(f"'{kind}'" for kind in sorted(LEFT_PATTERNS))})
        union all
        select check_id, right_input, false
        from check_list
        where check_kind = 'stands_still' and right_input <> ''
    )

    select
        check_terms.check_id,
        check_terms.dataset,
        check_terms.input,
        true as leads,
        present.input is null as is_absent
    from check_terms
    left join check_present as present
        on check_terms.dataset = present.dataset and check_terms.input = present.input
    union all
    select patterns.check_id, present.dataset, present.input, patterns.leads, false
    from patterns
    inner join check_present as present on present.dataset || '/' || present.input glob patterns.pattern
"""
LIMIT = """
    update check_list
    set
        in_part = true,
        judged_from = check_firsts.day,
        before = check_firsts.n - case
            when check_list.counts_blocks then 0
            else (select count(*) from ops.cross_checks as kept where kept.check_id = check_firsts.check_id)
        end
    from check_firsts
    where check_list.check_id = check_firsts.check_id
"""
# What was compared before and stands. The newest block of an input takes the place of those that it overlaps,
# the run that goes on that of the one that was longest.
KEPT_BEFORE = """
    with replaced as (
        select
            results.check_id,
            results.dataset,
            results.input,
            case
                when any_value(check_list.check_kind in ('shifted', 'correlation'))
                    then min(results.day) - any_value(check_list.min_rows)
                else date '0001-01-01'
            end as after_day
        from check_results as results
        inner join check_list on results.check_id = check_list.check_id
        where check_list.in_part and check_list.counts_blocks
        group by results.check_id, results.dataset, results.input
    )

    insert into check_results by name
    select kept.* exclude (severity, offender, run_id)
    from ops.cross_checks as kept
    inner join check_list on kept.check_id = check_list.check_id
    left join replaced
        on kept.check_id = replaced.check_id
        and kept.dataset = replaced.dataset
        and kept.input = replaced.input
        and kept.day > replaced.after_day
    where check_list.in_part and kept.day < check_list.judged_from and replaced.check_id is null
"""
INPUTS = f"""
    with firsts as (
        select members.dataset, min(check_list.judged_from) as judged_from
        from check_members as members
        inner join check_list on members.check_id = check_list.check_id
        where check_list.in_part
        group by members.dataset
    ),

    wanted as (
        select
            {LEAST_ROWS} + 2 * coalesce(max(min_rows) filter (where counts_blocks and in_part), 0)
            as rows_before
        from check_list
    ),

    -- An input that has fewer rows in five times as many days is read from its first on.
    before as (
        select days.dataset, days.input, days.day
        from check_days as days
        inner join firsts on days.dataset = firsts.dataset
        cross join wanted
        where days.day < firsts.judged_from
            and days.day >= (
                select min(firsts.judged_from) - 5 * any_value(wanted.rows_before)::integer
                from firsts
                cross join wanted
            )
        qualify row_number() over (partition by days.dataset, days.input order by days.day desc)
            = any_value(wanted.rows_before) over ()
    ),

    -- Inputs with something to judge, and the day to read them from for that.
    moved as (
        select
            days.dataset,
            days.input,
            coalesce(any_value(before.day), any_value(present.first_day)) as start
        from check_days as days
        inner join firsts on days.dataset = firsts.dataset
        inner join check_present as present on days.dataset = present.dataset and days.input = present.input
        left join before on days.dataset = before.dataset and days.input = before.input
        where days.day >= firsts.judged_from and days.day >= (select min(judged_from) from firsts)
        group by days.dataset, days.input
    ),

    starts as (
        select
            check_list.check_id,
            case
                when not check_list.in_part then date '{BEGINNING}'
                when check_list.check_kind = 'same_series' then check_list.judged_from - {RUN_DAYS}
                else min(least(moved.start, check_list.judged_from)) filter (where members.leads)
            end as start
        from check_list
        inner join check_members as members on check_list.check_id = members.check_id
        left join moved on members.dataset = moved.dataset and members.input = moved.input
        where check_list.judged_from < date '{NEVER}'
        group by check_list.check_id, check_list.in_part, check_list.check_kind, check_list.judged_from
    )

    select members.dataset, members.input, min(starts.start) as start
    from check_members as members
    inner join starts on members.check_id = starts.check_id
    where starts.start is not null
    group by all
"""
