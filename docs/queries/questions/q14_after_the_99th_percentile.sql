-- What followed in the next 21 sessions when the five-session spread was in the highest hundredth of its history?
select pair_id, n_episodes, episode_mean_pp, base_mean_pp, excess_pp, excess_low_pp, excess_high_pp, q_value, family_size, episodes_reason
from marts.what_followed
where percentile_bucket = 'at_least_99' and horizon_sessions = 21 and window_sessions = 5
order by n_episodes desc, pair_id;
