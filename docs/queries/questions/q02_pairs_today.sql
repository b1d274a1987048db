-- All pairs today, the widest first: five sessions, with rank and percentile, raw and scaled by volatility
select pair_id, spread_pp, spread_rank, history_sessions, spread_percentile, spread_vol_scaled_percentile, last_exceeded_date
from latest.rotation_pair_daily
where window_sessions = 5
order by spread_pp desc;
