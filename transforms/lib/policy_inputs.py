"""What every policy mart reads, as arrays: settlements, final averages, decisions.

In: staging.fed_funds_futures, staging.fred_observations, ref.fomc_meetings, ref.calendar (the statements of
transforms/staging/fomc_moves.py, so that both see the same prices). Out: matrices over (settlement days,
delivery months), refused prices already NaN. Caveat: a settlement day without any captured contract is not
there; gaps are the caller's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pandas as pd

from transforms.lib import fomc, month_averages
from transforms.staging import fomc_moves

SETTLEMENT_DAYS = """
select calendar_date
from ref.calendar
where is_settlement_day
order by calendar_date
"""

SCHEDULED = """
select decision_date
from ref.fomc_meetings
where scheduled
order by decision_date
"""

# "No text" for np.where, whose types refuse a bare None.
NO_TEXT: Final = np.array(None, dtype=object)
NEW_YORK: Final = "America/New_York"
# Fed funds futures settle at 14:00 in Chicago: news after that is in the next day's price.
SETTLEMENT_HOUR: Final = 15


@dataclass(frozen=True)
class Market:
    """Everything known on each settlement day; `averages_pct` is NaN where a price is missing or refused."""

    as_of_date: fomc.DateArray
    previous: fomc.IntArray  # position of the settlement day before, -1 where it has no captured contract
    previous_date: fomc.DateArray  # that day by the calendar, captured or not
    averages_pct: fomc.FloatArray
    refused: fomc.BoolArray
    final_averages_pct: fomc.FloatArray
    first_month: int
    decision_date: fomc.DateArray
    effective_date: fomc.DateArray
    scheduled: fomc.BoolArray
    known_from_date: fomc.DateArray
    cancelled_on: fomc.DateArray
    known: fomc.BoolArray
    meetings: pd.DataFrame


def to_dates(values: pd.Series) -> fomc.DateArray:
    dates: fomc.DateArray = pd.to_datetime(values).to_numpy(dtype="datetime64[D]")
    return dates


def to_floats(values: pd.Series) -> fomc.FloatArray:
    floats: fomc.FloatArray = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return floats


def load_market(con: duckdb.DuckDBPyConnection) -> Market | None:
    """None while there are no settlements or no decisions."""
    settlements = con.execute(fomc_moves.SETTLEMENTS).df()
    meetings = con.execute(fomc_moves.MEETINGS).df()
    if settlements.empty or meetings.empty:
        return None
    as_of_date, day = np.unique(to_dates(settlements["settlement_date"]), return_inverse=True)
    delivery = fomc.compute_month_number(to_dates(settlements["delivery_month"]))
    first_month = int(fomc.compute_month_number(as_of_date[:1])[0]) - fomc.LOOKBACK_MONTHS
    months = int(delivery.max()) - first_month + 1
    averages = np.full((as_of_date.size, months), np.nan)
    averages[day, delivery - first_month] = 100.0 - to_floats(settlements["settle"])

    fixings = con.execute(fomc_moves.FIXINGS).df()
    finals = month_averages.compute_final_averages(
        to_dates(fixings["observation_date"]),
        to_floats(fixings["value"]),
        first_month,
        months,
        to_dates(con.execute(fomc_moves.CLOSED_DAYS).df()["calendar_date"]),
    )
    captured_rows = con.execute(fomc_moves.FINAL_SETTLEMENTS).df()
    month = fomc.compute_month_number(to_dates(captured_rows["delivery_month"])) - first_month
    captured = np.full(months, np.nan)
    inside = (month >= 0) & (month < months)
    captured[month[inside]] = 100.0 - to_floats(captured_rows["settle"])[inside]
    finals = np.where(np.isfinite(finals), finals, captured)

    refused = month_averages.compute_refused(as_of_date, averages, finals, first_month)
    every_day = to_dates(con.execute(SETTLEMENT_DAYS).df()["calendar_date"])
    place = np.searchsorted(every_day, as_of_date) - 1
    previous_date = np.where(place >= 0, every_day[np.maximum(place, 0)], np.datetime64("NaT", "D"))
    found = np.searchsorted(as_of_date, previous_date)
    found = np.minimum(found, as_of_date.size - 1)
    previous = np.where(as_of_date[found] == previous_date, found, -1)
    scheduled = np.isin(
        to_dates(meetings["decision_date"]), to_dates(con.execute(SCHEDULED).df()["decision_date"])
    )
    known_from, cancelled_on = to_dates(meetings["known_from_date"]), to_dates(meetings["cancelled_on"])
    return Market(
        as_of_date=as_of_date,
        previous=previous,
        previous_date=previous_date,
        averages_pct=np.where(refused, np.nan, averages),
        refused=refused,
        final_averages_pct=finals,
        first_month=first_month,
        decision_date=to_dates(meetings["decision_date"]),
        effective_date=to_dates(meetings["effective_date"]),
        scheduled=scheduled,
        known_from_date=known_from,
        cancelled_on=cancelled_on,
        known=fomc.compute_known(as_of_date, known_from, cancelled_on),
        meetings=meetings,
    )


def compute_first_priced(event_date: pd.Series, released_at_utc: pd.Series) -> fomc.DateArray:
    """First date whose settlement can know of an event: its own, or the next when it came out after the
    settlement.
    """
    local = pd.to_datetime(released_at_utc).dt.tz_localize("UTC").dt.tz_convert(NEW_YORK)
    midnight = local.dt.normalize()
    late = ((local - midnight) > pd.Timedelta(hours=SETTLEMENT_HOUR)).to_numpy(dtype=bool)
    date = to_dates(event_date)
    return date + late.astype(np.int64)
