-- The regime of the newest session and what it was decided by
select session_date, regime, regime_unknown_reason, growth, claims_week_date, claims_4w_mean, claims_4w_mean_13w_before,
    expected_policy_change, rate_12m_change_63d_bp
from marts.session_regimes_daily
order by session_date desc
limit 1;

-- How many sessions did each regime have?
select regime, regime_unknown_reason, count(*) as sessions
from marts.session_regimes_daily
group by all
order by sessions desc, regime;

-- When did the regime change?
select session_date, regime
from marts.session_regimes_daily
qualify regime is distinct from lag(regime) over (order by session_date)
order by session_date desc
limit 10;

-- Growth with easing while small caps led: what did IWM/SPY do over the next 63 sessions?
select session_date, regimes.regime, forward.forward_spread_pp
from marts.session_regimes_daily as regimes
inner join marts.rotation_state_daily as states using (session_date)
inner join marts.forward_spread_daily as forward using (pair_id, session_date)
where regimes.regime = 'growth_up_easing' and states.quadrant = 'leading' and pair_id = 'IWM/SPY' and forward.horizon_sessions = 63
order by session_date desc
limit 10;
