-- The confirmed quadrants of a pair on the session or on the one before.
select
    pair_id,
    session_date,
    quadrant_confirmed,
    weekly_quadrant_confirmed
from marts.rotation_state_daily
where session_date in ($session, $before)
order by pair_id, session_date
