-- How did small caps respond to the last CPI releases?
select event_date, spread_pp, abnormal_spread_pp, abnormal_z, spread_rank, like_events, change_2y_bp
from marts.event_responses
where event_type = 'cpi' and pair_id = 'IWM/SPY' and window_sessions = 1
order by event_date desc
limit 8;

-- Which events had the widest response?
select event_type, event_date, spread_pp, all_sessions_percentile
from marts.event_responses
where pair_id = 'IWM/SPY' and window_sessions = 1
order by abs(spread_pp) desc, event_date
limit 10;

-- Does a type of event move small against large caps on average? Mean with its 90 % interval, and the t of standardised responses
select event_type, window_sessions, abnormal_events, mean_abnormal_spread_pp, mean_abnormal_low_pp, mean_abnormal_high_pp, bmp_t
from marts.event_responses
where pair_id = 'IWM/SPY'
qualify row_number() over (partition by event_type, window_sessions order by event_date desc) = 1
order by event_type, window_sessions;

-- Does the response last? One against six sessions
select event_type, count(*) as events, corr(one.spread_pp, six.spread_pp) as correlation
from marts.event_responses as one
inner join marts.event_responses as six using (event_type, event_date, pair_id)
where one.pair_id = 'IWM/SPY' and one.window_sessions = 1 and six.window_sessions = 6
group by event_type
having count(*) >= 10
order by event_type;

-- What did regional banks do on the day of the first cut or hike of each cycle, and over six sessions?
select event_type, event_date, window_sessions, base_return_pct as kre_return_pct, quote_return_pct as spy_return_pct, spread_pp, change_2y_bp
from marts.event_responses
where event_type in ('first_cut', 'first_hike') and pair_id = 'KRE/SPY' and window_sessions in (1, 6)
order by event_date desc, window_sessions;
