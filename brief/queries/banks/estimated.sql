-- An entity that has an estimate of its beta up to the session.
select distinct entity_id from marts.bank_sensitivity_daily where session_date <= $session and beta_y2 is not null
