-- KRE's beta to the 2-year yield by estimator
select estimator, max(session_date) as session_date, max_by(beta, session_date) as beta, max_by(std_error, session_date) as std_error
from marts.bank_rate_betas
where symbol = 'KRE' and model = 'market_2y_slope' and factor = 'y2' and beta is not null
group by estimator
order by estimator;

-- One regression in full, with a 90 % interval
select factor, beta, beta - 1.645 * std_error as low, beta + 1.645 * std_error as high, t_stat, r_squared, observations
from marts.bank_rate_betas
where symbol = 'KRE' and model = 'market_2y_slope' and estimator = 'w252'
    and session_date = (select max(session_date) from marts.bank_rate_betas where symbol = 'KRE' and estimator = 'w252')
order by factor;

-- How did the beta change from year to year?
select year(session_date) as year, max_by(beta, session_date) as beta, max_by(t_stat, session_date) as t_stat
from marts.bank_rate_betas
where symbol = 'KRE' and model = 'market_2y_slope' and estimator = 'w252' and factor = 'y2' and beta is not null
group by 1
order by 1 desc;
