-- The ten largest moves of the rate expected for the year's end
select as_of_date, change_bp, event_types
from marts.policy_repricing
where horizon = 'year_end' and change_bp is not null
order by abs(change_bp) desc, as_of_date
limit 10;

-- How much does each kind of event move it on average?
select coalesce(event_types, 'none') as event_types, count(*) as days, median(abs(change_bp)) as median_move_bp
from marts.policy_repricing
where horizon = 'year_end' and change_bp is not null
group by 1
order by median_move_bp desc, 1;

-- The last week, all horizons
select as_of_date, horizon, change_bp, event_types, reason
from marts.policy_repricing
order by as_of_date desc, horizon
limit 15;
