-- The whole table of the last settlement day
select meeting_date, target_lower_pct, target_upper_pct, prob
from marts.fomc_probabilities
where as_of_date = (select max(as_of_date) from marts.fomc_probabilities) and prob > 0.001
order by meeting_date, target_lower_pct;

-- The most probable range of each meeting
select meeting_date, max_by(target_lower_pct, prob) as lower_pct, max_by(target_upper_pct, prob) as upper_pct, max(prob) as prob
from marts.fomc_probabilities
where as_of_date = (select max(as_of_date) from marts.fomc_probabilities)
group by meeting_date
order by meeting_date;

-- How did the probabilities of the next meeting change over the last days?
select as_of_date, target_lower_pct, prob
from marts.fomc_probabilities
where meeting_date = (
    select min(meeting_date) from marts.fomc_probabilities where as_of_date = (select max(as_of_date) from marts.fomc_probabilities)
)
order by as_of_date desc, target_lower_pct
limit 20;
