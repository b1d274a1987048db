-- One bank, fund or group of banks on one session: its beta on the 2-year yield, regime, moves and rank, with 90 % intervals.
select
    case
        when sensitivity.entity_type = 'group' then 'Group: ' || sensitivity.entity_name
        else sensitivity.entity_id || ', ' || sensitivity.entity_name
    end as bank_or_group,
    sensitivity.entity_id,
    sensitivity.entity_type,
    sensitivity.session_date,
    sensitivity.beta_y2,
    -- The interval of the move, read back: the move is -2.5 times the beta.
    sensitivity.move_high_pct / -2.5 as beta_y2_low,
    sensitivity.move_low_pct / -2.5 as beta_y2_high,
    sensitivity.t_y2,
    sensitivity.t_y2_without_top5,
    replace(sensitivity.regime, '_', ' ') as regime_in_words,
    sensitivity.regime_start_date,
    case sensitivity.regime_rests_on_few_days when true then 'yes' when false then 'no' else 'not known' end as five_days_decide,
    sensitivity.move_if_yields_down_25bp_pct,
    sensitivity.move_low_pct,
    sensitivity.move_high_pct,
    sensitivity.unconditional_move_if_2y_down_25bp_pct,
    -- A duration is the loss for +100 bp.
    sensitivity.empirical_duration_unconditional_low_years / 4 as unconditional_move_low_pct,
    sensitivity.empirical_duration_unconditional_high_years / 4 as unconditional_move_high_pct,
    sensitivity.sensitivity_rank,
    sensitivity.rank_low,
    sensitivity.rank_high,
    sensitivity.ranked_members,
    case
        when sensitivity.entity_type = 'group' then 'groups are not ranked'
        when sensitivity.rank_low is null then 'no interval'
        else sensitivity.rank_low || ' to ' || sensitivity.rank_high || ' of ' || sensitivity.ranked_members
    end as ranks_it_may_have
from marts.bank_sensitivity_daily as sensitivity
