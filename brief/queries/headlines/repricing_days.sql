-- How many earlier days have a change of the rate implied for a horizon.
select count(*) from marts.policy_repricing where horizon = $horizon and change_bp is not null and as_of_date < $session
