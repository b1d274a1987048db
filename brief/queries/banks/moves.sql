-- One bank, fund or group on the last session with an estimate: its move for yields 25 bp lower, its durations and rank.
select
    entity_id,
    session_date,
    entity_type,
    regime,
    regime_start_date,
    regime_rests_on_few_days,
    empirical_duration_market_hedged_years,
    empirical_duration_unconditional_years,
    empirical_duration_unconditional_low_years,
    empirical_duration_unconditional_high_years,
    move_if_yields_down_25bp_pct,
    move_low_pct,
    move_high_pct,
    unconditional_move_if_2y_down_25bp_pct,
    sensitivity_rank,
    rank_low,
    rank_high,
    ranked_members
from marts.bank_sensitivity_daily
where
    beta_y2 is not null and session_date = (
        select max(session_date)
        from marts.bank_sensitivity_daily as earlier
        where session_date <= $session and beta_y2 is not null
    )
order by move_if_yields_down_25bp_pct desc, entity_id asc
