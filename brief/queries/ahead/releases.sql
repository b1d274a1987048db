-- A release of consumer prices or jobs in the days after the session.
select
    event_type,
    event_date,
    reference_month
from ref.events
where event_type in ('cpi', 'jobs') and event_date > $session and event_date <= $until
order by event_date, event_type
