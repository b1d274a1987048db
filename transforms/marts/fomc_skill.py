"""What the probability tables are worth beside naive forecasts, over the meetings decided so far.

In: marts.fomc_calibration. Out: per day count, horizon, years and scheduled meeting the mean ranked
probability scores up to that meeting, how much lower the futures' one is than that of each naive forecast
(with a 90 % interval from blocks of eight meetings), and the partition of the Brier score of lower, same or
higher. Formulas: transforms/lib/forecast_scores.py. Caveat: a gain over "no change" is large in any cycle
of hikes or cuts that was announced; the last change repeated is the harder benchmark.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from transforms.increment import first_day
from transforms.lib import forecast_scores, policy_inputs
from transforms.lib.fomc import BoolArray, DateArray, FloatArray, IntArray

YEARS = ("all", "above_zero_bound")
EVENTS = ("cut", "hold", "hike")
SCORES = {
    "mean_ranked_probability_score": "ranked_probability_score",
    "mean_ranked_probability_score_no_change": "ranked_probability_score_no_change",
    "mean_ranked_probability_score_last_change": "ranked_probability_score_last_change",
}
GAINS = ("no_change", "last_change")
PARTS = ("reliability_score", "resolution_score", "uncertainty_score", "within_bin_score")
COLUMNS = [
    "method_version",
    "horizon_days",
    "years_counted",
    "meeting_date",
    "scored_meetings",
    *SCORES,
    "gain_over_no_change",
    "gain_over_no_change_low",
    "gain_over_no_change_high",
    "gain_over_last_change",
    "gain_over_last_change_low",
    "gain_over_last_change_high",
    "direction_brier_score",
    *PARTS,
]

ROWS = """
select
    method_version,
    horizon_days,
    meeting_date,
    zero_bound,
    cut_prob,
    hold_prob,
    hike_prob,
    decided_from_range_bp,
    ranked_probability_score,
    ranked_probability_score_no_change,
    ranked_probability_score_last_change
from marts.fomc_calibration
order by method_version, horizon_days, meeting_date
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per method_version, horizon_days, years_counted and meeting_date."""
    since = first_day(con)
    rows = con.execute(ROWS).df()
    day = policy_inputs.to_dates(rows["meeting_date"])
    wanted = np.full(day.size, True) if since is None else day >= np.datetime64(since, "D")
    if not wanted.any():
        return pd.DataFrame(columns=COLUMNS)
    # every forecast once per choice of years, NaN where it does not count
    rows = pd.concat([rows.assign(years_counted=years) for years in YEARS], ignore_index=True)
    day, wanted = np.tile(day, len(YEARS)), np.tile(wanted, len(YEARS))
    score = policy_inputs.to_floats(rows["ranked_probability_score"])
    counts = np.isfinite(score) & (
        (rows["years_counted"] == "all") | rows["zero_bound"].eq(False).fillna(False)
    ).to_numpy(dtype=bool)
    keys = ["method_version", "horizon_days", "years_counted"]
    series: IntArray = np.asarray(rows.groupby(keys).ngroup(), dtype=np.int64)

    gains = np.stack(
        [policy_inputs.to_floats(rows[f"ranked_probability_score_{name}"]) - score for name in GAINS]
    )
    gains = np.where(counts, gains, np.nan)
    low, high = _intervals(day, series, gains, wanted)
    parts = []
    for number in range(int(series.max()) + 1):
        own = series == number
        part = _statistics(rows[own], counts[own])
        for place, name in enumerate(GAINS):
            part[f"gain_over_{name}"] = forecast_scores.compute_running_mean(gains[place, own])
            part[f"gain_over_{name}_low"] = low[place, own]
            part[f"gain_over_{name}_high"] = high[place, own]
        parts.append(part.loc[wanted[own], COLUMNS])
    table: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return table


def _intervals(
    day: DateArray, series: IntArray, gains: FloatArray, wanted: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Ends of the intervals of the mean gains, (GAINS, rows) as `gains`."""
    number = (np.arange(len(GAINS))[:, None] * (int(series.max()) + 1) + series).ravel()
    days, there = np.tile(day, len(GAINS)), np.isfinite(gains).ravel()
    _, place, totals = forecast_scores.spread(days, number, np.where(there, gains.ravel(), 0.0))
    _, _, counts = forecast_scores.spread(days, number, there.astype(np.float64))
    _, _, asked = forecast_scores.spread(days, number, np.tile(wanted, len(GAINS)).astype(np.float64))
    enough = np.cumsum(counts, axis=0) >= forecast_scores.MIN_MEETINGS_OF_INTERVAL
    low, high = forecast_scores.compute_mean_intervals(totals, counts, enough & (asked > 0))
    return low[place, number].reshape(gains.shape), high[place, number].reshape(gains.shape)


def _statistics(rows: pd.DataFrame, counts: BoolArray) -> pd.DataFrame:
    """The rows of one day count, horizon and choice of years, in the order of the meetings, with the means
    and the partition over those up to each.
    """

    def values(name: str) -> FloatArray:
        return np.where(counts, policy_inputs.to_floats(rows[name]), np.nan)

    prob = np.column_stack([values(f"{name}_prob") for name in EVENTS])
    direction = np.sign(values("decided_from_range_bp"))
    happened = (direction[:, None] == np.array([-1.0, 0.0, 1.0])).astype(np.float64)
    parts = forecast_scores.compute_partition(prob, happened)
    described: pd.DataFrame = rows.assign(
        scored_meetings=np.cumsum(counts),
        direction_brier_score=parts[0] - parts[1] + parts[2] + parts[3],
        **{name: forecast_scores.compute_running_mean(values(of)) for name, of in SCORES.items()},
        **dict(zip(PARTS, parts, strict=True)),
    )
    return described
