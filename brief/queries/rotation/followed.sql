-- What followed outer readings of a pair over one window, by horizon and bucket.
select
    pair_id,
    window_sessions,
    percentile_bucket,
    horizon_sessions,
    n_rows,
    n_episodes,
    excess_pp,
    excess_low_pp,
    excess_high_pp,
    100 * hit_rate as hit,
    100 * base_rate as base,
    p_value,
    q_value,
    family_size,
    last_window_end_date
from marts.what_followed
where pair_id = $pair and window_sessions = $sessions and percentile_bucket <> 'between_5_and_95'
order by horizon_sessions asc, list_position(['at_most_1', 'at_most_5', 'at_least_95', 'at_least_99'], percentile_bucket) asc
