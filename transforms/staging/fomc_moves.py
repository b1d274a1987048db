"""Expected rates and moves of each decision ahead, on each settlement day.

In: settlements by contract and day, DFF and the target range from FRED, the decisions, the calendar. Out:
one row per settlement day with any captured contract and decision known and still ahead on that day.
Formulas: transforms/lib/fomc.py (CME FedWatch methodology). Caveat: an expired month counts with its final
settlement, rebuilt from DFF. The price captured on the last trading day only stands in where DFF is
incomplete: it is the market's last guess, up to 0.3 bp off in 2021-2024 and more before 2009.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from transforms.lib import fomc, month_averages

COLUMNS = [
    "as_of_date",
    "meeting_date",
    "meeting_number",
    "target_lower_pct",
    "target_upper_pct",
    "decided_moves",
    "start_rate_pct",
    "end_rate_pct",
    "moves_expected",
    "solved",
    "amplification",
    "residual_bp",
    "reason",
]

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

# Where the range after a decision is not on record yet, FRED's range of the effective day stands in for it.
MEETINGS = """
with target_ranges as (
    select
        observation_date,
        max(case when series_id = 'DFEDTARL' then value end) as lower_pct,
        max(case when series_id = 'DFEDTARU' then value end) as upper_pct
    from staging.fred_observations
    where series_id in ('DFEDTARL', 'DFEDTARU')
    group by observation_date
)

select
    meetings.decision_date,
    meetings.effective_date,
    meetings.known_from_date,
    case when meetings.cancelled then meetings.cancelled_on end as cancelled_on,
    coalesce(meetings.cancelled, false) as cancelled,
    meetings.lower_before,
    meetings.upper_before,
    coalesce(meetings.lower_after, target_ranges.lower_pct) as lower_after,
    coalesce(meetings.upper_after, target_ranges.upper_pct) as upper_after
from ref.fomc_meetings as meetings
left join target_ranges
    on meetings.effective_date = target_ranges.observation_date
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


def _dates(values: pd.Series) -> fomc.DateArray:
    dates: fomc.DateArray = pd.to_datetime(values).to_numpy(dtype="datetime64[D]")
    return dates


def _floats(values: pd.Series) -> fomc.FloatArray:
    floats: fomc.FloatArray = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return floats


def build(con: duckdb.DuckDBPyConnection, method_version: str = fomc.METHOD_VERSION) -> pd.DataFrame:
    """One row per (as_of_date, meeting_date); `method_version` chooses the day count (see the core)."""
    settlements = con.execute(SETTLEMENTS).df()
    meetings = con.execute(MEETINGS).df()
    if settlements.empty or meetings.empty:
        return pd.DataFrame(columns=COLUMNS)

    as_of_date, day = np.unique(_dates(settlements["settlement_date"]), return_inverse=True)
    delivery = fomc.compute_month_number(_dates(settlements["delivery_month"]))
    first_month = int(fomc.compute_month_number(as_of_date[:1])[0]) - fomc.LOOKBACK_MONTHS
    months = int(delivery.max()) - first_month + 1
    averages = np.full((as_of_date.size, months), np.nan)
    averages[day, delivery - first_month] = 100.0 - _floats(settlements["settle"])

    fixings = con.execute(FIXINGS).df()
    final_averages = month_averages.compute_final_averages(
        _dates(fixings["observation_date"]),
        _floats(fixings["value"]),
        first_month,
        months,
        _dates(con.execute(CLOSED_DAYS).df()["calendar_date"]),
    )
    finals = con.execute(FINAL_SETTLEMENTS).df()
    final_month = fomc.compute_month_number(_dates(finals["delivery_month"])) - first_month
    captured = np.full(months, np.nan)
    inside = (final_month >= 0) & (final_month < months)
    captured[final_month[inside]] = 100.0 - _floats(finals["settle"])[inside]
    final_averages = np.where(np.isfinite(final_averages), final_averages, captured)

    decision_date, effective_date = _dates(meetings["decision_date"]), _dates(meetings["effective_date"])
    known = fomc.compute_known(
        as_of_date, _dates(meetings["known_from_date"]), _dates(meetings["cancelled_on"])
    )
    moves = fomc.compute_moves(
        as_of_date,
        averages,
        final_averages,
        first_month,
        decision_date,
        effective_date,
        known,
        method_version,
    )

    held = ~meetings["cancelled"].to_numpy(dtype=bool)
    lower, upper, pending = fomc.compute_range_in_force(
        as_of_date,
        decision_date[held],
        effective_date[held],
        _floats(meetings["lower_before"])[held],
        _floats(meetings["upper_before"])[held],
        _floats(meetings["lower_after"])[held],
        _floats(meetings["upper_after"])[held],
    )
    path = moves.path
    return pd.DataFrame(
        {
            "as_of_date": as_of_date[moves.day],
            "meeting_date": decision_date[moves.meeting],
            "meeting_number": moves.meeting_number,
            "target_lower_pct": lower[moves.day],
            "target_upper_pct": upper[moves.day],
            "decided_moves": pending[moves.day],
            "start_rate_pct": path.start_rate_pct,
            "end_rate_pct": path.end_rate_pct,
            "moves_expected": path.moves_expected,
            "solved": path.solved,
            "amplification": path.amplification,
            "residual_bp": path.residual_bp,
            "reason": path.reason,
        },
        columns=COLUMNS,
    )
