-- The present regime and what followed it before
select session_date, growth, expected_policy_change, horizon_sessions, mean_forward_spread_pp, ci_low_pp, ci_high_pp, hit_rate,
    hit_rate_low, hit_rate_high, base_rate, n_nonoverlapping
from marts.regimes_daily
where pair_id = 'IWM/SPY' and session_date = (select max(session_date) from marts.regimes_daily)
order by horizon_sessions;

-- How many sessions did each regime have?
select regime, growth, expected_policy_change, count(*) as sessions
from marts.regimes_daily
where pair_id = 'IWM/SPY' and horizon_sessions = 63
group by all
order by sessions desc, regime;

-- When did the regime change?
select session_date, regime
from marts.regimes_daily
where pair_id = 'IWM/SPY' and horizon_sessions = 63
qualify regime is distinct from lag(regime) over (order by session_date)
order by session_date desc
limit 10;
