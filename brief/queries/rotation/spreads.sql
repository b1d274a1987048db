-- The spread of each pair over each of the windows to the session, with its place in the pair's history.
select
    session_date,
    pair_id,
    window_sessions,
    spread_pp,
    spread_percentile,
    spread_vol_scaled_percentile,
    spread_vol_scaled_rank,
    vol_scaled_history_sessions,
    spread_rank,
    history_sessions,
    history_start_date,
    last_exceeded_date,
    last_undercut_date,
    is_record_high,
    is_record_low
from marts.rotation_pair_daily
where session_date = $session and window_sessions in (select unnest($windows))
order by pair_id, window_sessions
