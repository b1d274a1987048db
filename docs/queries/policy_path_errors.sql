-- How far was the path off, by days before the meeting?
select horizon_days, scored_meetings, mean_error_bp, mean_error_low_bp, mean_error_high_bp, rms_error_bp, absolute_error_p90_bp
from marts.policy_path_errors
where meeting_date = (select max(meeting_date) from marts.policy_path_errors where implied_less_decided_bp is not null)
order by horizon_days;

-- The mean error of the meetings of each year, half a year ahead: no premium that could be taken off
select year(meeting_date) as year, count(*) as meetings, avg(implied_less_decided_bp) as mean_error_bp
from marts.policy_path_errors
where horizon_days = 180 and implied_less_decided_bp is not null
group by 1
order by 1;

-- The largest errors three months ahead
select meeting_date, as_of_date, implied_less_decided_bp
from marts.policy_path_errors
where horizon_days = 90 and implied_less_decided_bp is not null
order by abs(implied_less_decided_bp) desc, meeting_date
limit 10;
