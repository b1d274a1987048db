-- An entity's beta at the last estimate of a year, newest first.
select
    entity_id,
    session_date,
    beta_y2,
    beta_y2 - 1.645 * std_error_y2 as low,
    beta_y2 + 1.645 * std_error_y2 as high,
    regime
from marts.bank_sensitivity_daily
where
    entity_id = $entity and session_date in (
        select max(session_date)
        from marts.bank_sensitivity_daily as earlier
        where entity_id = $entity and beta_y2 is not null and session_date <= $session
        group by year(session_date)
    )
order by session_date desc
