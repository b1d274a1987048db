-- Do regional banks gain when rates fall? With its uncertainty, please.
select
    session_date, beta_y2, t_y2, t_y2_without_top5, regime, regime_start_date, regime_rests_on_few_days,
    move_if_yields_down_25bp_pct, move_low_pct, move_high_pct
from marts.bank_sensitivity_daily
where entity_id = 'KRE'
order by session_date desc
limit 5;

-- Who would move most if yields fell by 25 bp, and how sure is the order?
select
    entity_name, entity_type, move_if_yields_down_25bp_pct, move_low_pct, move_high_pct, sensitivity_rank, rank_low, rank_high,
    ranked_members, regime
from latest.bank_sensitivity_daily
order by move_if_yields_down_25bp_pct desc, entity_id;

-- When did the regime of KRE change?
select session_date, regime
from marts.bank_sensitivity_daily
where entity_id = 'KRE'
qualify regime is distinct from lag(regime) over (order by session_date)
order by session_date desc;

-- How many years of bond duration do the banks have, with and without the market's own reaction?
select
    entity_name, empirical_duration_market_hedged_years, empirical_duration_unconditional_years,
    empirical_duration_unconditional_low_years, empirical_duration_unconditional_high_years
from latest.bank_sensitivity_daily
order by empirical_duration_unconditional_years desc, entity_id;
