-- Spreads newly at a record: that they were not at on the session before, the farthest from their mean first, and how many there are.
select
    pair_id,
    window_sessions,
    session_date,
    spread_pp,
    is_record_high,
    count(*) over () as newly
from marts.rotation_pair_daily
where
    session_date = $session and (is_record_high or is_record_low)
    and (pair_id, window_sessions, is_record_high) not in (
        select
            earlier.pair_id,
            earlier.window_sessions,
            earlier.is_record_high
        from marts.rotation_pair_daily as earlier
        where earlier.session_date = $before and (earlier.is_record_high or earlier.is_record_low)
    )
order by abs(spread_z) desc nulls last, pair_id asc, window_sessions asc
limit 3
