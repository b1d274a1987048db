"""What of each FOMC decision fed funds futures had not expected.

In: settlements and decisions (transforms/lib/policy_inputs.py, staging.fomc_decisions). Out: one row per
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


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per meeting_date, in that order."""
    market = policy_inputs.load_market(con)
    if market is None:
        return pd.DataFrame(columns=COLUMNS)
    every_day = policy_inputs.to_dates(con.execute(policy_inputs.SETTLEMENT_DAYS).df()["calendar_date"])
    horizon = con.execute("select getvariable('session_date')").fetchone()
    last = market.as_of_date[-1]
    if horizon is not None and horizon[0] is not None:
        last = max(last, np.datetime64(horizon[0], "D"))

    decisions = con.execute(DECISIONS).df()
    responded = policy_inputs.compute_first_priced(decisions["decision_date"], decisions["announced_at_utc"])
    place = np.searchsorted(every_day, responded)
    reachable = (place > 0) & (place < every_day.size)
    on = every_day[np.minimum(place, every_day.size - 1)]
    keep = reachable & (on <= last) & (on > market.as_of_date[0])
    decisions, on, place = decisions[keep].reset_index(drop=True), on[keep], place[keep]
    before = every_day[place - 1]

    decision_date = policy_inputs.to_dates(decisions["decision_date"])
    month, scale = policy_path.compute_surprise_contract(
        decision_date, policy_inputs.to_dates(decisions["effective_date"])
    )
    now_rate, now_refused = _rate(market, on, month)
    before_rate, before_refused = _rate(market, before, month)
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


def _rate(
    market: policy_inputs.Market, day: fomc.DateArray, month: fomc.IntArray
) -> tuple[fomc.FloatArray, fomc.BoolArray]:
    """Implied rate of a delivery month on a day, NaN where it has no believed price; and where it was
    refused.
    """
    row = np.minimum(np.searchsorted(market.as_of_date, day), market.as_of_date.size - 1)
    column = month - market.first_month
    inside = (market.as_of_date[row] == day) & (column >= 0) & (column < market.averages_pct.shape[1])
    column = np.clip(column, 0, market.averages_pct.shape[1] - 1)
    rate = np.where(inside, market.averages_pct[row, column], np.nan)
    return rate, inside & market.refused[row, column]
