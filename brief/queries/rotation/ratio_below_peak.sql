-- How far the ratio of a pair is below its highest level so far, in per cent.
select abs(100 * (arg_max(ratio, session_date) / max(ratio) - 1))
from marts.rotation_state_daily
where pair_id = $pair and session_date <= $session
