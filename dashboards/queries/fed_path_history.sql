-- One row per settlement day and earlier settlement day of the two years up to it: the effective rate, the range in force and what the
-- prices of the earlier day (settlement_date) put on the end of its year and on twelve months ahead.
select
    chosen.as_of_date,
    history.as_of_date as settlement_date,
    history.target_lower_pct,
    history.target_upper_pct,
    history.effr_pct,
    history.year_end_rate_pct,
    history.rate_12m_pct
from marts.policy_path_daily as chosen
inner join marts.policy_path_daily as history
    on chosen.as_of_date >= history.as_of_date and chosen.as_of_date < history.as_of_date + interval 2 year
