-- What a pair did after earlier sessions of the present regime, by horizon.
select
    session_date,
    pair_id,
    horizon_sessions,
    growth,
    expected_policy_change,
    regime,
    mean_forward_spread_pp,
    ci_low_pp,
    ci_high_pp,
    100 * hit_rate as hit,
    100 * base_rate as base,
    base_mean_forward_spread_pp as base_mean,
    observations,
    n_nonoverlapping
from marts.regimes_daily
where session_date = $session and pair_id = $pair
order by horizon_sessions
