-- What followed sessions of the present regime? IWM/SPY, all horizons
select session_date, regime, horizon_sessions, mean_forward_spread_pp, ci_low_pp, ci_high_pp, base_mean_forward_spread_pp, n_nonoverlapping
from marts.regimes_daily
where pair_id = 'IWM/SPY'
order by session_date desc, horizon_sessions
limit 4;

-- The last answer of each regime: does its mean differ from that of all sessions?
select regime, max(session_date) as session_date, max_by(mean_forward_spread_pp, session_date) as mean_forward_spread_pp,
    max_by(base_mean_forward_spread_pp, session_date) as base_mean_forward_spread_pp, max_by(n_nonoverlapping, session_date) as n_nonoverlapping
from marts.regimes_daily
where pair_id = 'IWM/SPY' and horizon_sessions = 63 and mean_forward_spread_pp is not null
group by regime
order by regime;

-- In how many of the windows was the spread above 0, with its interval?
select pair_id, hit_rate, hit_rate_low, hit_rate_high, base_rate, observations, n_nonoverlapping
from marts.regimes_daily
where horizon_sessions = 252 and hit_rate is not null
qualify row_number() over (partition by pair_id order by session_date desc) = 1
order by pair_id;
