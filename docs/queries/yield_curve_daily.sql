-- The last curve
select *
from marts.yield_curve_daily
order by session_date desc
limit 1;

-- The longest inversions
select inversion_start_date, count(*) as sessions, min(slope_2s10s_bp) as deepest_bp
from marts.yield_curve_daily
where inverted
group by inversion_start_date
order by sessions desc
limit 5;

-- The largest daily moves of the 2-year yield
select session_date, change_2y_bp, change_10y_bp, slope_2s10s_bp
from marts.yield_curve_daily
where change_2y_bp is not null
order by abs(change_2y_bp) desc
limit 10;
