-- KRE's last beta to yields up to the session, with its error and its t without the five largest days.
select
    sensitivity.session_date,
    sensitivity.beta_y2,
    betas.std_error,
    sensitivity.t_y2,
    sensitivity.t_y2_without_top5,
    sensitivity.regime_rests_on_few_days,
    sensitivity.regime,
    sensitivity.regime_start_date
from marts.bank_sensitivity_daily as sensitivity
inner join marts.bank_rate_betas as betas
    on
        sensitivity.entity_id = betas.symbol
        and sensitivity.session_date = betas.session_date
        and betas.model = 'market_2y_slope' and betas.estimator = 'w252' and betas.factor = 'y2'
where sensitivity.entity_id = 'KRE' and sensitivity.session_date <= $session and sensitivity.beta_y2 is not null
order by sensitivity.session_date desc
limit 1
