"""How far the path that futures implied was off, by horizon, over the meetings decided so far.

In: marts.fomc_calibration (implied less decided, in the marts' own day count), staging.fomc_decisions (from
when an outcome counts). Out: per horizon and scheduled meeting the mean, spread and quantiles of the errors
up to that meeting, with a 90 % interval of the mean from blocks of eight meetings. Formulas:
transforms/lib/forecast_scores.py. Caveat: the mean is no premium to be subtracted: by era it changes its
sign, premia are countercyclical (Piazzesi and Swanson 2008, Journal of Monetary Economics 55, 677-691).
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from transforms.increment import first_day
from transforms.lib import forecast_scores, policy_inputs
from transforms.lib.fomc import BoolArray, DateArray, FloatArray, IntArray

COLUMNS = [
    "horizon_days",
    "meeting_date",
    "as_of_date",
    "usable_from_date",
    "implied_less_decided_bp",
    "scored_meetings",
    "mean_error_bp",
    "mean_error_low_bp",
    "mean_error_high_bp",
    "rms_error_bp",
    "error_p05_bp",
    "error_p50_bp",
    "error_p95_bp",
    "absolute_error_p90_bp",
    "reason",
]

# A quantile at 5 % needs twenty values.
MIN_MEETINGS_OF_QUANTILE = 20

ERRORS = """
select
    calibration.horizon_days,
    calibration.meeting_date,
    calibration.as_of_date,
    decisions.effective_date + 1 as usable_from_date,
    calibration.implied_less_decided_bp,
    calibration.reason
from marts.fomc_calibration as calibration
inner join staging.fomc_decisions as decisions on calibration.meeting_date = decisions.decision_date
where calibration.method_version = 'cme_2023plus'
order by calibration.horizon_days, calibration.meeting_date
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per horizon_days and meeting_date, in that order."""
    rows = con.execute(ERRORS).df()
    since = first_day(con)
    day = policy_inputs.to_dates(rows["meeting_date"])
    wanted = np.full(day.size, True) if since is None else day >= np.datetime64(since, "D")
    if not wanted.any():
        return pd.DataFrame(columns=COLUMNS)
    horizons, series = np.unique(rows["horizon_days"], return_inverse=True)
    error = policy_inputs.to_floats(rows["implied_less_decided_bp"])
    low, high = _intervals(day, series, error, wanted)
    parts = [
        _statistics(rows[series == number]).assign(
            mean_error_low_bp=low[series == number], mean_error_high_bp=high[series == number]
        )
        for number in range(horizons.size)
    ]
    return pd.concat(parts, ignore_index=True).loc[wanted, COLUMNS].reset_index(drop=True)


def _intervals(
    day: DateArray, series: IntArray, error: FloatArray, wanted: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Ends of the interval of the mean error, one entry per row."""
    there = np.isfinite(error)
    _, place, totals = forecast_scores.spread(day, series, np.where(there, error, 0.0))
    _, _, counts = forecast_scores.spread(day, series, there.astype(np.float64))
    _, _, asked = forecast_scores.spread(day, series, wanted.astype(np.float64))
    enough = np.cumsum(counts, axis=0) >= forecast_scores.MIN_MEETINGS_OF_INTERVAL
    low, high = forecast_scores.compute_mean_intervals(totals, counts, enough & (asked > 0))
    return low[place, series], high[place, series]


def _statistics(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one horizon, in the order of the meetings, with the statistics over those up to each."""
    error = policy_inputs.to_floats(rows["implied_less_decided_bp"])
    scored = np.cumsum(np.isfinite(error))
    enough = scored >= MIN_MEETINGS_OF_QUANTILE

    def quantile(values: FloatArray, share: float) -> FloatArray:
        return np.where(enough, forecast_scores.compute_quantiles(values, share), np.nan)

    return rows.assign(
        scored_meetings=scored,
        mean_error_bp=forecast_scores.compute_running_mean(error),
        rms_error_bp=np.sqrt(forecast_scores.compute_running_mean(error**2)),
        error_p05_bp=quantile(error, 0.05),
        error_p50_bp=quantile(error, 0.50),
        error_p95_bp=quantile(error, 0.95),
        absolute_error_p90_bp=quantile(np.abs(error), 0.90),
    )
