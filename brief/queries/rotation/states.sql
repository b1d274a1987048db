-- The state of each pair at the session.
select
    session_date,
    pair_id,
    weekly_bar_date,
    weekly_trend,
    weekly_momentum,
    weekly_quadrant,
    weekly_quadrant_spell_weeks,
    weekly_quadrant_confirmed,
    quadrant,
    pnf_near_signal,
    pnf_long_signal
from marts.rotation_state_daily
where session_date = $session and pair_id in (select unnest($pairs))
order by pair_id
