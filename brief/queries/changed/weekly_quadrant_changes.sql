-- How many pairs have another confirmed weekly quadrant than on the session before.
select count(*)
from marts.rotation_state_daily as now
inner join marts.rotation_state_daily as earlier on now.pair_id = earlier.pair_id and earlier.session_date = $before
where now.session_date = $session and now.weekly_quadrant_confirmed != earlier.weekly_quadrant_confirmed
