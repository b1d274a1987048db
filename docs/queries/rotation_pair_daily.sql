-- How wide was the five-session spread of small caps over tech, and since when was it not wider?
select session_date, spread_pp, spread_rank, history_sessions, last_exceeded_date
from marts.rotation_pair_daily
where pair_id = 'IWM/QQQ' and window_sessions = 5
order by session_date desc
limit 5;

-- All windows of one pair on the last session
select window_sessions, spread_pp, ratio_return_pct, spread_percentile, n_effective, history_start_date
from marts.rotation_pair_daily
where pair_id = 'IWM/SPY' and session_date = (select max(session_date) from marts.rotation_pair_daily)
order by window_sessions;

-- Raw, scaled by the volatility before, and without the market's part: the five-session spreads that were widest when scaled
select session_date, spread_pp, spread_rank, spread_vol_scaled_rank, vol_scaled_history_sessions, spread_beta_adjusted_pp
from marts.rotation_pair_daily
where pair_id = 'IWM/SPY' and window_sessions = 5 and spread_vol_scaled_rank is not null
order by spread_vol_scaled desc
limit 10;

-- The ten widest months of banks against the market
select session_date, spread_pp, spread_rank
from marts.rotation_pair_daily
where pair_id = 'KRE/SPY' and window_sessions = 21 and spread_pp is not null
order by abs(spread_pp) desc
limit 10;
