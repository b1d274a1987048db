-- How many readings lie next to those that the verdicts rest on.
select sum(nearby_readings) from marts.claim_checks where as_of_date <= $session
