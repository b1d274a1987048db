-- The slope on the last day of each year, newest first.
select
    session_date,
    slope_2s10s_bp
from marts.yield_curve_daily
where
    session_date in (
        select max(session_date)
        from marts.yield_curve_daily as held
        where session_date <= $session
        group by year(session_date)
    )
order by session_date desc
