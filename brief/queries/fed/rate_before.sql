-- The rate in force before the next meeting, on one of three days.
select
    as_of_date,
    rate_before_next_meeting_pct
from marts.policy_path_daily
where as_of_date in ($now, $week, $month) and rate_before_next_meeting_pct is not null
order by as_of_date
