-- A spread of the day that may make the headline, with its history; `place` counts from the nearer end.
select
    pair_id,
    window_sessions,
    session_date,
    spread_pp,
    abs(spread_pp) as distance,
    history_sessions,
    history_start_date,
    least(spread_rank, history_sessions - spread_rank + 1) as place,
    least(spread_rank, history_sessions - spread_rank + 1) - 1 as wider,
    last_exceeded_date,
    last_undercut_date,
    is_record_high,
    is_record_low
from marts.rotation_pair_daily
where
    session_date = $session and window_sessions in (1, 5) and pair_id in ('IWM/SPY', 'IWM/QQQ', 'KRE/SPY')
    and spread_rank is not null and is_record_high is not null
order by pair_id, window_sessions
