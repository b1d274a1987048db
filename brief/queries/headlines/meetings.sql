-- One of the next two meetings as the last settlement day prices it.
select
    as_of_date,
    meeting_date,
    cut_prob,
    hold_prob,
    hike_prob,
    reason
from marts.fomc_meetings_daily
where
    as_of_date = (select max(as_of_date) from marts.fomc_meetings_daily as earlier where as_of_date <= $session)
    and meeting_date >= as_of_date
order by meeting_date
limit 2
