-- What a pair did after earlier sessions of the present regime, by horizon.
select
    session_date,
    pair_id,
    horizon_sessions,
    growth,
    policy,
    regime,
    mean_forward_spread_pp,
    100 * hit_rate as hit,
    observations
from marts.regimes_daily
where session_date = $session and pair_id = $pair
order by horizon_sessions
