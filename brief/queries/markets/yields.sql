-- The curve on the last day with yields, or so many days before it.
select
    session_date,
    y3m_pct,
    y1_pct,
    y2_pct,
    y5_pct,
    y10_pct,
    y30_pct,
    slope_2s10s_bp,
    change_2y_bp,
    change_10y_bp,
    inverted,
    inversion_start_date
from marts.yield_curve_daily
where
    session_date <= (
        select max(session_date) from marts.yield_curve_daily as held where session_date <= $session
    ) - $days_back
order by session_date desc
limit 1
