"""What every policy mart reads, as arrays: month averages implied by futures, final averages, decisions.

In: staging.implied_averages, staging.fred_observations, staging.fomc_decisions, ref.fomc_meetings,
ref.calendar. Out: matrices over (settlement days, delivery months). With `since` they begin on the settlement
day before it: a day is solved from its own prices, those of the day before, and averages of months that are
over. Caveat: a settlement day without any captured contract is missing; callers handle the gaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import duckdb
import numpy as np
import pandas as pd

from transforms.lib import fomc, month_averages

AVERAGES = """
select
    as_of_date,
    delivery_month,
    implied_average_pct,
    refused
from staging.implied_averages
where
    $since is null
    or as_of_date >= (
        select coalesce(max(calendar_date), $since)
        from ref.calendar
        where is_settlement_day and calendar_date < $since
    )
order by as_of_date, delivery_month
"""

# The last trading day of a contract is the last settlement day of its delivery month.
_LAST_SETTLEMENTS = """
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
    {average} as average_pct
from {table} as futures
inner join last_days
    on
        futures.delivery_month = last_days.delivery_month
        and futures.{day} = last_days.last_trading_date
where average_pct between -10 and 100
order by futures.delivery_month
"""

FINAL_SETTLEMENTS = _LAST_SETTLEMENTS.format(
    average="100.0 - futures.settle", table="staging.fed_funds_futures", day="settlement_date"
)
FINAL_AVERAGES = _LAST_SETTLEMENTS.format(
    average="futures.implied_average_pct", table="staging.implied_averages", day="as_of_date"
)

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
    refused: fomc.BoolArray  # (days, months): prices that are not believed
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


def load_averages(con: duckdb.DuckDBPyConnection, since: date | None = None) -> Averages | None:
    """What the futures imply by settlement day; None without settlements."""
    rows = con.execute(AVERAGES, {"since": since}).df()
    if rows.empty:
        return None
    as_of_date, averages, first_month, place = as_matrix(
        rows["as_of_date"], rows["delivery_month"], rows["implied_average_pct"]
    )
    refused = np.zeros(averages.shape, dtype=bool)
    refused[place] = rows["refused"].to_numpy(dtype=bool)
    finals = load_final_averages(con, first_month, averages.shape[1])
    return Averages(as_of_date, averages, refused, finals, first_month)


def as_matrix(
    as_of_date: pd.Series, delivery_month: pd.Series, average_pct: pd.Series
) -> tuple[fomc.DateArray, fomc.FloatArray, int, tuple[fomc.IntArray, fomc.IntArray]]:
    """The days, a matrix over (days, months), its first month's number, and the place of each row in it."""
    dates, day = np.unique(to_dates(as_of_date), return_inverse=True)
    delivery = fomc.compute_month_number(to_dates(delivery_month))
    first_month = int(fomc.compute_month_number(dates[:1])[0]) - fomc.LOOKBACK_MONTHS
    averages = np.full((dates.size, int(delivery.max()) - first_month + 1), np.nan)
    place = (day, delivery - first_month)
    averages[place] = to_floats(average_pct)
    return dates, averages, first_month, place


def load_final_averages(
    con: duckdb.DuckDBPyConnection,
    first_month: int,
    months: int,
    captured: str = FINAL_AVERAGES,
) -> fomc.FloatArray:
    """Averages of complete months from DFF; where it is incomplete, from the last settlement."""
    fixings = con.execute(FIXINGS).df()
    finals = month_averages.compute_final_averages(
        to_dates(fixings["observation_date"]),
        to_floats(fixings["value"]),
        first_month,
        months,
        to_dates(con.execute(CLOSED_DAYS).df()["calendar_date"]),
    )
    captured_rows = con.execute(captured).df()
    month = fomc.compute_month_number(to_dates(captured_rows["delivery_month"])) - first_month
    last_settled = np.full(months, np.nan)
    inside = (month >= 0) & (month < months)
    last_settled[month[inside]] = to_floats(captured_rows["average_pct"])[inside]
    return np.where(np.isfinite(finals), finals, last_settled)


def load_market(con: duckdb.DuckDBPyConnection, since: date | None = None) -> Market | None:
    """Prices and decisions; None without settlements or decisions."""
    loaded = load_averages(con, since)
    meetings = con.execute(MEETINGS).df()
    if loaded is None or meetings.empty:
        return None
    as_of_date, refused = loaded.as_of_date, loaded.refused
    previous, previous_date = _settlement_day_before(con, as_of_date)
    decision_date = to_dates(meetings["decision_date"])
    known_from, cancelled_on = to_dates(meetings["known_from_date"]), to_dates(meetings["cancelled_on"])
    return Market(
        as_of_date=as_of_date,
        previous=previous,
        previous_date=previous_date,
        averages_pct=np.where(refused, np.nan, loaded.averages_pct),
        refused=refused,
        final_averages_pct=loaded.final_averages_pct,
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
