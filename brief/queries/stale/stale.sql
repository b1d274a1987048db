-- One input that ends before its own schedule says, the required ones first.
select
    dataset,
    input,
    required,
    last_date,
    expected_date
from ops.freshness
where stale
order by required desc, dataset asc, input asc
