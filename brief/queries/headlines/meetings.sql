-- One of the next two meetings after the session as the last settlement day prices it. A decision is announced before the futures of its
-- day settle: on that day the next meeting is the one after it.
select
    as_of_date,
    meeting_date,
    target_lower_pct,
    target_upper_pct,
    cut_prob,
    hold_prob,
    hike_prob,
    reason,
    missing_contract,
    (
        select max(decided.meeting_date)
        from marts.fomc_meetings_daily as decided
        where decided.as_of_date = meetings.as_of_date and decided.meeting_date <= $session
    ) as decided_date
from marts.fomc_meetings_daily as meetings
where
    as_of_date = (select max(as_of_date) from marts.fomc_meetings_daily as earlier where as_of_date <= $session)
    and meeting_date > $session
order by meeting_date
limit 2
