-- The last ratio of a pair.
select arg_max(ratio, session_date)
from marts.rotation_state_daily
where pair_id = $pair and session_date <= $session
