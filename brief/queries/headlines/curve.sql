-- The last yields up to the session.
select
    session_date,
    y2_pct,
    y10_pct,
    slope_2s10s_bp,
    inverted,
    inversion_start_date
from marts.yield_curve_daily
where session_date <= $session
order by session_date desc
limit 1
