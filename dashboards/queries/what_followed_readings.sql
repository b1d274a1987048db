-- One row: what the pair did after its spread over a window stood in a range of percentiles, over a horizon, in the
-- whole history: the mean after the episodes less that of all sessions, with its 90 % interval, or why there is none.
select
    followed.pair_id,
    pairs.theme,
    followed.window_sessions,
    case followed.percentile_bucket
        when 'at_most_1' then '0 to 1'
        when 'at_most_5' then '0 to 5'
        when 'between_5_and_95' then '5 to 95'
        when 'at_least_95' then '95 to 100'
        when 'at_least_99' then '99 to 100'
    end as percentile_range,
    followed.horizon_sessions,
    case followed.percentile_bucket
        when 'at_most_1' then '0 to 1'
        when 'at_most_5' then '0 to 5'
        when 'between_5_and_95' then '5 to 95'
        when 'at_least_95' then '95 to 100'
        when 'at_least_99' then '99 to 100'
    end || ' / ' || followed.horizon_sessions as range_and_horizon,
    followed.n_episodes,
    followed.episode_mean_pp,
    followed.base_mean_pp,
    followed.excess_pp,
    followed.excess_low_pp,
    followed.excess_high_pp,
    followed.hit_rate,
    followed.base_rate,
    followed.p_value,
    followed.q_value,
    case followed.episodes_reason
        when 'no_episode' then 'no episode yet'
        when 'history_too_short' then 'the history is too short for percentiles of this window'
        when 'fewer_than_20_episodes' then 'fewer than 20 episodes: no interval, p or q'
        else
            coalesce(
                followed.episodes_reason,
                case when followed.q_value <= 0.1 then 'q of 10 % or less' else 'not to be told from chance (q above 10 %)' end
            )
    end as what_it_says,
    followed.last_episode_date,
    followed.last_window_end_date,
    followed.family_size
from marts.what_followed as followed
inner join ref.pairs as pairs on followed.pair_id = pairs.pair_id
