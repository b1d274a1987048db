-- What followed extreme readings of small against large caps, with how sure that is
select window_sessions, percentile_bucket, horizon_sessions, n_episodes, excess_pp, excess_low_pp, excess_high_pp, p_value, q_value
from marts.what_followed
where pair_id = 'IWM/SPY' and percentile_bucket <> 'between_5_and_95' and n_episodes > 0
order by horizon_sessions, window_sessions, percentile_bucket;

-- How many of all rows have a p of 5 % or less? Chance alone gives 5 % of them
select count(*) as family, count(*) filter (where p_value <= 0.05) as small_p, count(*) filter (where q_value <= 0.1) as small_q
from marts.what_followed
where p_value is not null;

-- What followed readings like today's?
select followed.pair_id, followed.window_sessions, readings.spread_pp, followed.percentile_bucket, followed.horizon_sessions,
    followed.n_episodes, followed.excess_pp, followed.excess_low_pp, followed.excess_high_pp, followed.q_value
from marts.rotation_pair_daily as readings
inner join marts.what_followed as followed using (pair_id, window_sessions)
where readings.session_date = (select max(session_date) from marts.rotation_pair_daily)
    and followed.percentile_bucket
        = case
            when readings.spread_percentile <= 1 then 'at_most_1' when readings.spread_percentile <= 5 then 'at_most_5'
            when readings.spread_percentile >= 99 then 'at_least_99' when readings.spread_percentile >= 95 then 'at_least_95'
        end
order by followed.pair_id, followed.window_sessions, followed.horizon_sessions;
