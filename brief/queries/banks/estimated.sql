-- An entity that has an estimate of its beta up to the session, and the day of its last one.
select
    entity_id,
    max(session_date) as last_date
from marts.bank_sensitivity_daily
where session_date <= $session and beta_y2 is not null
group by entity_id
