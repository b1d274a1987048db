"""Economic and credit series with their change over a month and a year and their place in their own history.

In: staging.fred_observations (series_id, observation_date), cut to what was available, and ref.fred_series
(frequency). Out: one row per series and observation. change_1m and change_1y are differences, in the units
of the series, against the last observation at or before the same calendar day a month or a year back, if
that lies at most seven days before it. percentile = share of the history to date at or below the value,
itself counted.

Caveat: values are the latest vintage held, not first prints, and the history starts at history_start_date.
Least history: 252 observations of daily, 104 of weekly, 60 of monthly and 20 of quarterly series (252
months would leave monthly series without an answer for twenty years). Yields, policy rates and the FOMC's
projections have marts of their own.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from transforms.increment import first_day
from transforms.lib.history import FloatArray, count_at_most_to_date

MINIMUM_OBSERVATIONS = {"daily": 252, "weekly": 104, "monthly": 60, "quarterly": 20}
LONGEST_GAP_DAYS = 7
# Yields, policy rates and stock indices have marts of their own.
OTHER_MARTS = "^(DGS[0-9]+(MO)?|T10Y2Y|DFEDTAR[LU]?|DFF|EFFR|SOFR|IORB|SP500|NASDAQCOM)$"


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per series_id and observation_date, in that order."""
    since = first_day(con)
    rows = con.execute(
        """
        select
            observations.series_id, observations.observation_date, observations.value,
            observations.available_at_utc, observations.availability, series.frequency,
            cast(observations.observation_date - interval 1 month as date) as month_before,
            cast(observations.observation_date - interval 1 year as date) as year_before
        from staging.fred_observations as observations
        inner join ref.fred_series as series on observations.series_id = series.series_id
        where
            not regexp_matches(observations.series_id, ?)
            and series.observation_period not in ('projected_year', 'projection')
            and (
                ? is null
                or observations.series_id in (
                    select series_id from staging.fred_observations where observation_date >= ?
                )
            )
        order by observations.series_id, observations.observation_date
        """,
        [OTHER_MARTS, since, since],
    ).df()
    size = len(rows)
    change_1m, change_1y, percentile = np.full(size, np.nan), np.full(size, np.nan), np.full(size, np.nan)
    first = np.full(size, np.datetime64("NaT", "D"))
    dates = rows["observation_date"].to_numpy().astype("datetime64[D]")
    month_before = rows["month_before"].to_numpy().astype("datetime64[D]")
    year_before = rows["year_before"].to_numpy().astype("datetime64[D]")
    values = rows["value"].to_numpy(dtype=np.float64)
    for places in rows.groupby("series_id").indices.values():  # places are ascending: rows are ordered
        part = slice(int(places[0]), int(places[-1]) + 1)
        frequency = str(rows["frequency"].iloc[places[0]])
        change_1m[part] = change_since(values[part], dates[part], month_before[part])
        change_1y[part] = change_since(values[part], dates[part], year_before[part])
        so_far = np.arange(1, len(places) + 1)
        new = 0 if since is None else int(np.searchsorted(dates[part], np.datetime64(since)))
        share = 100.0 * count_at_most(values[part], new) / so_far
        percentile[part] = np.where(so_far >= MINIMUM_OBSERVATIONS[frequency], share, np.nan)
        first[part] = dates[part][0]
    return pd.DataFrame(
        {
            "series_id": rows["series_id"],
            "observation_date": rows["observation_date"],
            "value": values,
            "change_1m": change_1m,
            "change_1y": change_1y,
            "percentile": percentile,
            "observations": pd.Series(
                rows.groupby("series_id").cumcount().to_numpy() + 1, dtype="int32", index=rows.index
            ),
            "history_start_date": first.astype("datetime64[s]"),
            "available_at_utc": rows["available_at_utc"],
            "availability": rows["availability"],
        }
    )


def count_at_most(values: FloatArray, first: int) -> FloatArray:
    """How many values up to each row are at or below its own, from row `first` on; NaN before it."""
    if first == 0:
        return count_at_most_to_date(values).astype(np.float64)
    counts = np.full(len(values), np.nan)
    for row in range(first, len(values)):
        counts[row] = np.count_nonzero(values[: row + 1] <= values[row])
    return counts


def change_since(values: FloatArray, dates: np.ndarray, earlier: np.ndarray) -> FloatArray:
    """Value less the last one dated at or up to seven days before `earlier`; NaN where there is none."""
    place = np.searchsorted(dates, earlier, side="right") - 1
    found = np.maximum(place, 0)
    fits = (place >= 0) & ((earlier - dates[found]).astype(np.int64) <= LONGEST_GAP_DAYS)
    # differences of decimals carry rounding noise: 4.1 - 4.2 is not -0.1
    change: FloatArray = np.where(fits, np.round(values - values[found], 9) + 0.0, np.nan)
    return change
