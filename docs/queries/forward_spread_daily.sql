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
