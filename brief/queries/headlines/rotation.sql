-- Small caps against the Nasdaq 100 over five sessions, with the rank.
select
    spread_pp,
    spread_rank,
    history_sessions,
    history_start_date,
    last_exceeded_date,
    last_undercut_date,
    is_record_high,
    is_record_low
from marts.rotation_pair_daily
where pair_id = 'IWM/QQQ' and window_sessions = 5 and session_date = $session
