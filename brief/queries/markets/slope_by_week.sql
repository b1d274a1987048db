-- The slope on the last day of each week.
select
    session_date,
    slope_2s10s_bp
from marts.yield_curve_daily
where session_date <= $session
qualify row_number() over (partition by date_trunc('week', session_date) order by session_date desc) = 1
order by session_date
