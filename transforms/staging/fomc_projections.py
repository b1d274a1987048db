"""The FOMC's projections of the funds rate, put together again from FRED's versions.

In: every version of FEDTARMD (dated by the projected year) and FEDTARMDLR (dated by the day of publication)
within the cut-off, and the decisions. Out: one row per projection and target. A version of a year belongs to
the newest projections before it; a year without a version of its own repeats the one before, because FRED
keeps a version only where the value changed. Source:
https://www.federalreserve.gov/monetarypolicy/fomcprojtabl20260916.htm and its like. Caveat: where no year has
a version of its own, only the longer-run median shows that there were projections: `repeated`.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from market_calendar.projections import RELEASE_TIME, with_projections
from market_calendar.release_rules import new_york_to_utc
from transforms.lib.month_averages import DateArray
from transforms.lib.policy_inputs import to_dates

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
    shown = to_dates(longer["observation_date"])
    dated = _newest_before(_scheduled(con), years["available_at_utc"])
    days = np.union1d(shown, dated)
    released = new_york_to_utc(days, RELEASE_TIME)
    parts = [_longer_run(longer)]
    for place, day in enumerate(days):
        following = released[place + 1] if place + 1 < days.size else pd.Timestamp.max
        known = years[years["available_at_utc"] < following]
        parts.append(_of_years(known, day, released[place], repeated=day not in dated))
    found = pd.concat(parts, ignore_index=True)[COLUMNS]
    return found.sort_values(["projection_date", "target"], kind="stable", ignore_index=True)


def _scheduled(con: duckdb.DuckDBPyConnection) -> DateArray:
    """The decisions that come with projections, in order."""
    decisions = con.execute(DECISIONS).df()["decision_date"]
    return np.array(with_projections(stamp.date() for stamp in decisions), dtype="datetime64[D]")


def _newest_before(scheduled: DateArray, moments: pd.Series) -> DateArray:
    """The projections that were the newest at each of some moments."""
    released = new_york_to_utc(scheduled, RELEASE_TIME).to_numpy()
    place = np.searchsorted(released, moments.to_numpy().astype(released.dtype), side="right") - 1
    return np.unique(scheduled[place[place >= 0]])


def _longer_run(rows: pd.DataFrame) -> pd.DataFrame:
    """The longer-run medians, dated by the day of publication already."""
    released = pd.Series(new_york_to_utc(to_dates(rows["observation_date"]), RELEASE_TIME), index=rows.index)
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
    known: pd.DataFrame, day: np.datetime64, released: pd.Timestamp, *, repeated: bool
) -> pd.DataFrame:
    """The dots of the calendar years in the projections of one day.

    Args:
        known: the versions before the projections after them, by year and moment.
        day: of the projections.
        released: when they were.
        repeated: whether no version is dated by these projections.
    """
    last = known.drop_duplicates("observation_date", keep="last")
    year = last["observation_date"].dt.year
    named = last["value"].notna() & (year >= int(str(day)[:4]))
    last, year = last[named], year[named]
    return pd.DataFrame(
        {
            "projection_date": pd.Series(day.astype("datetime64[us]"), index=last.index),
            "target": year.astype("str"),
            "target_year": year.astype("Int32"),
            "median_dot_pct": last["value"],
            "repeated": repeated,
            "available_at_utc": last["available_at_utc"].clip(lower=released),
            "availability": last["availability"],
        }
    )
