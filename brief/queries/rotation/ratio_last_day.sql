-- The last session with a ratio of a pair.
select max(session_date)
from marts.rotation_state_daily
where pair_id = $pair and session_date <= $session and ratio is not null
