-- Small against large caps over five sessions, with the rank.
select
    pair_id,
    window_sessions,
    session_date,
    spread_pp,
    abs(spread_pp) as distance,
    spread_rank,
    history_sessions
from marts.rotation_pair_daily
where session_date = $session and window_sessions = 5 and pair_id = 'IWM/SPY' and spread_rank is not null
