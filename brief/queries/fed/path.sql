-- The rate expected after one meeting, on one of three days.
select
    as_of_date,
    meeting_date,
    expected_rate_pct
from marts.fomc_meetings_daily
where as_of_date in ($now, $week, $month) and expected_rate_pct is not null
order by as_of_date, meeting_date
