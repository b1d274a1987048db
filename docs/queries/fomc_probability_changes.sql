-- What does FedWatch show now, and what did it show a day, a week and a month ago? Next meeting
select target_lower_pct, target_upper_pct, prob, prob_1d_ago, prob_1w_ago, prob_1m_ago
from marts.fomc_probability_changes
where as_of_date = (select max(as_of_date) from marts.fomc_probability_changes)
qualify meeting_date = min(meeting_date) over ()
order by target_lower_pct;

-- Which outcome gained most over the week, at each meeting?
select meeting_date, target_lower_pct, target_upper_pct, 100 * prob_1w_ago as prob_1w_ago_pct, 100 * prob as prob_pct,
    100 * (prob - prob_1w_ago) as gain_pp
from marts.fomc_probability_changes
where as_of_date = (select max(as_of_date) from marts.fomc_probability_changes) and prob_1w_ago is not null
qualify row_number() over (partition by meeting_date order by prob - prob_1w_ago desc, target_lower_pct) = 1
order by meeting_date;

-- Which days moved the next meeting most? Half the sum of the differences: 0 = the same table, 100 = another one
with moved as (
    select as_of_date, meeting_date, 50 * sum(abs(prob - prob_1d_ago)) as moved_pp
    from marts.fomc_probability_changes
    group by as_of_date, meeting_date
    qualify row_number() over (partition by as_of_date order by meeting_date) = 1
)
select as_of_date, meeting_date, moved_pp
from moved
where moved_pp is not null
order by moved_pp desc, as_of_date desc
limit 10;
