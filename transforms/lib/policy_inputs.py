"""What every policy mart reads, as arrays: settlements, final averages, decisions.

In: staging.fed_funds_futures, staging.fred_observations, staging.fomc_decisions, ref.fomc_meetings,
ref.calendar; transforms/staging/fomc_moves.py reads through here too, so that all see the same prices. Out:
matrices over (settlement days, delivery months); in `Market`, refused prices are NaN already. Caveat: a
settlement day without any captured contract is missing; callers handle the gaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pandas as pd

from transforms.lib import fomc, month_averages

SETTLEMENTS = """
select
    futures.settlement_date,
    futures.delivery_month,
    futures.settle
from staging.fed_funds_futures as futures
inner join ref.calendar as calendar
    on futures.settlement_date = calendar.calendar_date
where
    calendar.is_settlement_day
    and futures.settlement_date < futures.delivery_month + interval 1 month
order by futures.settlement_date, futures.delivery_month
"""

# The last trading day of a contract is the last settlement day of its delivery month.
FINAL_SETTLEMENTS = """
with last_days as (
    select
        cast(date_trunc('month', calendar_date) as date) as delivery_month,
        max(calendar_date) as last_trading_date
    from ref.calendar
    where is_settlement_day
    group by all
)

select
    futures.delivery_month,
    futures.settle
from staging.fed_funds_futures as futures
inner join last_days
    on
        futures.delivery_month = last_days.delivery_month
        and futures.settlement_date = last_days.last_trading_date
where futures.settle between 0 and 110
order by futures.delivery_month
"""

# The range that a decision put into force comes from one model, which also fills what is not listed yet.
MEETINGS = """
select
    meetings.decision_date,
    meetings.effective_date,
    meetings.known_from_date,
    case when meetings.cancelled then meetings.cancelled_on end as cancelled_on,
    coalesce(meetings.cancelled, false) as cancelled,
    meetings.lower_before,
    meetings.upper_before,
    decisions.lower_in_force as lower_after,
    decisions.upper_in_force as upper_after
from ref.fomc_meetings as meetings
inner join staging.fomc_decisions as decisions
    on meetings.decision_date = decisions.decision_date
order by meetings.decision_date
"""

FIXINGS = """
select
    observation_date,
    value
from staging.fred_observations
where series_id = 'DFF'
order by observation_date
"""

CLOSED_DAYS = """
select calendar_date
from ref.calendar
where not is_fed_business_day
order by calendar_date
"""

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
class Averages:
    """Month averages of the funds rate, in per cent, by settlement day and delivery month."""

    as_of_date: fomc.DateArray
    averages_pct: fomc.FloatArray  # (days, months): 100 - settlement; NaN where there is none
    final_averages_pct: fomc.FloatArray  # (months): of complete months
    first_month: int


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
    """A column of dates as days."""
    dates: fomc.DateArray = pd.to_datetime(values).to_numpy(dtype="datetime64[D]")
    return dates


def to_floats(values: pd.Series) -> fomc.FloatArray:
    """A column of numbers, NaN where it is NULL."""
    floats: fomc.FloatArray = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return floats


def load_averages(con: duckdb.DuckDBPyConnection) -> Averages | None:
    """What the futures imply by settlement day; None while there are no settlements."""
    settlements = con.execute(SETTLEMENTS).df()
    if settlements.empty:
        return None
    as_of_date, day = np.unique(to_dates(settlements["settlement_date"]), return_inverse=True)
    delivery = fomc.compute_month_number(to_dates(settlements["delivery_month"]))
    first_month = int(fomc.compute_month_number(as_of_date[:1])[0]) - fomc.LOOKBACK_MONTHS
    months = int(delivery.max()) - first_month + 1
    averages = np.full((as_of_date.size, months), np.nan)
    averages[day, delivery - first_month] = 100.0 - to_floats(settlements["settle"])
    return Averages(as_of_date, averages, _load_final_averages(con, first_month, months), first_month)


def _load_final_averages(con: duckdb.DuckDBPyConnection, first_month: int, months: int) -> fomc.FloatArray:
    """Averages of complete months from DFF; where it is incomplete, from the last settlement."""
    fixings = con.execute(FIXINGS).df()
    finals = month_averages.compute_final_averages(
        to_dates(fixings["observation_date"]),
        to_floats(fixings["value"]),
        first_month,
        months,
        to_dates(con.execute(CLOSED_DAYS).df()["calendar_date"]),
    )
    captured_rows = con.execute(FINAL_SETTLEMENTS).df()
    month = fomc.compute_month_number(to_dates(captured_rows["delivery_month"])) - first_month
    captured = np.full(months, np.nan)
    inside = (month >= 0) & (month < months)
    captured[month[inside]] = 100.0 - to_floats(captured_rows["settle"])[inside]
    return np.where(np.isfinite(finals), finals, captured)


def load_market(con: duckdb.DuckDBPyConnection) -> Market | None:
    """Prices and decisions; None while there are no settlements or no decisions."""
    loaded = load_averages(con)
    meetings = con.execute(MEETINGS).df()
    if loaded is None or meetings.empty:
        return None
    as_of_date, averages, finals = loaded.as_of_date, loaded.averages_pct, loaded.final_averages_pct
    refused = month_averages.compute_refused(as_of_date, averages, finals, loaded.first_month)
    previous, previous_date = _settlement_day_before(con, as_of_date)
    decision_date = to_dates(meetings["decision_date"])
    known_from, cancelled_on = to_dates(meetings["known_from_date"]), to_dates(meetings["cancelled_on"])
    return Market(
        as_of_date=as_of_date,
        previous=previous,
        previous_date=previous_date,
        averages_pct=np.where(refused, np.nan, averages),
        refused=refused,
        final_averages_pct=finals,
        first_month=loaded.first_month,
        decision_date=decision_date,
        effective_date=to_dates(meetings["effective_date"]),
        scheduled=np.isin(decision_date, to_dates(con.execute(SCHEDULED).df()["decision_date"])),
        known_from_date=known_from,
        cancelled_on=cancelled_on,
        known=fomc.compute_known(as_of_date, known_from, cancelled_on),
        meetings=meetings,
    )


def _settlement_day_before(
    con: duckdb.DuckDBPyConnection, as_of_date: fomc.DateArray
) -> tuple[fomc.IntArray, fomc.DateArray]:
    """Position of the settlement day before each day (-1 where it has no captured contract), and its date."""
    every_day = to_dates(con.execute(SETTLEMENT_DAYS).df()["calendar_date"])
    place = np.searchsorted(every_day, as_of_date) - 1
    previous_date = np.where(place >= 0, every_day[np.maximum(place, 0)], np.datetime64("NaT", "D"))
    found = np.searchsorted(as_of_date, previous_date)
    found = np.minimum(found, as_of_date.size - 1)
    return np.where(as_of_date[found] == previous_date, found, -1), previous_date


def compute_first_priced(event_date: pd.Series, released_at_utc: pd.Series) -> fomc.DateArray:
    """First date whose settlement can know of an event: its own, or the next when it came out after the
    settlement.
    """
    local = pd.to_datetime(released_at_utc).dt.tz_localize("UTC").dt.tz_convert(NEW_YORK)
    midnight = local.dt.normalize()
    late = ((local - midnight) > pd.Timedelta(hours=SETTLEMENT_HOUR)).to_numpy(dtype=bool)
    date = to_dates(event_date)
    return date + late.astype(np.int64)
