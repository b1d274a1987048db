-- How many readings were tried for the statements up to the session.
select sum(readings_tried) from marts.claim_checks where as_of_date <= $session
