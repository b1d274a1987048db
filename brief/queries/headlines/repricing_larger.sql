-- How many earlier days moved the rate implied for a horizon at least as far.
select count(*)
from marts.policy_repricing
where
    horizon = $horizon and change_bp is not null and as_of_date < $session
    and abs(change_bp) >= abs($change)
