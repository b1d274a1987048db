-- How many earlier days have a change of the rate expected for the year's end.
select count(*) from marts.policy_repricing where horizon = 'year_end' and change_bp is not null and as_of_date < $session
