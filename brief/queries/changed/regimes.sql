-- Growth and expected policy of the session and of the one before, the session first.
select
    session_date,
    pair_id,
    horizon_sessions,
    growth,
    expected_policy_change
from marts.regimes_daily
where pair_id = $pair and session_date between $before and $session
qualify row_number() over (partition by session_date order by horizon_sessions) = 1
order by session_date desc
