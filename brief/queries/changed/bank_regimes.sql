-- A bank or group whose regime was established on the newest day with estimates, which came in since the session before.
select
    entity_id,
    session_date,
    regime,
    (
        select arg_max(earlier.regime, earlier.session_date)
        from marts.bank_sensitivity_daily as earlier
        where earlier.entity_id = sensitivity.entity_id and earlier.session_date < sensitivity.session_date
    ) as regime_before
from marts.bank_sensitivity_daily as sensitivity
where
    session_date = (
        select max(newest.session_date)
        from marts.bank_sensitivity_daily as newest
        where newest.session_date <= $session and newest.beta_y2 is not null
    )
    and session_date >= $before and regime_start_date = session_date
order by entity_id
