-- On how many of these the statement holds.
select sum(nearby_agreeing) from marts.claim_checks where as_of_date <= $session
