-- All statements with their verdicts
select claim_id, part, as_of_date, statement, published, recomputed, verdict
from marts.claim_checks
order by claim_id, part;

-- How many of each verdict?
select verdict, count(*) as statements
from marts.claim_checks
group by verdict
order by statements desc, verdict;

-- What holds as stated, on how many of the readings tried, and on how many next to it?
select claim_id, part, statement, readings_agreeing, readings_tried, nearby_agreeing, nearby_readings
from marts.claim_checks
where verdict_as_stated = 'confirmed'
order by claim_id, part;

-- What is each verdict worth: on how many readings, was one fitted to the figure, does an interval decide? What decides nothing comes first
select claim_id, part, statement, verdict, fitted, readings_tried, recomputed, recomputed_low, recomputed_high
from marts.claim_checks
order by verdict not in ('fitted_only', 'not_distinguishable'), fitted desc, claim_id, part;

-- What was contradicted or could not be computed, and why?
select claim_id, part, statement, verdict, why
from marts.claim_checks
where verdict in ('contradicted', 'not_computable')
order by claim_id, part;
