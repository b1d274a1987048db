-- The last estimate of an entity's beta up to the session, with its 90 % interval and its t with and without five days.
select
    entity_id,
    session_date,
    beta_y2,
    beta_y2 - 1.645 * std_error_y2 as low,
    beta_y2 + 1.645 * std_error_y2 as high,
    t_y2,
    t_y2_without_top5,
    regime_rests_on_few_days,
    regime,
    regime_start_date
from marts.bank_sensitivity_daily
where entity_id = $entity and session_date <= $session and beta_y2 is not null
order by session_date desc
limit 1
