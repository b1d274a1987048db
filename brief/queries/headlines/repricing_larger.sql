-- How many earlier days moved the rate expected for the year's end at least as far.
select count(*)
from marts.policy_repricing
where
    horizon = 'year_end' and change_bp is not null and as_of_date < $session
    and abs(change_bp) >= abs($change)
