-- What each instrument did over the 5, 21 and 63 sessions that began a session after each session: total return from the close of t + 1
-- to that of t + 1 + h. From t + 1, because what is known at the close of t can be acted on at the next close at the earliest. A row is
-- there once the symbol has the close that ends its window, so that it comes with that close and not with the calendar; it grows by
-- end_date. In: marts.instrument_daily (total_return_index), ref.calendar.
with sessions as (
    select
        calendar_date,
        session_number
    from ref.calendar
    where session_number is not null and calendar_date <= getvariable('session_date')
),

horizons as (
    select unnest([5, 21, 63])::integer as horizon_sessions
),

-- the session of the reading, and those at whose closes the window begins and ends
windows as (
    select
        horizons.horizon_sessions,
        read_on.calendar_date as session_date,
        started.calendar_date as start_date,
        ended.calendar_date as end_date
    from sessions as read_on
    cross join horizons
    inner join sessions as started on read_on.session_number + 1 = started.session_number
    inner join sessions as ended on read_on.session_number + 1 + horizons.horizon_sessions = ended.session_number
    where ended.calendar_date >= coalesce(getvariable('since'), date '1900-01-01')
)

select
    read_on.symbol,
    windows.horizon_sessions,
    windows.session_date,
    windows.start_date,
    windows.end_date,
    100.0 * (closed.total_return_index / opened.total_return_index - 1.0) as forward_return_pct
from windows
inner join marts.instrument_daily as read_on on windows.session_date = read_on.session_date
inner join marts.instrument_daily as closed on windows.end_date = closed.session_date and read_on.symbol = closed.symbol
left join marts.instrument_daily as opened on windows.start_date = opened.session_date and read_on.symbol = opened.symbol
