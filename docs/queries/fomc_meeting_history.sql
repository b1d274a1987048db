-- How did the next meeting come to its price, from half a year before?
select as_of_date, settlement_days_to_meeting, expected_rate_pct, moves_priced, likeliest_lower_pct, likeliest_upper_pct, likeliest_prob
from marts.fomc_meeting_history
where days_to_meeting <= 182 and meeting_date = (
    select min(meeting_date) from marts.fomc_meeting_history
    where as_of_date = (select max(as_of_date) from marts.fomc_meeting_history)
)
order by as_of_date desc
limit 20;

-- Which meetings came the longest way? Highest minus lowest expected rate while they were in the table
select meeting_date, min(first_as_of_date) as first_as_of_date,
    100 * (max(highest_expected_rate_pct) - min(lowest_expected_rate_pct)) as span_bp,
    max_by(expected_rate_change_since_first_bp, as_of_date) filter (where expected_rate_pct is not null) as change_since_first_bp
from marts.fomc_meeting_history
group by meeting_date
having max(highest_expected_rate_pct) is not null
order by span_bp desc, meeting_date
limit 10;

-- How sure was the market of each meeting, twenty settlement days before it?
select meeting_date, as_of_date, likeliest_lower_pct, likeliest_upper_pct, likeliest_prob, reason, missing_contract
from marts.fomc_meeting_history
where settlement_days_to_meeting = 20
order by meeting_date desc
limit 12;
