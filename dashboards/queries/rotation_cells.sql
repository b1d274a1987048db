-- One row: the spread of a pair over a window that ends on a session (a cell), its place in the history to date, and
-- the theme of the pair. A cell without a percentile has a history shorter than max(252, 20 windows) sessions.
select
    spreads.session_date,
    spreads.pair_id,
    pairs.theme,
    case when pairs.chosen_after_the_fact then 'after the fact' else 'before these data' end as pair_chosen,
    replace(pairs.theme, '_', ' ') || ': ' || spreads.pair_id as theme_and_pair,
    spreads.window_sessions,
    spreads.spread_pp,
    spreads.spread_percentile,
    spreads.spread_rank,
    spreads.history_sessions,
    case
        when spreads.spread_rank is null then 'no rank: fewer than 252 spreads'
        when spreads.is_record_high then 'record high'
        when spreads.is_record_low then 'record low'
        when 2 * spreads.spread_rank <= spreads.history_sessions + 1 then 'highest since ' || spreads.last_exceeded_date
        else 'lowest since ' || spreads.last_undercut_date
    end as widest_since,
    case
        when 2 * spreads.spread_rank <= spreads.history_sessions + 1
            then spreads.session_date - coalesce(spreads.last_exceeded_date, spreads.history_start_date)
        else spreads.session_date - coalesce(spreads.last_undercut_date, spreads.history_start_date)
    end / 365.25 as widest_for_years,
    spreads.last_exceeded_date,
    spreads.last_undercut_date,
    spreads.spread_vol_scaled,
    spreads.spread_vol_scaled_percentile,
    spreads.spread_vol_scaled_rank,
    spreads.vol_scaled_history_sessions,
    spreads.spread_beta_adjusted_pp,
    spreads.history_start_date
from marts.rotation_pair_daily as spreads
inner join ref.pairs as pairs on spreads.pair_id = pairs.pair_id
