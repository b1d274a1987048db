"""Whether probabilities came true as often as they said, by bins, over the meetings decided so far.

In: marts.fomc_calibration (which meetings are scored, and what was decided),
marts.fomc_probabilities_by_method (the target ranges of each table). Out: per day count, horizon, years,
bin and scheduled meeting how many ranges had a probability of the bin in the tables of the meetings up to
that one, their mean probability, and the share that came true with a 90 % interval from blocks of eight
meetings. Formulas: transforms/lib/forecast_scores.py. Caveat: ranges of one table exclude each other and
tables of neighbouring meetings are alike, so that a bin holds fewer independent forecasts than rows.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from transforms.increment import first_day
from transforms.lib import forecast_scores, policy_inputs
from transforms.lib.fomc import BoolArray, DateArray, FloatArray, IntArray
from transforms.marts.fomc_skill import YEARS

COLUMNS = [
    "method_version",
    "horizon_days",
    "years_counted",
    "bin_lower_prob",
    "meeting_date",
    "bin_upper_prob",
    "scored_meetings",
    "forecasts",
    "mean_prob",
    "came_true_share",
    "came_true_low_share",
    "came_true_high_share",
    "interval_reason",
]
# With fewer forecasts in a bin a bootstrap repeats a handful of meetings.
MIN_FORECASTS_OF_INTERVAL = 20
BINS = len(forecast_scores.BIN_EDGES) - 1

# A range without any probability is no forecast, unless it was decided.
FORECASTS = """
select
    calibration.method_version,
    calibration.horizon_days,
    calibration.meeting_date,
    outcomes.prob,
    abs(25.0 * outcomes.moves - calibration.decided_from_range_bp) < 1 as came_true
from marts.fomc_calibration as calibration
inner join marts.fomc_probabilities_by_method as outcomes
    on
        calibration.method_version = outcomes.method_version
        and calibration.as_of_date = outcomes.as_of_date
        and calibration.meeting_date = outcomes.meeting_date
where calibration.brier_score is not null and (outcomes.prob > 0 or came_true)
order by all
"""
MEETINGS = """
select
    method_version,
    horizon_days,
    meeting_date,
    zero_bound,
    brier_score is not null as scored
from marts.fomc_calibration
order by method_version, horizon_days, meeting_date
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per method_version, horizon_days, years_counted, bin_lower_prob and meeting_date."""
    since = first_day(con)
    meetings = con.execute(MEETINGS).df()
    day = policy_inputs.to_dates(meetings["meeting_date"])
    wanted = np.full(day.size, True) if since is None else day >= np.datetime64(since, "D")
    if not wanted.any():
        return pd.DataFrame(columns=COLUMNS)
    size, came, prob = _cells(meetings, con.execute(FORECASTS).df())
    # every meeting once per choice of years, with nothing where it does not count
    above = meetings["zero_bound"].eq(False).fillna(False).to_numpy(dtype=bool)
    scored = meetings["scored"].to_numpy(dtype=bool)
    counts = np.concatenate([scored if years == "all" else scored & above for years in YEARS])
    size, came, prob = (
        np.where(counts[:, None], np.tile(values, (len(YEARS), 1)), 0.0) for values in (size, came, prob)
    )
    rows = pd.concat([meetings.assign(years_counted=years) for years in YEARS], ignore_index=True)
    keys = ["method_version", "horizon_days", "years_counted"]
    series: IntArray = np.asarray(rows.groupby(keys).ngroup(), dtype=np.int64)
    day, wanted = np.tile(day, len(YEARS)), np.tile(wanted, len(YEARS))
    parts = [
        _sums(rows[series == number], *(values[series == number] for values in (counts, size, came, prob)))
        for number in range(int(series.max()) + 1)
    ]
    table = pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)
    bin_number = np.tile(np.arange(BINS), len(rows))
    asked = np.repeat(wanted, BINS) & table["interval_reason"].isna().to_numpy()
    low, high = _intervals(
        np.repeat(day, BINS), np.repeat(series, BINS) * BINS + bin_number, size.ravel(), came.ravel(), asked
    )
    table = table.assign(came_true_low_share=low, came_true_high_share=high)
    return table.loc[np.repeat(wanted, BINS), COLUMNS].reset_index(drop=True)


def _cells(meetings: pd.DataFrame, forecasts: pd.DataFrame) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(rows of `meetings`, bins): how many ranges had a probability of the bin, how many of them were
    decided, and the sum of their probabilities.
    """
    keys = ["method_version", "horizon_days", "meeting_date"]
    place = forecasts[keys].merge(meetings[keys].reset_index(), on=keys, how="left")["index"].to_numpy()
    prob = policy_inputs.to_floats(forecasts["prob"])
    cell = place * BINS + forecast_scores.compute_bins(prob)
    shape = (len(meetings), BINS)
    # bincount adds in the order of the rows
    size, came, total = (
        np.bincount(cell, weights, len(meetings) * BINS).astype(np.float64).reshape(shape)
        for weights in (np.ones(prob.size), forecasts["came_true"].to_numpy(dtype=np.float64), prob)
    )
    return size, came, total


def _sums(
    rows: pd.DataFrame, counts: BoolArray, size: FloatArray, came: FloatArray, prob: FloatArray
) -> pd.DataFrame:
    """One row per meeting and bin of one day count, horizon and choice of years: sums up to each meeting."""
    total, hits = np.cumsum(size, axis=0), np.cumsum(came, axis=0)
    filled = np.where(total > 0, total, np.nan)
    scored = np.cumsum(counts)
    reason = np.full(total.shape, None, dtype=object)
    reason[(hits == 0) | (hits == total)] = "all_alike"
    reason[total < MIN_FORECASTS_OF_INTERVAL] = "too_few_forecasts"
    reason[scored < forecast_scores.MIN_MEETINGS_OF_INTERVAL] = "too_few_meetings"
    edges = np.array(forecast_scores.BIN_EDGES)
    return rows.loc[np.repeat(rows.index.to_numpy(), BINS)].assign(
        bin_lower_prob=np.tile(edges[:-1], len(rows)),
        bin_upper_prob=np.tile(edges[1:], len(rows)),
        scored_meetings=np.repeat(scored, BINS),
        forecasts=total.ravel().astype(np.int64),
        mean_prob=(np.cumsum(prob, axis=0) / filled).ravel(),
        came_true_share=(hits / filled).ravel(),
        interval_reason=reason.ravel(),
    )


def _intervals(
    day: DateArray, series: IntArray, size: FloatArray, came: FloatArray, asked: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Ends of the interval of the share that came true, one entry per row."""
    _, place, totals = forecast_scores.spread(day, series, came)
    _, _, counts = forecast_scores.spread(day, series, size)
    _, _, wanted = forecast_scores.spread(day, series, asked.astype(np.float64))
    low, high = forecast_scores.compute_mean_intervals(totals, counts, wanted > 0)
    return low[place, series], high[place, series]
