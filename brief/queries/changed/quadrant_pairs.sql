-- How many pairs have a confirmed daily quadrant on the session.
select count(quadrant_confirmed) from marts.rotation_state_daily where session_date = $session
