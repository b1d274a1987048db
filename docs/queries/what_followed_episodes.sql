-- The episodes one by one: IWM against QQQ at or above the 99th percentile of five sessions
select session_date, end_date, forward_spread_pp
from marts.what_followed_episodes
where pair_id = 'IWM/QQQ' and window_sessions = 5 and percentile_bucket = 'at_least_99' and horizon_sessions = 21
order by session_date;
