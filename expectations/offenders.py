"""Of inputs that disagree, the one that is likely wrong.

In: the temporary tables of `cross_checks`. Out: one `Disagreement` per check and input that failed. Two
witnesses are heard: the checks of the same days with other inputs (an input of which more failed is suspect),
and where they do not decide, the input's own history (the one that moved out of the ordinary on the first day
of the disagreement). Where many inputs have the dates of one right side, the few that have not are wrong.
Where nothing tells, both sides are named and nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import duckdb

# A move of so many times the usual one is out of the ordinary, and so much larger than another's decides.
UNUSUAL, CLEARLY = 3.0, 2.0
HISTORY_DAYS = 250
# So many inputs agree with the right side of a check before it is believed.
LEAST_AGREEING = 3
# The least usual move, in per cent or percentage points: a rate that stands still has none.
LEAST_MOVE = 0.01
SHOWN = 12


@dataclass(frozen=True)
class Disagreement:
    """A check that failed for an input, over its latest run of failing days."""

    check_id: str
    check_severity: str
    unit: str
    dataset: str
    input: str
    involved: tuple[str, ...]
    by_votes: tuple[str, ...]
    by_history: tuple[str, ...]
    first: date
    last: date
    days: int
    value: float
    other_source: str
    other_value: float | None
    difference: float
    tolerance: float

    @property
    def offenders(self) -> tuple[str, ...]:
        """The inputs that are likely wrong; none where it cannot be told."""
        return self.by_votes or self.by_history

    def severity(self, required: frozenset[str]) -> str:
        """Critical only where an input that may be wrong is required; what other checks say clears no input,
        what its own history says does.
        """
        suspects = self.by_history or self.involved
        if self.check_severity == "critical" and not set(suspects) & required:
            return "warning"
        return self.check_severity

    @property
    def sentence(self) -> str:
        """Who differs from whom, by how much, since when, and who is likely wrong."""
        period = f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
        other = "" if self.other_value is None else f" {self.other_value:g}"
        who = (
            f"likely wrong: {' or '.join(self.offenders)}"
            if self.offenders
            else f"which is wrong cannot be told: {', '.join(self.involved)}"
        )
        return (
            f"{self.dataset}/{self.input} against {self.other_source}: {self.days:,} days, {period}; on the"
            f" last {self.value:g} against{other or ' it'}, {abs(self.difference):.4g} {self.unit} apart"
            f" (allowed {self.tolerance:.4g}); {who}"
        )


def find_disagreements(connection: duckdb.DuckDBPyConnection) -> list[Disagreement]:
    """Every check and input that failed, the ones with most days first within a check."""
    failing = connection.execute(f"""
        select
            check_results.check_id, any_value(check_list.check_kind), any_value(check_list.severity),
            any_value(check_list.tolerance_unit), check_results.dataset, check_results.input,
            count(*), max(check_results.day), max_by(check_results.value, check_results.day),
            max_by(check_results.other_source, check_results.day),
            arg_max_null(check_results.other_value, check_results.day),
            max_by(check_results.difference, check_results.day),
            max_by(check_results.tolerance, check_results.day)
        from check_results
        inner join check_list on check_results.check_id = check_list.check_id
        where not check_results.passed
        group by check_results.check_id, check_results.dataset, check_results.input
        qualify row_number() over (partition by check_results.check_id order by count(*) desc) <= {SHOWN}
        order by check_results.check_id, count(*) desc, check_results.dataset, check_results.input
    """).fetchall()
    if not failing:
        return []
    _count_votes(connection)
    found = []
    for check_id, kind, severity, unit, dataset, name, days, last, value, *other in failing:
        source, other_value, difference, tolerance = other
        first = _first_day(connection, check_id, dataset, name, last)
        involved = _involved(connection, check_id, kind, f"{dataset}/{name}", source)
        alone = involved if len(involved) == 1 else ()
        by_company = involved[:1] if _is_alone_in_check(connection, check_id, kind, first, last) else ()
        found.append(
            Disagreement(
                check_id,
                severity,
                unit or "",
                dataset,
                name,
                involved,
                () if alone else by_company or _by_votes(connection, involved, first, last, kind),
                alone or _by_history(connection, involved, first),
                first,
                last,
                days,
                value,
                source,
                other_value,
                difference,
                tolerance,
            )
        )
    connection.execute("drop table temp.check_votes; drop table temp.check_ballots")
    return found


def _first_day(
    connection: duckdb.DuckDBPyConnection, check_id: str, dataset: str, name: str, last: date
) -> date:
    """The first day of the latest run of failing days."""
    row = connection.execute(
        """
        with days as (
            select day, passed from check_results
            where check_id = $1 and dataset = $2 and input = $3 and day <= $4
        )
        select min(day) from days
        where not passed
            and day > coalesce((select max(day) from days where passed), date '1900-01-01')
        """,
        [check_id, dataset, name, last],
    ).fetchone()
    return row[0] if row and row[0] else last


def _involved(
    connection: duckdb.DuckDBPyConnection, check_id: str, kind: str, own: str, source: str
) -> tuple[str, ...]:
    """The inputs of which one must be wrong."""
    if kind in ("stands_still", "neighbours", "adjusted_close"):
        return (own,)
    if kind in ("same_series", "decision"):
        return (own, source)
    rows = connection.execute(
        "select dataset || '/' || input from check_terms where check_id = ? and side = 'right'"
        " order by position",
        [check_id],
    ).fetchall()
    return tuple(dict.fromkeys((own, *(row[0] for row in rows))))


def _is_alone_in_check(
    connection: duckdb.DuckDBPyConnection, check_id: str, kind: str, first: date, last: date
) -> bool:
    """Whether the right side's days are shared by most of the inputs that the same check compares with it:
    then it is the one input whose days are not. Were the right side late, nearly all would fail.
    """
    if kind != "shifted":
        return False
    row = connection.execute(
        """
        select count(*) filter (where not failed and moves_along), count(*) filter (where failed)
        from (
            select
                bool_or(not check_results.passed) as failed,
                bool_or(check_results.value >= check_list.tolerance_share) as moves_along
            from check_results
            inner join check_list on check_results.check_id = check_list.check_id
            where check_results.check_id = $1 and check_results.day between $2 and $3
            group by check_results.dataset, check_results.input
        )
        """,
        [check_id, first, last],
    ).fetchone()
    agreeing, differing = row if row else (0, 0)
    return bool(agreeing >= LEAST_AGREEING and agreeing > CLEARLY * differing)


def _count_votes(connection: duckdb.DuckDBPyConnection) -> None:
    """Every comparison of every input as `check_votes`, and who takes part in it as `check_ballots`."""
    connection.execute("""
        create or replace temp table check_votes as
        select dataset || '/' || input as name, check_id || ' ' || input as ballot, day, passed
        from check_results
        where check_id not in (select check_id from check_list where check_kind = 'same_series')
        union all
        select
            check_terms.dataset || '/' || check_terms.input,
            check_results.check_id || ' ' || check_results.input,
            check_results.day,
            check_results.passed
        from check_results
        inner join check_terms on check_results.check_id = check_terms.check_id and check_terms.side = 'right'
        union all
        select 'ref/fomc_meetings', check_id || ' ' || input, day, passed
        from check_results
        where check_id in (select check_id from check_list where check_kind = 'decision')
    """)
    connection.execute("""
        create or replace temp table check_ballots as
        select ballot, list_sort(list(distinct name)) as names from check_votes group by ballot
    """)


def _by_votes(
    connection: duckdb.DuckDBPyConnection, involved: tuple[str, ...], first: date, last: date, kind: str
) -> tuple[str, ...]:
    """The inputs of whose other checks in these days the larger share failed, then the larger number; nothing
    where none failed or all are level.

    A check between the same inputs is no witness. Reference data has no other checks: where those of the
    series beside it pass, it is the reference data.
    """
    rows = connection.execute(
        """
        select name, avg(failed::integer) as share, count(*) filter (where failed) as failures
        from (
            select votes.name, votes.ballot, bool_or(not votes.passed) as failed
            from check_votes as votes
            inner join check_ballots as ballots on votes.ballot = ballots.ballot
            where votes.day between $2 and $3
                and votes.name in (select unnest($1))
                and ballots.names <> list_sort($1)
            group by all
        )
        group by all
        order by share desc, failures desc, name
        """,
        [list(involved), first, last],
    ).fetchall()
    if not rows or rows[0][1] == 0:
        return involved[1:] if rows and kind == "decision" else ()
    named = tuple(str(name) for name, *score in rows if score == list(rows[0][1:]))
    return named if len(named) < len(involved) else ()


def _by_history(
    connection: duckdb.DuckDBPyConnection, involved: Iterable[str], first: date
) -> tuple[str, ...]:
    """The inputs whose move on the first day is out of their own ordinary and far more so than that of the
    others.
    """
    rows = connection.execute(
        f"""
        with moves as (
            select
                dataset || '/' || input as name,
                day,
                abs(move) / (avg(abs(move)) over before + {LEAST_MOVE}) as size
            from check_series
            where dataset || '/' || input in (select unnest($1))
            window before as (
                partition by dataset, input order by day
                rows between {HISTORY_DAYS} preceding and 1 preceding
            )
        )
        select name, size from moves where day = $2 and size is not null order by size desc, name
        """,
        [list(involved), first],
    ).fetchall()
    sizes = {str(name): float(size) for name, size in rows}
    if not sizes or max(sizes.values()) < UNUSUAL:
        return ()
    limit = max(sizes.values()) / CLEARLY
    named = tuple(name for name, size in sizes.items() if size >= limit)
    return named if len(named) < len(tuple(involved)) else ()
