-- Inversions of the curve, and what regional banks did during and after them
select inversion_start_date, inversion_end_date, inversion_sessions, deepest_slope_bp, kre_during_pct, kre_spy_during_pp, kre_spy_next_63d_pp, inversion_reason
from marts.inversions
where inversion_sessions >= 5 or inversion_reason = 'still_inverted'
order by inversion_start_date desc;
