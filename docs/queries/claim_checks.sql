-- All statements with their verdicts
select claim_id, part, as_of_date, statement, published, recomputed, verdict
from marts.claim_checks
order by claim_id, part;

-- How many of each verdict?
select verdict, count(*) as statements
from marts.claim_checks
group by verdict
order by statements desc, verdict;

-- What was contradicted or could not be computed, and why?
select claim_id, part, statement, verdict, why
from marts.claim_checks
where verdict in ('contradicted', 'not_computable')
order by claim_id, part;
