-- The longest inversions, and what regional banks did during each and over the three months after it
select inversion_start_date, inversion_end_date, inversion_sessions, deepest_slope_bp, kre_during_pct, kre_spy_during_pp, kre_next_63d_pct
from marts.inversions
order by inversion_sessions desc
limit 5;

-- The newest inversion
select *
from marts.inversions
order by inversion_start_date desc
limit 1;

-- Why do figures of the older ones lack?
select inversion_reason, count(*) as inversions, min(inversion_start_date) as first_start_date, max(inversion_start_date) as last_start_date
from marts.inversions
group by inversion_reason
order by inversions desc, inversion_reason;
