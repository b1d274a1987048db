-- KRE's beta to the 2-year yield by estimator
select estimator, max(session_date) as session_date, max_by(beta, session_date) as beta, max_by(std_error, session_date) as std_error
from marts.bank_rate_betas
where symbol = 'KRE' and model = 'market_2y_slope' and factor = 'y2' and beta is not null
group by estimator
order by estimator;

-- One regression in full, with a 90 % interval
select factor, beta, beta - 1.645 * std_error as low, beta + 1.645 * std_error as high, t_stat, critical_t, r_squared, observations
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

-- Do banks answer to rises as to falls? Few rows say no
select symbol, max(beta) filter (where factor = 'y2_up') as beta_up, max(beta) filter (where factor = 'y2_down') as beta_down,
    any_value(p_up_equals_down) as p_up_equals_down
from marts.bank_rate_betas
where model = 'market_2y_up_down'
    and session_date = (select max(session_date) from marts.bank_rate_betas where model = 'market_2y_up_down')
group by symbol
order by p_up_equals_down;

-- Level, slope and curvature, and the sum of three sessions, beside the two-factor model
select model, factor, beta, t_stat, critical_t
from marts.bank_rate_betas
where symbol = 'KRE' and estimator = 'w252' and factor <> 'market'
    and session_date = (select max(session_date) from marts.bank_rate_betas where symbol = 'KRE' and estimator = 'w252')
order by model, factor;

-- FOMC days: the answer, or why there is none
select symbol, factor, beta, t_stat, p_wild, top3_share, beta_without_top3, observations, reason
from marts.bank_rate_betas
where model = 'surprise'
    and session_date = (select max(session_date) from marts.bank_rate_betas where model = 'surprise')
order by factor, symbol;
