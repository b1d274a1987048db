-- Total return of each instrument by calendar month. In: marts.instrument_daily (total_return_index), ref.calendar. From the close
-- of the last session of the month before to that of the last session of the month: a month has its row once it is over, so that a
-- row never changes.
with months as (
    select
        cast(date_trunc('month', calendar_date) as date) as month_start_date,
        max(calendar_date) as last_session_date
    from ref.calendar
    where session_number is not null
    group by all
),

ends as (
    select
        symbol,
        cast(date_trunc('month', session_date) as date) as month_start_date,
        max(session_date) as month_end_date,
        last(total_return_index order by session_date) as index_at_end
    from marts.instrument_daily
    group by all
),

closed as (
    select ends.*
    from ends
    inner join months on ends.month_start_date = months.month_start_date and ends.month_end_date = months.last_session_date
)

select
    closed.symbol,
    closed.month_start_date,
    cast(year(closed.month_start_date) as integer) as calendar_year,
    cast(month(closed.month_start_date) as integer) as month_of_year,
    closed.month_end_date,
    100.0 * (closed.index_at_end / before.index_at_end - 1.0) as month_total_return_pct
from closed
left join closed as before
    on
        closed.symbol = before.symbol
        and closed.month_start_date = before.month_start_date + interval 1 month
