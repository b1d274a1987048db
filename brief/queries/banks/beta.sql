-- The beta of an entity at the end of a week, with its 90 % interval.
select
    session_date,
    beta_y2,
    beta_y2 - 1.645 * std_error_y2 as low,
    beta_y2 + 1.645 * std_error_y2 as high,
    regime
from marts.bank_sensitivity_daily
where entity_id = $entity and session_date <= $session and beta_y2 is not null
qualify row_number() over (partition by date_trunc('week', session_date) order by session_date desc) = 1
order by session_date
