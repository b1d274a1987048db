-- How far has each pair come this year, and how far had it come at the same point last year?
select pair_id, spread_to_date_pp, year_before_date, spread_to_date_year_before_pp
from marts.rotation_to_date_daily
where period = 'year' and session_date = (select max(session_date) from marts.rotation_to_date_daily)
order by spread_to_date_pp desc nulls last, pair_id;

-- Week, month, quarter and year to date of small against large caps
select period, period_start_date, base_to_date_pct, quote_to_date_pct, spread_to_date_pp
from marts.rotation_to_date_daily
where pair_id = 'IWM/SPY' and session_date = (select max(session_date) from marts.rotation_to_date_daily)
order by period_start_date desc, period;

-- Every year of a pair up to the same session of the year (here the 60th)
select session_date, spread_to_date_pp, ratio_to_date_pct
from marts.rotation_to_date_daily
where pair_id = 'IWM/SPY' and period = 'year' and period_session = 60
order by session_date;
