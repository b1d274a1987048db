"""The regime of each session: growth, expected change of policy, and what both were decided by.

In: staging.fred_observations (initial claims ICSA), marts.policy_path_daily (rate_12m_pct), ref.calendar,
staging.equity_prices (the first session). Out: one row per NYSE session from the first price on. Claims in
persons, rates in per cent, their change in basis points.

growth: up when the mean of the last four weeks of initial claims is at or below that of 13 weeks before
(its 3-month change), else down. expected_policy_change: easing when the rate that futures imply 12 months
ahead is lower than 63 sessions before, tightening when it is higher or equal. regime: the two together.

Caveat: claims of a week count from the Thursday after it (the release rule), but with the values of the
latest vintage; first prints differ by little, and where only latest vintages are held nothing better is
available. Where the futures are missing on either day, expected_policy_change and regime are NULL.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from transforms.lib.history import FloatArray, IntArray, lagged

GROWTH_SERIES = "ICSA"
RELEASE_LAG_DAYS = 5  # the week ends on Saturday, its claims come on the Thursday after
WEEKS_MEAN, WEEKS_BACK = 4, 13
POLICY_SESSIONS = 63
# By number, from 1 on; 0 = unknown.
GROWTH = pd.Index(["down", "up"])
POLICY = pd.Index(["easing", "tightening"])
REGIME = pd.Index([f"growth_{growth}_{policy}" for growth in GROWTH for policy in POLICY])
UNKNOWN = pd.Index(["too_few_claims", "rate_missing", "earlier_rate_missing"])

CALENDAR = """
    select calendar.calendar_date, path.rate_12m_pct
    from ref.calendar as calendar
    left join marts.policy_path_daily as path on calendar.calendar_date = path.as_of_date
    where
        calendar.is_nyse_session and calendar.calendar_date <= getvariable('session_date')
        and calendar.calendar_date >= (select min(session_date) from staging.equity_prices)
    order by calendar.session_number
"""

CLAIMS = """
    select observation_date, value from staging.fred_observations
    where series_id = ? order by observation_date
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per session_date, in that order."""
    calendar = con.execute(CALENDAR).df()
    weeks = con.execute(CLAIMS, [GROWTH_SERIES]).df()
    dates = calendar["calendar_date"].to_numpy().astype("datetime64[D]")
    rates = calendar["rate_12m_pct"].to_numpy(dtype=np.float64)
    claims = latest_claims(
        dates,
        weeks["observation_date"].to_numpy().astype("datetime64[D]"),
        weeks["value"].to_numpy(dtype=np.float64),
    )
    growth, policy = growth_state(claims), policy_state(rates)
    return pd.DataFrame(
        {
            "session_date": dates.astype("datetime64[s]"),
            "growth": pd.Categorical.from_codes(growth - 1, GROWTH),
            "expected_policy_change": pd.Categorical.from_codes(policy - 1, POLICY),
            "regime": pd.Categorical.from_codes(
                np.where((growth > 0) & (policy > 0), len(POLICY) * (growth - 1) + policy, 0) - 1, REGIME
            ),
            "regime_unknown_reason": unknown_reason(growth, rates),
            "claims_week_date": claims.week.astype("datetime64[s]"),
            "claims_4w_mean": claims.mean,
            "claims_4w_mean_13w_before": claims.mean_before,
            "rate_12m_pct": rates,
            "rate_12m_change_63d_bp": np.round(100 * rate_change_pp(rates), 6),
        }
    )


@dataclass(frozen=True)
class Claims:
    """What was known of initial claims on the evening of each session; NaN and NaT where nothing was."""

    week: np.ndarray  # the newest week
    mean: FloatArray  # persons, over the four weeks to it
    mean_before: FloatArray  # persons, 13 weeks earlier


def latest_claims(sessions: np.ndarray, weeks: np.ndarray, claims: FloatArray) -> Claims:
    """By the latest week whose claims were out on the session's day.

    Args:
        sessions: days, ascending.
        weeks: last days of the weeks (Saturdays), ascending.
        claims: of the weeks, in persons.
    """
    mean = np.full(len(claims), np.nan)
    for week in range(WEEKS_MEAN - 1, len(claims)):
        mean[week] = claims[week - WEEKS_MEAN + 1 : week + 1].mean()
    place = np.searchsorted(weeks + np.timedelta64(RELEASE_LAG_DAYS, "D"), sessions, side="right") - 1
    found = np.maximum(place, 0)
    known = (place >= 0) & (len(claims) > 0)

    def taken(values: np.ndarray, missing: float | np.datetime64) -> np.ndarray:
        result = np.full(len(sessions), missing)
        result[known] = values[found[known]]
        return result

    return Claims(
        week=taken(weeks, np.datetime64("NaT", "D")),
        mean=taken(mean, np.nan),
        mean_before=taken(lagged(mean, WEEKS_BACK), np.nan),
    )


def growth_state(claims: Claims) -> IntArray:
    """2 = up, 1 = down, 0 = unknown."""
    change = claims.mean - claims.mean_before
    return np.where(np.isfinite(change), np.where(change <= 0, 2, 1), 0).astype(np.int64)


def rate_change_pp(rate_12m_pct: FloatArray) -> FloatArray:
    """Change over 63 sessions, free of float dust."""
    change: FloatArray = np.round(rate_12m_pct - lagged(rate_12m_pct, POLICY_SESSIONS), 9) + 0.0
    return change


def policy_state(rate_12m_pct: FloatArray) -> IntArray:
    """2 = tightening, 1 = easing, 0 = unknown, by the change over 63 sessions."""
    change = rate_change_pp(rate_12m_pct)
    return np.where(np.isfinite(change), np.where(change < 0, 1, 2), 0).astype(np.int64)


def unknown_reason(growth: IntArray, rate_12m_pct: FloatArray) -> pd.Categorical[str]:
    """Why a session has no regime; missing where it has one."""
    before = lagged(rate_12m_pct, POLICY_SESSIONS)
    missing = np.where(~np.isfinite(rate_12m_pct), 1, np.where(~np.isfinite(before), 2, -1))
    return pd.Categorical.from_codes(np.where(growth == 0, 0, missing), UNKNOWN)
