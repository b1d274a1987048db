-- The change of the day in the rate expected for the year's end.
select
    as_of_date,
    horizon,
    change_bp,
    abs(change_bp) as distance,
    reason,
    missing_contract
from marts.policy_repricing
where as_of_date = $session and horizon = 'year_end' and change_bp is not null
