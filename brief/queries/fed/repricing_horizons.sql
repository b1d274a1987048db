-- One horizon with the number of changes known in the last 45 days.
select
    horizon,
    count(change_bp) as changes
from marts.policy_repricing
where as_of_date <= $as_of and as_of_date > $as_of::date - 45
group by horizon
