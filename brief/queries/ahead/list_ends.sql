-- The last date that the list of a kind of event holds.
select
    event_type,
    max(event_date) as last_date
from ref.events
where event_type in ('cpi', 'jobs', 'fomc')
group by event_type
order by event_type
