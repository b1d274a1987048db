"""What of each FOMC decision fed funds futures had not expected.

In: staging.implied_averages, staging.fomc_decisions, marts.policy_repricing, ref.fomc_meetings,
ref.calendar. Out: one row per decision since the settlements begin, held and cancelled ones apart: `D/(D -
d) * (f_t - f_(t-1))`, f the rate implied by the contract of the decision's month, over the two consecutive
settlement days around the announcement; with seven days or fewer left in the month the change of next
month's contract, unscaled. Beside it what the decision does not explain of the change of the path
(Gürkaynak, Sack and Swanson 2005, International Journal of Central Banking 1, 55-93). Source: Kuttner 2001,
Journal of Monetary Economics 47, 523-544. Caveat: daily settlements, so that other news of the day is in it
(a jobs report came out on the morning of several moves before 1995; the papers with intraday windows differ
there).
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from transforms.lib import fomc, policy_inputs, policy_path

COLUMNS = [
    "meeting_date",
    "surprise_bp",
    "contract",
    "scaled",
    "scale_factor",
    "decided_change_bp",
    "decided_change_reason",
    "as_of_date",
    "previous_as_of_date",
    "reason",
    "change_year_end_bp",
    "path_surprise_bp",
    "path_surprise_slope",
    "path_surprise_meetings",
    "path_surprise_reason",
    "change_12m_bp",
    "path_surprise_12m_bp",
    "path_surprise_12m_slope",
    "path_surprise_12m_meetings",
    "path_surprise_12m_reason",
]
# Three years of scheduled decisions.
MIN_MEETINGS_OF_PATH = 24

DECISIONS = """
select
    decision_date,
    announced_at_utc,
    effective_date,
    scheduled,
    upper_before,
    upper_after,
    outcome_reason
from staging.fomc_decisions
where not cancelled
order by decision_date
"""

# The two settlement days around each decision.
AVERAGES = """
select
    as_of_date,
    delivery_month,
    case when not refused then implied_average_pct end as average_pct,
    refused
from staging.implied_averages
where as_of_date in (select unnest($days::date[]))
"""

REPRICING = """
select
    as_of_date,
    max(change_bp) filter (where horizon = 'year_end') as year_end,
    max(change_bp) filter (where horizon = '12m') as months_12
from marts.policy_repricing
where as_of_date in (select unnest($days::date[]))
group by as_of_date
"""

# The last scheduled meeting of each decision's year that was known on its day.
LAST_MEETINGS = """
select
    decisions.decision_date,
    max(meetings.decision_date) as last_date
from staging.fomc_decisions as decisions
inner join ref.fomc_meetings as meetings
    on
        year(decisions.decision_date) = year(meetings.decision_date)
        and meetings.known_from_date <= decisions.decision_date
        and coalesce(not meetings.cancelled or meetings.cancelled_on > decisions.decision_date, true)
group by decisions.decision_date
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per meeting_date, in that order."""
    first, last = _captured_days(con)
    decisions = con.execute(DECISIONS).df()
    if np.isnat(first) or decisions.empty:
        return pd.DataFrame(columns=COLUMNS)
    every_day = policy_inputs.to_dates(con.execute(policy_inputs.SETTLEMENT_DAYS).df()["calendar_date"])
    horizon = con.execute("select getvariable('session_date')").fetchone()
    if horizon is not None and horizon[0] is not None:
        last = max(last, np.datetime64(horizon[0], "D"))

    responded = policy_inputs.compute_first_priced(decisions["decision_date"], decisions["announced_at_utc"])
    place = np.searchsorted(every_day, responded)
    reachable = (place > 0) & (place < every_day.size)
    on = every_day[np.minimum(place, every_day.size - 1)]
    keep = reachable & (on <= last) & (on > first)
    decisions, on, place = decisions[keep].reset_index(drop=True), on[keep], place[keep]
    before = every_day[place - 1]

    decision_date = policy_inputs.to_dates(decisions["decision_date"])
    month, scale = policy_path.compute_surprise_contract(
        decision_date, policy_inputs.to_dates(decisions["effective_date"])
    )
    now_rate, now_refused = _rate(con, on, month)
    before_rate, before_refused = _rate(con, before, month)
    surprise = scale * 100.0 * (now_rate - before_rate)
    reason = np.where(now_refused | before_refused, "price_refused", "price_missing").astype(object)
    changes = _changes(con, on)
    last = con.execute(LAST_MEETINGS).df().set_index("decision_date")["last_date"]
    is_last = policy_inputs.to_dates(last.reindex(pd.DatetimeIndex(decision_date))) <= decision_date
    scheduled = decisions["scheduled"].to_numpy(dtype=bool)
    year_end = _path(surprise, changes["year_end"], scheduled, is_last)
    months_12 = _path(surprise, changes["months_12"], scheduled, np.zeros(is_last.shape, dtype=bool))
    return pd.DataFrame(
        {
            "meeting_date": decision_date,
            "surprise_bp": surprise,
            "contract": fomc.compute_contracts(month),
            "scaled": month == fomc.compute_month_number(decision_date),
            "scale_factor": scale,
            "decided_change_bp": (
                100.0
                * (
                    policy_inputs.to_floats(decisions["upper_after"])
                    - policy_inputs.to_floats(decisions["upper_before"])
                )
            ),
            "decided_change_reason": decisions["outcome_reason"].to_numpy(dtype=object, na_value=None),
            "as_of_date": on,
            "previous_as_of_date": before,
            "reason": np.where(np.isfinite(surprise), policy_inputs.NO_TEXT, reason),
            "change_year_end_bp": changes["year_end"],
            "path_surprise_bp": year_end.surprise_bp,
            "path_surprise_slope": year_end.slope,
            "path_surprise_meetings": year_end.meetings,
            "path_surprise_reason": year_end.reason,
            "change_12m_bp": changes["months_12"],
            "path_surprise_12m_bp": months_12.surprise_bp,
            "path_surprise_12m_slope": months_12.slope,
            "path_surprise_12m_meetings": months_12.meetings,
            "path_surprise_12m_reason": months_12.reason,
        },
        columns=COLUMNS,
    )


@dataclass(frozen=True)
class PathSurprise:
    """What the decision itself does not explain of a change of the path, one entry per decision."""

    surprise_bp: fomc.FloatArray
    slope: fomc.FloatArray
    meetings: fomc.IntArray
    reason: fomc.TextArray


def _path(
    target: fomc.FloatArray, change: fomc.FloatArray, scheduled: fomc.BoolArray, is_decision: fomc.BoolArray
) -> PathSurprise:
    """Residual of the change on the target surprise, by the regression over the scheduled decisions before.

    Unscheduled decisions have a residual too and are in no regression: three of them would make the slope.

    Args:
        target: surprise of each decision in bp, in the order of the decisions.
        change: change of the path over the same days.
        scheduled: whether the decision was.
        is_decision: where the change is of the rate that was just decided; in no regression either.
    """
    both = np.isfinite(target) & np.isfinite(change) & ~is_decision
    used = both & scheduled
    x, y = (np.where(used, values, 0.0) for values in (target, change))
    # of the decisions before each one, added one after the other
    size, sum_x, sum_y, sum_xx, sum_xy = (
        np.concatenate(([0.0], np.cumsum(values)[:-1])) for values in (used * 1.0, x, y, x * x, x * y)
    )
    spread = size * sum_xx - sum_x * sum_x
    enough = (size >= MIN_MEETINGS_OF_PATH) & (spread > 0)
    slope = np.where(enough, (size * sum_xy - sum_x * sum_y) / np.where(enough, spread, 1.0), np.nan)
    level = (sum_y - slope * sum_x) / np.where(size > 0, size, np.nan)
    residual = np.where(both, change - level - slope * target, np.nan)
    reason = np.where(np.isfinite(change), "too_few_meetings", "change_missing").astype(object)
    reason = np.where(is_decision, "last_meeting_of_the_year", reason)
    reason = np.where(np.isfinite(target), reason, "surprise_missing")
    reason = np.where(np.isfinite(residual), policy_inputs.NO_TEXT, reason)
    return PathSurprise(residual, slope, size.astype(np.int64), reason)


def _changes(con: duckdb.DuckDBPyConnection, day: fomc.DateArray) -> dict[str, fomc.FloatArray]:
    """Change of the rate expected at the year's end and twelve months ahead on each day; NaN without one."""
    found = con.execute(REPRICING, {"days": day.tolist()}).df().set_index("as_of_date")
    rows = found.reindex(pd.DatetimeIndex(day))
    return {name: policy_inputs.to_floats(rows[name]) for name in ("year_end", "months_12")}


def _captured_days(con: duckdb.DuckDBPyConnection) -> fomc.DateArray:
    """The first and the last settlement day with a captured contract; NaT without any."""
    days = con.execute("select min(as_of_date), max(as_of_date) from staging.implied_averages").fetchone()
    return np.array(days, dtype="datetime64[D]")


def _rate(
    con: duckdb.DuckDBPyConnection, day: fomc.DateArray, month: fomc.IntArray
) -> tuple[fomc.FloatArray, fomc.BoolArray]:
    """Implied rate of a delivery month on a day, NaN where it has no believed price; and where it was
    refused.
    """
    wanted = pd.DataFrame({"as_of_date": day, "delivery_month": month.astype("datetime64[M]")})
    wanted = wanted.astype("datetime64[us]")
    captured = con.execute(AVERAGES, {"days": day.tolist()}).df()
    found = wanted.merge(captured, on=["as_of_date", "delivery_month"], how="left")
    return policy_inputs.to_floats(found["average_pct"]), found["refused"].eq(True).to_numpy(dtype=bool)
