-- How did small caps respond to the last CPI releases?
select event_date, spread_pp, abnormal_spread_pp, spread_rank, like_events, change_2y_bp
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

-- Does the response last? One against six sessions
select event_type, count(*) as events, corr(one.spread_pp, six.spread_pp) as correlation
from marts.event_responses as one
inner join marts.event_responses as six using (event_type, event_date, pair_id)
where one.pair_id = 'IWM/SPY' and one.window_sessions = 1 and six.window_sessions = 6
group by event_type
order by event_type;
