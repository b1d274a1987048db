-- What did IWM do against QQQ after its widest five-session spreads?
select readings.session_date, readings.spread_pp, forward.forward_spread_pp, forward.end_date
from marts.rotation_pair_daily as readings
inner join marts.forward_spread_daily as forward using (pair_id, session_date)
where readings.pair_id = 'IWM/QQQ' and readings.window_sessions = 5 and forward.horizon_sessions = 21
order by readings.spread_pp desc, readings.session_date
limit 10;

-- The newest window that has ended, of each pair
select pair_id, horizon_sessions, session_date, end_date, forward_spread_pp
from marts.forward_spread_daily
qualify row_number() over (partition by pair_id, horizon_sessions order by session_date desc) = 1
order by horizon_sessions, forward_spread_pp desc;

-- How often did small beat large caps over the next three months, year by year? Windows overlap
select year(session_date) as year_of_reading, avg((forward_spread_pp > 0)::int) as share_above_zero, count(*) as windows
from marts.forward_spread_daily
where pair_id = 'IWM/SPY' and horizon_sessions = 63 and forward_spread_pp is not null
group by year_of_reading
order by year_of_reading;
