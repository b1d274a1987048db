-- How many spreads of all pairs and windows have a z of 3 or more either way and had none on the session before.
select count(*)
from marts.rotation_pair_daily
where
    session_date = $session and abs(spread_z) >= 3
    and (pair_id, window_sessions, spread_z > 0) not in (
        select
            earlier.pair_id,
            earlier.window_sessions,
            earlier.spread_z > 0 as above
        from marts.rotation_pair_daily as earlier
        where earlier.session_date = $before and abs(earlier.spread_z) >= 3
    )
