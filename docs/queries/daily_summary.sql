-- The last session in one row
select *
from marts.daily_summary
order by session_date desc
limit 1;

-- Small caps, the rate priced for the year's end, the curve and the VIX side by side, as known on each evening, with the days they are of
select session_date, iwm_spy_spread_5d_pp, fed_date, bp_priced_year_end, curve_date, slope_2s10s_bp, vix_date, vix_close
from marts.daily_summary
order by session_date desc
limit 10;

-- Which numbers are missing in the last row, and why?
select session_date, columns('.*_missing_reason')
from marts.daily_summary
order by session_date desc
limit 1;

-- The days on which small caps and expected rates moved most
select session_date, iwm_spy_spread_1d_pp, year_end_rate_pct - lag(year_end_rate_pct) over (order by session_date) as change_pp, events_today
from marts.daily_summary
qualify change_pp is not null and iwm_spy_spread_1d_pp is not null
order by abs(iwm_spy_spread_1d_pp) desc, session_date
limit 10;
