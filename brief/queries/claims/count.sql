-- How many statements up to the session have a verdict.
select count(*) from marts.claim_checks where as_of_date <= $session and verdict = $verdict
