-- The last session in one row
select *
from marts.daily_summary
order by session_date desc
limit 1;

-- Small caps, the rate priced for the year's end and the curve side by side
select session_date, iwm_spy_spread_5d_pp, bp_priced_year_end, slope_2s10s_bp, kre_regime
from marts.daily_summary
order by session_date desc
limit 10;

-- The days on which small caps and expected rates moved most
select session_date, iwm_spy_spread_1d_pp, year_end_rate_pct - lag(year_end_rate_pct) over (order by session_date) as change_pp, events_today
from marts.daily_summary
qualify change_pp is not null and iwm_spy_spread_1d_pp is not null
order by abs(iwm_spy_spread_1d_pp) desc, session_date
limit 10;
