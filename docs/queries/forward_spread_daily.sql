-- What followed over 21 sessions when the five-session spread of IWM and QQQ stood at its 99th percentile or above?
select readings.session_date, readings.spread_pp, readings.spread_percentile, forward.forward_spread_pp, forward.end_date
from marts.rotation_pair_daily as readings
inner join marts.forward_spread_daily as forward using (pair_id, session_date)
where pair_id = 'IWM/QQQ' and window_sessions = 5 and horizon_sessions = 21 and spread_percentile >= 99
order by session_date desc
limit 20;

-- What followed when IWM/SPY was in the leading quadrant and the market expected easing? Windows overlap
select horizon_sessions, count(*) as sessions, avg(forward_spread_pp) as mean_pp, avg((forward_spread_pp > 0)::int) as share_above_zero
from marts.rotation_state_daily
inner join marts.regimes_daily using (pair_id, session_date)
inner join marts.forward_spread_daily using (pair_id, session_date, horizon_sessions)
where pair_id = 'IWM/SPY' and quadrant = 'leading' and expected_policy_change = 'easing'
group by horizon_sessions
order by horizon_sessions;

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
