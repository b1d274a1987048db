-- The episodes one by one: IWM against QQQ at or above the 99th percentile of five sessions
select session_date, end_date, forward_spread_pp
from marts.what_followed_episodes
where pair_id = 'IWM/QQQ' and window_sessions = 5 and percentile_bucket = 'at_least_99' and horizon_sessions = 21
order by session_date;

-- The last episodes of small against large caps over a quarter
select window_sessions, percentile_bucket, session_date, end_date, forward_spread_pp
from marts.what_followed_episodes
where pair_id = 'IWM/SPY' and horizon_sessions = 63 and percentile_bucket in ('at_most_5', 'at_least_95')
order by session_date desc, window_sessions
limit 10;

-- Do a few episodes make the mean? The largest and smallest of a cell
select window_sessions, percentile_bucket, count(*) as episodes, min(forward_spread_pp) as smallest, median(forward_spread_pp) as median_pp,
    max(forward_spread_pp) as largest
from marts.what_followed_episodes
where pair_id = 'IWM/QQQ' and horizon_sessions = 21
group by window_sessions, percentile_bucket
order by window_sessions, percentile_bucket;
