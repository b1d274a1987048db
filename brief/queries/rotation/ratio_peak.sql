-- The session on which the ratio of a pair was highest.
select arg_max(session_date, ratio)
from marts.rotation_state_daily
where pair_id = $pair and session_date <= $session
