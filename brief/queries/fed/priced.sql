-- What the futures of one of three days price.
select
    as_of_date,
    target_lower_pct,
    target_upper_pct,
    effr_pct,
    year_end_rate_pct,
    bp_priced_year_end,
    year_end_missing_contract,
    rate_12m_pct,
    bp_priced_12m,
    path_peak_pct,
    path_peak_meeting_date,
    path_trough_pct,
    path_trough_meeting_date,
    curve_residual_bp,
    real_rate_12m_pct,
    real_rate_reason,
    effr_less_iorb_bp,
    iorb_reason,
    sofr_less_effr_bp,
    sofr_reason
from marts.policy_path_daily
where as_of_date in ($now, $week, $month)
order by as_of_date
