"""What of each FOMC decision fed funds futures had not expected.

In: staging.implied_averages, staging.fomc_decisions, ref.calendar. Out: one row per
decision since the settlements begin, held and cancelled ones apart: `D/(D - d) * (f_t - f_(t-1))`, f the
rate implied by the contract of the decision's month, over the two consecutive settlement days around the
announcement; with seven days or fewer left in the month the change of next month's contract, unscaled.
Source: Kuttner 2001, Journal of Monetary Economics 47, 523-544. Caveat: daily settlements, so that other news
of the day is in it (a jobs report came out on the morning of several moves before 1995; the papers with
intraday windows differ there).
"""

from __future__ import annotations

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
]

DECISIONS = """
select
    decision_date,
    announced_at_utc,
    effective_date,
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
        },
        columns=COLUMNS,
    )


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
