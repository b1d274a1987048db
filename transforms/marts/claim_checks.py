"""Verdicts on published statements, recomputed from the warehouse.

In: ref.claims (claim_id, part) and the marts its metrics read. Out: one row per claim and part with
as_of_date up to the publication's session less the sessions that a reading waits for. Metrics and rules:
transforms/lib/claims/. `recomputed` is the figure by the statement's own reading, `verdict_as_stated` the
verdict on it alone; where the statement holds on another basis only, that basis and its figure stand beside
it. All readings are tried and counted, and so are the readings next to the one that the verdict rests on.

A statement is judged once the session after it is in (yields of a day arrive on the next one), and the one
after the last session that one of its further readings asks for; until then it has no row, so that a verdict
never changes because later days arrive. Caveat: with simulated data every statement is not_computable. A
verdict judges a figure, not its author: another source of prices, another vintage or a longer history may
well give what was published.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from transforms.lib.claims.evidence import Evidence, Finding
from transforms.lib.claims.parameters import parse_other_bases, parse_parameters
from transforms.lib.claims.verdict import Claim, Verdict, judge

MADE_UP = Verdict(
    "not_computable",
    "not_computable",
    "The data is simulated; a statement about the real market cannot be checked with it.",
)
COLUMNS = {
    "claim_id": "object",
    "part": "int32",
    "as_of_date": "datetime64[s]",
    "statement": "object",
    "metric": "object",
    "unit": "object",
    "comparison": "object",
    "published": "float64",
    "recomputed": "float64",
    "published_date": "datetime64[s]",
    "recomputed_date": "datetime64[s]",
    "tolerance": "float64",
    "verdict": "object",
    "verdict_as_stated": "object",
    "recomputed_low": "float64",
    "recomputed_high": "float64",
    "basis": "object",
    "recomputed_other_basis": "float64",
    "recomputed_other_basis_date": "datetime64[s]",
    "readings_tried": "int32",
    "readings_agreeing": "int32",
    "fitted": "bool",
    "nearby_readings": "int32",
    "nearby_agreeing": "int32",
    "nearby_words": "object",
    "why": "object",
    "source": "object",
}


@dataclass(frozen=True)
class Row:
    """A row of ref.claims."""

    claim_id: str
    part: int
    as_of_date: dt.date
    statement: str
    metric: str
    parameters: str | None
    figure: str
    comparison: str
    tolerance: float | None
    unit: str
    other_bases: str | None
    fitted: bool
    source: str
    note: str | None

    @property
    def claim(self) -> Claim:
        """What is to be judged, with its texts parsed."""
        return Claim(
            as_of_date=self.as_of_date,
            metric=self.metric,
            parameters=parse_parameters(self.parameters or ""),
            figure=self.figure,
            comparison=self.comparison,
            tolerance=self.tolerance,
            unit=self.unit,
            other_bases=tuple(parse_other_bases(self.other_bases or "")),
            note=self.note,
            fitted=self.fitted,
        )


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per claim_id and part, in that order."""
    evidence = Evidence(con)
    sessions_after = _sessions_after(con)
    simulated = con.execute("select getvariable('data_source') = 'simulated'").fetchone() == (True,)
    checked = []
    for row in _claims(con):
        claim = row.claim
        if sessions_after[row.as_of_date] < claim.sessions_waited_for:
            continue
        checked.append(_answer(row, claim, MADE_UP if simulated else judge(claim, evidence)))
    frame = pd.DataFrame(checked, columns=list(COLUMNS))
    dates = [name for name, kind in COLUMNS.items() if kind == "datetime64[s]"]
    return frame.assign(
        **{name: pd.to_datetime(frame[name]).astype("datetime64[s]") for name in dates}
    ).astype(COLUMNS)


def _claims(con: duckdb.DuckDBPyConnection) -> list[Row]:
    """The statements up to the publication's session."""
    rows = con.execute("""
        select
            claim_id, part, as_of_date, statement, metric, parameters, figure, comparison, tolerance, unit,
            other_bases, fitted, source, note
        from ref.claims
        where as_of_date <= getvariable('session_date')
        order by claim_id, part
        """).fetchall()
    return [Row(*row) for row in rows]


def _sessions_after(con: duckdb.DuckDBPyConnection) -> dict[dt.date, int]:
    """How many sessions of the publication lie after the day of each statement."""
    return dict(
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


def _answer(row: Row, claim: Claim, verdict: Verdict) -> dict[str, object]:
    """The mart's row: the statement and its verdict."""
    own, other = verdict.own or Finding(""), verdict.other or Finding("")
    return {
        "claim_id": row.claim_id,
        "part": row.part,
        "as_of_date": row.as_of_date,
        "statement": row.statement,
        "metric": row.metric,
        "unit": row.unit,
        "comparison": row.comparison,
        "published": np.nan if claim.is_date else float(row.figure),
        "recomputed": _number(own.number),
        "published_date": claim.first_day,
        "recomputed_date": own.day,
        "tolerance": np.nan if claim.is_date or row.comparison != "equals" else claim.allowed,
        "verdict": verdict.verdict,
        "verdict_as_stated": verdict.as_stated,
        "recomputed_low": _number(own.low),
        "recomputed_high": _number(own.high),
        "basis": verdict.basis,
        "recomputed_other_basis": _number(other.number),
        "recomputed_other_basis_date": other.day,
        "readings_tried": verdict.tried,
        "readings_agreeing": verdict.agreeing,
        "fitted": claim.any_fitted,
        "nearby_readings": verdict.nearby.readings,
        "nearby_agreeing": verdict.nearby.agreeing,
        "nearby_words": verdict.nearby.words,
        "why": verdict.why,
        "source": row.source,
    }


def _number(value: float | None) -> float:
    return np.nan if value is None else round(value, 9) + 0.0
