-- The path of the last days
select as_of_date, target_lower_pct, target_upper_pct, effr_pct, year_end_rate_pct, bp_priced_year_end, path_peak_pct, path_peak_meeting_date,
  path_trough_pct, path_trough_meeting_date
from marts.policy_path_daily
order by as_of_date desc
limit 5;

-- How much was priced in at the end of each month?
select date_trunc('month', as_of_date) as month, max_by(bp_priced_year_end, as_of_date) as bp_priced_year_end
from marts.policy_path_daily
where bp_priced_year_end is not null
group by 1
order by 1 desc
limit 12;

-- Where does one path fit the contracts worst?
select as_of_date, curve_residual_bp, curve_residual_month, curve_contracts
from marts.policy_path_daily
where curve_residual_bp is not null
order by curve_residual_bp desc, as_of_date
limit 10;

-- How tight is policy after expected inflation, and how do overnight rates lie to each other?
select as_of_date, rate_12m_pct, expected_inflation_1y_pct, real_rate_12m_pct, real_rate_reason, effr_less_iorb_bp, sofr_less_effr_bp
from marts.policy_path_daily
order by as_of_date desc
limit 10;
