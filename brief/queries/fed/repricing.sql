-- The change of the expected rate on one of the last 45 days, with what was announced.
select
    as_of_date,
    horizon,
    change_bp,
    event_types,
    reason,
    missing_contract
from marts.policy_repricing
where horizon = $horizon and as_of_date <= $as_of and as_of_date > $as_of::date - 45
order by as_of_date
