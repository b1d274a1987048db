"""Verdicts on published statements, recomputed from the warehouse.

In: ref.claims (claim_id, part) and the marts its metrics read. Out: one row per claim and part with
as_of_date up to the publication's session less the sessions that a reading waits for. Metrics and rules:
transforms/lib/claims.py. `recomputed` is the figure by the statement's own reading; where it holds on
another basis only, that basis and its figure stand beside it.

A statement is judged once the session after it is in (yields of a day arrive on the next one), or the last
session that one of its further readings asks for; until then it has no row, so that a verdict never changes
because later days arrive. Caveat: with simulated data every statement is not_computable. A verdict judges a
figure, not its author: another source of prices, another vintage or a longer history may well give what was
published.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from transforms.lib.claims import Claim, Evidence, Verdict, judge, parse_other_bases, parse_parameters

MADE_UP = Verdict(
    "not_computable", "The data is simulated; a statement about the real market cannot be checked with it."
)
COLUMNS = {
    "claim_id": "object",
    "part": "int32",
    "as_of_date": "datetime64[s]",
    "statement": "object",
    "metric": "object",
    "unit": "object",
    "published": "float64",
    "recomputed": "float64",
    "published_date": "datetime64[s]",
    "recomputed_date": "datetime64[s]",
    "tolerance": "float64",
    "verdict": "object",
    "basis": "object",
    "recomputed_other_basis": "float64",
    "recomputed_other_basis_date": "datetime64[s]",
    "why": "object",
    "source": "object",
}


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per claim_id and part, in that order."""
    rows = con.execute("""
        select claim_id, part, as_of_date, statement, metric, parameters, figure, comparison, tolerance, unit, other_bases, source, note
        from ref.claims
        where as_of_date <= getvariable('session_date')
        order by claim_id, part
        """).fetchall()
    evidence = Evidence(con)
    sessions_after = dict(
        con.execute("""
            with sessions as (
                select calendar_date from ref.calendar
                where is_nyse_session and calendar_date <= getvariable('session_date')
            )

            select claims.as_of_date, count(sessions.calendar_date)
            from (select distinct as_of_date from ref.claims) as claims
            left join sessions on sessions.calendar_date > claims.as_of_date
            group by 1
            """).fetchall()
    )
    simulated = con.execute("select getvariable('data_source') = 'simulated'").fetchone() == (True,)
    checked = []
    for (
        claim_id,
        part,
        as_of,
        statement,
        metric,
        parameters,
        figure,
        comparison,
        tolerance,
        unit,
        other,
        source,
        note,
    ) in rows:
        claim = Claim(
            as_of_date=as_of,
            metric=metric,
            parameters=parse_parameters(parameters or ""),
            figure=figure,
            comparison=comparison,
            tolerance=tolerance,
            unit=unit,
            other_bases=tuple(parse_other_bases(other or "")),
            note=note,
        )
        waits = max([1, *(int(basis.get("shift", 0)) for basis in claim.other_bases)])
        if sessions_after[as_of] < waits:
            continue
        verdict = MADE_UP if simulated else judge(claim, evidence)
        checked.append(
            {
                "claim_id": claim_id,
                "part": part,
                "as_of_date": as_of,
                "statement": statement,
                "metric": metric,
                "unit": unit,
                "published": np.nan if claim.is_date else float(figure),
                "recomputed": _number(verdict.recomputed),
                "published_date": claim.first_day,
                "recomputed_date": verdict.recomputed_day,
                "tolerance": np.nan if claim.is_date or comparison != "equals" else claim.allowed,
                "verdict": verdict.verdict,
                "basis": verdict.basis,
                "recomputed_other_basis": _number(verdict.other_number),
                "recomputed_other_basis_date": verdict.other_day,
                "why": verdict.why,
                "source": source,
            }
        )
    frame = pd.DataFrame(checked, columns=list(COLUMNS))
    dates = [name for name, kind in COLUMNS.items() if kind == "datetime64[s]"]
    return frame.assign(
        **{name: pd.to_datetime(frame[name]).astype("datetime64[s]") for name in dates}
    ).astype(COLUMNS)


def _number(value: float | None) -> float:
    return np.nan if value is None else round(value, 9) + 0.0
