-- The pairs that have a state at the session.
select distinct pair_id
from marts.rotation_state_daily
where session_date = $session
order by pair_id
