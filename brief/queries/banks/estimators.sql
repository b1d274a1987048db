-- KRE's beta to the 2-year by one estimator, its last up to the session, with its 90 % interval.
select
    symbol,
    session_date,
    model,
    estimator,
    factor,
    beta,
    beta - 1.645 * std_error as low,
    beta + 1.645 * std_error as high,
    t_stat,
    critical_t,
    n_effective
from marts.bank_rate_betas
where
    symbol = 'KRE' and model = 'market_2y_slope' and factor = 'y2' and beta is not null
    and (estimator, session_date) in (
        select (estimator, max(session_date))
        from marts.bank_rate_betas as earlier
        where
            symbol = 'KRE' and model = 'market_2y_slope' and factor = 'y2' and beta is not null
            and session_date <= $session
        group by estimator
    )
order by estimator
