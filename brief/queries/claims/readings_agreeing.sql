-- On how many of these readings the figure comes out.
select sum(readings_agreeing) from marts.claim_checks where as_of_date <= $session
