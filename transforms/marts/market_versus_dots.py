"""Where the market's path and the FOMC's median dots part, by settlement day and calendar year.

In: marts.fomc_projections, the days of marts.policy_path_daily, the meetings of staging.fomc_moves. Out: one
row per settlement day since the first projections and year that the newest ones name and that is not over.
market_midpoint = midpoint of the range in force + 0.25 * (decided + expected moves up to the year's last
meeting); gap = that minus the dot. Caveat: an expected value under risk-neutral prices against a median of
what participants hold appropriate; the dots are published with one decimal.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from transforms.lib import fomc, policy_inputs
from transforms.lib.meeting_path import MOVE_PCT
from transforms.lib.policy_inputs import NEW_YORK, to_dates, to_floats

COLUMNS = [
    "as_of_date",
    "target",
    "target_year",
    "projection_date",
    "projection_age_days",
    "median_dot_pct",
    "market_midpoint_pct",
    "market_rate_pct",
    "gap_bp",
    "parts_by_25bp",
    "gap_reason",
]

DOTS = """
select
    projection_date,
    target,
    target_year,
    median_dot_pct,
    repeated,
    available_at_utc
from marts.fomc_projections
where target_year is not null
order by projection_date, target_year
"""

DAYS = "select as_of_date from marts.policy_path_daily order by as_of_date"

MOVES = """
select
    as_of_date,
    meeting_date,
    target_lower_pct,
    target_upper_pct,
    decided_moves,
    start_rate_pct,
    end_rate_pct,
    moves_expected,
    reason,
    missing_contract
from staging.fomc_moves
order by as_of_date, meeting_date
"""

# The last scheduled decision of every year since 1994 was in December; a year without one is not scheduled
# as far as the list goes.
LAST_DECISIONS = """
select
    year(decision_date) as target_year,
    max(decision_date) as last_decision_date
from ref.fomc_meetings
where scheduled and not coalesce(cancelled, false) and month(decision_date) = 12
group by all
"""

PARTS_BP = 25.0
# Differences of decimals carry rounding noise: a gap of 25 bp must count as 25.
GAP_DECIMALS = 9


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per (as_of_date, target), in that order."""
    dots, days = con.execute(DOTS).df(), to_dates(con.execute(DAYS).df()["as_of_date"])
    if dots.empty or not days.size:
        return pd.DataFrame(columns=COLUMNS)
    rows = _known_dots(dots, days)
    market = _market(con, rows)
    gap = (100.0 * (market["market_midpoint_pct"] - rows["median_dot_pct"])).round(GAP_DECIMALS)
    parts = pd.Series(gap.abs() >= PARTS_BP, dtype="boolean").mask(gap.isna())
    flagged = market["gap_reason"].where(
        market["gap_reason"].notna() | ~rows["repeated"].astype(bool), "dots_repeated"
    )
    age = (rows["as_of_date"] - rows["projection_date"]).dt.days
    found = rows.assign(
        projection_age_days=age.astype("int32"),
        market_midpoint_pct=market["market_midpoint_pct"],
        market_rate_pct=market["market_rate_pct"],
        gap_bp=gap,
        parts_by_25bp=parts,
        gap_reason=flagged,
    )
    return found[COLUMNS]


def _known_dots(dots: pd.DataFrame, days: fomc.DateArray) -> pd.DataFrame:
    """Per settlement day and year that is not over, the dot of the newest projections known at the
    settlement.
    """
    moments = dots["available_at_utc"]
    day = moments.dt.tz_localize("UTC").dt.tz_convert(NEW_YORK).dt.tz_localize(None).dt.normalize()
    first_priced = policy_inputs.compute_first_priced(day, moments)
    dots = dots.assign(first_priced=pd.Series(first_priced, index=dots.index).astype("datetime64[us]"))
    settled = pd.DataFrame({"as_of_date": pd.Series(days).astype("datetime64[us]")})
    parts = []
    for _, own in dots.groupby("target_year"):
        # Newer projections that came later than the ones after them are never newest again.
        ordered = own.sort_values(["first_priced", "projection_date"], kind="stable")
        ordered = ordered[ordered["projection_date"] >= ordered["projection_date"].cummax()]
        parts.append(
            pd.merge_asof(settled, ordered, left_on="as_of_date", right_on="first_priced").dropna(
                subset=["projection_date"]
            )
        )
    rows = pd.concat(parts, ignore_index=True)
    ahead: pd.DataFrame = rows[rows["target_year"] >= rows["as_of_date"].dt.year]
    return ahead.sort_values(["as_of_date", "target_year"], kind="stable", ignore_index=True)


def _market(con: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> pd.DataFrame:
    """What the market implies for the end of each row's year: midpoint, rate and reason."""
    meetings = _load_meetings(con)
    last = con.execute(LAST_DECISIONS).df()
    decision = dict(zip(last["target_year"].astype(int), to_dates(last["last_decision_date"]), strict=True))
    days = to_dates(rows["as_of_date"])
    begins = np.searchsorted(meetings.as_of_date, days)
    ends = np.searchsorted(meetings.as_of_date, days, side="right")
    found = [
        _year_end(meetings, slice(begin, end), day, year, decision.get(year))
        for begin, end, day, year in zip(begins, ends, days, rows["target_year"].astype(int), strict=True)
    ]
    return pd.DataFrame(
        found, columns=["market_midpoint_pct", "market_rate_pct", "gap_reason"], index=rows.index
    ).astype({"market_midpoint_pct": "float64", "market_rate_pct": "float64", "gap_reason": object})


@dataclass(frozen=True)
class _Meetings:
    """staging.fomc_moves as columns, by settlement day and meeting."""

    as_of_date: fomc.DateArray
    meeting_date: fomc.DateArray
    decided_pct: fomc.FloatArray  # midpoint of the range in force, and what is decided beyond it
    start_rate_pct: fomc.FloatArray
    end_rate_pct: fomc.FloatArray
    moves_expected: fomc.FloatArray
    reason: fomc.TextArray
    degraded: fomc.BoolArray  # a contract is missing


def _load_meetings(con: duckdb.DuckDBPyConnection) -> _Meetings:
    moves = con.execute(MOVES).df()
    reason = moves["reason"].astype(object)
    midpoint = (to_floats(moves["target_lower_pct"]) + to_floats(moves["target_upper_pct"])) / 2.0
    return _Meetings(
        as_of_date=to_dates(moves["as_of_date"]),
        meeting_date=to_dates(moves["meeting_date"]),
        decided_pct=midpoint + MOVE_PCT * to_floats(moves["decided_moves"]),
        start_rate_pct=to_floats(moves["start_rate_pct"]),
        end_rate_pct=to_floats(moves["end_rate_pct"]),
        moves_expected=to_floats(moves["moves_expected"]),
        reason=reason.where(reason.notna(), None).to_numpy(),
        degraded=moves["missing_contract"].notna().to_numpy(dtype=bool),
    )


def _year_end(
    meetings: _Meetings, ahead: slice, day: np.datetime64, year: int, last_decision: np.datetime64 | None
) -> tuple[float, float, str | None]:
    """Midpoint of the range and effective rate that one day's prices imply for the end of a year.

    Args:
        meetings: of all days.
        ahead: the rows of the day's meetings ahead, in order.
        day: the settlement day.
        year: the calendar year.
        last_decision: its December decision; None: not on the list.

    Returns:
        Both in %, NaN where unknown, and why the first one is, or what to be careful about.
    """
    dates = meetings.meeting_date[ahead]
    if not dates.size:
        return np.nan, np.nan, "no_meeting_known"
    if last_decision is None or (last_decision >= day and last_decision not in dates):
        return np.nan, np.nan, "meeting_not_known"
    before = float(meetings.decided_pct[ahead][0])
    unknown = "target_range_unknown" if np.isnan(before) else None
    count = int(np.searchsorted(dates, np.datetime64(f"{year}-12-31"), side="right"))
    if not count:
        return before, float(meetings.start_rate_pct[ahead][0]), unknown
    moves = meetings.moves_expected[ahead][:count]
    rate, flag = float(meetings.end_rate_pct[ahead][count - 1]), meetings.reason[ahead][count - 1]
    if np.isnan(moves[-1]):
        return np.nan, rate, flag
    if np.isnan(moves).any():
        return np.nan, rate, "earlier_meeting_unsolved"
    if flag is None and meetings.degraded[ahead][:count].any():
        flag = "earlier_meeting_degraded"
    # One after the other, so that the sum is the same to the bit whatever the number of meetings.
    return before + MOVE_PCT * float(np.cumsum(moves)[-1]), rate, unknown or flag
