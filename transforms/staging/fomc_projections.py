"""The FOMC's projections of the funds rate, put together again from FRED's versions.

In: every version of FEDTARMD (dated by the projected year) and FEDTARMDLR (dated by the day of publication)
within the cut-off, and the decisions. Out: one row per projection and target. A version of a year belongs to
the newest projections before it; a year without a version of its own repeats the one before, because FRED
keeps a version only where the value changed. Source:
https://www.federalreserve.gov/monetarypolicy/fomcprojtabl20260916.htm and its like. Caveat: where no year has
a version of its own, only the longer-run median shows that there were projections: `repeated`.
"""

from __future__ import annotations

import datetime as dt

import duckdb
import numpy as np
import pandas as pd

from market_calendar.projections import RELEASE_TIME, with_projections
from market_calendar.release_rules import new_york_to_utc

LONGER_RUN = "longer_run"
COLUMNS = [
    "projection_date",
    "target",
    "target_year",
    "median_dot_pct",
    "repeated",
    "available_at_utc",
    "availability",
]

# Of versions of one moment a dated one counts before an assumed one, then the one known last.
VERSIONS = """
select
    observation_date,
    value,
    available_at_utc,
    availability
from pipeline.raw.fred_observations
where
    series_id = ?
    and available_at_utc <= getvariable('cutoff_utc')
qualify row_number() over (
    partition by observation_date, available_at_utc
    order by availability = 'vintage' desc, known_at_utc desc
) = 1
order by observation_date, available_at_utc
"""

DECISIONS = """
select decision_date
from ref.fomc_meetings
where scheduled and not coalesce(cancelled, false)
order by decision_date
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per (projection_date, target), in that order."""
    longer = con.execute(VERSIONS, ["FEDTARMDLR"]).df().drop_duplicates("observation_date", keep="last")
    longer = longer[longer["value"].notna()]
    years = con.execute(VERSIONS, ["FEDTARMD"]).df()
    decisions = [stamp.date() for stamp in con.execute(DECISIONS).df()["decision_date"]]
    scheduled = with_projections(decisions)
    shown = {stamp.date() for stamp in longer["observation_date"]}
    dated = {day for moment in years["available_at_utc"] if (day := _newest_before(scheduled, moment))}
    days = sorted(shown | dated)
    parts = [_longer_run(longer)]
    for place, day in enumerate(days):
        following = _released(days[place + 1]) if place + 1 < len(days) else None
        parts.append(_of_years(years, day, following, repeated=day not in dated))
    found = pd.concat(parts, ignore_index=True)[COLUMNS]
    return found.sort_values(["projection_date", "target"], kind="stable", ignore_index=True)


def _longer_run(rows: pd.DataFrame) -> pd.DataFrame:
    """The longer-run medians, dated by the day of publication already."""
    released = rows["observation_date"].map(lambda stamp: _released(stamp.date())).astype("datetime64[us]")
    return pd.DataFrame(
        {
            "projection_date": rows["observation_date"],
            "target": LONGER_RUN,
            "target_year": pd.Series(pd.NA, index=rows.index, dtype="Int32"),
            "median_dot_pct": rows["value"],
            "repeated": False,
            "available_at_utc": rows["available_at_utc"].where(rows["available_at_utc"] > released, released),
            "availability": rows["availability"],
        }
    )


def _of_years(
    versions: pd.DataFrame, day: dt.date, following: pd.Timestamp | None, *, repeated: bool
) -> pd.DataFrame:
    """The dots of the calendar years in the projections of one day.

    Args:
        versions: of every year, by year and moment.
        day: of the projections.
        following: when the projections after them were released; None: these are the newest.
        repeated: whether no version is dated by these projections.
    """
    released = _released(day)
    known = versions if following is None else versions[versions["available_at_utc"] < following]
    last = known.drop_duplicates("observation_date", keep="last")
    last = last[last["value"].notna() & (last["observation_date"].dt.year >= day.year)]
    year = last["observation_date"].dt.year
    return pd.DataFrame(
        {
            "projection_date": pd.Series(np.datetime64(day, "us"), index=last.index),
            "target": year.astype("str"),
            "target_year": year.astype("Int32"),
            "median_dot_pct": last["value"],
            "repeated": repeated,
            "available_at_utc": last["available_at_utc"].where(last["available_at_utc"] > released, released),
            "availability": last["availability"],
        }
    )


def _newest_before(days: list[dt.date], moment: pd.Timestamp) -> dt.date | None:
    """The newest projections that were released by a moment."""
    return next((day for day in reversed(days) if _released(day) <= moment), None)


def _released(day: dt.date) -> pd.Timestamp:
    return new_york_to_utc(day, RELEASE_TIME)
