-- The last estimate of an entity's beta up to the session, with its 90 % interval.
select
    entity_id,
    session_date,
    beta_y2,
    beta_y2 - 1.645 * std_error_y2 as low,
    beta_y2 + 1.645 * std_error_y2 as high,
    regime,
    regime_start_date
from marts.bank_sensitivity_daily
where entity_id = $entity and session_date <= $session and beta_y2 is not null
order by session_date desc
limit 1
